"""Thresholds of homology: a share of the length, and never what chance reaches."""

import numpy as np
import pytest

from helpers.homologs import score
from s2f.common.errors import InputError
from s2f.splits.homology.groups import best_scores, homologous_groups
from s2f.splits.homology.thresholds import by_chance, thresholds


def random_texts(count, length, letters="ACGT", seed=0):
    return ["".join(line) for line in np.random.default_rng(seed).choice(list(letters), (count, length))]


def test_inserts_of_200_and_more_need_their_share_whatever_their_letters():
    """Also above 200 bp, where hashFrag asks for 60 all the same."""
    sequences = [*random_texts(20, 200), *random_texts(5, 200, "CT"), *random_texts(5, 331), "A" * 200, "AC" * 115]
    assert thresholds(sequences, 0.3).tolist() == [60] * 25 + [100] * 5 + [60, 69]  # 0.3 * 331 = 99.3
    assert thresholds(sequences, 0.5).tolist() == [100] * 25 + [166] * 5 + [100, 115]


def test_chance_reaches_its_score_about_once():
    """In 4,000 unrelated rows the highest score of all pairs is near what the simulation says, 16 million times one."""
    for length, letters in ((51, "ACGT"), (51, "AACCCCGT"), (101, "ACGT")):
        sequences = random_texts(4000, length, letters)
        highest = best_scores(sequences[:2000], sequences[2000:], word=6, seed_score=8, both_strands=False).max()
        stated = by_chance(sequences[:200], np.array([length]), 2000 * 2000)
        assert np.median(stated) - 3 <= highest <= np.median(stated) + 3, (length, letters, highest, np.median(stated))


@pytest.mark.parametrize(
    ("length", "letters", "by_share"),  # most rows that the share alone puts into one group
    [(51, "ACGT", 3), (51, "CCCTTTTA", 1000), (80, "CT", 1500), (101, "AAAATTTCG", 3)],
)
def test_unrelated_rows_are_not_homologous(length, letters, by_share):
    sequences = random_texts(1500, length, letters)
    found = homologous_groups(sequences, thresholds(sequences, 0.3), both_strands=False)
    assert found.max() + 1 >= 1500 - 6
    alike = homologous_groups(sequences, int(np.ceil(0.3 * length)), both_strands=False)
    assert np.bincount(alike).max() >= by_share


def test_more_comparisons_and_fewer_kinds_of_letters_need_more():
    even, uneven = random_texts(300, 51), random_texts(300, 51, "CT")
    few, many = (by_chance(even, np.array([51]), count) for count in (1e5, 1e9))
    assert (many - few).min() > 5  # log(10 ** 4) / log 3 = 8.4
    assert np.median(by_chance(uneven, np.array([51]), 1e5)) > np.median(few) + 15
    assert by_chance(["A" * 51], np.array([51]), 1e5).tolist() == [51.0]
    assert (thresholds(even, 0.3) > 0.3 * 51).all()


def test_results_are_the_same_again():
    sequences = [text[: 30 + k] for k, text in enumerate(random_texts(100, 140))]
    first = thresholds(sequences, 0.3)
    assert first.tolist() == thresholds(sequences, 0.3).tolist() and len(set(first)) > 10
    order = np.random.default_rng(0).permutation(100)
    assert thresholds([sequences[k] for k in order], 0.3).tolist() == first[order].tolist()


def test_a_threshold_out_of_reach_is_refused():
    with pytest.raises(
        InputError,
        match=r"inserts \(10 to 10 letters\) are too short: \d+ of 500 need a score of .*homology: \{identity: 1\} of",
    ):
        thresholds(random_texts(500, 10), 0.3)
    assert thresholds(random_texts(500, 10), 1).tolist() == [11] * 500
    # a few short ones among others are homologous to what holds them whole
    sequences = [*random_texts(300, 60), *random_texts(10, 10, seed=1)]
    assert (thresholds(sequences, 0.3)[300:] == 10).all() and (thresholds(sequences, 0.3)[:300] < 60).all()


def test_the_lower_threshold_of_a_pair_holds():
    text = random_texts(1, 200)[0]
    sequences, needed = [text, text[60:111], random_texts(1, 200, seed=1)[0]], np.array([60, 40, 60])
    assert score(sequences[0], sequences[1]) == 51
    assert homologous_groups(sequences, needed).tolist() == [0, 0, 1]
    assert homologous_groups(sequences, 60).tolist() == [0, 1, 2]
    assert homologous_groups(sequences, np.array([40, 60, 60])).tolist() == [0, 0, 1]
