"""Nested subsets of the training rows, for a fixed number of rows and for the points of a learning curve."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.rows.canonical import cells_of, few_labels
from s2f.splits.table import parts_checked, strata

SUBSAMPLE = "subsample"  # reason of exclusion for the training rows that a subset drops
LARGEST = 0.005  # largest share of the training rows in a unit that is drawn as a whole
FEWEST = 10  # rows in a subset: with fewer, nothing measurable is learned


def make_subset(
    rows: pd.DataFrame, table: pd.DataFrame, units: pd.DataFrame, fraction: float, seed: int
) -> pd.DataFrame:
    """A split with a `fraction` of its training rows: row_id, split, reason; all other rows keep their parts.

    `table` is the table of the split, and `units` the table of units in the order of `rows`. Subsets with the same
    `seed` are nested; see `kept`. Raises `InputError` as `table.check_split` does, for fewer than `FEWEST` rows, and if
    a cell has too few labels left for a model.
    """
    parts = parts_checked(rows, table, units["locus"].to_numpy())
    train = np.flatnonzero(parts == "train")
    wanted = round(fraction * len(train))
    chosen = kept(strata(rows)[train], units.iloc[train], wanted, seed)
    where = f"learning_curve: {100 * fraction:g} % of {len(train):,} training rows"
    if chosen.sum() < FEWEST:
        raise InputError(f"{where} are {chosen.sum()}, expected {FEWEST} or more; take larger fractions")
    if len(np.unique(strata(rows)[train[chosen]])) < len(np.unique(strata(rows)[train])):
        raise InputError(f"{where} are of one class; take larger fractions")
    for found in few_labels({"train": rows.iloc[train[chosen]], "val": rows[parts == "val"]}, cells_of(rows)):
        raise InputError(f"{where}: {found}; take larger fractions")
    place = pd.Series(np.arange(len(table)), index=table["row_id"])[rows["row_id"]].to_numpy()
    reason = table["reason"].to_numpy(object)[place]
    left_out = train[~chosen]
    parts, reason[left_out] = parts.copy(), SUBSAMPLE
    parts[left_out] = "excluded"
    return pd.DataFrame({"row_id": rows["row_id"].to_numpy(), "split": parts, "reason": reason})


def seed_of_subset(study_seed: int, dataset: str, split: str, seed: int) -> int:
    """The seed of the subsets of a split's training rows for a replicate with `seed`: the same for all fractions."""
    return derived_seed(study_seed, "subset", dataset, split, seed)


def kept(classes: NDArray[np.int64], units: pd.DataFrame, wanted: int, seed: int) -> NDArray[np.bool_]:
    """Which of N training rows are in a subset of about `wanted` rows, bool (N,).

    Rows that are not independent are drawn together: the rows of a unit if it has no more than a share `LARGEST` of all
    rows, otherwise those of a locus. A large family, such as a repeat, is not a single observation: drawn as one, it
    would be missing from most small subsets and fill the others, which would then not resemble the rows that models are
    tested on. So the number of rows is that number of rows in whole groups which is nearest to `wanted`. Subsets with
    the same `seed` are nested: each consists of the first groups in one random order, in which classes (`classes`,
    (N,)) are mixed as they are among all rows, to within the rows of a group.
    """
    group = _groups(units)
    count = int(group.max()) + 1
    size = np.bincount(group, minlength=count)
    lowest, highest = np.full(count, classes.max()), np.full(count, classes.min())
    np.minimum.at(lowest, group, classes)
    np.maximum.at(highest, group, classes)
    stratum = np.unique(np.stack([lowest, highest]), axis=1, return_inverse=True)[1].ravel()
    generator = np.random.Generator(np.random.PCG64(seed))
    position = np.empty(count)  # of each group among the rows of its shuffled stratum, from 0 to 1
    for number in range(int(stratum.max()) + 1):
        shuffled = generator.permutation(np.flatnonzero(stratum == number))
        ends = np.cumsum(size[shuffled])
        position[shuffled] = (ends - size[shuffled] / 2) / ends[-1]
    order = np.argsort(position, kind="stable")
    reached = np.cumsum(size[order])
    taken = np.zeros(count, bool)
    taken[order[: int(np.argmin(np.abs(reached - wanted))) + 1]] = True
    return taken[group]


def _groups(units: pd.DataFrame) -> NDArray[np.int64]:
    """The group of each of N training rows, (N,), numbered from 0 in the order of the groups' first rows."""
    unit, locus = (units[name].to_numpy(np.int64) for name in ("unit", "locus"))
    number = pd.factorize(unit)[0]
    large = np.bincount(number)[number] > LARGEST * len(unit)
    return pd.factorize(np.where(large, -1 - locus, unit))[0]
