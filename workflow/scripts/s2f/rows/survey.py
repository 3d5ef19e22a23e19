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
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.contents import decoded, read_text
from s2f.common.errors import InputError
from s2f.common.tables import MISSING, line_of, read_table, stripped
from s2f.rows.placement import VARIANT

SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}  # first wins a tie: `1,5` may be a number
SAMPLE = 50  # lines from which separator and header are recognised
WHAT = "a table"
# shares of a column's cells that decide what it holds; the rest is left to the reader, which names the line
MOST, NEARLY_ALL = 0.5, 0.9
FEWEST_BASES = 6  # a shorter text of A, C, G, T may be a word or an allele
SEQUENCE = rf"^[ACGTUNacgtun]{{{FEWEST_BASES},}}$"
# a decimal comma counts too: the reader refuses it and says how to write the number
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+|[0-9]+,[0-9]+)([eE][+-]?[0-9]+)?$"
INFINITE = ("inf", "infinity")  # neither numbers nor missing ones here: the reader refuses them
CHROMOSOME = (
    r"^(?i:chr(om(osome)?)?[ _:-]*)?([0-9]{1,2}[A-DLR]?|[XYMZWIVxym]{1,4}|MT|NC_[0-9]+(\.[0-9]+)?|Un_.*|.*_.*)$"
)
MOST_MISSING = 5  # different texts without a digit that may mean a missing number; if there are more, they are words
MOST_NAMED = 8  # columns named in a question
NOT_NAMED = 10**6

# words in names, in lower case: the runs of letters between other characters
NAMES: dict[str, tuple[str, ...]] = {
    "sequence": ("insert", "sequence", "seq", "oligo", "dna", "rna", "element"),
    "row_id": ("id", "ids", "rowid", "name", "names", "oligo", "element", "key"),
    "chrom": ("chrom", "chr", "chromosome", "seqnames", "seqname", "contig"),
    "start": ("start", "chromstart", "begin", "from"),
    "end": ("end", "chromend", "stop", "to"),
    "published": ("split", "fold", "set", "partition", "subset"),
    "pair_id": ("pair", "pairid", "pairs"),
}
# words for labels, the most certain first
LABELS = (
    ("label", "labels", "target", "y", "class", "bound"),
    (
        "log2fc", "lfc", "logfc", "log2foldchange", "foldchange", "fold", "change", "fc", "log2", "activity",
        "expression", "expr",
    ),
    ("value", "score", "signal", "signalvalue", "mean", "effect", "ratio", "measured", "delta"),
)  # fmt: skip
# words of numbers that are no labels, unless another word names a label, as in "log2 fold change" and "relative to"
NO_LABELS = {*NAMES["start"], *NAMES["end"], *NAMES["chrom"], "pos", "position", "offset", "rank", "fold", "split"}
# words of numbers that are no labels, whatever else their names say
NEVER_LABELS = {
    "sd", "se", "sem", "stderr", "std", "stdev", "lfcse", "var", "variance", "ci", "lower", "upper", "p", "pval",
    "pvalue", "padj", "fdr", "q", "qval", "qvalue", "minuslog10pvalue", "minuslog10qvalue", "neglog10p", "n", "nbc",
    "bc", "barcode", "barcodes", "count", "counts", "reps", "id", "ids", "index", "idx", "length", "len", "size", "gc",
}  # fmt: skip
STANDARD_ERRORS = {"se", "sem", "stderr", "lfcse", "standarderror"}
MEANS = {"mean", "avg", "average"}
WORD = "[a-z0-9]+"  # in names, in lower case
REFERENCE, ALTERNATE = {"ref", "reference", "wt", "wildtype"}, {"alt", "alternate", "alternative", "mut", "mutant"}
REPLICATE = re.compile(r"(?i)[ _.-]*(rep(licate)?|r)?[ _.-]?[0-9]+$")
# cells in which assays are done, as written in column names
CELL = re.compile(
    r"(?i)(?<![a-z0-9])(K-?562|Hep-?G2|SK-?N-?SH|HeLa|WTC-?11|A-?549|HEK-?293T?|GM-?12878|Jurkat|HCT-?116|MCF-?7|"
    r"U2OS|LNCaP|HUVEC|IMR-?90|HAP-?1|N2A|H1|H9|NPC|iPSC)(?![a-z0-9])"
)


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


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table: its name, or its number from 1, and its texts without surrounding white space."""

    name: str | int
    texts: pd.Series

    @cached_property
    def words(self) -> list[str]:
        """The words in its name, in lower case."""
        return re.findall(WORD, str(self.name).lower()) if isinstance(self.name, str) else []

    @cached_property
    def present(self) -> pd.Series:
        """The texts that do not mean a missing value."""
        return self.texts[~self.texts.isin(MISSING)]

    @cached_property
    def is_sequence(self) -> bool:
        """Whether most of its cells consist of bases."""
        return self.share(SEQUENCE) >= MOST

    @cached_property
    def is_number(self) -> bool:
        """Whether most of its cells are numbers."""
        return self.share(NUMBER) >= MOST

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """Its texts as numbers, (N,); NaN for others."""
        return pd.to_numeric(self.texts, errors="coerce").to_numpy(np.float64)

    @cached_property
    def is_unique(self) -> bool:
        """Whether all its texts are different."""
        return len(self.present) == len(self.texts) and self.texts.is_unique

    @cached_property
    def distinct(self) -> list[str]:
        """Its different texts, without the missing ones, sorted."""
        return sorted(self.present.unique())

    @cached_property
    def counts(self) -> bool:
        """Whether it contains whole numbers, and others besides 0 and 1."""
        return self.share("^[0-9]+$") == 1 and not set(self.distinct) <= {"0", "1"}

    @cached_property
    def cell(self) -> str:
        """The cell mentioned in its name, as a word; empty if there is none."""
        found = CELL.search(str(self.name))
        return re.sub("[^A-Za-z0-9]", "", found[0]) if found else ""

    def share(self, pattern: str) -> float:
        """The share of the cells not missing that match a pattern; 0 if there are no such cells."""
        import pyarrow
        from pyarrow import compute

        if self.present.empty:
            return 0.0
        cells = pyarrow.array(self.present, pyarrow.large_string())
        return float(compute.mean(compute.match_substring_regex(cells, pattern)).as_py())

    def named(self, role: str) -> int:
        """How far its name is from the `NAMES` of a role: 100 per word, plus the rank of the name; or `NOT_NAMED`."""
        words = NAMES[role]
        places = [words.index(word) for word in self.words if word in words]
        return min(places) + 100 * len(self.words) if places else NOT_NAMED


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
            and not (NO_LABELS & set(c.words) and (_rank(c) == len(LABELS) or len(c.words) == 1))
        ]
        best = min(map(_rank, numbers), default=len(LABELS))
        better = [c for c in self.left if not c.is_number and _rank(c) < best == len(LABELS) and len(c.distinct) <= 2]
        if not numbers or better:
            raise InputError(f"{self.path}: no column of numbers that can be the labels; {self._no_label(better)}")
        families = _replicates(numbers)
        # if a line has both alleles, the label is the reference's, whose sequence is read; if names do not help, whole
        # numbers are more likely to be positions or counts
        reference = [c for c in numbers if REFERENCE & set(c.words)] if self.wide else []
        surest = sorted(
            reference or [c for c in numbers if _rank(c) == best],
            key=lambda c: (
                not any(_is_mean(c, found) for found in families.values()),
                not MEANS & set(c.words),
                c.counts,
            ),
        )
        alike = [c for c in self.all if c in surest and c.cell and _template(c) == _template(surest[0])]
        cells = [c.cell for c in alike]
        if len(set(cells)) == len(cells) > 1:
            self.cells = cells
            for column in alike:
                self.take(f"label.{column.cell}", column)
            others = [c for c in numbers if c not in alike]
            more = f" Other columns of numbers: {_list(c.name for c in others)}" if others else ""
            if any(_stem(c) == _stem(label) for c in others for label in alike if _stem(c) in families):
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
        own = [c for c in families.get(_stem(label), []) if c is not label]
        mean_of = next((found for found in families.values() if not own and _is_mean(label, found)), [])
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
            self.notes["sequence"] = f"rows are named by their line numbers, as {_not_names(named[0])}"

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


def _not_names(column: Column) -> str:
    """Why the texts of a column cannot be the names of rows, and the fix."""
    again = column.present[column.present.duplicated()]
    if again.empty:
        absent = len(column.texts) - len(column.present)
        return f"{absent:,} {'name is' if absent == 1 else 'names are'} missing in {str(column.name)!r}"
    count = again.nunique()
    return (
        f"{count:,} {'name is' if count == 1 else 'names are'} repeated in {str(column.name)!r} ({again.iloc[0]}, line "
        f"{line_of(again, 0)}); make {'it' if count == 1 else 'them'} unique to see your names in results"
    )


def _rank(column: Column) -> int:
    """How certain it is from its name that a column is a label; 0 is the most certain."""
    return next((i for i, words in enumerate(LABELS) if set(words) & set(column.words)), len(LABELS))


def _stem(column: Column) -> str:
    """The name of a column without the number of a replicate at its end; empty if there is none."""
    name = str(column.name) if isinstance(column.name, str) else ""
    return REPLICATE.sub("", name) if REPLICATE.search(name) else ""


def _replicates(columns: Iterable[Column]) -> dict[str, list[Column]]:
    """Columns whose names differ only in the number of a replicate, two or more, by what their names have in common:
    at most `MOST_NAMED` such sets."""
    found: dict[str, list[Column]] = {}
    for column in columns:
        if _stem(column):
            found.setdefault(_stem(column), []).append(column)
    return dict([(stem, own) for stem, own in found.items() if len(own) > 1][:MOST_NAMED])


def _is_mean(column: Column, replicates: list[Column]) -> bool:
    """Whether a column is the mean of `replicates`: by a name such as theirs, or by its numbers in nearly all rows."""
    if column in replicates:
        return False
    own = [word for word in column.words if word not in MEANS]
    if own != column.words and own == re.findall(WORD, _stem(replicates[0]).lower()):
        return True
    values, *each = (c.values for c in (column, *replicates))
    known = np.isfinite([values, *each]).all(axis=0)
    if not known.any():
        return False
    rounding = 0.01 * np.ptp(values[known])
    close = np.isclose(np.mean(each, axis=0)[known], values[known], rtol=0, atol=rounding)
    return bool(close.mean() >= NEARLY_ALL)


def _template(column: Column) -> str:
    """The name of a column without the cell in it."""
    return CELL.sub("{}", str(column.name), count=1)
