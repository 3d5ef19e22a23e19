"""Units: rows of a dataset that are not independent of each other, computed once and used wherever that matters.

A table has the columns row_id, locus, homology, unit (whole numbers from 0, by first occurrence) and threshold:

    locus      rows with one sequence, allele pair, group or locus (`linked_rows.loci`): they never lie in two parts
    homology   inserts that are alike (`homology.groups`)
    unit       what is connected by either, also by a chain of rows: hashfrag and a k-fold by homology keep it in one
               part, an adaptation trains on none of which a row is held out, the bootstrap draws it whole
    threshold  the score from which an insert is homologous to another one, see `homology.thresholds`
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.splits.homology.blast import homologous_groups_blast
from s2f.splits.homology.groups import homologous_groups, now_and_then
from s2f.splits.homology.thresholds import thresholds
from s2f.splits.linked_rows import canonical_sequences, joined, loci
from s2f.splits.table import positions

# of the rows, what units are made from
ROW_COLUMNS = ["row_id", "sequence", "chrom", "start", "end", "pair_id", "group"]
NUMBERS = ("locus", "homology", "unit", "threshold")
BACKENDS: dict[str, Callable[..., NDArray[np.int32]]] = {"exact": homologous_groups, "blast": homologous_groups_blast}


def make_units(
    rows: pd.DataFrame,
    identity: float,
    backend: str = "exact",
    threads: int = 1,
    report: Callable[[str], object] = print,
) -> pd.DataFrame:
    """The table of units of canonical `rows`; `identity` and `backend` are those of the dataset's section `homology`.

    `report(text)` is called where it takes long, with how far the search is. Raises `InputError` as `thresholds` and
    the search.
    """
    sequences = rows["sequence"].tolist()
    needed = thresholds(sequences, identity)
    if (needed > rows["sequence"].str.len().to_numpy()).all():  # no score is enough (`thresholds`): nothing to search
        homology = pd.factorize(np.array(canonical_sequences(sequences), object))[0]
    else:
        shown = {"progress": now_and_then(report)} if backend == "exact" else {}
        homology = BACKENDS[backend](sequences, threshold=needed, threads=threads, **shown)
    locus = loci(rows)
    numbers = {"locus": locus, "homology": homology, "unit": joined([locus, homology]), "threshold": needed}
    return pd.DataFrame({"row_id": rows["row_id"], **numbers})


def loci_alone(rows: pd.DataFrame) -> pd.DataFrame:
    """What a split needs that does not go by homology, without a search: the columns row_id and locus of the table."""
    return pd.DataFrame({"row_id": rows["row_id"], "locus": loci(rows)}, index=rows.index)


def summary(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """How many units there are and how large, and what the thresholds are, in lines for people."""
    lengths, needed = rows["sequence"].str.len().to_numpy(), table["threshold"].to_numpy()
    if (needed > lengths).all():
        lines = ["identity 1: only equal inserts are homologous"]
    else:
        lines = [
            f"threshold {needed.min()} to {needed.max()}, half of the rows up to {np.median(needed):g}; identity "
            f"{(needed / lengths).min():.2f} to {(needed / lengths).max():.2f}"
        ]
    if (needed == lengths).any():
        lines.append(f"{(needed == lengths).sum():,} rows are homologous only to rows that hold them whole")
    for name in ("locus", "homology", "unit"):
        sizes = np.sort(np.bincount(table[name]))[::-1]
        lines.append(f"{name}: {len(sizes):,} of {len(table):,} rows, the largest {', '.join(map(str, sizes[:5]))}")
    return "\n".join(lines)


def read_units(path: str | Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The table of units at `path`, in the order of `rows`, after `checked`; `InputError` names what is wrong."""
    return checked(rows, read_table(path, ["row_id", *NUMBERS], "units"))


def checked(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """A table of units in the order of `rows`, numbers as int64, index that of the rows.

    Raises `InputError` for another set of rows, a cell that is no number from 0, and a locus or homology group whose
    rows lie in different units. Whether the links are those of the rows is not computed again (see `check_loci`).
    """
    place = positions(rows, table, "units")
    found = {"row_id": rows["row_id"]}
    for name in NUMBERS:
        try:
            found[name] = table[name].to_numpy(np.int64)[place]
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"units: a cell of column {name} is no whole number ({error}); make the units again"
            ) from None
        low, high = found[name].min(), found[name].max()
        if low < 0 or (name != "threshold" and high >= len(rows)):
            raise InputError(f"units: {name} is {low} to {high}, expected numbers from 0 to {len(rows) - 1}")
    for name in ("locus", "homology"):
        first = np.empty(len(rows), np.int64)
        first[found[name][::-1]] = found["unit"][::-1]
        apart = first[found[name]] != found["unit"]
        if apart.any():
            raise InputError(
                f"units: row {rows['row_id'].iloc[int(apart.argmax())]!r} has another unit than the rows of its "
                f"{name}; make the units again"
            )
    return pd.DataFrame(found, index=rows.index)


def check_loci(rows: pd.DataFrame, stated: np.ndarray, some: np.ndarray, bridges: np.ndarray) -> None:
    """Refuse stated loci, (N,), that are not those of the rows; computed again are the links among `some`, a mask.

    So a table of other rows, or one that was edited, does not pass. No link may be missing, and what joins rows beyond
    their own links must be rows of the mask `bridges`. Raises `InputError` with a row at fault.
    """
    found, own = loci(rows[some].reset_index(drop=True)), stated[some]
    first = np.empty(found.max() + 1, np.int64)
    first[found[::-1]] = own[::-1]
    parts = np.bincount(first, minlength=len(rows))  # found in each stated one
    bridged = np.zeros(len(rows), bool)
    bridged[stated[bridges]] = True
    wrong = (first[found] != own) | ((parts > 1) & ~bridged)[own]
    if wrong.any():
        row = rows["row_id"][some].iloc[int(wrong.argmax())]
        raise InputError(f"units: row {row!r} has another locus than its links give; make the units again")
