"""Genome sequence from FASTA, and its only reader: whole chromosomes or pieces of them, plain or compressed.

A record is a chromosome (`chr7`, `7`) or a piece of one, `chr7:100-250`, 0-based and half-open, of the plus strand.
Nothing is written beside the file, and at most one record is held in memory: windows are read by position if a plain
file has its `.fai` index (samtools faidx) beside it, and otherwise in one pass over the file. Measured for 5,000
windows of 101 bases from 100 Mb in lines of 60: 0.04 s with an index, 0.4 s plain, 1.1 s gzip; opening takes as long
again. Callers that ask repeatedly, for millions of positions, use `Genome.codes`, which unpacks a file without an index
once.

An index is used only if it is not older than its FASTA and gives the true start and end of every record. pyfaidx and
pysam.FastaFile are not used because they check neither: they trust an index (pyfaidx rebuilds it only by date), they
write beside the file, and the only gzip they read is bgzip.
"""

import functools
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.contents import decoded, is_packed, opened, whole_lines
from s2f.common.errors import InputError
from s2f.common.files import is_disk_full
from s2f.sequences import dna
from s2f.sequences.chromosomes import chromosome
from s2f.sequences.intervals import Intervals

_SEQUENCE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz*-.\n \t"  # what may come between headers
_HEADER = 2**16  # longer than any header, in bytes
_PIECE = re.compile(r"(?P<chrom>.+):(?P<start>\d+)-(?P<end>\d+)(?:\((?P<strand>[+-])\))?")
# IUPAC letters for more than one base, of which hg38 contains a few, become N
_LETTERS = bytes.maketrans(b"acgtnuURYSWKMBDHVryswkmbdhv", b"ACGTNTT" + b"N" * 20)
_CODES = dna.codes_of(np.frombuffer(bytes(range(256)).translate(_LETTERS), np.uint8))
_Column = NDArray[np.int64]
_NONE = 255  # code of letters that are not bases


def records(path: str | Path) -> Iterator[tuple[str, int, bytearray]]:
    """Yield (header without >, line of the header, letters as a bytearray without line breaks) for each FASTA record.

    Lines end with LF, CRLF or CR. Raises `InputError` for text before the first header, a file without headers, a
    header that is not UTF-8, and as `contents.opened` does.
    """
    header, line, letters, passed = None, 0, bytearray(), 0  # passed: line breaks before the block
    with opened(path, "FASTA") as stream:
        for block in whole_lines(stream):
            before = passed - 1  # minus the line break put in front, so that every header follows one
            for number, text in enumerate((b"\n" + block).split(b"\n>")):
                if number:
                    if header is not None:
                        yield header, line, letters
                    name, _, text = text.partition(b"\n")
                    before += 1
                    header, line, letters = decoded(name, path, before + 1).strip(), before + 1, bytearray()
                    before += 1
                elif header is None and text.strip():
                    raise InputError(f"{path}: line 1: expected a FASTA header, which begins with >")
                if text.translate(None, _SEQUENCE):
                    _refuse_text(text, path, before + 1, header)
                letters += text.translate(None, b"\n \t")
                before += text.count(b"\n")
            passed += block.count(b"\n")
    if header is None:
        raise InputError(f"{path}: holds no FASTA record")
    yield header, line, letters


def _refuse_text(text: bytes, path: str | Path, line: int, header: str | None) -> None:
    """Raise `InputError` for text that is not sequence, such as a comment: it would shift all later bases."""
    for number, row in enumerate(text.split(b"\n"), line):
        if row.translate(None, _SEQUENCE):
            shown = row[:60].decode("utf-8", "backslashreplace")
            raise InputError(
                f"{path}: line {number}: {shown!r} is not a sequence, in record {header!r}; remove comments, numbers "
                "and blanks before >"
            )


@dataclass(frozen=True)
class Genome:
    """What a FASTA file contains: `records` has one row per record, with chrom, start, end and whole (not a piece).

    If there is an index, it also has first (byte of the first base), and bases and width (letters and bytes per line).
    chrom is "" for a record that cannot be asked for, because its name is not that of a chromosome or contig or because
    another record is the same chromosome (chrM and chrMT); `ambiguous` has a text for each of the latter. `notes` says
    what is unusual about the file.
    """

    path: Path
    records: pd.DataFrame
    intervals: Intervals
    ambiguous: dict[str, str]
    notes: tuple[str, ...] = ()

    @staticmethod
    def open(path: str | Path) -> "Genome":
        """Read the index `{path}.fai` of a plain file, or go through the file once.

        Raises `InputError` with the line for a piece whose length is not the one in its name, a piece of the minus
        strand, a name or piece that occurs twice, and a file in which no record is named after a chromosome.
        """
        path = Path(path)
        index = path.with_name(path.name + ".fai")
        with opened(path, "FASTA"):  # refuses anything but text, before an index hides it
            indexed = index.is_file() and not is_packed(path)
        entries, why = _indexed(index, path) if indexed else ([], "")
        note = f"{index}: {why}, so it is not used; make the index again with samtools faidx, or remove it"
        where = index if entries else path
        table = pd.DataFrame(entries or _scanned(path), columns=["name", "line", "length", "first", "bases", "width"])
        named = table[["name", "line", "length"]].itertuples(index=False)
        placed = [_placed(name, line, length, where) for name, line, length in named]
        table[["chrom", "start", "end", "whole"]] = pd.DataFrame(placed, index=table.index)
        for columns in (["name"], ["chrom", "start", "end"]):
            asked = table[~table["whole"] & (table["chrom"] != "")] if len(columns) > 1 else table
            twice = asked.duplicated(columns)
            if twice.any():
                row = asked[twice].iloc[0]
                raise InputError(f"{where}: line {row['line']}: {row['name']!r} occurs a second time")
        ambiguous = {}
        whole = table[table["whole"] & (table["chrom"] != "")]
        for chrom, own in whole[whole["chrom"].duplicated(keep=False)].groupby("chrom"):
            said = " and ".join(f"{name!r} (line {line})" for name, line in zip(own["name"], own["line"], strict=True))
            ambiguous[chrom] = f"is {len(own)} records of {where}, {said}; expected one: remove the others"
        table.loc[table["whole"] & table["chrom"].isin(ambiguous), "chrom"] = ""
        if (table["chrom"] == "").all():
            for chrom, why in ambiguous.items():
                raise InputError(f"{path}: {chrom} {why}")
            row = table.iloc[0]
            raise InputError(
                f"{where}: line {row['line']}: no record has a usable name, the first one is {row['name']!r}; "
                "expected chr7 or chr7:100-250"
            )
        intervals = Intervals(table["chrom"], table["start"], table["end"])
        return Genome(path, table, intervals, ambiguous, (note,) if why else ())

    def holds(self, windows: pd.DataFrame) -> NDArray[np.bool_]:
        """Whether a single record contains the whole window, (N,), for windows (chrom, start, end)."""
        return self.intervals.holding(windows["chrom"], windows["start"], windows["end"]) >= 0

    def check(self, table: pd.DataFrame, path: str | Path, incomplete: bool = False) -> None:
        """Refuse intervals (chrom, end, line) from the file `path` that lie on a chromosome which the FASTA has more
        than once or, unless it may be `incomplete`, lacks, or that go beyond its end; the end is not known if the FASTA
        has only pieces of a chromosome."""
        lost = ~table["chrom"].isin(set(self.records["chrom"]))
        if incomplete:
            lost = table["chrom"].isin(set(self.ambiguous))
        if lost.any():
            row = table[lost].iloc[0]
            known = self.records["chrom"].unique()
            some = ", ".join(known[known != ""][:4])
            why = self.ambiguous.get(
                row["chrom"],
                f"is not in {self.path}, which has {some}, ...; name the FASTA of the whole genome, list the "
                "chromosomes to use (chromosomes: [...] of the source), or skip what is not in the FASTA "
                "(incomplete_genome: true)",
            )
            raise InputError(f"{path}: line {row['line']}: chromosome {row['chrom']!r} {why}")
        whole = self.records[self.records["whole"] & (self.records["chrom"] != "")].set_index("chrom")["end"]
        length = table["chrom"].map(whole).astype("float64")
        beyond = table["end"] > length
        if beyond.any():
            row = table[beyond].iloc[0]
            raise InputError(
                f"{path}: line {row['line']}: end is {row['end']}, beyond the {length[beyond].iloc[0]:.0f} bases of "
                f"{row['chrom']} in {self.path}; expected a genome of the same assembly"
            )

    def fetch(self, windows: pd.DataFrame) -> list[str]:
        """Sequences of windows (chrom, start, end, strand) in RNA sense: those on the minus strand are
        reverse-complemented. Upper case, U as T; IUPAC letters for several bases become N.

        Raises `InputError` if no record contains a window, for other letters, and for an index that does not match its
        file.
        """
        record_of = self.intervals.holding(windows["chrom"], windows["start"], windows["end"])
        if (record_of < 0).any():
            row = windows.iloc[int((record_of < 0).argmax())]
            why = f"; {row['chrom']} {self.ambiguous[row['chrom']]}" if row["chrom"] in self.ambiguous else ""
            raise InputError(f"{self.path}: no record holds {row['chrom']}:{row['start']}-{row['end']}{why}")
        start = windows["start"].to_numpy(np.int64) - self.records["start"].to_numpy(np.int64)[record_of]
        end = start + (windows["end"] - windows["start"]).to_numpy(np.int64)
        read = self._by_position if self.records["bases"].gt(0).all() else self._in_one_pass
        letters: list[bytes | bytearray] = [b""] * len(windows)
        for i, text in read(record_of, start, end):
            letters[i] = text
        sequences = []
        for text, row in zip(
            letters, windows[["chrom", "start", "end", "strand"]].itertuples(index=False), strict=True
        ):
            try:
                sequence = text.translate(_LETTERS).decode("latin-1")
                sequences.append(dna.reverse_complement_text(sequence) if row.strand == "-" else dna.clean(sequence))
            except ValueError as error:
                raise InputError(f"{self.path}: {row.chrom}:{row.start}-{row.end}: {error}") from None
        return sequences

    def codes(self, record: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Codes of bases, given the number of their record and their position on the chromosome (from 0), in any order.

        `place` (N,) or (N, L) must lie within the records (N,); the result has its shape. IUPAC letters for several
        bases become N. A plain file with an index is read in place. Any other file is unpacked into a temporary file on
        the first call (one byte per base), so that no genome is held in memory. Raises `InputError` for an index that
        does not match its file, and for letters that are not bases.
        """
        if not place.size:
            return np.zeros(place.shape, np.uint8)
        shape = (-1, *[1] * (place.ndim - 1))
        letters, start, first, bases, width = self._bases
        at = place - start[record].reshape(shape)
        if bases.any():  # usually all records have the same line length, and dividing by one number is fast
            same = (bases == bases[0]).all() and (width == width[0]).all()
            of_line, of_break = (bases[0], width[0]) if same else (x[record].reshape(shape) for x in (bases, width))
            at += at // of_line * (of_break - of_line)
        at += first[record].reshape(shape)
        found = _CODES[letters[at]]
        if found.max() == _NONE:
            row = int(np.flatnonzero(found.reshape(len(place), -1).max(axis=1) == _NONE)[0])
            where = self.records["name"].iloc[int(record[row])]
            fix = "; its lines do not match the FASTA: make the index again with samtools faidx, or remove it"
            raise InputError(
                f"{self.path}: {where} has a letter that is not a base at position {int(np.min(place[row])) + 1} or "
                "after it" + (fix if bases.any() else "")
            )
        return found

    @functools.cached_property
    def _bases(self) -> tuple[NDArray[np.uint8], _Column, _Column, _Column, _Column]:
        """A file of bases as an array of bytes, and for each record its start on the chromosome, its first byte, and
        the bases and bytes per line (0 if the record is a single line)."""
        start, first, bases, width = (
            self.records[name].to_numpy(np.int64) for name in ("start", "first", "bases", "width")
        )
        if (bases > 0).all():
            return np.asarray(np.memmap(self.path, np.uint8, "r")), start, first, bases, width
        lengths = self.records["end"].to_numpy(np.int64) - start
        try:
            with tempfile.TemporaryFile() as unpacked:
                for _, _, letters in records(self.path):
                    unpacked.write(letters)
                unpacked.flush()
                mapped = np.asarray(np.memmap(unpacked, np.uint8, "r"))
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise InputError(
                f"{self.path}: {tempfile.gettempdir()} is too small for its {lengths.sum():,} bases, which are "
                "unpacked there; set TMPDIR to a larger disk, or unpack the FASTA and index it: samtools faidx"
            ) from None
        none = np.zeros(len(lengths), np.int64)
        return mapped, start, np.cumsum(lengths) - lengths, none, none

    def _in_one_pass(
        self, record_of: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> Iterator[tuple[int, bytes | bytearray]]:
        order = np.argsort(record_of, kind="stable")
        borders = np.searchsorted(record_of[order], np.arange(len(self.records) + 1))
        for number, (_, _, letters) in enumerate(records(self.path)):
            for i in order[borders[number] : borders[number + 1]]:
                yield i, letters[start[i] : end[i]]

    def _by_position(
        self, record_of: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> Iterator[tuple[int, bytes | bytearray]]:
        begin, bases, width = (self.records[name].to_numpy(np.int64)[record_of] for name in ("first", "bases", "width"))
        first, last = (begin + at // bases * width + at % bases for at in (start, end - 1))
        where = self.records["name"].to_numpy()[record_of]
        with self.path.open("rb") as stream:
            for i in np.argsort(first, kind="stable"):
                stream.seek(first[i])
                text = stream.read(last[i] + 1 - first[i])
                letters = text.translate(None, b"\r\n")
                ends = text[bases[i] - start[i] % bases[i] :: width[i]]  # one line break each
                if len(letters) != end[i] - start[i] or b">" in letters or ends.strip(b"\r\n"):
                    raise InputError(
                        f"{self.path}.fai: its lines do not match the FASTA at {where[i]}; make the index again "
                        "with samtools faidx, or remove it"
                    )
                yield i, letters


def _scanned(path: Path) -> list[tuple[str, int, int, int, int, int]]:
    return [
        (header.split()[0] if header else "", line, len(letters), 0, 0, 0) for header, line, letters in records(path)
    ]


def _indexed(path: Path, fasta: Path) -> tuple[list[tuple[str, int, int, int, int, int]], str]:
    """The entries of an index, or none and the reason why it cannot be used.

    Between the end of each record and the first base of the next there is only the next record's header, and nothing
    follows the last record. So no record is missing from the index, and none is a different one or has another length.
    """
    if path.stat().st_mtime_ns < fasta.stat().st_mtime_ns:
        return [], "is older than the FASTA"
    entries = []
    for line, text in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
        cells = text.split("\t")
        good = len(cells) == 5 and all(cell.isascii() and cell.isdigit() for cell in cells[1:])
        if not good or not 0 < int(cells[3]) < int(cells[4]):
            return [], f"line {line} is not a name and four numbers"
        length, first, bases, width = map(int, cells[1:])
        entries.append((cells[0], line, length, first, bases, width))
    if not entries:
        return [], "is empty"
    reached, size = 0, fasta.stat().st_size
    with fasta.open("rb") as stream:
        for name, line, length, first, bases, width in sorted(entries, key=lambda entry: entry[3]):
            if not _is_header(_between(stream, reached, first), name, reached > 0):
                return [], f"the record {name!r} on its line {line} is not at the stated place in the FASTA"
            reached = first + length + max(length - 1, 0) // bases * (width - bases)
        if reached > size or _between(stream, reached, size).strip():
            return [], "the FASTA ends before the last record in the index, or continues after it"
    return entries, ""


def _between(stream: IO[bytes], start: int, end: int) -> bytes:
    """The bytes of a file from `start` to `end`, at most as many as a header may have; ? if `end` comes first."""
    if end < start:
        return b"?"
    stream.seek(start)
    return stream.read(min(end - start, _HEADER))


def _is_header(text: bytes, name: str, follows: bool) -> bool:
    """Whether the text before the first base of a record is its header, preceded by the line break of the previous
    record if it `follows` one."""
    header = text.lstrip(b"\r\n \t")
    whole = header.startswith(b">") and header.endswith(b"\n") and header.count(b"\n") == 1
    if not whole or (follows and not text.startswith((b"\r", b"\n"))):
        return False
    return (header[1:].decode("utf-8", "replace").split() or [""])[0] == name


def _placed(name: str, line: int, length: int, path: Path) -> tuple[str, int, int, bool]:
    """Chromosome ("" if the name is none), start and end of a record, and whether it is a whole chromosome."""
    if not name:
        raise InputError(f"{path}: line {line}: record has no name, expected chr7 or chr7:100-250")
    piece = _PIECE.fullmatch(name)
    if not piece:
        return _known(name), 0, length, True
    start, end = int(piece["start"]), int(piece["end"])
    if piece["strand"] == "-":
        raise InputError(f"{path}: line {line}: piece {name!r} is on the minus strand, expected the plus strand")
    if end - start != length:
        raise InputError(
            f"{path}: line {line}: piece {name!r} has {length} bases, expected {end - start}: start counts from 0 and "
            "end is exclusive"
        )
    return _known(piece["chrom"]), start, end, False


@functools.cache  # pieces come from few chromosomes
def _known(name: str) -> str:
    """The canonical name of a chromosome, or "" for a name that no interval can have (`bed.read_bed`)."""
    try:
        return chromosome(name)
    except InputError:
        return ""
