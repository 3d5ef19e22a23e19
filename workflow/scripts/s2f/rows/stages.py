"""How many rows, pairs, peaks or windows each stage of a program keeps, and what it drops: the tables *.stages.tsv.

Every program that drops any writes such a table beside its result: `rows.stages.tsv`, `{split}.stages.tsv`,
`{panel}.stages.tsv`. `compare.md` has a line for each, and a stage that drops more than `warn_dropped` of the study is
named on the terminal when a run ends. What else is odd about the rows stands in lines `NOTE` of the same tables, and is
said at both places.
"""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table

NOTE = "note"  # stage of a line that has no counts but a text, in the column of this name

Rows = TypeVar("Rows", pd.DataFrame, np.ndarray)


class Stages:
    """Counts how many rows each filter keeps: the table `rows.stages.tsv`, and those of other programs.

    `expected` are known counts of stages; they stand beside ours and `warnings` names those that differ, after
    the `notes`, sentences of the source about what is odd.
    """

    def __init__(self, expected: dict[str, int] | None = None) -> None:
        self.expected = expected or {}
        self.counts: list[tuple[str, int]] = []
        self.parts: list[tuple[str, int]] = []
        self.notes: list[str] = []
        self.chosen: set[str] = set()
        self.beside: list[list[tuple[str, int]]] = []

    def keep(self, stage: str, table: Rows, mask: Any = None) -> Rows:
        """Record `stage` after keeping the rows of `mask` (all when None) and return them."""
        table = table if mask is None else table[mask]
        self.left(stage, len(table))
        return table

    def left(self, stage: str, count: int) -> None:
        """Record that `count` are left after `stage`."""
        self.counts.append((stage, int(count)))

    def choose(self, stage: str, count: int) -> None:
        """Record that `count` are left because the study asks for so many or for these alone: nothing is lost."""
        self.left(stage, count)
        self.chosen.add(stage)

    def part(self, stage: str, count: int) -> None:
        """Record the count of a part of the rows, which filters nothing."""
        self.parts.append((stage, int(count)))

    def side(self, name: str, counts: list[tuple[str, int]]) -> None:
        """Record the stages of something beside the rows, such as peaks of other proteins: (stage, kept) each."""
        self.beside.append([(f"{name}: {stage}", int(count)) for stage, count in counts])

    def table(self) -> pd.DataFrame:
        """Columns stage, rows, removed (missing for parts, choices and the first stage of what stands beside) and,
        where counts are known, expected; below a line for each of the `warnings`, where there are any."""
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
        """The notes, and a sentence for every stage whose count is not the expected one, or that was not reached."""
        counts = dict([*self.counts, *self.parts])
        return self.notes + [
            f"stage {stage!r} has {counts.get(stage, 'no')} rows, {count} are expected"
            for stage, count in self.expected.items()
            if counts.get(stage) != count
        ]

    def __str__(self) -> str:
        return ", ".join(f"{stage} {count:,}" for stage, count in self.counts)


def beside(path: str | Path) -> Path:
    """Where the stages of a table stand: `{name}.stages.tsv` beside `{name}.tsv`."""
    return Path(path).with_suffix(".stages.tsv")


def dropped(path: str | Path) -> tuple[int, list[tuple[str, int, int]]]:
    """How many rows a table of stages begins with, and (stage, removed, those before it) of each that removes any."""
    table = read_table(path, ["stage", "rows", "removed"], "stages")
    table = table[table["stage"] != NOTE]
    if table.empty:
        raise InputError(f"{path}: no stage; make it again")
    counts = {name: numbers(table, name, path) for name in ("rows", "removed")}
    stages = zip(table["stage"], counts["rows"], counts["removed"], strict=True)
    removed = [(stage, int(count), int(left + count)) for stage, left, count in stages if count > 0]
    return int(counts["rows"].iloc[0]), removed


def notes(path: str | Path) -> list[str]:
    """What a table of stages notes beside its counts."""
    table = read_table(path, ["stage"], "stages")
    return table.loc[table["stage"] == NOTE, NOTE].tolist() if NOTE in table else []
