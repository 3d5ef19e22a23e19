"""Scores by which training chooses an epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from s2f.common.errors import InputError
from s2f.rows.canonical import few_labels

VALIDATION = {"regression": "pearson", "classification": "auroc"}  # task -> the metric by which training keeps the best


class DivergedError(InputError):
    """Training produced a loss or predictions from which no model may be kept."""


class UnsolvedError(InputError):
    """A solver did not converge for a `penalty` of its list. `found` says so, and the message adds the `fix` for the
    list. A search goes on without that penalty."""

    def __init__(self, found: str, fix: str, penalty: float) -> None:
        super().__init__(f"{found}; {fix}")
        self.found, self.penalty = found, penalty


def pearson(x: ArrayLike, y: ArrayLike) -> float | None:
    """Pearson r of two vectors (N,) in float64. None if undefined: fewer than two values, a vector that is constant up
    to the rounding of float32, or a value that is not finite."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(x) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    if any(np.ptp(v) <= 1e-6 * np.abs(v).max() for v in (x, y)):
        return None
    return float(np.corrcoef(x, y)[0, 1])


def auroc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the ROC curve for (N,) labels 0 and 1 and scores: the share of pairs of a positive and a negative in
    which the positive has the higher score; ties count half. None if undefined: only one class, scores that are
    constant up to the rounding of float32, or a score that is not finite."""
    positive, scores = np.asarray(labels) == 1, np.asarray(scores, np.float64)
    count = int(positive.sum())
    if count in (0, len(positive)) or not np.isfinite(scores).all() or np.ptp(scores) <= 1e-6 * np.abs(scores).max():
        return None
    _, inverse, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[inverse]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def validation_score(task: str, labels: ArrayLike, predictions: ArrayLike) -> float | None:
    """The metric `VALIDATION` of a task, None if it is undefined; in a classification from logits or probabilities.

    For (N, C) labels and predictions of C cells, it is the mean over cells of the Pearson r over the rows with a label
    for the cell, None if one of these is undefined.
    """
    if np.ndim(labels) == 2:
        return mean_of(pearson_by_cell(labels, predictions))
    return pearson(predictions, labels) if task == "regression" else auroc(labels, predictions)


def pearson_by_cell(labels: ArrayLike, predictions: ArrayLike) -> list[float | None]:
    """Pearson r of each cell, from (N, C) labels, NaN for a missing one, and predictions."""
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    measured = np.isfinite(labels)
    return [pearson(predictions[rows, cell], labels[rows, cell]) for cell, rows in enumerate(measured.T)]


def mean_of(values: Sequence[float | None]) -> float | None:
    """Mean of the values of cells; None if one of them is None."""
    return None if None in values else float(np.mean([value for value in values if value is not None]))


def comparable(value: float | None) -> float:
    """A score by which models are chosen; an undefined one ranks below all others."""
    return -np.inf if value is None else value


def score_of_task(task: str, validation: Mapping[str, Any]) -> float | None:
    """The metric `VALIDATION` of a task from the record `validation` of a model.json: its value, or, if another metric
    chose the epoch, the value stored under the metric's own name. None if there is none."""
    metric = VALIDATION[task]
    return validation.get("value") if validation.get("metric", metric) == metric else validation.get(metric)


def check_cells(parts: Mapping[str, Any], cells: Sequence[str], path: str | Path) -> None:
    """Refuse a split whose train or val has too few labels (`LEAST_LABELS`) for one of the `cells` that a model learns;
    `parts` {part: rows} of the split, before rows without a label for a single cell are dropped."""
    for found in few_labels(parts, cells):
        raise InputError(f"{path}: {found}; remove this cell from the dataset, or choose another split")


def check_classes(parts: Mapping[str, Any], path: str | Path) -> None:
    """Refuse a classification whose train or val part has only one class; `parts` {part: rows} of the split at
    `path`."""
    for part in ("train", "val"):
        labels = parts[part]["label"]
        if labels.nunique() < 2:
            raise InputError(
                f"{path}: part {part}: every label of its {len(labels):,} rows is {labels.iloc[0]:g}; a classification "
                "needs rows of both classes in train and in val"
            )
