"""A first look at a user's own table, before there is a study of it: which column is what, by name and content.

What cannot be known is guessed, and the user is asked: `Survey.questions` names the option of the source that a guess
is for, and says what else may be meant. The guesses are checked when the table is read with them (`sources.table`);
nothing here refuses a cell. All cells of the table are held in memory as text.
"""

import csv
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.contents import decoded, read_text
from s2f.common.errors import InputError
from s2f.common.tables import MISSING, read_table, stripped
from s2f.rows.columns import (
    ALTERNATE,
    CHROMOSOME,
    FEWEST_BASES,
    INFINITE,
    LABELS,
    MEANS,
    MOST,
    MOST_MISSING,
    MOST_NAMED,
    NEARLY_ALL,
    NEVER_LABELS,
    NO_LABELS,
    NOT_NAMED,
    REFERENCE,
    SEQUENCE,
    STANDARD_ERRORS,
    Column,
    is_mean,
    not_names,
    rank,
    replicates,
    stem,
    template,
)
from s2f.rows.placement import VARIANT

SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}  # first wins a tie: `1,5` may be a number
SAMPLE = 50  # lines from which separator and header are recognised
WHAT = "a table"


@dataclass(frozen=True)
class Survey:
    """What a table contains.

    `columns` maps our names to the file's names, or to numbers from 1 for a file without a header; `missing` holds
    texts that seem to mean missing numbers. `notes` and `questions` are sentences under the option of the source, or
    our column, that they are about; a question says what else may be meant.
    """

    path: str
    separator: str
    header: bool
    rows: int
    columns: dict[str, str | int]
    cells: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    first_base: int = 0
    rna: bool = False  # whether any sequence has the letter U
    parts: tuple[str, ...] = ()  # of a published split
    notes: dict[str, str] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)

    def spec(self) -> dict[str, Any]:
        """The options of the source `table` that differ from their defaults."""
        options: dict[str, Any] = {} if self.separator == "\t" else {"separator": self.separator}
        options["columns"] = self.columns
        if self.missing:
            options["missing"] = list(self.missing)
        return options | ({"first_base": 1} if self.first_base else {})


class NoSequencesError(InputError):
    """A table has no column of sequences."""


def survey(path: str | Path) -> Survey:
    """Look at a table. Raises `InputError` for a file that is not a text table, that has no rows or only one column, or
    that lacks a column of sequences or a column of numbers that can be labels; and as `read_table` does."""
    separator, names, header = _form(path)
    columns, twice = _columns(path, separator, names, header)
    found = _Roles(path, columns)
    found.look()
    if twice:
        found.notes["columns"] = f"not used, as several columns have the same name: {_list(twice)}"
    return Survey(
        path=str(path), separator=separator, header=header, rows=len(columns[0].texts),
        columns={ours: found.columns[ours].name for ours in _order(found.columns)}, cells=tuple(found.cells),
        missing=tuple(found.missing), first_base=found.first_base, rna=found.columns["sequence"].share("[Uu]") > 0,
        parts=tuple(found.parts), notes=found.notes, questions=found.questions,
    )  # fmt: skip


def _order(columns: dict[str, Column]) -> list[str]:
    """Our names in the order in which a study lists them."""
    known = ("row_id", "sequence", "label", "stderr", "chrom", "start", "end", "strand", "allele", "variant")
    return sorted(columns, key=lambda ours: known.index(name) if (name := ours.partition(".")[0]) in known else 99)


def _form(path: str | Path) -> tuple[str, list[str], bool]:
    """The separator, the names in the header (or the cells of the first row), and whether there is a header."""
    text = read_text(path, WHAT)[: 2**20].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = [line for line in decoded(text[: text.rfind(b"\n") + 1] or text, path).split("\n") if line.strip()]
    if not lines:
        raise InputError(f"{path}: is empty, expected {WHAT} with a header and a row for each measured sequence")
    comments = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    rows = lines[len(comments) :][:SAMPLE] or lines[:SAMPLE]
    separator = max(SEPARATORS, key=lambda letter: _fit(rows, letter))
    if _fit(rows, separator)[0] < MOST:
        separator = " "
        if _fit(rows, separator)[0] < MOST:
            raise InputError(
                f"{path}: only one column, as in {rows[0][:60]!r}; expected at least a column of sequences and one of "
                f"labels, separated by {', '.join(SEPARATORS.values())} or blanks"
            )
    first, (_, width) = _cells(rows, separator)[0], _fit(rows, separator)
    if sum(map(bool, first)) < 2:
        raise InputError(
            f"{path}: {rows[0][:60]!r} is not the header: it has {'one name' if any(first) else 'no name'}, and most "
            f"rows have {width} cells; delete the line, or begin it with #"
        )
    if not any(re.match(SEQUENCE, cell.strip()) for cell in first):
        return separator, first, True
    above = _cells([comments[-1].lstrip("# ")], separator)[0] if comments else []
    if len(above) == len(first) and not any(re.match(SEQUENCE, cell.strip()) for cell in above):
        return separator, above, True
    return separator, first, False


def _cells(rows: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of rows, in which quoted cells may continue on the next line, precisely enough for a guess: the table
    itself is read by `common.delimited`."""
    try:
        return list(csv.reader([f"{row}\n" for row in rows], delimiter=separator))
    except csv.Error:  # a cell of more than 131,072 characters
        return [row.split(separator) for row in rows]


def _fit(rows: Sequence[str], separator: str) -> tuple[float, int]:
    """How well a separator divides rows: the share of rows with the most common number of cells (if that is two or
    more), and that number."""
    counts = pd.Series([len(cells) for cells in _cells(rows, separator)])
    width = int(counts.mode().max()) if len(counts) else 1
    return (float((counts == width).mean()) if width > 1 else 0.0), width


def _columns(path: str | Path, separator: str, names: list[str], header: bool) -> tuple[list[Column], list[str]]:
    """The columns of a table, except those whose names are empty or recur; and the names that recur."""
    twice = sorted({name for name in names if name and names.count(name) > 1}) if header else []
    wanted = [name for name in dict.fromkeys(names) if name and name not in twice] if header else []
    table = read_table(path, wanted, WHAT, separator, header=header, only=header, numbered=True)
    if table.empty:
        about = f"; several columns have the same name: {_list(twice)}" if twice else ""
        raise InputError(f"{path}: no rows below the header, expected one for each measured sequence{about}")
    named: Iterable[str | int] = table.columns if header else range(1, len(table.columns) + 1)
    return [Column(name, stripped(table.iloc[:, at])) for at, name in enumerate(named)], twice


def _list(names: Iterable[Any]) -> str:
    """Names as part of a sentence; if there are many, the first of them."""
    shown = [str(name) for name in names]
    more = len(shown) - MOST_NAMED
    return ", ".join(shown[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


class _Roles:
    """Decides which column is what: each step takes columns from those left, and may add a note or a question."""

    def __init__(self, path: str | Path, columns: list[Column]):
        self.path, self.all, self.left = path, columns, list(columns)
        self.columns: dict[str, Column] = {}
        self.cells: list[str] = []
        self.missing: list[str] = []
        self.parts: list[str] = []
        self.first_base = 0
        self.wide = False  # whether a line has both alleles
        self.notes: dict[str, str] = {}
        self.questions: dict[str, str] = {}

    def look(self) -> None:
        """Take all steps."""
        self._sequence()
        self._places()
        self._alleles()
        self._published()
        self._labels()
        self._errors()
        self._row_id()
        self._missing()

    def take(self, ours: str, column: Column) -> None:
        """Record that a column is one of ours."""
        self.columns[ours] = column
        self.left = [other for other in self.left if other is not column]

    def _sequence(self) -> None:
        found = sorted((c for c in self.left if c.is_sequence), key=lambda c: c.named("sequence"))
        if not found:
            raise NoSequencesError(
                f"{self.path}: no column of sequences: in none do most rows have {FEWEST_BASES} or more of the letters "
                f"A, C, G, T, U, N; columns: {_list(repr(c.name) for c in self.all)}. If there are only coordinates, "
                "add the sequences from the genome first (bedtools getfasta)"
            )
        references = [c for c in found if REFERENCE & set(c.words)]
        alternates = [c for c in found if ALTERNATE & set(c.words)]
        self.wide = bool(references and alternates)
        chosen = references[0] if self.wide else found[0]
        others = [c for c in found if c is not chosen]
        if self.wide:
            self.questions["sequence"] = (
                "do you want to evaluate effects of variants? Each line has two alleles "
                f"({_list(c.name for c in found)}), and only {chosen.name} is used. Write one allele per line, with "
                "the columns allele (ref or alt) and pair_id (the same for both alleles), and run this command again"
            )
        elif others:
            self.questions["sequence"] = (
                f"is this the sequence that was measured? Other columns of sequences: {_list(c.name for c in others)}"
            )
        self.columns["sequence"] = chosen
        self.left = [column for column in self.left if not column.is_sequence]

    def _places(self) -> None:
        named = [c for c in self.left if c.named("chrom") < NOT_NAMED and c.share(CHROMOSOME) >= MOST]
        told = [c for c in self.left if c.share("^[Cc]hr[0-9A-Za-z_.]+$") >= NEARLY_ALL]
        found = sorted(named, key=lambda c: c.named("chrom")) or told
        if not found:
            return
        self.take("chrom", found[0])
        strands = [c for c in self.left if c.distinct and set(c.distinct) <= {"+", "-", "."} and len(c.present) > 0]
        if strands:
            self.take("strand", strands[0])
        ends = {}
        for ours in ("start", "end"):
            whole = [c for c in self.left if c.named(ours) < NOT_NAMED and c.share("^[0-9]+$") >= NEARLY_ALL]
            if whole:
                ends[ours] = min(whole, key=lambda c: c.named(ours))
        if len(ends) < 2:
            return
        start, end = (ends[ours].values for ours in ("start", "end"))
        known = np.isfinite(start) & np.isfinite(end)
        surplus = (end - start - self.columns["sequence"].texts.str.len().to_numpy())[known]
        if not len(surplus) or not ((surplus == 0).all() or (surplus == -1).all()):
            self.notes["chrom"] = (
                f"{ends['start'].name} and {ends['end'].name} are not used: in "
                f"{min((surplus != 0).sum(), (surplus != -1).sum()):,} of "
                f"{len(surplus):,} rows they span a different number of bases from the insert"
            )
            return
        self.first_base = int((surplus == -1).all())
        for ours in ends:
            self.take(ours, ends[ours])

    def _alleles(self) -> None:
        alleles = [c for c in self.left if c.distinct == ["alt", "ref"]]
        if alleles:
            self.take("allele", alleles[0])
            pairs = [c for c in self.left if c.named("pair_id") < NOT_NAMED]
            if pairs and self._are_pairs(pairs[0]):
                self.take("pair_id", pairs[0])
            elif pairs:
                self.notes["allele"] = (
                    f"{pairs[0].name} is not used: each pair needs one row with allele ref, and each of its rows needs "
                    "an allele"
                )
        elif named := [c for c in self.left if "allele" in c.words and 1 < len(c.distinct) < 10]:
            self.questions["columns"] = (
                f"do you want to evaluate effects of variants? Column {named[0].name} holds "
                f"{_list(named[0].distinct)}. Write ref and alt in it, add a column that is the same for both alleles "
                "of a variant, and run this command again"
            )
        variants = [c for c in self.left if c.share(VARIANT) >= NEARLY_ALL]
        if variants and not variants[0].is_unique:
            self.take("variant", variants[0])

    def _are_pairs(self, column: Column) -> bool:
        """Whether each pair has at most one ref row, and each row in a pair has an allele."""
        paired = ~column.texts.isin([*MISSING, ".", "-"])
        allele = self.columns["allele"].texts[paired]
        return allele.isin(["ref", "alt"]).all() and not column.texts[paired][allele == "ref"].duplicated().any()

    def _published(self) -> None:
        for column in [c for c in self.left if c.named("published") < NOT_NAMED and 1 < len(c.distinct) <= 20]:
            beginnings = [("train",), ("val", "dev"), ("test",)]
            if all(any(text.lower().startswith(begin) for text in column.distinct) for begin in beginnings):
                self.take("published", column)
                self.parts = column.distinct
                return

    def _labels(self) -> None:
        numbers = [
            c
            for c in self.left
            if c.is_number
            and not NEVER_LABELS & set(c.words)
            and not (NO_LABELS & set(c.words) and (rank(c) == len(LABELS) or len(c.words) == 1))
        ]
        best = min(map(rank, numbers), default=len(LABELS))
        better = [c for c in self.left if not c.is_number and rank(c) < best == len(LABELS) and len(c.distinct) <= 2]
        if not numbers or better:
            raise InputError(f"{self.path}: no column of numbers that can be the labels; {self._no_label(better)}")
        families = replicates(numbers)
        # if a line has both alleles, the label is the reference's, whose sequence is read; if names do not help, whole
        # numbers are more likely to be positions or counts
        reference = [c for c in numbers if REFERENCE & set(c.words)] if self.wide else []
        surest = sorted(
            reference or [c for c in numbers if rank(c) == best],
            key=lambda c: (
                not any(is_mean(c, found) for found in families.values()),
                not MEANS & set(c.words),
                c.counts,
            ),
        )
        alike = [c for c in self.all if c in surest and c.cell and template(c) == template(surest[0])]
        cells = [c.cell for c in alike]
        if len(set(cells)) == len(cells) > 1:
            self.cells = cells
            for column in alike:
                self.take(f"label.{column.cell}", column)
            others = [c for c in numbers if c not in alike]
            more = f" Other columns of numbers: {_list(c.name for c in others)}" if others else ""
            if any(stem(c) == stem(label) for c in others for label in alike if stem(c) in families):
                more += "; some look like replicates: add columns with the means to the table and name those"
            self.questions["label"] = (
                f"are these the labels of a sequence in several cells? To use one alone, write label: {surest[0].name} "
                "instead of the lines label.… (and stderr: … instead of stderr.…, if there are any), and delete the "
                f"line cells: ….{more}"
            )
            return
        self.take("label", surest[0])
        self._ask_for_label(surest[0], [c for c in numbers if c is not surest[0]], families)

    def _ask_for_label(self, label: Column, others: list[Column], families: dict[str, list[Column]]) -> None:
        """Ask whether a column is the label, if there are `others` of numbers which may be, and say what is known of
        replicates, by their `families`. Nothing is asked if the others are the replicates whose mean it is."""
        asked = "is this what models should predict?"
        own = [c for c in families.get(stem(label), []) if c is not label]
        mean_of = next((found for found in families.values() if not own and is_mean(label, found)), [])
        rest = [c for c in others if c not in own and c not in mean_of]
        more = f" Other columns of numbers: {_list(c.name for c in rest)}" if rest else ""
        if own:
            look = "looks like a second replicate" if len(own) == 1 else "look like its other replicates"
            self.questions["label"] = (
                f"the label is {label.name} alone: {asked} {_list(c.name for c in own)} {look}: if so, add a column "
                f"with their mean to the table and name it in label.{more}".removesuffix(".")
            )
        elif mean_of:
            said = f"the mean of {_list(c.name for c in mean_of)}"
            if rest:
                self.questions["label"] = f"{asked} It is {said}.{more}"
            else:
                self.notes["label"] = said
        elif rest:
            what = (
                "for several cells write label.A: … and label.B: … here, and cells: [A, B] in the dataset; average "
                "replicates first"
            )
            if families:
                first = next(iter(families.values()))
                what = f"{_list(c.name for c in first)} look like replicates: if you mean these, add their mean"
            self.questions["label"] = f"{asked}{more}; {what}"

    def _no_label(self, named: list[Column]) -> str:
        """Possible reasons why no column can be a label, first of all the columns that are `named` like one."""
        empty = [c.name for c in named or self.left if c.present.empty]
        two = [c for c in named or self.left if len(c.distinct) == 2 and not c.is_number]
        if empty:
            return f"no value in any row: {_list(map(repr, empty))}"
        if two:
            return f"{two[0].name!r} holds {' and '.join(two[0].distinct)}: for a classification write 1 and 0"
        return f"columns: {_list(repr(c.name) for c in self.all)}; labels are measured numbers, or classes 1 and 0"

    def _errors(self) -> None:
        found = [c for c in self.left if c.is_number and STANDARD_ERRORS & {*c.words, "".join(c.words[-2:])}]
        found = [c for c in found if not c.share("^-")]
        if self.cells:
            for cell in self.cells:
                own = [c for c in found if c.cell == cell]
                if len(own) == 1:
                    self.take(f"stderr.{cell}", own[0])
            return
        own = [c for c in found if c.cell == self.columns["label"].cell] or found
        if len(own) == 1:
            self.take("stderr", own[0])

    def _row_id(self) -> None:
        named = sorted((c for c in self.left if c.named("row_id") < NOT_NAMED), key=lambda c: c.named("row_id"))
        unique = [c for c in named if c.is_unique] or [c for c in self.left if c.is_unique and not c.is_number]
        if unique:
            self.take("row_id", unique[0])
        elif named:
            self.notes["sequence"] = f"rows are named by their line numbers, as {not_names(named[0])}"

    def _missing(self) -> None:
        """Find texts without a digit in columns of numbers."""
        numbers = [c for ours, c in self.columns.items() if ours.startswith(("label", "stderr", "start", "end"))]
        found = sorted({text for c in numbers for text in c.present[~c.present.str.contains("[0-9]")].unique()})
        found = [text for text in found if text.lower().lstrip("+-") not in INFINITE]
        if 0 < len(found) <= MOST_MISSING:
            self.missing = found
            self.questions["missing"] = (
                f"does {' or '.join(found)}, found in columns of numbers, mean that there is no value? A row without a "
                "label is left out"
            )
