"""A column of a user's own table: what its name and its texts say, before it is known what it holds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.tables import MISSING, line_of

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


def not_names(column: Column) -> str:
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


def rank(column: Column) -> int:
    """How certain it is from its name that a column is a label; 0 is the most certain."""
    return next((i for i, words in enumerate(LABELS) if set(words) & set(column.words)), len(LABELS))


def stem(column: Column) -> str:
    """The name of a column without the number of a replicate at its end; empty if there is none."""
    name = str(column.name) if isinstance(column.name, str) else ""
    return REPLICATE.sub("", name) if REPLICATE.search(name) else ""


def replicates(columns: Iterable[Column]) -> dict[str, list[Column]]:
    """Columns whose names differ only in the number of a replicate, two or more, by what their names have in common:
    at most `MOST_NAMED` such sets."""
    found: dict[str, list[Column]] = {}
    for column in columns:
        if stem(column):
            found.setdefault(stem(column), []).append(column)
    return dict([(stem, own) for stem, own in found.items() if len(own) > 1][:MOST_NAMED])


def is_mean(column: Column, replicates: list[Column]) -> bool:
    """Whether a column is the mean of `replicates`: by a name such as theirs, or by its numbers in nearly all rows."""
    if column in replicates:
        return False
    own = [word for word in column.words if word not in MEANS]
    if own != column.words and own == re.findall(WORD, stem(replicates[0]).lower()):
        return True
    values, *each = (c.values for c in (column, *replicates))
    known = np.isfinite([values, *each]).all(axis=0)
    if not known.any():
        return False
    rounding = 0.01 * np.ptp(values[known])
    close = np.isclose(np.mean(each, axis=0)[known], values[known], rtol=0, atol=rounding)
    return bool(close.mean() >= NEARLY_ALL)


def template(column: Column) -> str:
    """The name of a column without the cell in it."""
    return CELL.sub("{}", str(column.name), count=1)
