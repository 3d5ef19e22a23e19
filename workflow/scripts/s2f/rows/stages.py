"""How many rows, pairs, peaks or windows each stage of a program keeps, and how many it drops: the tables *.stages.tsv.

Every program that drops any writes such a table beside its result: `rows.stages.tsv`, `{split}.stages.tsv`,
`{panel}.stages.tsv`. `compare.md` has a line for each, and a stage that drops more than the study's `warn_dropped` is
named on the terminal when a run ends. Anything else that is unusual about the rows appears in `NOTE` lines of the same
tables, and is reported in both places.
"""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table

NOTE = "note"  # stage of a line that has a text, in the column of this name, instead of counts
MEASURED = "label measured"  # stage of the rows that have a label

Rows = TypeVar("Rows", pd.DataFrame, np.ndarray)


class Stages:
    """Counts how many rows each filter keeps, for the table `rows.stages.tsv` and the tables of other programs.

    `expected` are known counts of stages; the table shows them beside ours, and `warnings` names those that differ,
    after the `notes`, sentences in which the source says what is unusual.
    """

    def __init__(self, expected: dict[str, int] | None = None) -> None:
        self.expected = expected or {}
        self.counts: list[tuple[str, int]] = []
        self.parts: list[tuple[str, int]] = []
        self.notes: list[str] = []
        self.chosen: set[str] = set()
        self.beside: list[list[tuple[str, int]]] = []

    def keep(self, stage: str, table: Rows, mask: Any = None) -> Rows:
        """Record `stage` after keeping the rows in `mask` (all if None), and return them."""
        table = table if mask is None else table[mask]
        self.left(stage, len(table))
        return table

    def left(self, stage: str, count: int) -> None:
        """Record that `count` rows are left after `stage`."""
        self.counts.append((stage, int(count)))

    def choose(self, stage: str, count: int) -> None:
        """Record that `count` are left because the study asks for only that many or only for these: nothing is lost."""
        self.left(stage, count)
        self.chosen.add(stage)

    def emptied(self) -> str:
        """Which stage left no rows, as the end of a message; empty if each left some."""
        left = [count for _, count in self.counts]
        if 0 not in left:
            return ""
        at = left.index(0)
        if at == 0:
            return ": none were read; expected a line for each below the header"
        stage, fix = self.counts[at][0], "check the options of this filter"
        if stage == MEASURED:
            fix = "the label has no value in any row; is it the right column?"
        return f": {left[0]:,} were read, and {stage!r} left none of {left[at - 1]:,}; {fix}"

    def part(self, stage: str, count: int) -> None:
        """Record the count of a part of the rows; this filters nothing."""
        self.parts.append((stage, int(count)))

    def side(self, name: str, counts: list[tuple[str, int]]) -> None:
        """Record the stages, each (stage, kept), of something other than the rows, such as peaks of other proteins."""
        self.beside.append([(f"{name}: {stage}", int(count)) for stage, count in counts])

    def table(self) -> pd.DataFrame:
        """Columns stage, rows, removed (missing for parts, choices and the first stage of anything other than the rows)
        and, if any counts are known, expected; if there are `warnings`, these follow, one per line."""
        out = pd.DataFrame(self.counts, columns=["stage", "rows"])
        out["removed"] = (-out["rows"].diff()).fillna(0).astype(int)
        others = [pd.DataFrame(counts, columns=["stage", "rows"]) for counts in self.beside]
        others = [frame.assign(removed=(-frame["rows"].diff()).astype("Int64")) for frame in others]
        others += [pd.DataFrame(self.parts, columns=["stage", "rows"])] if self.parts else []
        if others or self.chosen:
            out = out.astype({"removed": "Int64"})
            out.loc[out["stage"].isin(self.chosen), "removed"] = pd.NA
            out = pd.concat([out, *others])
        if self.expected:
            out["expected"] = out["stage"].map(self.expected).astype("Int64")
        if self.warnings():
            counts = [name for name in out.columns if name != "stage"]
            said = pd.DataFrame({"stage": NOTE, NOTE: self.warnings()})
            said[counts] = pd.NA
            out, said = (part.astype(dict.fromkeys(counts, "Int64")) for part in (out, said))
            out = pd.concat([out, said])
        return out.reset_index(drop=True)

    def warnings(self) -> list[str]:
        """The notes, and a sentence for every stage that was not reached or whose count is not as expected."""
        counts = dict([*self.counts, *self.parts])
        return self.notes + [
            f"stage {stage!r} has {counts.get(stage, 'no')} rows, expected {count}"
            for stage, count in self.expected.items()
            if counts.get(stage) != count
        ]

    def __str__(self) -> str:
        return ", ".join(f"{stage} {count:,}" for stage, count in self.counts)


def beside(path: str | Path) -> Path:
    """The path of a table's stages: `{name}.stages.tsv` beside `{name}.tsv`."""
    return Path(path).with_suffix(".stages.tsv")


def dropped(path: str | Path) -> tuple[int, list[tuple[str, int, int]]]:
    """The rows with which a table of stages begins, and (stage, removed, rows before it) for each that removes any."""
    table = read_table(path, ["stage", "rows", "removed"], "stages")
    table = table[table["stage"] != NOTE]
    if table.empty:
        raise InputError(f"{path}: the table has no stages; make it again")
    counts = {name: numbers(table, name, path) for name in ("rows", "removed")}
    stages = zip(table["stage"], counts["rows"], counts["removed"], strict=True)
    removed = [(stage, int(count), int(left + count)) for stage, left, count in stages if count > 0]
    return int(counts["rows"].iloc[0]), removed


def notes(path: str | Path) -> list[str]:
    """The notes in a table of stages, apart from its counts."""
    table = read_table(path, ["stage"], "stages")
    return table.loc[table["stage"] == NOTE, NOTE].tolist() if NOTE in table else []
