"""The table of units for its readers, which so do not depend on the code that searches for homologs."""

from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.splits.linked_rows import loci
from s2f.splits.table import positions

NUMBERS = ("locus", "homology", "unit", "threshold")


def read_units(path: str | Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The table of units at `path`, in the order of `rows`, after `checked`; `InputError` says what is wrong."""
    return checked(rows, read_table(path, ["row_id", *NUMBERS], "units"))


def checked(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """A table of units in the order of `rows`, with numbers as int64 and the index of the rows.

    Raises `InputError` for a different set of rows, a cell that is not a number from 0, and a locus or homology group
    whose rows are in different units. Whether the links fit the rows is not computed again (see `check_loci`).
    """
    place = positions(rows, table, "units")
    found = {"row_id": rows["row_id"]}
    for name in NUMBERS:
        try:
            found[name] = table[name].to_numpy(np.int64)[place]
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"units: a cell of column {name} is not a whole number ({error}); make the units again"
            ) from None
        low, high = found[name].min(), found[name].max()
        if low < 0 or (name != "threshold" and high >= len(rows)):
            raise InputError(f"units: {name} is {low} to {high}, expected 0 to {len(rows) - 1}; make the units again")
    for name in ("locus", "homology"):
        first = np.empty(len(rows), np.int64)
        first[found[name][::-1]] = found["unit"][::-1]
        apart = first[found[name]] != found["unit"]
        if apart.any():
            raise InputError(
                f"units: row {rows['row_id'].iloc[int(apart.argmax())]!r} has a unit that differs from other rows of "
                f"its {name}; make the units again"
            )
    return pd.DataFrame(found, index=rows.index)


def loci_alone(rows: pd.DataFrame) -> pd.DataFrame:
    """What a split without homology needs, made without a search: the columns row_id and locus of the table."""
    return pd.DataFrame({"row_id": rows["row_id"], "locus": loci(rows)}, index=rows.index)


def check_loci(rows: pd.DataFrame, stated: np.ndarray, some: np.ndarray, bridges: np.ndarray) -> None:
    """Refuse stated loci, (N,), that do not fit the rows; the links are computed again only among `some`, a mask.

    So a table that belongs to other rows, or was edited, is refused. No link may be missing, and rows that are joined
    without links of their own must be joined by rows of the mask `bridges`. Raises `InputError` with a faulty row.
    """
    found, own = loci(rows[some].reset_index(drop=True)), stated[some]
    first = np.empty(found.max() + 1, np.int64)
    first[found[::-1]] = own[::-1]
    parts = np.bincount(first, minlength=len(rows))  # number of computed loci in each stated one
    bridged = np.zeros(len(rows), bool)
    bridged[stated[bridges]] = True
    wrong = (first[found] != own) | ((parts > 1) & ~bridged)[own]
    if wrong.any():
        row = rows["row_id"][some].iloc[int(wrong.argmax())]
        raise InputError(f"units: row {row!r} has a locus that differs from its links; make the units again")
