"""Genes and their strands, from GTF or GFF3: which strand is transcribed at a position."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s2f.common.contents import line_blocks
from s2f.common.errors import InputError
from s2f.sequences.chromosomes import chromosome
from s2f.sequences.intervals import LONGEST, Intervals

# features that span genes; the first type that a file has is used, because some tools write only transcripts or exons
FEATURES = (("gene", "ncRNA_gene", "pseudogene"), ("transcript", "mRNA"), ("exon", "CDS"))
_RANK = {name: rank for rank, names in enumerate(FEATURES) for name in names}
_FORMAT = "genes (GTF)"

Interval = tuple[str, int, int]


@dataclass(frozen=True)
class Genes:
    """The genes of each strand as intervals, and the number of genes."""

    plus: Intervals
    minus: Intervals
    count: int

    def strands(self, chrom: ArrayLike, start: ArrayLike, end: ArrayLike) -> NDArray[np.object_]:
        """The strand on which genes overlap each interval (0-based, half-open): +, -, both or none, (N,).

        For judged variants, ask about `judged.start` to `judged.start + maximum(judged.removed, 1)`; variants without a
        position get none. `both` and `none` are not strands to score on: the caller asks the user for one, or scores
        both and says so.
        """
        plus, minus = (genes.near(chrom, start, end) for genes in (self.plus, self.minus))
        found = np.full(len(plus), "none", object)
        found[plus], found[minus], found[plus & minus] = "+", "-", "both"
        return found


def read_genes(path: str | Path) -> Genes:
    """The genes in a GTF or GFF3 file, plain or compressed; if it has no genes, its transcripts, or else its exons.

    Genes without a strand are skipped. Raises `InputError` with the file and line for fewer than 8 columns, positions
    that are not whole numbers from 1, an end before its start, and unknown strands; also for a file without a gene.
    """
    found: list[dict[str, list[Interval]]] = [{"+": [], "-": []} for _ in FEATURES]
    names: dict[str, str] = {}
    best = len(FEATURES)  # rank of the best feature seen so far
    for first, rows in line_blocks(path, _FORMAT):
        for line, row in enumerate(rows, first):
            if row.startswith("##FASTA"):
                return _genes(found, path)
            if not row.strip() or row.startswith("#"):
                continue
            cells = row.split("\t", 8)
            if len(cells) < 8:
                spaces = "; they are separated by spaces: write tabs instead" if len(row.split()) >= 8 else ""
                raise InputError(f"{path}: line {line}: {len(cells)} columns, expected 9 as in a GTF{spaces}")
            rank = _RANK.get(cells[2], len(FEATURES))
            if rank <= best and rank < len(FEATURES):
                best = rank
                start, end, strand = _checked(cells, f"{path}: line {line}:")
                if cells[0] not in names:
                    names[cells[0]] = _chromosome(cells[0], f"{path}: line {line}:")
                if strand in found[rank]:
                    found[rank][strand].append((names[cells[0]], start, end))
    return _genes(found, path)


def _chromosome(name: str, where: str) -> str:
    try:
        return chromosome(name)
    except InputError as error:
        raise InputError(f"{where} {error}") from None


def _checked(cells: list[str], where: str) -> tuple[int, int, str]:
    """Start (from 0), end and strand of a line."""
    for name, cell in (("start", cells[3]), ("end", cells[4])):
        if not (cell.isascii() and cell.isdecimal()) or not 1 <= int(cell) <= LONGEST:
            bed = "; this may be BED" if cells[1].isdecimal() and cells[2].isdecimal() else ""
            raise InputError(f"{where} {name} is {cell!r}, expected a whole number of at least 1{bed}")
    start, end = int(cells[3]), int(cells[4])
    if end < start:
        raise InputError(f"{where} end is {end}, expected at least start ({start})")
    if cells[6] not in ("+", "-", ".", "?"):
        raise InputError(f"{where} strand is {cells[6]!r}, expected +, - or .")
    return start - 1, end, cells[6]


def _genes(found: list[dict[str, list[Interval]]], path: str | Path) -> Genes:
    for strands in found:
        if strands["+"] or strands["-"]:
            return Genes(_intervals(strands["+"]), _intervals(strands["-"]), sum(map(len, strands.values())))
    wanted = ", ".join(name for names in FEATURES for name in names)
    raise InputError(f"{path}: has no gene with a strand, expected lines whose third column is one of {wanted}")


def _intervals(genes: list[Interval]) -> Intervals:
    chrom, start, end = zip(*genes, strict=True) if genes else ((), (), ())
    return Intervals(list(chrom), list(start), list(end))
