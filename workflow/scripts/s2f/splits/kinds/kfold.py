"""The split `kfold`: every row is test in one of k folds, into which whole chromosomes, loci or units are dealt."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.splits.table import PARTS, largest, strata


def assign(rows: pd.DataFrame, spec: dict[str, Any], seed: int, units: pd.DataFrame) -> tuple[pd.Series, str]:
    """One fold is test, and a share of the rest is val.

    `spec`: `folds` (k), `fold` (0 to k - 1), `by` (`chromosome`, `locus` or `homology`), `inner` (share of the rest
    that is val), `seed`. By chromosome, a locus with rows on several chromosomes goes to the fold of the one with most
    of its rows, and rows without a chromosome are excluded. The folds of one seed are dealt together: each row is test
    in exactly one of them. Val is dealt from whole groups of the rest, separately for every fold. Raises `InputError`
    for a fold that does not exist, too few groups, and a part that is empty or, if labels are 0 and 1, has only one
    class.
    """
    folds, fold = spec["folds"], spec.get("fold")
    if fold not in range(folds):
        raise InputError(f"split: fold is {fold!r}, expected 0 to {folds - 1}, because there are {folds} folds")
    where = f"split: fold {fold} of {folds}"
    if spec["by"] == "homology":
        groups, names = units["unit"].to_numpy(), "units"
    elif spec["by"] == "locus":
        groups, names = units["locus"].to_numpy(), "loci"
    elif spec["by"] != "chromosome":
        hint = "; it is now called locus" if spec["by"] == "cluster" else ""
        raise InputError(f"split: by is {spec['by']!r}, expected chromosome, locus or homology{hint}")
    else:
        groups, names = _homes(rows["chrom"], units["locus"].to_numpy()), "chromosomes"
    used = np.flatnonzero(groups >= 0)
    classes = strata(rows)
    split_seed = derived_seed(seed, "split", spec["seed"])
    count, of_rows = len(np.unique(groups[used])), largest(rows.iloc[used], groups[used]) if len(used) else ""
    if count < folds:
        raise InputError(f"{where}: the rows lie in {count} {names}, expected at least one for each fold{of_rows}")
    dealt = deal(groups[used], classes[used], folds, split_seed)
    parts = np.full(len(rows), "excluded", object)
    parts[used] = np.where(dealt == fold, "test", "train")
    rest = used[dealt != fold]
    count = len(np.unique(groups[rest]))
    if count < 2:
        raise InputError(
            f"{where}: the other folds hold {count} {names}, expected at least one for train and one for val"
        )
    inner = min(count, max(2, round(1 / spec["inner"])))
    inner_seed = derived_seed(split_seed, "inner", fold)
    parts[rest[deal(groups[rest], classes[rest], inner, inner_seed) == inner_seed % inner]] = "val"
    for part in PARTS:
        found = np.unique(rows["label"].to_numpy()[parts == part])
        if len(found) == 0:
            raise InputError(f"{where}: part {part!r} is empty; take fewer folds{of_rows}")
        if classes.any() and len(found) == 1:
            raise InputError(
                f"{where}: every label of part {part!r} is {found[0]:g}, expected 0 and 1; take fewer folds"
            )
    return pd.Series(parts, index=rows.index), "no chromosome"


def deal(groups: np.ndarray, classes: np.ndarray, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal groups to folds so that each fold gets a similar share of every class: (N,), the fold of each row.

    `groups` and `classes` (N,) are numbers. In an order drawn at random, roughly by their largest share of a class,
    each group goes to the fold with the fewest rows of the group's classes; StratifiedGroupKFold in scikit-learn has
    the same aim. It, however, sorts groups by the spread of their class counts, which ignores size if labels are
    balanced or are not classes.
    """
    groups, classes = np.unique(groups, return_inverse=True)[1], np.unique(classes, return_inverse=True)[1]
    width = classes.max() + 1
    counts = np.bincount(groups * width + classes, minlength=(groups.max() + 1) * width).reshape(-1, width)
    shares = counts / counts.sum(axis=0)
    # by share, but perturbed: whole chromosomes never have equal shares, and another seed must give other folds
    shaken = shares.max(axis=1) * np.random.Generator(np.random.PCG64(seed)).uniform(0.8, 1, len(shares))
    order = np.argsort(-shaken, kind="stable")
    held, fold_of = np.zeros((folds, width)), np.empty(len(shares), np.int64)
    for group in order:
        # among folds with equally many rows of its classes, the one with the fewest rows in total
        fold = (held @ (shares[group] + 1e-6)).argmin()
        held[fold] += shares[group]
        fold_of[group] = fold
    return fold_of[groups]


def _homes(chrom: pd.Series, locus: np.ndarray) -> NDArray[np.int64]:
    """The number of the chromosome with most rows of each row's locus, (N,); -1 for rows without a chromosome."""
    number, names = pd.factorize(chrom.where(chrom != ""))
    placed = np.flatnonzero(number >= 0)
    table = pd.DataFrame({"locus": locus[placed], "chrom": number[placed]})
    most = table.value_counts(sort=False).reset_index().sort_values("count", ascending=False, kind="stable")
    home = most.drop_duplicates("locus").set_index("locus")["chrom"]
    homes = np.full(len(chrom), -1)
    homes[placed] = home.reindex(table["locus"]).to_numpy()
    moved = int((homes != number).sum())
    if moved:
        print(
            f"split: {moved} rows of {len(names)} chromosomes are dealt together with rows on other chromosomes "
            "that they are linked to"
        )
    return homes
