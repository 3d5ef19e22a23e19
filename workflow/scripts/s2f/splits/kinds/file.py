"""The split `file`: the rows listed in panel files are test."""

from typing import Any

import numpy as np
import pandas as pd

from s2f.splits import panel_files
from s2f.splits.kinds import random


def assign(rows: pd.DataFrame, spec: dict[str, Any], seed: int, units: pd.DataFrame) -> tuple[pd.Series, str]:
    """The rows listed in panel files are test, whole loci of the others are drawn into val, and the rest is train.

    `spec`: `files` {name: path} (see `panel_files`), `label` in their columns, and `val`, a fraction of the other rows.
    """
    test = np.zeros(len(rows), bool)
    for path in spec["files"].values():
        for frame in panel_files.read(path, spec["label"])[1]:
            listed = panel_files.find(rows, frame, path)
            test[listed[listed >= 0]] = True
    locus = units["locus"].to_numpy()
    free = ~np.isin(locus, locus[test])
    assigned = pd.Series(np.where(test, "test", "train"), index=rows.index, dtype=object)
    assigned[free], _ = random.assign(
        rows[free], {"val": spec["val"], "test": 0, "seed": spec["seed"]}, seed, units[free]
    )
    return assigned, ""
