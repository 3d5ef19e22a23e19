"""Motifs: what attributions of many sequences have in common, under which name it is known, and what it does."""
