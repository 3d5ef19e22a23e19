"""The split `random`: whole loci drawn at random."""

from typing import Any

import numpy as np
import pandas as pd

from s2f.common.provenance import derived_seed


def assign(rows: pd.DataFrame, spec: dict[str, Any], seed: int, units: pd.DataFrame) -> tuple[pd.Series, str]:
    """Whole loci drawn at random: `spec` gives the fractions `val` and `test` of the rows."""
    locus = units["locus"].to_numpy()
    sizes = np.bincount(locus)
    order = np.random.Generator(np.random.PCG64(derived_seed(seed, "split", spec["seed"]))).permutation(len(sizes))
    # cut where the running share of rows passes each border: parts are exact to within one locus
    share = np.cumsum(sizes[order]) / len(rows)
    part = np.full(len(sizes), "train", object)
    part[order[share <= spec["test"]]] = "test"
    part[order[(share > spec["test"]) & (share <= spec["test"] + spec["val"])]] = "val"
    return pd.Series(part[locus], index=rows.index), ""
