"""Summary of attributions: a line per file, with its cost and whether its numbers add up."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

COLUMNS = (
    "dataset", "split", "model", "seed", "method", "panel", "sequences", "mean_score", "score_unit", "largest_gap",
    "complete", "seconds_per_sequence", "device", "strand_rule", "provenance", "licence",
)  # fmt: skip


def line(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> dict[str, Any]:
    """Dict of `COLUMNS` for one file, `arrays` and `about` as returned by `attributions.read`.

    largest_gap: the largest |gap| of integrated gradients as a share of |score difference|, NaN for other methods;
    complete: whether all gaps are within the tolerance (yes | no), - for other methods. Seconds include compilation,
    which happens at the first sequence.
    """
    gap = np.nan
    if "gap" in arrays:
        with np.errstate(divide="ignore", invalid="ignore"):
            gaps = np.abs(arrays["gap"] / arrays["difference"])
        gap = float(np.where(arrays["gap"] == 0, 0, gaps).max())
    values = {
        "seed": int(about["seed"]), "sequences": len(arrays["row_id"]), "mean_score": float(arrays["score"].mean()),
        "largest_gap": gap, "complete": ("yes" if arrays["complete"].all() else "no") if "complete" in arrays else "-",
        "seconds_per_sequence": round(float(arrays["seconds"].mean()), 4),
        "device": json.loads(about["device"])["device"],
    }  # fmt: skip
    return {name: values.get(name, about.get(name)) for name in COLUMNS}
