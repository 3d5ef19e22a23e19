"""Baseline `malinois`: the network of Gosai et al. 2024 (Nature 634, 1211) in its published form, trained from scratch.

It has one output per cell of the dataset (K562, HepG2 and SK-N-SH in the paper), the mixed loss `L1KLmixed`, which also
compares how activity is shared among cells, and rows duplicated by the largest label of their cells; the epoch with the
best rank correlation of entropies is kept. All of this needs several cells. Only one thing of the published run is
missing: it started from convolutions that had been trained before (Basset). For a dataset with one label there is
`malinois_1cell`.
"""

from pathlib import Path
from typing import Any

from s2f.baselines import _malinois_training
from s2f.baselines._malinois_training import load
from s2f.common.errors import InputError
from s2f.rows.canonical import cells_of
from s2f.sequences.constructs import Construct

__all__ = ["load", "train"]


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """See `_malinois_training.train`. Raises `InputError` for rows of one label as well."""
    if not cells_of(train):
        raise InputError("baseline malinois: it has an output per cell, but rows have one label: use malinois_1cell")
    return _malinois_training.train(train, val, construct, spec, seed, directory)
