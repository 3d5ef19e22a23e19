"""Are designs true? In a simulation the activity of any sequence is known, so the gain that the model promises can be
compared with the true gain."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.sequences import dna

COLUMNS = (
    "dataset", "split", "design", "method", "model", "judge", "penalty", "group", "n", "prediction_gain", "judge_gain",
    "truth_gain", "truth_gain_low", "truth_gain_high", "truth_per_prediction", "truth_start", "truth", "best_truth",
    "train_p99", "share_above_p99", "scored_per_design", "seconds",
)  # fmt: skip


def activity(kind: str, sequences: Any) -> np.ndarray:
    """True activity (N,), without noise, of sequences of one length in a simulation. Raises `InputError` for a kind of
    source without a true activity."""
    function = getattr(kinds.module("sources", kind), "activity", None)
    if function is None:
        raise InputError(f"source {kind!r}: the true activity of a new sequence is not known")
    return function(np.stack([dna.encode(sequence) for sequence in sequences]))


def judge(
    designs: pd.DataFrame, about: Mapping[str, Any], kind: str, options: Mapping[str, Any], split: pd.DataFrame
) -> list[dict[str, Any]]:
    """Lines, dicts of `COLUMNS`, for one folder of designs: for all of them, and for the designs with each verdict.

    `split` is the table of the split (row_id, split) of the rows that `kind` simulates from `options`: `train_p99` is
    the 99th percentile of the true activity of its training rows, or the 1st if the goal is to minimise, and
    `share_above_p99` the share of designs that reach it. Gains are mean changes from start to design, in the
    direction of the goal, with an interval of 1.96 standard errors of the mean. For a goal other than to maximise or
    minimise, they are gains of the negative distance to the target, and there is no best activity: `best_truth`,
    `train_p99` and `share_above_p99` are NaN.
    """
    table = kinds.module("sources", kind).simulate(dict(options)).set_index("row_id")
    train = table.loc[split["row_id"][split["split"] == "train"], "activity"].to_numpy()
    goal = about["goal"]
    p99 = np.nan if goal == "target" else float(np.quantile(train, 0.01 if goal == "minimise" else 0.99))
    start, end = activity(kind, designs["start_sequence"]), activity(kind, designs["sequence"])

    def towards(value: np.ndarray) -> np.ndarray:
        if goal == "target":
            return -np.abs(value - about["target"])
        return value if goal == "maximise" else -value

    gains = {"truth": towards(end) - towards(start)}
    for name in ("prediction", "judge"):
        before, after = (designs[column].to_numpy(np.float64) for column in (f"{name}_start", name))
        gains[name] = towards(after) - towards(before)
    keys = ("dataset", "split", "method", "model", "judge", "penalty")
    subject = {"design": about["name"], **{key: about[key] for key in keys}}
    lines = []
    verdict = designs["verdict"].to_numpy()
    for group in ("all", *dict.fromkeys(verdict)):
        own = np.ones(len(designs), bool) if group == "all" else verdict == group
        gain = gains["truth"][own]
        error = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
        promised = gains["prediction"][own].mean()
        best, reached = (end[own].min(), end[own] <= p99) if goal == "minimise" else (end[own].max(), end[own] >= p99)
        lines.append(
            subject | {
                "group": group, "n": int(own.sum()), "prediction_gain": promised,
                "judge_gain": gains["judge"][own].mean(), "truth_gain": gain.mean(),
                "truth_gain_low": gain.mean() - error, "truth_gain_high": gain.mean() + error,
                "truth_per_prediction": gain.mean() / promised if promised else np.nan,
                "truth_start": start[own].mean(), "truth": end[own].mean(),
                "best_truth": np.nan if goal == "target" else best,
                "train_p99": p99, "share_above_p99": np.nan if goal == "target" else reached.mean(),
                "scored_per_design": about["sequences_scored"] / len(designs), "seconds": about["seconds"],
            }
        )  # fmt: skip
    return [{name: line[name] for name in COLUMNS} for line in lines]
