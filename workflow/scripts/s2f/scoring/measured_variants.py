"""Tables of saturation mutagenesis: measured variants, and the elements that they are in.

There are two tables. Variants: element, experiment, chrom, pos_hg19 (from 1), ref, alt (`-`: the base is deleted),
offset into the element (from 0), barcodes, effect (log2, alt - ref), p_value, confidence, cagi5_set. Elements: element,
cell_line, chrom, start_hg19 and end_hg19 (from 1, inclusive), sequence (plus strand), and the hg19 sequence around it:
context_start_hg19, context_sequence. Experiments: Kircher et al. 2019, doi:10.1038/s41467-019-11526-w; confidence and
sets: CAGI5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.common.tables import line_of, numbers, read_table, refuse
from s2f.sequences import dna

DELETION = "-"
VARIANTS = (
    "element", "experiment", "chrom", "pos_hg19", "ref", "alt", "offset", "barcodes", "effect", "p_value", "confidence",
    "cagi5_set",
)  # fmt: skip
ELEMENTS = (
    "element", "cell_line", "chrom", "start_hg19", "end_hg19", "sequence", "context_start_hg19", "context_sequence",
)  # fmt: skip


@dataclass(frozen=True)
class Element:
    """A mutagenised element: `codes` (G,) of the genome around it, in which it extends from `start` to `end`; its
    `first_base` in hg19 (from 1), and the `cell_line` in which it was measured."""

    name: str
    cell_line: str
    codes: np.ndarray
    start: int
    end: int
    first_base: int

    def region(self, length: int, shortest: int) -> tuple[int, int, str]:
        """Start and end in `codes` of the region for windows of `length` bp, and what windows contain besides the
        element.

        Windows are inside an element that is at least as long as a window. A shorter element that is at least as long
        as the `shortest` insert of the training is itself the insert, with the reporter around it as in the assay. For
        an even shorter one the window is filled with the genome on both sides, which the assay did not have.
        """
        size = self.end - self.start
        if size >= length or size >= shortest:
            return self.start, self.end, ""
        start = self.start - (length - size) // 2
        return start, start + length, f"genome, {length - size} bp"

    def windows(
        self, offset: np.ndarray, alt: np.ndarray, deleted: np.ndarray, length: int, shortest: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Both alleles of N variants (N, L), where each window begins in the element (N,), and which have one (N,).

        `offset` (N,) is the position in the element, `alt` (N,) the code of the alternate base, which is ignored if the
        base is `deleted` (N,). The variant is in the middle of the window, as far as the region allows. A deletion
        brings in the next base of the region on the right or, if there is none, on the left, or else one from the
        genome.
        """
        first, end, _ = self.region(length, shortest)
        length = min(length, end - first)
        place = self.start + offset
        start = np.clip(place - (length - 1) // 2, first, end - length)
        ref = self.codes[start[:, None] + np.arange(length)]
        changed = ref.copy()
        snv = np.flatnonzero(~deleted)
        changed[snv, (place - start)[snv]] = alt[snv]
        fits = np.ones(len(place), bool)
        for row in np.flatnonzero(deleted):
            at, left = int(place[row]), int(start[row])
            if left + length == end and left > first:
                left -= 1
            taken = self.codes[left : left + length + 1]
            fits[row] = len(taken) > length
            if fits[row]:
                changed[row] = np.delete(taken, at - left)
        return ref, changed, start - self.start, fits


def read(
    variants: str | Path, elements: str | Path, experiments: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, Element]]:
    """The measured variants of some experiments, {name: `Element`} of all elements.

    Raises `InputError` with file and line for a missing experiment, two experiments on one element, a table cell that
    is not a number, and a variant whose position or reference does not fit its element.
    """
    table, known = read_variants(variants), read_elements(elements)
    there = table["experiment"].unique().tolist()
    for name in experiments:
        if name not in there:
            raise InputError(f"{variants}: experiment {name!r} is unknown{nearest(name, there)}")
    table = table[table["experiment"].isin(experiments)]
    of_element = table.groupby("element", sort=False)["experiment"].unique()
    for name, own in of_element.items():
        if len(own) > 1:
            raise InputError(
                f"{variants}: {own[0]!r} and {own[1]!r} measure the same element, {name!r}; choose one of them, "
                "because they are not independent evidence"
            )
    as_written = table.astype(str)
    strange = ~table["element"].isin(known)
    refuse(strange, as_written, ["element"], variants, f"one of {elements}: {', '.join(known)}")
    start, size, first = (
        table["element"].map({name: value(element) for name, element in known.items()})
        for value in (lambda e: e.start, lambda e: e.end - e.start, lambda e: e.first_base)
    )
    refuse(table["offset"] >= size, as_written, ["offset"], variants, "a position in the element")
    refuse(table["pos_hg19"] - first != table["offset"], as_written, ["pos_hg19", "offset"], variants,
           "the same position in the element")  # fmt: skip
    places = zip(table["element"], start + table["offset"], strict=True)
    bases = np.array([dna.ALPHABET[known[name].codes[place]] for name, place in places], object)
    refuse(table["ref"].to_numpy() != bases, as_written, ["element", "offset", "ref"], variants,
           "the base of the element at this position")  # fmt: skip
    return table, known


def read_variants(path: str | Path) -> pd.DataFrame:
    """All rows of a table of variants, with numbers parsed. Raises `InputError` with file and line."""
    table = read_table(path, VARIANTS, "saturation mutagenesis", only=True, numbered=True)
    for column, low in (("pos_hg19", 1), ("offset", 0), ("barcodes", 0)):
        values = numbers(table, column, path)
        refuse(~(values >= low) | (values % 1 != 0), table, [column], path, f"a whole number of at least {low}")
        table[column] = values.astype(np.int64)
    for column in ("effect", "p_value", "confidence"):
        values = numbers(table, column, path)
        refuse(values.isna(), table, [column], path, "a number")
        table[column] = values
    refuse(~table["ref"].isin(list("ACGT")), table, ["ref"], path, "one of A, C, G, T")
    wrong = ~table["alt"].isin([*"ACGT", DELETION]) | (table["alt"] == table["ref"])
    refuse(wrong, table, ["ref", "alt"], path, "another base, or - for a deletion")
    refuse(table.duplicated(["experiment", "offset", "alt"]), table, ["experiment", "offset", "alt"], path,
           "a variant that does not occur on an earlier line")  # fmt: skip
    return table


def read_elements(path: str | Path) -> dict[str, Element]:
    """{name: `Element`} of a table of elements. Raises `InputError` with file and line."""
    table = read_table(path, ELEMENTS, "elements of saturation mutagenesis", only=True, numbered=True)
    refuse(table["element"].duplicated(), table, ["element"], path, "a name that does not occur on an earlier line")
    found: dict[str, Element] = {}
    places = {name: numbers(table, name, path) for name in ("start_hg19", "end_hg19", "context_start_hg19")}
    for name, values in places.items():
        refuse(values.isna(), table, [name], path, "a number")
    for number, row in enumerate(table.to_dict("records")):
        first_base = int(places["start_hg19"].iloc[number])
        start = first_base - int(places["context_start_hg19"].iloc[number])
        end = start + len(row["sequence"])
        where = f"{path}: line {line_of(table, number)}: element {row['element']!r}"
        if places["end_hg19"].iloc[number] - first_base + 1 != len(row["sequence"]):
            raise InputError(
                f"{where}: sequence has {len(row['sequence'])} bp, expected the length from start_hg19 to end_hg19"
            )
        if start < 0 or row["context_sequence"][start:end].upper() != row["sequence"].upper():
            raise InputError(f"{where}: context_sequence does not contain the sequence at start_hg19")
        try:
            codes = dna.encode(dna.clean(row["context_sequence"]))
        except ValueError as error:
            raise InputError(f"{where}: {error}") from None
        found[row["element"]] = Element(row["element"], row["cell_line"], codes, start, end, first_base)
    return found
