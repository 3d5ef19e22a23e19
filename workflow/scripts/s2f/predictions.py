"""Predictions: the one table from which every metric of every model is computed."""

import numpy as np
import pandas as pd

from s2f.files import InputError

RULES = ("mean", "forward")
VALIDATION = {"regression": "pearson", "classification": "auroc"}  # task -> the metric by which training keeps the best


class Diverged(RuntimeError):
    """Training produced a loss or predictions from which no model may be kept."""


def strands(rule):
    """Strands of the construct that a strand rule needs: both for `mean`, the given one for `forward`."""
    if rule not in RULES:
        raise InputError(f"strand rule {rule!r} is unknown; known: {', '.join(RULES)}")
    return {"mean": ("forward", "reverse"), "forward": ("forward",)}[rule]


def prediction_table(rows, by_strand, rule):
    """Data frame row_id, label, prediction, forward, reverse, strand_rule for `rows`.

    `by_strand` maps each strand to predictions (N,) in the order of `rows`; under the rule `mean` the prediction is
    the mean of both strands. Raises `InputError` for an unknown rule, a strand that is missing or has another number
    of values than there are rows, and a value that is not finite.
    """
    values = {}
    for strand in strands(rule):
        if strand not in by_strand:
            raise InputError(f"strand rule {rule!r} needs predictions of the {strand} strand")
        values[strand] = np.asarray(by_strand[strand], np.float64)
        if values[strand].shape != (len(rows),):
            raise InputError(f"predictions of the {strand} strand are {values[strand].shape}, expected ({len(rows)},)")
        bad = ~np.isfinite(values[strand])
        if bad.any():
            raise InputError(f"the model's prediction for row {rows['row_id'].iloc[int(bad.argmax())]!r} is not finite")
    return pd.DataFrame(
        {
            "row_id": rows["row_id"].to_numpy(),
            "label": rows["label"].to_numpy(),
            "prediction": np.mean(list(values.values()), axis=0),
            "forward": values["forward"],
            "reverse": values.get("reverse", np.nan),
            "strand_rule": rule,
        }
    )


def pearson(x, y):
    """Pearson r of two vectors (N,) in float64. None where undefined: fewer than two values, a vector that is constant
    up to the rounding of float32, or a value that is not finite."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(x) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    if any(np.ptp(v) <= 1e-6 * np.abs(v).max() for v in (x, y)):
        return None
    return float(np.corrcoef(x, y)[0, 1])


def auroc(labels, scores):
    """Area under the ROC curve of (N,) labels 0 and 1 and scores: the share of pairs of a positive and a negative in
    which the positive has the higher score, ties counting half. None where undefined: one class, scores that are
    constant up to the rounding of float32, or not finite."""
    positive, scores = np.asarray(labels) == 1, np.asarray(scores, np.float64)
    count = int(positive.sum())
    if count in (0, len(positive)) or not np.isfinite(scores).all() or np.ptp(scores) <= 1e-6 * np.abs(scores).max():
        return None
    _, place, times = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def validation_score(task, labels, predictions):
    """The metric `VALIDATION` of a task, None where it is undefined; in a classification logits or probabilities."""
    return pearson(predictions, labels) if task == "regression" else auroc(labels, predictions)


def check_classes(parts, path):
    """Refuse a classification whose train or val part has one class; `parts` {part: rows} of the split at `path`."""
    for part in ("train", "val"):
        labels = parts[part]["label"]
        if labels.nunique() < 2:
            raise InputError(
                f"{path}: part {part}: every label of its {len(labels):,} rows is {labels.iloc[0]:g}; a classification "
                "needs rows of both classes in train and in val"
            )
