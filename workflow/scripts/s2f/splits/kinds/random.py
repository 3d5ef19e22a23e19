"""The split `random`: whole clusters drawn at random."""

from typing import Any

import numpy as np
import pandas as pd

from s2f.common.provenance import derived_seed


def assign(rows: pd.DataFrame, spec: dict[str, Any], seed: int, cluster: np.ndarray) -> tuple[pd.Series, str]:
    """Whole clusters drawn at random: `spec` gives the fractions `val` and `test` of the rows."""
    sizes = np.bincount(cluster)
    order = np.random.Generator(np.random.PCG64(derived_seed(seed, "split", spec["seed"]))).permutation(len(sizes))
    # cut where the running share of rows passes each border: parts are exact up to one cluster
    share = np.cumsum(sizes[order]) / len(rows)
    part = np.full(len(sizes), "train", object)
    part[order[share <= spec["test"]]] = "test"
    part[order[(share > spec["test"]) & (share <= spec["test"] + spec["val"])]] = "val"
    return pd.Series(part[cluster], index=rows.index), ""
