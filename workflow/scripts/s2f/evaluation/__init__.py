"""Metrics, their uncertainty, and the comparison of models."""
