"""Baseline `mean`: predicts the mean label of the training rows, or of each cell, for every sequence; a trivial
baseline below which no model should fall."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2f.baselines import check_strand, read_details, write_details
from s2f.common import kinds
from s2f.rows.canonical import cells_of
from s2f.sequences.constructs import Construct


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Store the mean training label. The validation value is None, because a constant has no correlation."""
    kinds.settings("baselines", "mean", spec)  # has no options
    means = [float(train[f"label.{cell}"].mean()) for cell in cells_of(train)]
    write_details(
        directory, mean=means or float(train["label"].mean()), parameters=len(means) or 1,
        provenance=f"mean label of {len(train)} training rows", licence="none: made from the labels only",
    )  # fmt: skip
    return [], {"metric": "pearson", "value": None, "epoch": 0, "ended": "solved"}


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``, or (N, C), the same for every insert and strand."""
    mean = np.asarray(read_details(directory)["mean"], np.float32)

    def predict(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        return np.full((len(inserts), *mean.shape), mean)

    return predict
