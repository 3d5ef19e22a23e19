"""Homologous sequences by local alignment."""
