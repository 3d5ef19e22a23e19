"""What was explained: a line per file of attributions, with its cost and whether its numbers add up."""

import json

import numpy as np

COLUMNS = (
    "dataset", "split", "model", "seed", "method", "panel", "sequences", "mean_score", "score_unit", "largest_gap",
    "complete", "seconds_per_sequence", "device", "strand_rule", "provenance", "licence",
)  # fmt: skip


def line(found, about):
    """Dict of `COLUMNS` of one file, `found` and `about` as `attributions.read`.

    largest_gap: of integrated gradients the largest |gap| as a share of |score difference|, not a number for other
    methods; complete: whether all gaps are within the tolerance (yes | no), - for other methods. Seconds include
    compilation, which the first sequence pays.
    """
    gap = np.nan
    if "gap" in found:
        with np.errstate(divide="ignore", invalid="ignore"):
            gaps = np.abs(found["gap"] / found["difference"])
        gap = float(np.where(found["gap"] == 0, 0, gaps).max())
    own = {
        "seed": int(about["seed"]), "sequences": len(found["row_id"]), "mean_score": float(found["score"].mean()),
        "largest_gap": gap, "complete": ("yes" if found["complete"].all() else "no") if "complete" in found else "-",
        "seconds_per_sequence": round(float(found["seconds"].mean()), 4),
        "device": json.loads(about["device"])["device"],
    }  # fmt: skip
    return {name: own.get(name, about.get(name)) for name in COLUMNS}
