"""Summary of designs: a line per folder, with the predictions of model and judge and the cost."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from s2f.design.options import VERDICTS

COLUMNS = (
    "dataset", "split", "design", "method", "model", "judge", "goal", "target", "cell", "against", "penalty", "n",
    "changes", "prediction_start", "prediction", "sd", "judge_start", "judge_prediction", "judge_expected_change",
    *VERDICTS, "unit", "sequences_scored", "seconds", "sequences_per_second", "device", "seed", "licence",
)  # fmt: skip


def line(designs: pd.DataFrame, about: Mapping[str, Any]) -> dict[str, Any]:
    """Dict of `COLUMNS` for one folder, `designs` and `about` as `files.read` returns them: means over the designs,
    and how many have each verdict."""
    means = {name: designs[name].mean() for name in ("changes", "prediction_start", "prediction", "sd", "judge_start")}
    counts = designs["verdict"].value_counts()
    values = {
        "design": about["name"], "n": len(designs), "against": " ".join(about["against"]), **means,
        "judge_prediction": designs["judge"].mean(), "judge_expected_change": designs["judge_expected"].mean(),
        "device": about["device"]["device"], **{name: int(counts.get(name, 0)) for name in VERDICTS},
    }  # fmt: skip
    return {name: values.get(name, about.get(name)) for name in COLUMNS}
