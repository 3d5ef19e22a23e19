"""The table of units as its readers find it: what reads it does not depend on the code that searches for homologs."""

from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.splits.linked_rows import loci
from s2f.splits.table import positions

NUMBERS = ("locus", "homology", "unit", "threshold")


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


def loci_alone(rows: pd.DataFrame) -> pd.DataFrame:
    """What a split needs that does not go by homology, without a search: the columns row_id and locus of the table."""
    return pd.DataFrame({"row_id": rows["row_id"], "locus": loci(rows)}, index=rows.index)


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
