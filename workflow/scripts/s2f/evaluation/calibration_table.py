"""The table calibration.tsv."""

from pathlib import Path

import pandas as pd

from s2f.common.tables import numbers, read_table

CALIBRATION_COLUMNS = (
    "dataset", "split", "panel", "cell", "metric", "level", "model", "encoder", "augmentation", "head", "seeds",
    "value", "sd", "ci_low", "ci_high", "n", "n_validation", "inference", "rows_sha256", "strand_rule", "provenance",
    "seen", "collapsed", "note",
)  # fmt: skip
NUMERIC = ("level", "value", "sd", "ci_low", "ci_high", "n", "n_validation")


def read_calibration(path: str | Path) -> pd.DataFrame:
    """calibration.tsv as a frame, its numbers parsed; raises `InputError` as `read_table` and `numbers`."""
    table = read_table(path, CALIBRATION_COLUMNS, "calibration")
    return table.assign(**{column: numbers(table, column, path) for column in NUMERIC})
