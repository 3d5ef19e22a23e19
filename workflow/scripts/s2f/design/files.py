"""The files of a folder of designs."""

from pathlib import Path
from typing import Any

import pandas as pd

from s2f.common.files import read_json
from s2f.common.tables import numbers, read_table

DESIGNS, TRAJECTORIES, FASTA, ABOUT = "designs.tsv", "trajectories.tsv", "designs.fa", "design.json"
# columns of numbers
NUMBERS = (
    "changes", "objective_start", "objective", "prediction_start", "prediction", "sd", "judge_start", "judge", "change",
    "judge_change", "judge_expected",
)  # fmt: skip
STEPS = ("step", "scored", "changes", "objective", "prediction", "sd", "judge")


def read(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The designs and their trajectories, both with parsed numbers, and what was done. Raises `InputError` for a folder
    that was not written by the program `design_sequences`."""
    folder = Path(folder)
    designs = read_table(
        folder / DESIGNS, ("id", "start", "verdict", "start_sequence", "sequence", *NUMBERS), "designs"
    )
    trajectories = read_table(folder / TRAJECTORIES, ("start", *STEPS, "sequence"), "trajectories of designs")
    for table, path, columns in ((designs, DESIGNS, NUMBERS), (trajectories, TRAJECTORIES, STEPS)):
        for column in columns:
            table[column] = numbers(table, column, folder / path)
    return designs, trajectories, read_json(folder / ABOUT)
