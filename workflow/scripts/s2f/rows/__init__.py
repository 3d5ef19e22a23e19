"""Canonical tables of rows, and where they come from."""
