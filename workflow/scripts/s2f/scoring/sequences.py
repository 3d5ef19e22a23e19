"""Sequences to be scored: records of a FASTA, lines of a table, or pairs of alleles given as two sequences."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import line_of, read_table
from s2f.scoring.blocks import LINES, Block, Windows
from s2f.sequences import dna
from s2f.sequences.genome import records

ONE, PAIR = ("prediction",), ("ref", "alt")  # the values of a line


@dataclass(frozen=True)
class Fit:
    """Which inserts a model accepts: those as long as its training inserts, `shortest` to `longest` bp.

    With `tile`, longer sequences are read in windows of `window` bp, `tile` bp apart, with the last one at the end.
    Each insert is read at all `shifts` of its construct (bp).
    """

    shortest: int
    longest: int
    window: int
    tile: int = 0
    shifts: tuple[int, ...] = (0,)

    @staticmethod
    def of(record: Mapping[str, Any], tile: int = 0, shifts: Sequence[int] = (0,)) -> "Fit":
        """What the model of a checkpoint accepts, from its model.json."""
        bp = record["insert_bp"]
        return Fit(bp["shortest"], bp["longest"], bp["commonest"], tile, tuple(shifts))

    @property
    def lengths(self) -> str:
        """The lengths as text."""
        return f"{self.shortest} bp" if self.shortest == self.longest else f"{self.shortest} to {self.longest} bp"

    def starts(self, length: int, where: str) -> list[int]:
        """Where the windows of a sequence begin. Raises `InputError` for a sequence that is too short or too long."""
        if length < self.shortest or (length > self.longest and not self.tile):
            fix = "add real sequence on both sides" if length < self.shortest else "cut them, or read tiles (--tile)"
            raise InputError(
                f"{where} has {length} bp, but the model was trained only on inserts of {self.lengths}; {fix}"
            )
        if length <= self.longest:
            return [0]
        return [*range(0, length - self.window, self.tile), length - self.window]


@dataclass(frozen=True)
class Entry:
    """A line of input: its name, its place (for messages), and its sequence or the sequences of two alleles."""

    name: str
    where: str
    sequences: tuple[str, ...]


@dataclass(frozen=True)
class Sequences:
    """Sequences of a file as blocks; `roles` are the values of a line. Iterates over the file anew each time."""

    entries: Callable[[], Iterable[Entry]]
    fit: Fit
    roles: tuple[str, ...] = ONE

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks. Raises `InputError` naming the line, for letters that are not bases and for a name that
        occurs twice, and as `Fit.starts`."""
        seen: dict[str, str] = {}
        lines = self._lines(seen)
        while some := list(islice(lines, LINES)):
            table = pd.DataFrame([line for line, _ in some])
            windows = []
            for role in range(len(self.roles)):
                by_length: dict[int, list[int]] = {}
                for number, (_, inserts) in enumerate(some):
                    by_length.setdefault(len(inserts[role]), []).append(number)
                for numbers in by_length.values():
                    codes = dna.encode("".join(some[number][1][role] for number in numbers)).reshape(len(numbers), -1)
                    windows += [Windows(role, np.array(numbers), codes, shift) for shift in self.fit.shifts]
            yield Block(table, windows)

    def _lines(self, seen: dict[str, str]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
        for entry in self.entries():
            if entry.name in seen:
                raise InputError(f"{entry.where}: {entry.name!r} also occurs at {seen[entry.name]}; names must differ")
            seen[entry.name] = entry.where
            sequences = tuple(_cleaned(sequence, entry) for sequence in entry.sequences)
            if len(self.roles) > 1:
                for sequence in sequences:
                    self.fit.starts(len(sequence), f"{entry.where}: {entry.name!r}")
                yield {"id": entry.name}, sequences
                continue
            (sequence,) = sequences
            for start in self.fit.starts(len(sequence), f"{entry.where}: {entry.name!r}"):
                end = start + self.fit.window if len(sequence) > self.fit.longest else len(sequence)
                place = {"start": start, "end": end} if self.fit.tile else {}
                yield {"id": entry.name, **place}, (sequence[start:end],)


def _cleaned(sequence: str, entry: Entry) -> str:
    try:
        cleaned = dna.clean(sequence)
    except ValueError as error:
        raise InputError(f"{entry.where}: {entry.name!r}: {error}") from None
    if not cleaned:
        raise InputError(f"{entry.where}: {entry.name!r} has no sequence")
    return cleaned


def of_fasta(path: str | Path, fit: Fit) -> Sequences:
    """The records of a FASTA, plain or compressed; the first word of a header is the record's name."""

    def entries() -> Iterator[Entry]:
        for header, line, letters in records(path):
            if not header.split():
                raise InputError(f"{path}: line {line}: header is empty, expected a name")
            yield Entry(header.split()[0], f"{path}: line {line}", (letters.decode("latin-1"),))

    return Sequences(entries, fit)


def of_table(
    path: str | Path, columns: Sequence[str], fit: Fit, name: str | None = None, separator: str = "\t"
) -> Sequences:
    """Lines of a table: `columns` names the column of the sequence, or those of the reference and the alternate allele.

    Column `name`, by default `id`, has the names of lines; without it lines are numbered from 1. Raises `InputError` as
    `read_table`.
    """
    wanted = [*columns, *([name] if name else [])]
    table = read_table(path, wanted, "sequences to be scored", separator, numbered=True)
    name = name or "id"
    names = table[name] if name in table.columns else pd.Series(range(1, len(table) + 1), table.index).astype(str)

    def entries() -> Iterator[Entry]:
        texts = [table[column] for column in columns]
        for position, (own, *sequences) in enumerate(zip(names, *texts, strict=True)):
            where = f"{path}: line {line_of(table, position)}"
            if not own:
                raise InputError(f"{where}: column {name!r} is empty, expected a name")
            yield Entry(own, where, tuple(sequence.strip() for sequence in sequences))

    return Sequences(entries, fit, PAIR if len(columns) > 1 else ONE)
