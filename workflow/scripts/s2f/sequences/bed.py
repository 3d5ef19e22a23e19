"""BED files: the only reader of intervals, which checks the columns common to all BED formats line by line.

bioframe.read_table is pandas.read_csv with column names given by the caller: truncated lines and columns of another
format come back as NaN or as wrong values, without a line number. So we keep this reader, which does little except
check.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from s2f.common.contents import lines
from s2f.common.errors import InputError
from s2f.sequences.chromosomes import chromosome
from s2f.sequences.intervals import LONGEST

HEADER = re.compile(r"#|(track|browser)(\s|$)")

COLUMNS = ("start", "chromstart", "chrom_start", "begin", "pos", "end", "chromend", "chrom_end")  # as headers call them


class BedLine(NamedTuple):
    """A line: its number, its interval (0-based, half-open; canonical chromosome) and all its cells."""

    line: int
    chrom: str
    start: int
    end: int
    cells: list[str]


def _other_format(what: str, cells: list[str]) -> str:
    """A hint at the format of a line whose start or end (`what`) is not a whole number; empty if unknown."""
    cell = cells[1 if what == "start" else 2]
    if what == "start" and len(cells) >= 8 and cells[3].isdigit() and cells[4].isdigit():
        return "; this is a line of GFF or GTF, with positions in columns 4 and 5, counted from 1: convert it to BED"
    if what == "end" and len(cells) >= 8 and re.fullmatch(r"[ACGTN]+", cells[3], re.IGNORECASE):
        return "; this is a line of VCF, which holds variants, not intervals"
    if re.fullmatch(r"\d+(\.\d+)?([eE]\+?\d+)?", cell):
        return "; to write whole numbers, set options(scipen=999) in R, or use integer columns in pandas"
    return ""


def read_bed(path: str | Path, fewest: int = 3, expected: str = "3 (chrom, start, end)") -> Iterator[BedLine]:
    """Yield the lines of a BED file, plain or compressed, which must have at least `fewest` columns separated by tabs.

    `expected` says in messages how many columns there should be, and which. Comments, `track` and `browser` lines are
    skipped. Raises `InputError` with the file and line for too few columns, for lines with different numbers of
    columns, for coordinates that are not whole numbers or lie beyond any chromosome, for an end that is not after its
    start, for a missing chromosome, and as `contents.lines` does.
    """
    width = 0
    names: dict[str, str] = {}
    for line, text in lines(path, "intervals (BED)"):
        if not text.strip() or HEADER.match(text):
            continue
        cells = text.split("\t")
        where = f"{path}: line {line}:"
        if len(cells) < fewest:
            by_spaces = len(text.split()) >= fewest > len(cells) == 1
            raise InputError(
                f"{where} {len(cells)} columns separated by tabs, expected at least {expected}"
                + ("; the cells are separated by spaces: write tabs instead" if by_spaces else "")
            )
        width = width or len(cells)
        if len(cells) != width:
            raise InputError(f"{where} {len(cells)} columns, expected {width} as in the lines before")
        chrom, start, end = cells[:3]
        for what, cell in (("start", start), ("end", end)):
            if not (cell.isascii() and cell.isdigit()):
                raise InputError(
                    f"{where} {what} is {cell!r}, expected a whole number of at least 0"
                    + ("; put # before the line of column names" if cell.lower() in COLUMNS and not names else "")
                    + _other_format(what, cells)
                )
        if int(start) >= int(end):
            swapped = "; are the two swapped?" if int(start) > int(end) else ""
            raise InputError(f"{where} end is {end}, expected a number above start, {start}{swapped}")
        if int(end) > LONGEST:
            raise InputError(f"{where} end is {end}, beyond the end of any chromosome")
        if chrom not in names:
            try:
                names[chrom] = chromosome(chrom)
            except InputError as error:
                raise InputError(f"{where} {error}") from None
        if not names[chrom]:
            raise InputError(f"{where} chromosome is {chrom!r}, expected a name such as chr7")
        yield BedLine(line, names[chrom], int(start), int(end), cells)
