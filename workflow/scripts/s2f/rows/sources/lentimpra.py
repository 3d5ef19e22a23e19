"""Agarwal 2025 lentiMPRA joint library: 200-bp elements measured in K562, HepG2 and WTC11.

files: `rows`, a TSV with name, insert_200 and the label column. spec: `label`, the label column, log2(RNA/DNA):
K562_log2 (default), HepG2_log2 or WTC11_log2. With cells, the label of each cell is its column {cell}_log2.

The table has no coordinates and no standard errors. An element measured in both orientations has two names that end in
_F and _R: `group` is the name without that suffix, so the two orientations are never separated by a split.
"""

from collections.abc import Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.tables import numbers, read_table
from s2f.rows.sources import file_of, measured
from s2f.rows.stages import Stages


def read(files: dict[str, str], spec: dict[str, Any], cells: Sequence[str] = ()) -> tuple[Any, Stages]:
    """Rows and stages, as in the module's docstring."""
    label = kinds.settings("sources", "lentimpra", spec)["label"]
    path = file_of(files, "rows", "lentimpra")
    columns = {f"label.{cell}": f"{cell}_log2" for cell in cells} or {"label": label}
    names = ["name", "insert_200", *columns.values()]
    raw = read_table(path, names, "lentiMPRA joint library", only=True, numbered=True)
    table = raw[["name", "insert_200"]].set_axis(["row_id", "sequence"], axis=1)
    for name, column in columns.items():
        table[name] = numbers(raw, column, path)
    table["group"] = raw["name"].str.replace(r"_[FR]$", "", regex=True)
    stages = Stages()
    stages.keep("read", table)
    return measured(table, stages, cells), stages
