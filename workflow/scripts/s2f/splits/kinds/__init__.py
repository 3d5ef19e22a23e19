"""Kinds of splits, one module each."""
