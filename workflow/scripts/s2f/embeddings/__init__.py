"""Frozen encoders and the caches that they fill."""
