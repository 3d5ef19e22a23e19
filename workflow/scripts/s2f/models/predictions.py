"""Predictions: the one table from which every metric of every model is computed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from s2f.common.errors import InputError

RULES = ("mean", "forward")
VALIDATION = "validation.tsv"  # in the folder of a checkpoint: the model's predictions for its validation rows


def strands(rule: str) -> tuple[str, ...]:
    """Strands of the construct that a strand rule needs: both for `mean`, the given one for `forward`."""
    if rule not in RULES:
        raise InputError(f"strand rule {rule!r} is unknown; known: {', '.join(RULES)}")
    return {"mean": ("forward", "reverse"), "forward": ("forward",)}[rule]


def predict_rows(
    rows: pd.DataFrame, predict: Callable[[pd.DataFrame, str], np.ndarray], rule: str, cells: Sequence[str] = ()
) -> pd.DataFrame:
    """`prediction_table` of a model: ``predict(rows, strand)`` is called for each strand that the rule needs."""
    return prediction_table(rows, {strand: predict(rows, strand) for strand in strands(rule)}, rule, cells)


def with_labels(rows: pd.DataFrame, used: pd.DataFrame) -> pd.DataFrame:
    """The rows among `rows` that a model `used`, with the labels of all cells."""
    return rows if used is rows else rows[rows["row_id"].isin(used["row_id"])]


def prediction_table(
    rows: pd.DataFrame, by_strand: Mapping[str, np.ndarray], rule: str, cells: Sequence[str] = ()
) -> pd.DataFrame:
    """Columns row_id, label, prediction, forward, reverse, strand_rule for `rows`.

    `by_strand` maps each strand to predictions (N,) in the order of `rows`; under the rule `mean`, the prediction is
    the mean of both strands. If rows have several cells, `cells` are those that the model predicts, and predictions are
    (N, C), or (N,) for a single cell: the table has one line per row and cell, a column `cell` after row_id, and an
    empty label where one is missing. Raises `InputError` for an unknown rule, for a strand that is missing or has
    another shape, and for a value that is not finite.
    """
    values = {}
    for strand in strands(rule):
        if strand not in by_strand:
            raise InputError(f"strand rule {rule!r} needs predictions of the {strand} strand")
        values[strand] = np.asarray(by_strand[strand], np.float64)
        expected = (len(rows), len(cells)) if len(cells) > 1 else (len(rows),)
        if values[strand].shape != expected:
            raise InputError(
                f"predictions of the {strand} strand have shape {values[strand].shape}, expected {expected}"
            )
        bad = ~np.isfinite(values[strand]).reshape(len(rows), -1).all(axis=1)
        if bad.any():
            raise InputError(f"the model's prediction for row {rows['row_id'].iloc[int(bad.argmax())]!r} is not finite")
        values[strand] = values[strand].ravel()
    times = max(1, len(cells))
    labels = rows[[f"label.{cell}" for cell in cells]] if cells else rows["label"]
    return pd.DataFrame(
        {
            "row_id": rows["row_id"].repeat(times).to_numpy(),
            **({"cell": np.tile(cells, len(rows))} if cells else {}),
            "label": labels.to_numpy().ravel(),
            "prediction": np.mean(list(values.values()), axis=0),
            "forward": values["forward"],
            "reverse": values.get("reverse", np.nan),
            "strand_rule": rule,
        }
    )
