"""Motifs: patterns that attributions of many sequences share, the known motifs they resemble, and their effect."""
