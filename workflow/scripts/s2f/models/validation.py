"""Scores by which training chooses an epoch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from s2f.common.errors import InputError
from s2f.rows.canonical import cells_of

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
    """The metric `VALIDATION` of a task, None where it is undefined; in a classification logits or probabilities.

    For (N, C) labels and predictions of C cells the mean over cells of the Pearson r of the rows with a label there,
    None where one of them is undefined.
    """
    if np.ndim(labels) == 2:
        return mean_pearson(labels, predictions)
    return pearson(predictions, labels) if task == "regression" else auroc(labels, predictions)


def mean_pearson(labels: ArrayLike, predictions: ArrayLike) -> float | None:
    """Mean over cells of the Pearson r of (N, C) labels, NaN where missing, and predictions; None if one has none."""
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    values = []
    for cell in range(labels.shape[1]):
        measured = np.isfinite(labels[:, cell])
        values.append(pearson(predictions[measured, cell], labels[measured, cell]))
    return None if None in values else float(np.mean([value for value in values if value is not None]))


def check_cells(parts: Mapping[str, Any], path: str | Path) -> None:
    """Refuse rows with cells of which train or val has fewer than two labels; `parts` {part: rows} of the split."""
    for part in ("train", "val"):
        for cell in cells_of(parts[part]):
            count = int(parts[part][f"label.{cell}"].notna().sum())
            if count < 2:
                raise InputError(
                    f"{path}: part {part}: {count} of {len(parts[part]):,} rows have a label of {cell}, expected 2 or "
                    "more; leave this cell out of the dataset, or split otherwise"
                )


def check_classes(parts: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a classification whose train or val part has one class; `parts` {part: rows} of the split at `path`."""
    for part in ("train", "val"):
        labels = parts[part]["label"]
        if labels.nunique() < 2:
            raise InputError(
                f"{path}: part {part}: every label of its {len(labels):,} rows is {labels.iloc[0]:g}; a classification "
                "needs rows of both classes in train and in val"
            )
