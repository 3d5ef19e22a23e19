"""Baseline `malinois_1cell`: the network of Gosai et al. 2024 with one output, a variant that was not published.

Its loss is plain L1, because the other term of the published loss compares how activity is shared among cells (a
softmax over one output is always 1, its divergence 0); its rows are duplicated by their own label; it is selected by
validation Pearson r instead of the rank correlation of entropies, which needs several outputs. In a dataset with cells
it is trained on the first one.
"""

from s2f.baselines._malinois_training import load, train

__all__ = ["load", "train"]
