"""Homologous sequences, found by local alignment."""
