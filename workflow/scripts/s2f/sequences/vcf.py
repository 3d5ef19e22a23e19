"""VCF: read in batches with constant memory, and written again with fields added to INFO.

The reader is our own, built on the common reader of lines. htslib (pysam, cyvcf2) gives no line numbers, refuses files
with blank lines, and warns about a broken record on the terminal, although a message must name it; two readers would
disagree in borderline cases. A scorer needs only the first five columns, and the line itself in order to write it again
unchanged. The tests compare with pysam: our records equal htslib's in all files that htslib accepts. bgzip files and
the index are written by pysam.

Accepted beyond what the format allows: gzip, bgzip and other compression, LF, CRLF or CR, blank lines, contigs without
a ##contig line, and a missing ##fileformat line.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s2f.common.contents import line_blocks
from s2f.common.errors import InputError
from s2f.common.files import atomic, remove
from s2f.sequences.variants import LAST_POSITION, Variants, texts

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
FORMAT = "variants (VCF)"
BATCH = 2**14  # records
INFO = COLUMNS.index("INFO")
DIGITS = len(str(LAST_POSITION))
_END = re.compile(r"[\t;]END=(\d+)")
LONGEST_OF_TBI = 2**29  # bases in a contig; .csi allows longer contigs


@dataclass(frozen=True)
class Header:
    """The lines above the records, without line ends: `meta` begin with ##; `columns` are the last line's cells."""

    path: Path
    meta: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the samples, which come after FORMAT."""
        return self.columns[len(COLUMNS) + 1 :]


@dataclass(frozen=True)
class Batch:
    """Some records of a file: their lines, without line ends, and one variant per ALT, whose `record` is the number of
    its line, from 0."""

    lines: list[str]
    variants: Variants


def read_header(path: str | Path) -> Header:
    """The header of a VCF. Raises `InputError` for a file without one, and as `contents.opened` does."""
    meta: list[str] = []
    for line, rows in line_blocks(path, FORMAT):
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
    """Yield the records of a VCF in the order of the file, at most `batch` at a time.

    Only one block of the file is held in memory. Raises `InputError` with the file and line for a record whose columns
    differ from the header's, an empty cell in the first five columns, a position that is not a number, and as
    `read_header` does.
    """
    width = len(read_header(path).columns)
    above = True  # still in the header
    for line, rows in line_blocks(path, FORMAT):
        numbers = [number for number, row in enumerate(rows, line) if row and not row.isspace()]
        records = [rows[number - line] for number in numbers]
        if above:
            begin = next((i for i, row in enumerate(records) if not row.startswith("#")), len(records))
            above = begin == len(records)
            numbers, records = numbers[begin:], records[begin:]
        for first in range(0, len(records), batch):
            part = slice(first, first + batch)
            yield Batch(records[part], _variants(records[part], numbers[part], width, path))


def _checked_columns(row: str, path: str | Path, line: int) -> tuple[str, ...]:
    cells = tuple(row.split("\t"))
    if cells[: len(COLUMNS)] != COLUMNS or cells[len(COLUMNS) : len(COLUMNS) + 1] not in ((), ("FORMAT",)):
        by_spaces = len(cells) == 1 and tuple(row.split())[: len(COLUMNS)] == COLUMNS
        spaces = "; they are separated by spaces: write tabs instead" if by_spaces else ""
        raise InputError(
            f"{path}: line {line}: columns are {', '.join(cells[:9])!r}, expected {', '.join(COLUMNS)} and, before "
            f"samples, FORMAT, separated by tabs{spaces}"
        )
    return cells


def _variants(records: list[str], numbers: list[int], width: int, path: str | Path) -> Variants:
    """One variant per ALT of some records, whose lines have the given numbers."""
    cells = _first_cells(records, width)
    if cells is None:
        for row, number in zip(records, numbers, strict=True):
            _refuse(row, number, width, path)
        raise AssertionError(
            f"{path}: lines {numbers[0]} to {numbers[-1]}: are refused together, but no single record is at fault"
        )
    contig, pos, name, ref, alt = cells
    place = np.fromiter(map(int, pos), np.int64, len(pos))
    several = "," in "".join(alt)
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
        offset=np.full(len(record), -1),
    )


def _first_cells(records: list[str], width: int) -> list[tuple[str, ...]] | None:
    """The first five columns of some records, checked all at once; None if `_refuse` has to find the wrong one."""
    if not all(row.count("\t") == width - 1 for row in records):
        return None
    cells = list(zip(*(row.split("\t", 5)[:5] for row in records), strict=True))
    contig, pos, _, _, alt = cells
    digits, alts = "".join(pos), f",{','.join(alt)},"
    good = all(map(all, cells)) and digits.isascii() and digits.isdecimal() and ",," not in alts
    good = good and max(map(len, pos)) <= DIGITS and max(map(int, pos)) <= LAST_POSITION
    return cells if good and not any(name[0] == "#" for name in contig) else None


def _refuse(row: str, line: int, width: int, path: str | Path) -> None:
    """Raise `InputError` for a line that is not a record; otherwise do nothing."""
    where, cells = f"{path}: line {line}:", row.split("\t")
    if row.startswith("#"):
        raise InputError(f"{where} begins with #, expected a record: comments may only be in the header")
    if len(cells) != width:
        spaces = "; the cells are separated by spaces: write tabs instead" if len(row.split()) >= 8 > len(cells) else ""
        raise InputError(f"{where} {len(cells)} columns separated by tabs, expected {width} as in the header{spaces}")
    for name, cell in zip(COLUMNS[:5], cells, strict=False):
        if not cell:
            fix = "; write . for none" if name in ("ID", "ALT") else ""
            raise InputError(f"{where} {name.strip('#')} is empty, expected a value{fix}")
    whole = cells[1].isascii() and cells[1].isdecimal() and len(cells[1]) <= DIGITS
    if not whole or int(cells[1]) > LAST_POSITION:
        raise InputError(f"{where} POS is {cells[1]!r}, expected a whole number from 0 to {LAST_POSITION:,}")
    if not all(cells[4].split(",")):
        raise InputError(f"{where} ALT is {cells[4]!r}, expected alleles separated by single commas")


@dataclass(frozen=True)
class Field:
    """A field to add to INFO, with one value per ALT: Float, Integer or String."""

    name: str
    description: str
    type: str = "Float"

    @property
    def line(self) -> str:
        """Its line in the header."""
        text = self.description.replace("\\", "\\\\").replace('"', '\\"')
        return f'##INFO=<ID={self.name},Number=A,Type={self.type},Description="{text}">'


class Writer:
    """Writes the records of a VCF again, with fields added to INFO; `written` yields one."""

    def __init__(self, put: Callable[[bytes], object], added: Sequence[Field], order: "_Order | None") -> None:
        self.put, self.added, self.order = put, added, order

    def write(self, batch: Batch, values: Mapping[str, ArrayLike]) -> None:
        """Write the records of a batch, with `values` of each field, one per variant (N); NaN and empty texts become a
        dot. Numbers have 6 significant digits. Raises `InputError` for records out of order if an index is written, and
        `ValueError` for texts that INFO cannot hold."""
        if self.order:
            self.order.add(batch)
        first = np.flatnonzero(batch.variants.alt_index == 1)
        columns = [_joined(_texts_of(values[field.name], field), first) for field in self.added]
        names = [field.name for field in self.added]
        lines = []
        for row, *cells in zip(batch.lines, *columns, strict=True):
            added = ";".join(f"{name}={cell}" for name, cell in zip(names, cells, strict=True))
            above, info, behind = _around_info(row)
            lines.append(f"{above}{added if info == '.' or not info else f'{info};{added}'}{behind}\n")
        self.put("".join(lines).encode())


def refuse_known(header: Header, added: Sequence[Field]) -> None:
    """Raise `InputError` for a field that the header already has."""
    for field in added:
        known = [line for line in header.meta if re.match(rf"##INFO=<ID={re.escape(field.name)}[,>]", line)]
        if known:
            raise InputError(
                f"{header.path}: already has the INFO field {field.name}, which would be written twice; remove it "
                f"(bcftools annotate --remove INFO/{field.name}), or score the file from which it was made"
            )


@contextlib.contextmanager
def written(path: str | Path, header: Header, added: Sequence[Field], meta: Sequence[str] = ()) -> Iterator[Writer]:
    """Write the records of `header.path` again, with the fields `added` to INFO and the lines `meta` to the header.

    Everything else stays the same: order, IDs, FILTER, genotypes. Line ends become \\n, and blank lines are removed.
    The file gets its name when everything is written. If the name ends in .gz or .bgz, the file is compressed by bgzip
    and gets an index, .tbi or, for positions beyond 2^29, .csi; its records must then be in order (`refuse_unsorted`
    checks this beforehand). Raises `InputError` as `refuse_known` does.
    """
    path = Path(path)
    refuse_known(header, added)
    version = [] if header.meta[:1] and header.meta[0].startswith("##fileformat=") else ["##fileformat=VCFv4.2"]
    lines = [*version, *header.meta, *meta, *(field.line for field in added), "\t".join(header.columns)]
    text = "".join(f"{line}\n" for line in lines).encode()
    if not is_indexed(path):
        with atomic(path) as temporary, temporary.open("wb") as stream:
            stream.write(text)
            yield Writer(stream.write, added, None)
        return
    import pysam

    order = _Order(header.path)
    with atomic(path) as temporary:
        with _bgzip(temporary, path) as put:
            put(text)
            yield Writer(put, added, order)
        endings = (".csi", ".tbi") if order.last >= LONGEST_OF_TBI else (".tbi", ".csi")
        index, other = (path.with_name(path.name + ending) for ending in endings)
        with atomic(index) as index_path, _unwritten_told(path):
            pysam.tabix_index(str(temporary), preset="vcf", csi=index.suffix == ".csi", index=str(index_path))
        remove(other)  # from an earlier file


@contextlib.contextmanager
def _bgzip(temporary: Path, path: Path) -> Iterator[Callable[[bytes], object]]:
    """A function that writes bytes to `temporary`, compressed by bgzip; `path` is the file's name in messages."""
    import pysam

    stream = pysam.BGZFile(str(temporary), "wb")

    def put(data: bytes) -> None:
        with _unwritten_told(path):
            stream.write(data)

    try:
        yield put
    finally:
        with _unwritten_told(path):
            stream.close()


@contextlib.contextmanager
def _unwritten_told(path: Path) -> Iterator[None]:
    """Raise `InputError` if htslib could not write; htslib does not say why."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error}); is the disk of {path.parent} full?") from error


def is_indexed(path: str | Path) -> bool:
    """Whether a file with this name is written with an index."""
    return Path(path).suffix in (".gz", ".bgz")


def refuse_unsorted(path: str | Path) -> None:
    """Raise `InputError` for a VCF whose records are not in order, because it cannot be indexed."""
    order = _Order(path)
    for batch in read_vcf(path):
        order.add(batch)


class _Order:
    """Whether the records of a file are in order: each contig in one run, with rising positions. `last` is the farthest
    end of REF, or END in INFO, since an index includes both."""

    def __init__(self, path: str | Path) -> None:
        self.path, self.last = path, 0
        self.contig, self.pos, self.done = "", 0, set[str]()

    def add(self, batch: Batch) -> None:
        rows = batch.variants.rows(batch.variants.alt_index == 1)
        columns = (rows.contig, rows.pos.tolist(), rows.line, rows.ref, batch.lines)
        for contig, pos, line, ref, text in zip(*columns, strict=True):
            if contig != self.contig:
                self.done.add(self.contig)
            if contig in self.done or (contig == self.contig and pos < self.pos):
                raise InputError(
                    f"{self.path}: line {line}: {contig}:{pos} comes after {self.contig}:{self.pos}, expected sorted "
                    "records, because an index is written; sort the file (bcftools sort), or choose a name for the "
                    "result that does not end in .gz (in a study: vcf_out: vcf)"
                )
            end = _END.search(text) if "END=" in text else None
            self.contig, self.pos = contig, pos
            self.last = max(self.last, pos + len(ref), int(end[1]) if end else 0)


def _texts_of(values: ArrayLike, field: Field) -> list[str]:
    """The cells of one field."""
    column = np.asarray(values)
    if field.type == "String":
        cells = [str(value) or "." for value in column]
        for cell in cells:
            if re.search(r"[\s;=,]", cell):
                raise ValueError(f"{field.name}: {cell!r} has white space, a semicolon, = or a comma")
        return cells
    cells = [f"{value:.6g}" for value in column.tolist()]
    return ["." if cell == "nan" else cell for cell in cells]


def _joined(cells: list[str], first: NDArray[np.int64]) -> list[str]:
    """The cells of each record, joined by commas; `first` says where the records begin."""
    if len(first) == len(cells):
        return cells
    ends = [*first[1:].tolist(), len(cells)]
    return [",".join(cells[begin:end]) for begin, end in zip(first.tolist(), ends, strict=True)]


def _around_info(row: str) -> tuple[str, str, str]:
    """A record's text before INFO, INFO itself, and the text after it."""
    cells = row.split("\t", INFO + 1)
    behind = f"\t{cells[INFO + 1]}" if len(cells) > INFO + 1 else ""
    return "\t".join(cells[:INFO]) + "\t", cells[INFO], behind
