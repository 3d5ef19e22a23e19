"""Rows linked as a test needs them, the links by a plain rule, and plain splits, for the tests of splits."""

import itertools

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st

from s2f.rows.canonical import canonical
from s2f.sequences import dna
from s2f.splits.units import make_units

examples = settings(deadline=None, max_examples=40)  # no deadline: the machine may be busy
CHROMOSOMES = {"kind": "chromosome", "val": ["chr2"], "test": ["chr3"]}
PUBLISHED = {"kind": "published", "train": ["train", "pool"], "val": ["val"], "test": ["test", "test_snv"]}
RANDOM = {"kind": "random", "val": 0.2, "test": 0.2, "seed": 0}


def rows_of(sequences, **columns):
    """Canonical rows r0, r1 ... with these sequences."""
    ids = [f"r{i}" for i in range(len(sequences))]
    return canonical(pd.DataFrame({"row_id": ids, "sequence": sequences, "label": 0.0, **columns}), "rows")


def unlinked(count, **columns):
    """`count` rows with unrelated sequences."""
    words = map("".join, itertools.product("AC", repeat=10))  # no reverse complement among them
    return rows_of(list(itertools.islice(words, count)), **columns)


def units_of(rows):
    """Units of rows if only equal inserts are homologous: their loci."""
    return make_units(rows, 1)


def split_of(rows, parts):
    return pd.DataFrame({"row_id": rows["row_id"], "split": parts})


def linked(a, b):
    """Whether a split must keep two rows together: the rule again, in its plainest form."""
    return (
        a.sequence in (b.sequence, dna.reverse_complement_text(b.sequence))
        or (a.pair_id == b.pair_id != "")
        or (a.group == b.group != "")
        or (a.chrom == b.chrom != "" and not pd.isna(a.start + b.start) and a.start < b.end and b.start < a.end)
    )


row = st.fixed_dictionaries(
    {
        "sequence": st.text("ACGT", min_size=2, max_size=4),
        "pair_id": st.sampled_from(["", "", "", "p", "q"]),
        "group": st.sampled_from(["", "", "", "g", "h"]),
        "chrom": st.sampled_from(["", "1", "chr1", "chr2", "3"]),
        "start": st.none() | st.integers(0, 60),
        "published": st.sampled_from(["", "train", "pool", "val", "test", "test_snv"]),
    }
)
# one row of each part that is linked to no other
alone = [
    {"sequence": "CCCCCA", "chrom": "chr1", "published": "train"},
    {"sequence": "CCCCCC", "chrom": "chr2", "published": "val"},
    {"sequence": "CCCCCT", "chrom": "chr3", "published": "test"},
]
random_rows = st.lists(row, max_size=12).map(lambda lines: rows_of_lines([*alone, *lines]))


def rows_of_lines(lines):
    """Rows that occasionally share sequences, orientations, pairs, groups and loci; each place is 5 bp."""
    table = pd.DataFrame(lines, columns=[*alone[0], "pair_id", "group", "start"])
    return rows_of(table["sequence"], **table.drop(columns="sequence").assign(end=table["start"] + 5))
