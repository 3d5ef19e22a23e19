"""BED files: the columns that all of them have in common, checked line by line."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from s2f.common.errors import InputError
from s2f.sequences.chromosomes import chromosome
from s2f.sequences.genome import opened


class BedLine(NamedTuple):
    """A line: its number, the interval (0-based, half-open; canonical chromosome), and all of its cells."""

    line: int
    chrom: str
    start: int
    end: int
    cells: list[str]


def read_bed(path: str | Path, fewest: int = 3, expected: str = "3 (chrom, start, end)") -> Iterator[BedLine]:
    """Yield the lines of a BED file, plain or compressed, of at least `fewest` columns separated by tabs.

    `expected` says in a message how many of which there should be. Comments, `track` and `browser` lines are passed
    over. Raises `InputError` with file and line for fewer columns, lines of different numbers of columns, coordinates
    that are no whole numbers, an end not after its start and no chromosome, and as `opened`.
    """
    width = 0
    names: dict[str, str] = {}
    with opened(path) as stream:
        for line, raw in enumerate(stream, 1):
            text = raw.decode("latin-1").rstrip("\r\n")
            if not text.strip() or text.startswith(("#", "track", "browser")):
                continue
            cells = text.split("\t")
            where = f"{path}: line {line}:"
            if len(cells) < fewest:
                raise InputError(f"{where} {len(cells)} columns separated by tabs, expected at least {expected}")
            width = width or len(cells)
            if len(cells) != width:
                raise InputError(f"{where} {len(cells)} columns, expected {width} as in the lines before")
            chrom, start, end = cells[:3]
            for what, cell in (("start", start), ("end", end)):
                if not (cell.isascii() and cell.isdigit()):
                    raise InputError(f"{where} {what} is {cell!r}, expected a whole number of at least 0")
            if int(start) >= int(end):
                raise InputError(f"{where} end is {end}, expected a number above start, {start}")
            if chrom not in names:
                try:
                    names[chrom] = chromosome(chrom)
                except InputError as error:
                    raise InputError(f"{where} {error}") from None
            if not names[chrom]:
                raise InputError(f"{where} chromosome is {chrom!r}, expected a name such as chr7")
            yield BedLine(line, names[chrom], int(start), int(end), cells)
