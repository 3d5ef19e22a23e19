"""VCF: read in batches of constant memory, and written again with fields added to INFO.

The reader is our own, on the common reader of lines. htslib (pysam, cyvcf2) gives no line numbers, refuses files with
blank lines, and warns of a broken record on the terminal where a message must name it; two readers would disagree at
the edges. A scorer needs the first five columns and the line itself, to write it again unchanged. In the tests pysam is
the judge: our records equal htslib's in all files that it accepts. bgzip and the index are written by pysam.

What is accepted beyond the format: gzip, bgzip and other compression, LF, CRLF or CR, blank lines, contigs without a
##contig line, a missing ##fileformat line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2f.common.contents import decoded, opened, whole_lines
from s2f.common.errors import InputError
from s2f.sequences.variants import LAST_POSITION, Variants, texts

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
BATCH = 2**14  # records


@dataclass(frozen=True)
class Header:
    """The lines above the records, without ends: `meta` begin with ##, `columns` are the cells of the last one."""

    path: Path
    meta: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the samples, which stand behind FORMAT."""
        return self.columns[len(COLUMNS) + 1 :]


@dataclass(frozen=True)
class Batch:
    """Some records of a file: their lines, without ends, and one variant for each ALT, whose `record` numbers the
    lines from 0."""

    lines: list[str]
    variants: Variants


def read_header(path: str | Path) -> Header:
    """The header of a VCF. Raises `InputError` for a file without one, and as `contents.opened`."""
    meta: list[str] = []
    for line, rows in _blocks(path):
        for number, row in enumerate(rows, line):
            if row.startswith("##"):
                meta.append(row)
            elif row.startswith("#"):
                return Header(Path(path), tuple(meta), _checked_columns(row, path, number))
            elif row.strip():
                raise InputError(
                    f"{path}: line {number}: is {row[:40]!r}, expected the header of a VCF, whose last line begins "
                    f"with {COLUMNS[0]}"
                )
    raise InputError(f"{path}: has no line that begins with {COLUMNS[0]}, expected a VCF")


def read_vcf(path: str | Path, batch: int = BATCH) -> Iterator[Batch]:
    """Yield the records of a VCF in the order of the file, at most `batch` at once.

    No more than a block of the file is held in memory. Raises `InputError` with file and line for a record with other
    columns than the header, an empty cell of the first five columns, a position that is no number, and as
    `read_header`.
    """
    width = len(read_header(path).columns)
    above = True  # in the header
    for line, rows in _blocks(path):
        numbers = [number for number, row in enumerate(rows, line) if row and not row.isspace()]
        records = [rows[number - line] for number in numbers]
        if above:
            begin = next((i for i, row in enumerate(records) if not row.startswith("#")), len(records))
            above = begin == len(records)
            numbers, records = numbers[begin:], records[begin:]
        for first in range(0, len(records), batch):
            part = slice(first, first + batch)
            yield Batch(records[part], _variants(records[part], numbers[part], width, path))


def _blocks(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line, from 1, and the lines of each block of a file."""
    line = 1
    with opened(path, "variants (VCF)") as stream:
        for block in whole_lines(stream):
            rows = decoded(block, path, line).split("\n")
            rows = rows if rows[-1] else rows[:-1]
            yield line, rows
            line += len(rows)


def _checked_columns(row: str, path: str | Path, line: int) -> tuple[str, ...]:
    cells = tuple(row.split("\t"))
    if cells[: len(COLUMNS)] != COLUMNS or cells[len(COLUMNS) : len(COLUMNS) + 1] not in ((), ("FORMAT",)):
        spaces = "; they are separated by spaces: write tabs instead" if tuple(row.split())[:8] == COLUMNS else ""
        raise InputError(
            f"{path}: line {line}: columns are {', '.join(cells[:9])!r}, expected {', '.join(COLUMNS)} and, before "
            f"samples, FORMAT, separated by tabs{spaces}"
        )
    return cells


def _variants(records: list[str], numbers: list[int], width: int, path: str | Path) -> Variants:
    """One variant for each ALT of some records, whose lines have these numbers."""
    for row, number in zip(records, numbers, strict=True):
        if row.count("\t") != width - 1:
            _refuse(row, number, width, path)
    contig, pos, name, ref, alt = zip(*(row.split("\t", 5)[:5] for row in records), strict=True)
    # asked of all at once; which one it is, is asked only where one is wrong
    digits = "".join(pos)
    whole = all(map(all, (contig, pos, name, ref, alt))) and digits.isascii() and digits.isdecimal()
    if not whole or max(map(len, pos)) > 10 or any(first[0] == "#" for first in contig):
        for row, number in zip(records, numbers, strict=True):
            _refuse(row, number, width, path)
    place = np.fromiter(map(int, pos), np.int64, len(pos))
    several = "," in "".join(alt)
    if place.max() > LAST_POSITION or (several and not all(all(cell.split(",")) for cell in alt)):
        for row, number in zip(records, numbers, strict=True):
            _refuse(row, number, width, path)
    alts = [cell.split(",") for cell in alt] if several else [alt]
    counts = np.fromiter(map(len, alts), np.int64, len(alts)) if several else np.ones(len(alt), np.int64)
    record = np.repeat(np.arange(len(records)), counts)
    return Variants(
        contig=texts(contig)[record],
        pos=place[record],
        id=texts(name)[record],
        ref=texts(ref)[record],
        alt=texts([allele for cell in alts for allele in cell]),
        line=np.array(numbers)[record],
        alt_index=np.arange(len(record)) - np.repeat(np.cumsum(counts) - counts, counts) + 1,
        record=record,
        strand=texts([""] * len(record)),
    )


def _refuse(row: str, line: int, width: int, path: str | Path) -> None:
    """Raise `InputError` for a line that is no record."""
    where, cells = f"{path}: line {line}:", row.split("\t")
    if row.startswith("#"):
        raise InputError(f"{where} begins with #, expected a record: comments stand in the header only")
    if len(cells) != width:
        spaces = "; the cells are separated by spaces: write tabs instead" if len(row.split()) >= 8 > len(cells) else ""
        raise InputError(f"{where} {len(cells)} columns separated by tabs, expected {width} as in the header{spaces}")
    for name, cell in zip(COLUMNS[:5], cells, strict=False):
        if not cell:
            mend = "; . stands for none" if name in ("ID", "ALT") else ""
            raise InputError(f"{where} {name.strip('#')} is empty, expected a value{mend}")
    if not (cells[1].isascii() and cells[1].isdecimal()) or int(cells[1]) > LAST_POSITION:
        raise InputError(f"{where} POS is {cells[1]!r}, expected a whole number from 0 to {LAST_POSITION:,}")
    if not all(cells[4].split(",")):
        raise InputError(f"{where} ALT is {cells[4]!r}, expected alleles separated by single commas")
