"""How many rows each filter of a source keeps."""

import pandas as pd


class Stages:
    """Counts how many rows each filter keeps: the table `rows.stages.tsv`.

    `expected` {stage: count} are known counts; they stand beside ours and `warnings` names those that differ, after
    the `notes`, sentences of the source about what is odd.
    """

    def __init__(self, expected=None):
        self.expected = expected or {}
        self.counts = []
        self.parts = []
        self.notes = []

    def keep(self, stage, table, mask=None):
        """Record `stage` after keeping the rows of `mask` (all when None) and return them."""
        table = table if mask is None else table[mask]
        self.counts.append((stage, len(table)))
        return table

    def part(self, stage, count):
        """Record the count of a part of the rows, which filters nothing."""
        self.parts.append((stage, int(count)))

    def table(self):
        """Data frame with columns stage, rows, removed (missing for parts) and, where counts are known, expected."""
        out = pd.DataFrame(self.counts, columns=["stage", "rows"])
        out["removed"] = (-out["rows"].diff()).fillna(0).astype(int)
        if self.parts:
            out = pd.concat([out.astype({"removed": "Int64"}), pd.DataFrame(self.parts, columns=["stage", "rows"])])
        if self.expected:
            out["expected"] = out["stage"].map(self.expected).astype("Int64")
        return out.reset_index(drop=True)

    def warnings(self):
        """The notes, and a sentence for every stage whose count is not the expected one, or that was not reached."""
        found = dict([*self.counts, *self.parts])
        return self.notes + [
            f"stage {stage!r} has {found.get(stage, 'no')} rows, {count} are expected"
            for stage, count in self.expected.items()
            if found.get(stage) != count
        ]
