"""Metrics of a model on a panel, computed once over the whole panel and never averaged over batches."""

import numpy as np
import pandas as pd

from s2f.common.errors import InputError

# metrics of each task; the first is the one that sums up a model
METRICS = {
    "regression": ("pearson", "spearman", "mse"),
    "classification": ("auroc", "auprc", "accuracy", "f1", "precision", "recall", "prevalence"),
}
LOWER_IS_BETTER = ("mse",)
TWO_CLASSES = ("auroc", "auprc", "f1", "precision", "recall")  # undefined with one class
# suffixes of the metrics of each kind of panel
SUFFIXES = {"rows": ("",), "pairs": ("_abs", "_delta")}
# float32 numbers that differ by less than this share of their size count as equal; float32 itself resolves 6e-8
SAME = 1e-6


def score(metric: str, labels: np.ndarray, predictions: np.ndarray) -> tuple[float, str]:
    """One metric over whole arrays in float64: (value, reason), where reason says why the value is NaN, else "".

    `labels` and `predictions` have shape (N,). Pearson and Spearman (average ranks) are undefined for constant input (a
    spread below 1e-6 of the largest value is float32 rounding). AUROC, AUPRC, F1, precision and recall are undefined
    with one class, and all metrics below three rows. AUPRC is the average precision of scikit-learn. Accuracy, F1,
    precision (0 if nothing is called) and recall use a threshold of 0.5. Prevalence is the share of positive labels,
    the AUPRC of a random guess. Raises `InputError` if a prediction is not finite and, in a classification, if a label
    is not 0 or 1 or a prediction is not a probability.
    """
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    if not np.isfinite(predictions).all():
        index = int(np.argmin(np.isfinite(predictions)))
        raise InputError(f"prediction {index + 1} of {len(predictions)} is {predictions[index]}, expected a number")
    if metric in METRICS["classification"]:
        _check_probabilities(labels, predictions)
    if len(labels) < 3:
        return np.nan, f"{len(labels)} rows, but at least 3 are needed"
    if metric == "mse":
        return float(np.mean((predictions - labels) ** 2)), ""
    if metric in ("pearson", "spearman"):
        for name, values in (("labels", labels), ("predictions", predictions)):
            if np.ptp(values) <= SAME * np.abs(values).max():
                return np.nan, f"constant {name}"
        if metric == "spearman":
            labels, predictions = (pd.Series(values).rank().to_numpy() for values in (labels, predictions))
        return _pearson(labels, predictions), ""
    if metric in TWO_CLASSES and np.ptp(labels) == 0:
        return np.nan, f"one class: every label is {labels[0]:g}"
    from sklearn import metrics as sklearn_metrics  # half of a program's start-up time; a regression needs none of it

    compute = {
        "auroc": lambda: sklearn_metrics.roc_auc_score(labels, predictions),
        "auprc": lambda: sklearn_metrics.average_precision_score(labels, predictions),
        "accuracy": lambda: sklearn_metrics.accuracy_score(labels, predictions >= 0.5),
        "f1": lambda: sklearn_metrics.f1_score(labels, predictions >= 0.5),
        "precision": lambda: sklearn_metrics.precision_score(labels, predictions >= 0.5, zero_division=0),
        "recall": lambda: sklearn_metrics.recall_score(labels, predictions >= 0.5),
        "prevalence": lambda: labels.mean(),
    }
    return float(compute[metric]()), ""


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def _check_probabilities(labels: np.ndarray, predictions: np.ndarray) -> None:
    if not np.isin(labels, (0.0, 1.0)).all():
        raise InputError(f"label {labels[~np.isin(labels, (0, 1))][0]:g}: a classification needs labels 0 and 1")
    outside = (predictions < 0) | (predictions > 1)
    if outside.any():
        raise InputError(
            f"prediction {predictions[outside][0]:g}: a classification needs probabilities from 0 to 1, not logits"
        )
