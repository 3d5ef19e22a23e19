"""How many rows each filter of a source keeps."""

from typing import Any, TypeVar

import numpy as np
import pandas as pd

Rows = TypeVar("Rows", pd.DataFrame, np.ndarray)


class Stages:
    """Counts how many rows each filter keeps: the table `rows.stages.tsv`.

    `expected` are known counts of stages; they stand beside ours and `warnings` names those that differ, after
    the `notes`, sentences of the source about what is odd.
    """

    def __init__(self, expected: dict[str, int] | None = None) -> None:
        self.expected = expected or {}
        self.counts: list[tuple[str, int]] = []
        self.parts: list[tuple[str, int]] = []
        self.notes: list[str] = []

    def keep(self, stage: str, table: Rows, mask: Any = None) -> Rows:
        """Record `stage` after keeping the rows of `mask` (all when None) and return them."""
        table = table if mask is None else table[mask]
        self.counts.append((stage, len(table)))
        return table

    def part(self, stage: str, count: int) -> None:
        """Record the count of a part of the rows, which filters nothing."""
        self.parts.append((stage, int(count)))

    def table(self) -> pd.DataFrame:
        """Columns stage, rows, removed (missing for parts) and, where counts are known, expected."""
        out = pd.DataFrame(self.counts, columns=["stage", "rows"])
        out["removed"] = (-out["rows"].diff()).fillna(0).astype(int)
        if self.parts:
            out = pd.concat([out.astype({"removed": "Int64"}), pd.DataFrame(self.parts, columns=["stage", "rows"])])
        if self.expected:
            out["expected"] = out["stage"].map(self.expected).astype("Int64")
        return out.reset_index(drop=True)

    def warnings(self) -> list[str]:
        """The notes, and a sentence for every stage whose count is not the expected one, or that was not reached."""
        counts = dict([*self.counts, *self.parts])
        return self.notes + [
            f"stage {stage!r} has {counts.get(stage, 'no')} rows, {count} are expected"
            for stage, count in self.expected.items()
            if counts.get(stage) != count
        ]
