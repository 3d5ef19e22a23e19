"""Variants to be scored: windows of both alleles around each, and why some variants have none."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from s2f.scoring.blocks import LINES, Block, Windows
from s2f.sequences.genome import Genome
from s2f.sequences.variant_judge import OK, REASONS, Judge, Judged
from s2f.sequences.variants import Variants, texts
from s2f.sequences.windows import centre, window_pairs

STRANDS = ("+", "-", "both", "file")
UNSCORED = {
    **REASONS,
    "no_strand": "neither a gene nor a strand in the file says which strand is transcribed",
}


@dataclass(frozen=True)
class VariantEffects:
    """The variants of a file as blocks. Iterates over the file anew each time.

    `batches` yields them in the order of the file. A window has `length` bp; the first changed base is at each of the
    `offsets` in turn (from 0, in the model's orientation), and the window is read at all `shifts` of the construct
    (bp): values are means over these, the same for both alleles. If the file gives an offset, only that one is used.
    `strand` of the genome that is read: + or -, both, or `file`, as the file says for each variant; `of_genes` gives
    the strands of genes instead (`genes.Genes.strands`). A variant may add, remove or replace up to `longest` bases.
    """

    path: Path
    batches: Callable[[], Iterator[Variants]]
    genome: Genome
    length: int
    offsets: tuple[int, ...] = ()
    shifts: tuple[int, ...] = (0,)
    strand: str = "+"
    of_genes: Callable[[ArrayLike, ArrayLike, ArrayLike], NDArray[np.object_]] | None = None
    longest: int = 20

    @property
    def roles(self) -> tuple[str, ...]:
        """The values of a line: both alleles on the plus strand, and on the minus strand if that may be needed."""
        return ("ref", "alt") if self.strand == "+" and not self.of_genes else ("ref", "alt", "ref -", "alt -")

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks, at most one for each `LINES` variants. Raises `InputError` as the reader, and if the REF of
        most variants differs from the genome."""
        offsets = self.offsets or (centre(self.length),)
        judge = Judge(self.genome, self.path, self.longest)
        unread = self.strand != "file" or self.of_genes  # a change on the other strand is then the same change
        for batch in self.batches():
            if unread:
                batch = replace(batch, strand=texts([""] * len(batch)))
            for first in range(0, len(batch), LINES):
                some = batch.rows(slice(first, first + LINES))
                yield self._block(some, judge.judged(some), offsets)
        judge.finish()

    def _block(self, variants: Variants, judged: Judged, offsets: tuple[int, ...]) -> Block:
        strand, reason = self._strands(variants, judged), texts(judged.reason)
        found = []
        for minus, sign in enumerate("+-"):
            asked = np.flatnonzero((reason == OK) & ((strand == sign) | (strand == "both")))
            for number, offset in enumerate(offsets):
                given = variants.offset[asked] >= 0
                own = asked if not number else asked[~given]
                place = np.where(variants.offset[own] >= 0, variants.offset[own], offset)
                pairs = window_pairs(self.genome, judged.rows(own), self.length, place, sign)
                reason[own] = np.where(reason[own] == OK, pairs.reason, reason[own])
                found += [(2 * minus, own, pairs.ref), (2 * minus + 1, own, pairs.alt)]
        scored = reason == OK
        line = np.cumsum(scored) - 1
        windows = [
            Windows(role, line[asked[kept]], inserts[kept], shift)
            for role, asked, inserts in found
            if (kept := scored[asked]).any()
            for shift in self.shifts
        ]
        lines = _written(variants.rows(scored))
        lines.insert(0, "variant", _keys(judged.rows(scored)))
        skipped = _written(variants.rows(~scored)).assign(reason=reason[~scored])
        return Block(lines, windows, skipped.assign(explanation=skipped["reason"].map(UNSCORED)))

    def _strands(self, variants: Variants, judged: Judged) -> NDArray[np.object_]:
        """The strand of each variant: +, -, both or none; a variant without a strand is not scored."""
        if self.of_genes:
            strand = self.of_genes(judged.chrom, judged.start, judged.start + np.maximum(judged.removed, 1))
        elif self.strand == "file":
            strand = np.where(variants.strand == "", "none", variants.strand)
        else:
            strand = texts([self.strand] * len(variants))
        judged.reason[(judged.reason == OK) & (strand == "none")] = "no_strand"
        return strand


def _written(variants: Variants) -> pd.DataFrame:
    """The columns of variants as their file has them."""
    return pd.DataFrame(
        {
            "line": variants.line, "chrom": variants.contig, "pos": variants.pos, "id": variants.id,
            "ref_allele": variants.ref, "alt_allele": variants.alt,
        }
    )  # fmt: skip


def _keys(judged: Judged) -> list[str]:
    """`chr7:70038969:G:T` for each, with the genome's name of the contig, and alleles as bcftools norm writes them."""
    columns = (judged.chrom, judged.norm_pos.tolist(), judged.norm_ref, judged.norm_alt)
    return [f"{chrom}:{pos}:{ref}:{alt}" for chrom, pos, ref, alt in zip(*columns, strict=True)]
