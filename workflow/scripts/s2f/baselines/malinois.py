"""Baseline `malinois`: the network of Gosai et al. 2024 (Nature 634, 1211) in its published form, trained from scratch.

It has an output for each cell of the dataset (K562, HepG2 and SK-N-SH in the paper), the mixed loss `L1KLmixed`, which
also compares how activity is shared among cells, rows duplicated by the largest label of their cells, and the epoch
with the best rank correlation of entropies: all of it needs several cells. Of the published run only its start is
missing, convolutions that had been trained before (Basset). A dataset of one label is for `malinois_1cell`.
"""

from s2f.baselines._malinois_training import load, train

__all__ = ["load", "train"]
