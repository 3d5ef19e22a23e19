"""The table learning_curve.tsv."""

from pathlib import Path

import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table

CURVE_COLUMNS = (
    "dataset", "split", "panel", "cell", "metric", "model", "encoder", "augmentation", "head", "fraction", "train_rows",
    "value", "sd", "ci_low", "ci_high", "seeds", "by_seed", "n", "inference", "rows_sha256", "strand_rule",
    "provenance", "seen", "collapsed", "ended", "note",
)  # fmt: skip
NUMERIC = ("fraction", "train_rows", "value", "sd", "ci_low", "ci_high", "n")


def read_curve(path: str | Path) -> pd.DataFrame:
    """learning_curve.tsv as a frame, its numbers parsed; raises `InputError` as `read_table` and `numbers`."""
    table = read_table(path, CURVE_COLUMNS, "learning curve")
    return table.assign(**{column: numbers(table, column, path) for column in NUMERIC})


def values_of_seeds(by_seed: str) -> list[float]:
    """The values in one cell of the column `by_seed`, one for each seed that has a value."""
    try:
        return [float(value) for value in by_seed.split()]
    except ValueError:
        raise InputError(f"learning curve: by_seed is {by_seed!r}, expected numbers; make the table again") from None
