"""Regions of a genome to be scored: one window in the middle of each, or windows along all of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.scoring.blocks import LINES, Block, Windows
from s2f.sequences import dna
from s2f.sequences.bed import read_bed
from s2f.sequences.genome import Genome

UNSCORED = {
    "not_in_genome": "the genome has no sequence of this name",
    "near_contig_end": "the window extends beyond the end of the sequence",
    "n_in_window": "the genome has N there",
    "no_strand": "the model reads one strand, but column 6 gives none",
    "too_short": "the region is shorter than a window; omit tiles to read the window around its middle",
}


@dataclass(frozen=True)
class Regions:
    """The intervals of a BED file as blocks of windows of `length` bp: one around the middle of each, or windows every
    `tile` bp from its start to its end. Intervals on the minus strand (column 6) are read as the reverse complement.
    Intervals without a strand are read as they are, unless the model reads `one_strand`, for which the strand must be
    known. Each window is read at all `shifts` of the construct (bp). Iterates over the file anew each time."""

    path: Path
    genome: Genome
    length: int
    tile: int = 0
    shifts: tuple[int, ...] = (0,)
    one_strand: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """The values of a line."""
        return ("prediction",)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks. Raises `InputError` as `read_bed`."""
        lines = self._lines()
        while some := list(islice(lines, LINES)):
            table = pd.DataFrame(some, columns=["line", "id", "chrom", "start", "end", "strand"])
            yield self._block(table)

    def _lines(self) -> Iterator[tuple[Any, ...]]:
        for bed in read_bed(self.path):
            name = bed.cells[3] if len(bed.cells) > 3 and bed.cells[3] not in ("", ".") else ""
            name = name or f"{bed.chrom}:{bed.start}-{bed.end}"
            strand = bed.cells[5] if len(bed.cells) > 5 and bed.cells[5] in ("+", "-") else "."
            starts = [(bed.start + bed.end) // 2 - self.length // 2]
            if self.tile:
                last = bed.end - self.length
                starts = [*range(bed.start, last, self.tile), last] if last >= bed.start else [-1]
            for start in starts:
                yield bed.line, name, bed.chrom, start, start + self.length, strand

    def _block(self, table: pd.DataFrame) -> Block:
        chrom, start, end = (table[name].to_numpy() for name in ("chrom", "start", "end"))
        reason = np.array([""] * len(table), object)
        known = np.isin(chrom.astype(str), self.genome.records["chrom"].to_numpy(str))
        record = self.genome.intervals.holding(chrom, np.maximum(start, 0), end)
        reason[(record < 0) | (start < 0)] = "near_contig_end"
        if self.tile:
            reason[start < 0] = "too_short"
        if self.one_strand:
            reason[(table["strand"] == ".").to_numpy()] = "no_strand"
        reason[~known] = "not_in_genome"
        rows = np.flatnonzero(reason == "")
        codes = self.genome.codes(record[rows], start[rows, None] + np.arange(self.length))
        minus = (table["strand"] == "-").to_numpy()[rows]
        codes[minus] = dna.reverse_complement(codes[minus])
        clean = ~(codes == dna.N_CODE).any(axis=1)
        reason[rows[~clean]] = "n_in_window"
        rows, codes = rows[clean], codes[clean]
        windows = [Windows(0, np.arange(len(rows)), codes, shift) for shift in self.shifts if len(rows)]
        skipped = table[reason != ""].assign(reason=reason[reason != ""])
        lines = table.iloc[rows].drop(columns="line").reset_index(drop=True)
        return Block(lines, windows, skipped.assign(explanation=skipped["reason"].map(UNSCORED)))
