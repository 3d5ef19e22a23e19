"""The table of a split."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.splits.linked_rows import loci

# the columns of rows from which splits are made
ROW_COLUMNS = ["row_id", "sequence", "label", "chrom", "start", "end", "pair_id", "group", "published"]
# the columns of rows from which panels are made
PANEL_COLUMNS = [
    "row_id", "sequence", "label", "chrom", "start", "end", "strand",
    "allele", "variant", "pair_id", "group", "published",
]  # fmt: skip

PARTS = ("train", "val", "test")
MOST_NAMED = 8  # chromosomes or published parts in a message
FEWEST = 3  # items of a panel: with only two, every correlation is 1


def one_part_each(names: Mapping[str, Iterable[str]], what: str) -> dict[str, str]:
    """Turn {part: names} into {name: part}; `InputError` for a name in two parts."""
    parts: dict[str, str] = {}
    for part, members in names.items():
        for name in members:
            if parts.setdefault(name, part) != part:
                raise InputError(f"split: {what} {name!r} is listed under both {parts[name]} and {part}")
    return parts


def counted(column: pd.Series) -> str:
    """The texts of a column, the most frequent first, each with its number of rows; at most `MOST_NAMED`, not counting
    empty ones."""
    counts = column[column != ""].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    named = ", ".join(f"{name} ({count:,} row{'s' * (count > 1)})" for name, count in counts[:MOST_NAMED].items())
    more = len(counts) - MOST_NAMED
    return (named or "none") + (f" and {more:,} more" if more > 0 else "")


def strata(rows: pd.DataFrame) -> NDArray[np.int64]:
    """The class of every row, (N,): its label if all labels are 0 or 1, else 0."""
    labels = rows["label"].to_numpy(np.float64)
    return labels.astype(np.int64) if np.isin(labels, (0, 1)).all() else np.zeros(len(rows), np.int64)


def parts_of(rows: pd.DataFrame, path: str | Path) -> dict[str, pd.DataFrame]:
    """The rows of each part {train, val, test}, according to the split table at `path`, after `check_split`."""
    parts = check_split(rows, read_table(path, ["row_id", "split"], "split"))
    return {part: rows[parts == part] for part in PARTS}


def check_split(rows: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """The part of every row, (N,) text in the order of `rows`, according to a split table.

    Refuses a split in which a row is missing, unknown or repeated, a part is unknown or empty, or linked rows are in
    two parts. The links are computed from the rows, whatever tables say.
    """
    return parts_checked(rows, table, loci(rows))


def parts_checked(rows: pd.DataFrame, table: pd.DataFrame, locus: np.ndarray) -> np.ndarray:
    """As `check_split`, if the `loci` of the rows are known: `locus` (N,)."""
    return check_parts(rows, table["split"].to_numpy(object)[positions(rows, table)], locus)


def check_parts(rows: pd.DataFrame, parts: Any, locus: np.ndarray) -> Any:
    """`parts` (N,), returned unchanged; refuses an unknown or empty part, and a locus in two parts."""
    rank = ranks(parts)
    for number, part in enumerate(PARTS):
        if not (rank == number).any():
            found = ", ".join(f"{name} {count}" for name, count in pd.Series(parts).value_counts().items())
            raise InputError(f"split: part {part!r} is empty (rows per part: {found}){largest(rows, locus)}")
    used = np.flatnonzero(rank >= 0)
    first = np.full(locus.max() + 1, -1)
    first[locus[used[::-1]]] = rank[used[::-1]]  # the part of each locus's first row
    leaks = np.flatnonzero(rank[used] != first[locus[used]])
    if len(leaks):
        members = used[locus[used] == locus[used[leaks[0]]]]
        named = ", ".join(f"{rows['row_id'].iloc[i]} ({parts[i]})" for i in members[:4])
        raise InputError(f"split: linked rows lie in different parts: {named}")
    return parts


def largest(rows: pd.DataFrame, group: np.ndarray) -> str:
    """The end of a message about an empty part: which rows are in the largest group (numbers (N,)) and how they are
    linked; empty if it has fewer than half of the rows."""
    members = rows[group == np.bincount(group).argmax()]
    if len(members) < 2 or 2 * len(members) < len(rows):
        return ""
    ways = [f"{len(members) - members['sequence'].nunique():,} repeat the sequence of another"]
    ways += [
        f"{(members[name] != '').sum():,} are of {members[name][members[name] != ''].nunique():,} {name}"
        for name in ("pair_id", "group")
        if name in members and (members[name] != "").any()
    ]
    placed = members[members["start"].notna()] if "start" in members else members[:0]
    if len(placed):
        places = placed["chrom"].nunique()
        ways.append(f"{len(placed):,} have coordinates, on {places} chromosome(s), and may overlap")
    first = ", ".join(map(repr, members["row_id"].iloc[:3].tolist()))
    return (
        f"; {len(members):,} of {len(rows):,} rows are linked, and one part holds them all: {first}, ...; of these "
        f"{'; '.join(ways)}"
    )


def positions(rows: pd.DataFrame, table: pd.DataFrame, what: str = "split") -> NDArray[np.int64]:
    """The position of each row in a table with one line per row, (N,); refuses other rows and repeated ones."""
    if table["row_id"].reset_index(drop=True).equals(rows["row_id"].reset_index(drop=True)):
        return np.arange(len(rows))  # the order in which programs write it; the row_ids of rows are unique
    ids = pd.Index(table["row_id"])
    if ids.has_duplicates:
        raise InputError(f"{what}: row {ids[ids.duplicated()][0]!r} is assigned twice")
    found = ids.get_indexer(rows["row_id"])
    if (found < 0).any() or len(ids) != len(rows):
        odd = sorted(set(ids) ^ set(rows["row_id"]))[0]
        raise InputError(f"{what}: row {odd!r} is in the rows or in the {what}, but not in both; make the {what} again")
    return found


def ranks(parts: Any) -> NDArray[np.int64]:
    """The index in `PARTS` of each of the `parts`, (N,), -1 for excluded; refuses an unknown part."""
    codes, names = pd.factorize(parts, use_na_sentinel=False)
    for name in sorted({str(name) for name in names} - {*PARTS, "excluded"}):
        raise InputError(f"split: part {name!r} is unknown; known: {', '.join(PARTS)}, excluded")
    return np.array([PARTS.index(name) if name in PARTS else -1 for name in names], np.int64)[codes]


def panel_rows(rows: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """The rows for which a panel needs predictions, each once, in the order of `rows`."""
    columns = ["row_id"] if "row_id" in panel else ["ref_row_id", "alt_row_id"]
    wanted = set().union(*(panel[column] for column in columns))
    found = rows[rows["row_id"].isin(wanted)]
    if len(found) < len(wanted):
        odd = sorted(wanted - set(found["row_id"]))[0]
        raise InputError(f"panel: row {odd!r} is not among the rows; make the panel again")
    return found.reset_index(drop=True)
