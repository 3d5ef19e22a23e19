"""Motifs: patterns that attributions of many sequences share, the known motifs they resemble, and their effect."""

FEWEST = (
    100  # sequences: with fewer there are hardly the 20 seqlets of one kind that the package of TF-MoDISco requires
)
