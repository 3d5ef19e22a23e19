"""What links rows: sequences in either orientation, pairs, groups and overlapping places, through any chain."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from helpers.linked_rows import (
    examples,
    linked,
    random_rows,
    rows_of,
    unlinked,
)
from s2f.sequences import dna
from s2f.splits.linked_rows import loci


@examples
@given(random_rows)
def test_loci_are_what_links_connect(rows):
    expected = list(range(len(rows)))
    for (i, a), (j, b) in itertools.combinations(enumerate(rows.itertuples()), 2):
        if linked(a, b):
            expected = [expected[i] if label == expected[j] else label for label in expected]
    assert loci(rows).tolist() == pd.factorize(np.array(expected))[0].tolist()


def test_each_kind_of_link():
    rows = rows_of(
        ["AACC", "GGTT", "AACG", "AAAA", "CCCC", "ACAC", "AGAG", "CACA", "AAAC", "AAAG"],
        pair_id=["", "", "", "p", "p", "", "", "", "", ""],
        group=["", "", "", "", "", "g", "g", "", "", ""],
        chrom=["", "", "", "", "", "", "", "7", "chr7", "chr7"],
        start=[None] * 7 + [100, 109, 119],
        end=[None] * 7 + [110, 119, 130],
    )
    # reverse complements; another; a pair; a group; windows that overlap by one base; a window that only touches
    assert loci(rows).tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4, 5]


def test_empty_keys_and_missing_places_link_nothing():
    assert loci(unlinked(6, chrom="chr1")).tolist() == list(range(6))
    assert loci(unlinked(6, start=10, end=20)).tolist() == list(range(6))


@pytest.mark.parametrize("seed", range(3))
def test_a_long_chain_of_places_and_groups_is_one_locus(seed):
    """Rows in any order, each linked to the next by its locus or its group by turns, and one row that is alone."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(1000)
    start = [*(order // 2 * 100), None]
    group = [*(f"g{(i + 1) // 2}" for i in order), ""]
    rows = unlinked(1001, chrom="chr1", start=start, end=[i if i is None else i + 50 for i in start], group=group)
    assert loci(rows).tolist() == [0] * 1000 + [1]


def test_a_long_interval_holds_what_lies_inside_it():
    rows = unlinked(4, chrom="chr1", start=[0, 10, 50, 100], end=[100, 20, 60, 110])
    assert loci(rows).tolist() == [0, 0, 0, 1]


def test_equal_places_on_two_chromosomes_are_two_loci():
    rows = unlinked(4, chrom=["chr1", "chr2", "1", "2"], start=[5, 5, 9, 9], end=[10, 10, 14, 14])
    assert loci(rows).tolist() == [0, 1, 0, 1]


def test_loci_do_not_depend_on_the_index_of_the_rows():
    rows = rows_of(["AAAA", "ACAC", "TTTT", "AGAG"], chrom="chr1", start=[0, 50, 90, 52], end=[5, 55, 95, 57])
    assert loci(rows[1:]).tolist() == [0, 1, 0] and loci(rows).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("length", [63, 64, 65, 70, 71, 199, 200])
def test_long_sequences_are_compared_whole_and_in_both_orientations(length):
    random = np.random.Generator(np.random.PCG64(length))
    first, other = ("".join(random.choice(list("ACGT"), length)) for _ in range(2))
    swap = {"A": "C", "C": "A", "G": "T", "T": "G"}
    near = [swap[first[0]] + first[1:], first[:-1] + swap[first[-1]], first[:-1]]  # all share the middle
    middle = [first[: length // 2] + swap[first[length // 2]] + first[length // 2 + 1 :]]
    rows = rows_of([first, *near, *middle, other, dna.reverse_complement_text(first), other])
    assert loci(rows).tolist() == [0, 1, 2, 3, 4, 5, 0, 5]


def test_canonical_sequences_are_equal_for_both_orientations():
    sequences = ["ACGTT", "AACGT", "GGGN", "NCCC", "A"]
    assert dna.canonical_sequences(sequences) == ["AACGT", "AACGT", "GGGN", "GGGN", "A"]
