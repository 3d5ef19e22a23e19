"""Predictions: the one table from which every metric of every model is computed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from s2f.common.errors import InputError

RULES = ("mean", "forward")


def strands(rule: str) -> tuple[str, ...]:
    """Strands of the construct that a strand rule needs: both for `mean`, the given one for `forward`."""
    if rule not in RULES:
        raise InputError(f"strand rule {rule!r} is unknown; known: {', '.join(RULES)}")
    return {"mean": ("forward", "reverse"), "forward": ("forward",)}[rule]


def prediction_table(rows: pd.DataFrame, by_strand: Mapping[str, np.ndarray], rule: str) -> pd.DataFrame:
    """Columns row_id, label, prediction, forward, reverse, strand_rule for `rows`.

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
