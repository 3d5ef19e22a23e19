"""Scores by which training chooses an epoch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from s2f.common.errors import InputError

VALIDATION = {"regression": "pearson", "classification": "auroc"}  # task -> the metric by which training keeps the best


class DivergedError(RuntimeError):
    """Training produced a loss or predictions from which no model may be kept."""


def pearson(x: ArrayLike, y: ArrayLike) -> float | None:
    """Pearson r of two vectors (N,) in float64. None where undefined: fewer than two values, a vector that is constant
    up to the rounding of float32, or a value that is not finite."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(x) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    if any(np.ptp(v) <= 1e-6 * np.abs(v).max() for v in (x, y)):
        return None
    return float(np.corrcoef(x, y)[0, 1])


def auroc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the ROC curve of (N,) labels 0 and 1 and scores: the share of pairs of a positive and a negative in
    which the positive has the higher score, ties counting half. None where undefined: one class, scores that are
    constant up to the rounding of float32, or not finite."""
    positive, scores = np.asarray(labels) == 1, np.asarray(scores, np.float64)
    count = int(positive.sum())
    if count in (0, len(positive)) or not np.isfinite(scores).all() or np.ptp(scores) <= 1e-6 * np.abs(scores).max():
        return None
    _, inverse, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[inverse]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def validation_score(task: str, labels: ArrayLike, predictions: ArrayLike) -> float | None:
    """The metric `VALIDATION` of a task, None where it is undefined; in a classification logits or probabilities."""
    return pearson(predictions, labels) if task == "regression" else auroc(labels, predictions)


def check_classes(parts: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a classification whose train or val part has one class; `parts` {part: rows} of the split at `path`."""
    for part in ("train", "val"):
        labels = parts[part]["label"]
        if labels.nunique() < 2:
            raise InputError(
                f"{path}: part {part}: every label of its {len(labels):,} rows is {labels.iloc[0]:g}; a classification "
                "needs rows of both classes in train and in val"
            )
