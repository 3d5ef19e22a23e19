"""Baseline `mean`: predicts the mean label of the training rows for every sequence. The floor under all models."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2f.baselines import check_strand, read_details, write_details
from s2f.common import kinds
from s2f.sequences.constructs import Construct


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Store the mean training label. A constant has no correlation, so the validation value is None."""
    kinds.settings("baselines", "mean", spec)  # has no options
    write_details(
        directory, mean=float(train["label"].mean()), parameters=1,
        provenance=f"mean label of {len(train)} training rows", licence="none: made from the labels alone",
    )  # fmt: skip
    return [], {"metric": "pearson", "value": None, "epoch": 0, "ended": "solved"}


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``, the same number for every insert and strand."""
    mean = read_details(directory)["mean"]

    def predict(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        return np.full(len(inserts), mean, np.float32)

    return predict
