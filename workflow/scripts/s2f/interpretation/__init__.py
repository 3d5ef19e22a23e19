"""Interpretation: what a trained model reads in a sequence."""
