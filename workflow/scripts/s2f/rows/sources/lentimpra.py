"""Agarwal 2025 lentiMPRA joint library: 200-bp elements measured in K562, HepG2 and WTC11.

files: `rows`, a TSV with name, insert_200 and the label column. spec: `label`, the label column, log2(RNA/DNA):
K562_log2 (default), HepG2_log2 or WTC11_log2.

The table has no coordinates and no standard errors. An element measured in both orientations has two names that end in
_F and _R: `group` is the name without that ending, so the orientations never lie on two sides of a split.
"""

from typing import Any

from s2f.common import kinds
from s2f.common.tables import numbers, read_table
from s2f.rows.sources import file_of
from s2f.rows.stages import Stages


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[Any, Stages]:
    """Rows and stages, as the module says."""
    label = kinds.settings("sources", "lentimpra", spec)["label"]
    path = file_of(files, "rows", "lentimpra")
    raw = read_table(path, ["name", "insert_200", label], "lentiMPRA joint library")
    table = raw[["name", "insert_200"]].set_axis(["row_id", "sequence"], axis=1)
    table["label"] = numbers(raw, label, path)
    table["group"] = raw["name"].str.replace(r"_[FR]$", "", regex=True)
    stages = Stages()
    stages.keep("read", table)
    return stages.keep("label measured", table, table["label"].notna()), stages
