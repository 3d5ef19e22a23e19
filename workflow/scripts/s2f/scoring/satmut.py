"""Saturation mutagenesis to be scored: windows of both alleles for each measured variant of an element."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.scoring.blocks import LINES, Block, Windows
from s2f.scoring.measured_variants import DELETION, Element, read
from s2f.scoring.options import BARCODES, EXPERIMENTS
from s2f.scoring.sequences import Fit
from s2f.sequences import dna

UNSCORED = {
    "few_barcodes": "measured with fewer barcodes than required",
    "deletion_at_edge": "no real bases are known to fill the window of the shorter allele",
}


@dataclass(frozen=True)
class Satmut:
    """The variants of some experiments with at least `barcodes` barcodes, as blocks."""

    variants: Path
    elements: Path
    fit: Fit
    length: int
    experiments: Sequence[str] = EXPERIMENTS
    barcodes: int = BARCODES

    roles: ClassVar[tuple[str, ...]] = ("ref", "alt")

    @cached_property
    def _measured(self) -> tuple[pd.DataFrame, dict[str, Element]]:
        return read(self.variants, self.elements, self.experiments)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks. Raises `InputError` as `read`, and for an element without as much of the genome around it
        as its windows need."""
        table, elements = self._measured
        for name, own in table.groupby("element", sort=False):
            element = elements[str(name)]
            self._check(element)
            for first in range(0, len(own), LINES):
                yield self._block(own.iloc[first : first + LINES], element)

    def _check(self, element: Element) -> None:
        first, end, _ = element.region(self.length, self.fit.shortest)
        if first < 0 or end > len(element.codes) or (element.codes[max(first, 0) : end] == dna.N_CODE).any():
            raise InputError(
                f"{self.elements}: element {element.name!r} has {element.end - element.start} bp, but the window has "
                f"{self.length}; expected enough bases of the genome around it in context_sequence, or a shorter "
                "--length"
            )

    def _block(self, rows: pd.DataFrame, element: Element) -> Block:
        deleted = (rows["alt"] == DELETION).to_numpy()
        alt = dna.encode("".join(rows["alt"].where(~deleted, "N")))
        ref, changed, start, fits = element.windows(
            rows["offset"].to_numpy(), alt, deleted, self.length, self.fit.shortest
        )
        few = (rows["barcodes"] < self.barcodes).to_numpy()
        reason = np.where(few, "few_barcodes", np.where(fits, "", "deletion_at_edge"))
        kept = np.flatnonzero(reason == "")
        lines = pd.DataFrame(
            {
                "variant": rows["chrom"] + ":" + rows["pos_hg19"].astype(str) + ":" + rows["ref"] + ":" + rows["alt"],
                "element": rows["element"], "experiment": rows["experiment"], "cell_line": element.cell_line,
                "offset": rows["offset"], "window_start": start, "window_end": start + ref.shape[1],
                "filled_by": element.region(self.length, self.fit.shortest)[2], "barcodes": rows["barcodes"],
                "measured": rows["effect"], "p_value": rows["p_value"], "confidence": rows["confidence"],
                "cagi5_set": rows["cagi5_set"],
            }
        )  # fmt: skip
        windows = [
            Windows(role, np.arange(len(kept)), codes[kept], shift)
            for role, codes in enumerate((ref, changed))
            for shift in self.fit.shifts
            if len(kept)
        ]
        skipped = lines[["variant", "element", "experiment", "barcodes"]].assign(reason=reason)[reason != ""]
        return Block(
            lines.iloc[kept].reset_index(drop=True), windows,
            skipped.assign(explanation=skipped["reason"].map(UNSCORED)),
        )  # fmt: skip
