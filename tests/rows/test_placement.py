"""Coordinates of inserts against the inserts themselves: lengths, strands and variants."""

import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import placement
from s2f.sequences import dna

GENOME = "".join(np.random.Generator(np.random.PCG64(4)).choice(list("ACGT"), 400))


def table(strands="+-+-", width=40, move=0, indexed=True):
    """Two inserts, reference and alternate, for each strand; the variant is the 14th base of the plus strand."""
    lines = []
    for number, strand in enumerate(strands):
        start = 60 * number
        window, at = GENOME[start : start + width], start + 13
        new = "ACGT"[("ACGT".index(GENOME[at]) + 1) % 4]
        for allele, base in (("ref", GENOME[at]), ("alt", new)):
            insert = window[:13] + base + window[14:]
            insert = dna.reverse_complement_text(insert) if strand == "-" else insert
            variant = f"chr1:{at + 1}:{GENOME[at]}:{new}"
            lines.append((f"v{number}_{allele}", insert, "chr1", start + move, start + width, strand, allele, variant))
    names = ["row_id", "sequence", "chrom", "start", "end", "strand", "allele", "variant"]
    rows = pd.DataFrame(lines, columns=names).astype({"start": "Int64", "end": "Int64"})
    return rows.set_axis(pd.RangeIndex(2, len(rows) + 2, name="line"))


def test_inserts_of_both_strands_fit_in_any_case_and_with_unknown_strand():
    placement.check(table(), "t.tsv")
    placement.check(table().assign(strand=""), "t.tsv")
    placement.check(table().drop(columns=["strand", "allele"]), "t.tsv")
    placement.check(table().assign(variant=table()["variant"].str.lower()), "t.tsv")
    placement.check(table().assign(sequence=table()["sequence"].str.lower().str.replace("t", "u")), "t.tsv")
    placement.check(table().assign(variant="rs12"), "t.tsv")
    placement.check(table()[["row_id", "sequence"]], "t.tsv")
    placement.check(table().assign(start=pd.NA, end=pd.NA), "t.tsv")


LENGTHS = "expected the interval of the insert itself, with start counted from 0 and end exclusive"
V, N = r"variant is 'chr1:\d+:[ACGT]:[ACGT]'", r"as in \d of 8 such rows"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            table().assign(end=500),
            f"line 2: row 'v0_ref': from start 0 to end 500 are 500 bases, but the insert has 40; {LENGTHS}",
        ),
        (table(move=1), f"from start 1 to end 40 are 39 bases, .*; {LENGTHS}; starts seem to be counted from 1: one"),
        (
            table(move=1).assign(end=lambda t: t["end"] + 1),
            f"row 'v0_ref': {V}, but the insert from start 1 of the plus strand does not have [ACGT] there, {N}; they "
            "fit if start and end are one less",
        ),
        (
            table().assign(strand=lambda t: t["strand"].map({"+": "-", "-": "+"})),
            f"{V}, but the insert from start 0 of the minus strand does not have [ACGT] there, {N}; they fit on the "
            "other strand",
        ),
        (table("++++").assign(strand="-"), "; they fit as sequences of the plus strand, whatever their strand"),
        (
            table().assign(chrom="chr2"),
            f"line 2: row 'v0_ref': {V}, but the insert lies on chr2; expected one chromosome; do it",
        ),
        (table().assign(allele="ref"), f"line 3: row 'v0_alt': {V}, but the insert .*, as in 4 of 8 such rows"),
    ],
)
def test_what_does_not_fit_is_refused_with_line_row_and_both_sides(rows, message):
    with pytest.raises(InputError, match=message) as error:
        placement.check(rows, "t.tsv", ": one", "; do it")
    assert str(error.value).startswith("t.tsv: line ") and str(error.value).endswith("; do it")


def indel(variant, allele, width, length):
    rows = {"row_id": ["a"], "sequence": ["A" * length], "start": [10], "end": [10 + width]}
    return pd.DataFrame({**rows, "variant": variant, "allele": allele})


def test_an_indel_may_change_the_length_by_its_own():
    for length in (18, 20):
        placement.check(indel("chr1:15:AAA:A", "alt", 20, length), "t.tsv")
    with pytest.raises(InputError, match="are 20 bases, but the insert has 17"):
        placement.check(indel("chr1:15:AAA:A", "alt", 20, 17), "t.tsv")
    placement.check(indel("chr1:15:AAA:<DEL>", "alt", 20, 17), "t.tsv")  # how many bases is not said
    with pytest.raises(InputError, match="are 20 bases, but the insert has 17"):
        placement.check(indel("chr1:15:AAA:<DEL>", "ref", 20, 17), "t.tsv")


def test_slack_is_for_tables_that_are_known_to_differ():
    placement.check(indel("", "", 21, 20), "t.tsv", slack=1)
    with pytest.raises(InputError, match="are 22 bases, but the insert has 20"):
        placement.check(indel("", "", 22, 20), "t.tsv", slack=1)


def test_fields_of_variants():
    fields = placement.parsed(pd.Series(["chr7:70038969:g:T", "rs12", "", "1:5:A:-", "chrX:x:A:T"], dtype="str"))
    assert fields["chrom"].tolist() == ["chr7", "", "", "1", ""]
    assert fields["pos"].fillna(-1).tolist() == [70038969, -1, -1, 5, -1]
    assert fields["ref"].tolist() == ["G", "", "", "A", ""] and fields["alt"].tolist() == ["T", "", "", "-", ""]
    assert placement.is_snv(fields).tolist() == [True, False, False, True, False]


def test_an_snv_of_the_minus_strand_is_the_complement_at_the_other_end():
    rows = table("-")
    snv = pd.DataFrame({"offset": [26], "length": [40], "ref_base": [rows["sequence"].iloc[0][26]]})
    snv["alt_base"] = rows["sequence"].iloc[1][26]
    variants = placement.parsed(rows["variant"].iloc[:1])
    for strand, fits in (("-", True), ("", True), ("+", False)):
        assert placement.as_designed(snv, variants, np.array([0.0]), np.array([strand], object)).tolist() == [fits]
    assert placement.as_designed(snv, variants, np.array([np.nan]), np.array(["+"], object)).tolist() == [True]
