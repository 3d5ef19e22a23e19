"""Splits: named assignments of rows to train, val and test that keep linked rows together."""

from typing import Any

import numpy as np
import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.rows.canonical import EVALUATED_ONLY
from s2f.rows.stages import Stages
from s2f.sequences import chromosomes
from s2f.splits.kinds import by_chromosome
from s2f.splits.subsets import SUBSAMPLE, kept
from s2f.splits.table import PARTS, check_parts, ranks, strata

MOST_NAMED = 5  # names listed in a note


def make_split(
    rows: pd.DataFrame, section: dict[str, Any], study_seed: int, units: pd.DataFrame, name: str = ""
) -> pd.DataFrame:
    """Assign every row: row_id, split (train, val, test, excluded), reason.

    `units` is the table of units for these rows, in their order (`units_table.read_units`); `units_table.loci_alone` is
    enough for a split that does not `need_units`. Rows that are only ever evaluated (`EVALUATED_ONLY`) are test
    whatever the kind says. If rows of one locus are in several parts, they stay only in the part that best protects the
    evaluation (test, then val) and are excluded elsewhere, with the reason. With `train_rows`, that many training rows
    are kept (see `_surplus`) and the others are excluded. Raises `InputError` for an unknown kind and for an empty
    part; for val and test, which a kind may list, the kind's `why_empty` says why, with the `name` of the split.
    """
    kind = kinds.module("splits", section["kind"])
    options = section | kinds.settings("splits", section["kind"], section)
    locus = units["locus"].to_numpy()
    of_kind = ~rows["published"].str.startswith(EVALUATED_ONLY).to_numpy(bool)
    assigned, why = kind.assign(rows if of_kind.all() else rows[of_kind], options, study_seed, units[of_kind])
    rank = np.full(len(rows), PARTS.index("test"))
    rank[of_kind] = assigned_rank = ranks(assigned)
    highest = np.full(locus.max() + 1, -1)
    np.maximum.at(highest, locus, rank)
    leaks = (rank >= 0) & (rank < highest[locus])
    reasons = ["", why, *(f"linked to a {part} row" for part in PARTS), SUBSAMPLE]
    reason = (rank < 0).astype(np.int64)
    reason[leaks] = 2 + highest[locus[leaks]]
    rank[leaks] = -1
    if "train_rows" in options:
        surplus = _surplus(rows, np.flatnonzero(rank == 0), units, options, study_seed)
        rank[surplus], reason[surplus] = -1, len(reasons) - 1
    for number, part in enumerate(PARTS):
        absent = not (assigned_rank == number).any() and not (rank == number).any()
        if part != "train" and absent and hasattr(kind, "why_empty"):
            where = f"splits.{name}.{part}" if name else f"split: {part}"
            raise InputError(f"{where}: {kind.why_empty(rows[of_kind], options, part)}")
    split, reason = pd.array([*PARTS, "excluded"], "str").take(rank), pd.array(reasons, "str").take(reason)
    check_parts(rows, split, locus)
    return pd.DataFrame({"row_id": rows["row_id"], "split": split, "reason": reason})


def stages_of(table: pd.DataFrame, rows: pd.DataFrame, section: dict[str, Any]) -> Stages:
    """How many rows of a split, made by `make_split` from `rows` and a `section`, each reason excludes, how many are in
    each part, and, for a split by chromosome, how many are on names that are not whole chromosomes."""
    stages, left = Stages(), len(table)
    stages.left("rows", left)
    for reason, count in table.loc[table["split"] == "excluded", "reason"].value_counts(sort=False).items():
        left -= count
        # a subsample is intended by the study
        (stages.choose if reason == SUBSAMPLE else stages.left)(f"excluded: {reason}", left)
    for part in PARTS:
        stages.part(part, (table["split"] == part).sum())
    if by_chromosome(section):
        _note_other_names(rows, table["split"], section, stages)
    return stages


def _note_other_names(rows: pd.DataFrame, parts: pd.Series, section: dict[str, Any], stages: Stages) -> None:
    """Count and note rows on names that a split does not list and that are not whole chromosomes (`chromosomes.WHOLE`),
    such as scaffolds, or misspelt names of held-out chromosomes. The split treats each such name as another chromosome.
    """
    options = section | kinds.settings("splits", section["kind"], section)
    listed = {chromosomes.chromosome(name) for part in PARTS for name in options.get(part, ())}
    names = rows["chrom"].value_counts().drop("", errors="ignore")
    names = names.sort_index().sort_values(ascending=False, kind="stable")
    names = names[[name not in listed and not chromosomes.WHOLE.fullmatch(name) for name in names.index]]
    if names.empty:
        return
    count, found = int(names.sum()), ", ".join(f"{name} {own:,}" for name, own in names[:MOST_NAMED].items())
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    went = parts[rows["chrom"].isin(names.index).to_numpy()].value_counts()
    stages.part("on names of no whole chromosome", count)
    which = "that the split does not list" if listed else "each of which the split deals as a chromosome"
    fix = "; list those that are part of a listed one" if listed else ""
    if any(name in chromosomes.PLINK for name in names.index):
        known = ", ".join(f"{name.removeprefix('chr')} {ours}" for name, ours in chromosomes.PLINK.items())
        fix += f"; PLINK's human {known}: rename them"
    stages.notes.append(
        f"{count:,} of {len(rows):,} rows lie on names that are not whole chromosomes (those are called chr7, chrX, …) "
        f"{which}: {found}{more}; "
        f"of these rows {', '.join(f'{own:,} {part}' for part, own in went.items())}{fix}"
    )


def _surplus(
    rows: pd.DataFrame, train: np.ndarray, units: pd.DataFrame, options: dict[str, Any], study_seed: int
) -> np.ndarray:
    """Indices of the training rows, among those at `train`, that `train_rows` drops (see `subsets.kept`).

    Raises `InputError` if there are too few, or if only one of two classes would be left.
    """
    wanted, classes = options["train_rows"], strata(rows)[train]
    if wanted > len(train):
        raise InputError(f"split: train_rows is {wanted}, but the split has {len(train)} training rows; lower it")
    seed = derived_seed(study_seed, "train_rows", options.get("seed", 0))
    chosen = kept(classes, units.iloc[train], wanted, seed)
    if len(np.unique(classes)) > len(np.unique(classes[chosen])):
        raise InputError(f"split: train_rows is {wanted}, which leaves one class of training rows; take more")
    return train[~chosen]
