"""Baseline `malinois_1cell`: the network of Gosai et al. 2024 with one output, a variant that was not published.

Its loss is plain L1, because the other term of the published loss compares how activity is shared among cells (a
softmax over one output is always 1, so its divergence is 0). Its rows are duplicated by their own label, and it is
selected by validation Pearson r, because the rank correlation of entropies needs several outputs. In a dataset with
cells it is trained on the first one.
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
    """See `_malinois_training.train`. Raises `InputError` for rows with several cells as well."""
    if cells_of(train):
        raise InputError("baseline malinois_1cell: it has one output, but rows have several cells: use malinois")
    return _malinois_training.train(train, val, construct, spec, seed, directory)
