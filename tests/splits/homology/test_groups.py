"""Homologous groups against comparison of all pairs by textbook alignment, and the published groups."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.homologs import candidate_score, hashfrag_example, mutated
from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.splits.homology import alignment, groups
from s2f.splits.homology.groups import best_scores, homologous_groups, homologous_to_any, pack_codes
from s2f.splits.homology.thresholds import thresholds


def components(sequences, threshold, word, seed, both_strands=True):
    """Groups by comparing all pairs of the distinct sequences in canonical form; `threshold` is one, or by length."""
    needed = threshold if callable(threshold) else lambda length: threshold

    def canonical(sequence):
        return min(sequence, dna.reverse_complement_text(sequence)) if both_strands else sequence

    rows = sorted({canonical(sequence) for sequence in sequences})
    labels = list(range(len(rows)))
    for i, j in itertools.combinations(range(len(rows)), 2):
        if candidate_score(rows[i], rows[j], word, seed, both_strands) >= min(
            needed(len(rows[i])), needed(len(rows[j]))
        ):
            labels = [labels[i] if label == labels[j] else label for label in labels]
    return pd.factorize(np.array([labels[rows.index(canonical(sequence))] for sequence in sequences]))[0]


def families(seed, members=12, length=60):
    """Relatives of three ancestors in three degrees, strangers, repeats of short units, duplicates and short pieces."""
    rng = np.random.default_rng(seed)
    ancestors = ["".join(rng.choice(list("ACGT"), length)) for _ in range(3)]
    ancestors.append("".join(rng.choice(list("ACGT"), 3)) * (length // 3))
    found = [mutated(rng, ancestors[k % 4], (0.05, 0.15, 0.3)[k % 3]) for k in range(members)]
    found += ["".join(rng.choice(list("ACGT"), length)) for _ in range(3)]
    found += [found[0], dna.reverse_complement_text(found[1]), "ACGTA", "N" * 30, ancestors[0][:20]]
    return [found[k] for k in rng.permutation(len(found))]


def same_partition(a, b):
    return len(set(zip(a, b, strict=True))) == len(set(a)) == len(set(b))


def test_a_better_hit_that_needs_more_hides_no_homolog():
    """A query has 80 letters of one row, which needs 90, and 58 points with another, which needs 50, at its end."""
    random = np.random.default_rng(1)
    queries = ["".join(random.choice(list("ACGT"), 200)) for _ in range(40)]
    stranger = "".join(random.choice(list("ACGT"), 200))
    better = [query[:80] + stranger[80:] for query in queries]
    homologs = [stranger[:139] + query[140:168] + "A" + query[168:] for query in queries]
    needed = np.repeat([90, 50], 40)
    assert homologous_to_any(queries, better + homologs, np.full(40, 100), needed, threads=1).all()
    assert not homologous_to_any(queries, better, np.full(40, 100), needed[:40], threads=1).any()
    assert homologous_to_any([], better, np.zeros(0), needed[:40]).tolist() == []
    assert not homologous_to_any(queries, [], np.full(40, 100), np.zeros(0)).any()


@pytest.mark.parametrize(
    ("length", "threshold", "low", "high"), [(51, 24, 15, 45), (75, 27, 3, 20), (101, 31, 0, 8), (150, 45, 0, 0)]
)
def test_few_pairs_of_short_inserts_are_missed(length, threshold, low, high):
    """Of 600 pairs with a quarter of the letters drawn anew: the last column of the module's second table."""
    random = np.random.default_rng(0)
    parents = random.integers(0, 4, (600, length)).astype(np.uint8)
    children = np.where(random.random((600, length)) < 0.25, random.integers(0, 4, (600, length)), parents)
    codes, scores = np.concatenate([parents, children]).astype(np.uint8), np.empty(600, np.int64)
    alignment.align_rows(pack_codes(codes), np.full(1200, length), scores)
    homologous = scores >= threshold
    found = homologous_groups([dna.decode(row) for row in codes], threshold, threads=1)
    missed = (homologous & (found[:600] != found[600:])).sum()
    assert homologous.sum() > 550 and low <= missed <= high


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(20, 6, 6), (20, 6, 9), (14, 5, 5), (30, 8, 12)]), st.booleans())
def test_groups_equal_comparison_of_all_pairs(seed, setting, both_strands):
    threshold, word, seed_score = setting
    sequences = families(seed)
    found = homologous_groups(sequences, threshold, word, both_strands, threads=2, seed_score=seed_score)
    assert found.dtype == np.int32
    assert list(found) == list(components(sequences, threshold, word, seed_score, both_strands))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_thresholds_of_rows_equal_comparison_of_all_pairs(seed):
    sequences = families(seed) + [piece[:30] for piece in families(seed, members=8)]

    def needed(length):
        return max(12, length // 3)

    found = homologous_groups(sequences, np.array([needed(len(s)) for s in sequences]), 6, seed_score=9)
    assert list(found) == list(components(sequences, needed, 6, 9))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_best_scores_equal_comparison_of_all_pairs(seed):
    sequences = families(seed, members=16)
    queries, targets = sequences[:8], sequences[8:]
    expected = [max(candidate_score(t, q, 6, 8) for t in targets) for q in queries]
    assert list(best_scores(queries, targets, word=6, seed_score=8)) == expected
    assert list(best_scores(queries, targets, 20, word=6, seed_score=8)) == [min(score, 20) for score in expected]


def test_groups_do_not_depend_on_order_or_threads():
    sequences = families(3, members=200)
    found = homologous_groups(sequences, 25, 7, threads=1, seed_score=9)
    assert list(found) == list(homologous_groups(sequences, 25, 7, threads=3, seed_score=9))
    order = np.random.default_rng(0).permutation(len(sequences))
    shuffled = homologous_groups([sequences[k] for k in order], 25, 7, seed_score=9)
    assert same_partition(found[order], shuffled)
    assert list(pd.factorize(found)[0]) == list(found)


def test_many_blocks_and_progress():
    rng = np.random.default_rng(5)
    sequences = ["".join(rng.choice(list("ACGT"), 40)) for _ in range(1500)]
    sequences[1400] = sequences[3]
    sequences[1450] = mutated(rng, sequences[700], 0.0)
    seen = []
    found = homologous_groups(sequences, 30, 11, progress=lambda done, total: seen.append((done, total)))
    assert found[1400] == found[3] and found[1450] == found[700]
    assert found.max() + 1 == len(set(found)) == 1498
    assert seen[-1][0] == seen[-1][1] and sorted(seen) == seen


def test_small_inputs():
    assert homologous_groups([]).shape == (0,)
    assert list(homologous_groups(["ACGT" * 50])) == [0]
    assert list(homologous_groups(["ACGTA", "TACGT", "acgta", "ACGUA", "GGGGG"])) == [0, 0, 0, 0, 1]
    assert list(homologous_groups(["ACGTA", "TACGT"], both_strands=False)) == [0, 1]
    assert list(homologous_groups(["N" * 200, "N" * 199])) == [0, 1]
    assert list(best_scores(["ACGTA"], ["ACGTA"])) == [0]
    assert best_scores([], ["ACGTA"]).shape == (0,)


def test_letters_past_the_end_of_a_sequence_do_not_count():
    """The rows of the text lie side by side: an extension must not run on into the next sequence."""
    rng = np.random.default_rng(11)
    ancestor = "".join(rng.choice(list("ACGT"), 300))
    for cut in (20, 221, 222, 223, 224, 225, 290):
        sequences = [ancestor[:cut], ancestor[cut:], ancestor[: cut - 9], ancestor[cut - 9 :]]
        found = [best_scores([q], [t], word=6, seed_score=8)[0] for q in sequences[:2] for t in sequences[2:]]
        assert found == [candidate_score(t, q, 6, 8) for q in sequences[:2] for t in sequences[2:]]


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"sequence 1 \(counted from 0\): base 3 is 'X'"):
        homologous_groups(["ACGT", "ACXT"])
    with pytest.raises(InputError, match=r"sequence 1 \(counted from 0\) has 0 letters, expected 1 to"):
        homologous_groups(["ACGT", ""])
    with pytest.raises(InputError, match=r"target 0 \(counted from 0\): base 5 is '-'"):
        best_scores(["ACGT"], ["ACGT-"])
    with pytest.raises(InputError, match="word is 20, expected 4 to 12"):
        homologous_groups(["ACGT"], word=20)


@pytest.mark.slow
def test_what_hashfrag_groups_is_grouped(shared):
    sequence, group = hashfrag_example(shared)
    sequences, expected = list(sequence.values()), pd.factorize(np.array([group[name] for name in sequence]))[0]
    found = homologous_groups(sequences)
    assert expected.max() + 1 == 4539
    assert len(set(zip(expected, found, strict=True))) == 4539  # no published group is divided
    assert found.max() + 1 == 4523  # as the comparison of all pairs; blastn missed what joins sixteen more
    with_reverse = homologous_groups(sequences + [dna.reverse_complement_text(s) for s in sequences])
    assert list(with_reverse) == [*found, *found]


def test_loops_whose_code_is_kept_have_one_signature():
    homologous_groups(["ACGT" * 20, "ACGTACGA" * 10], both_strands=False, threads=1)
    homologous_groups(["ACGT" * 200, "ACGTACGA" * 10], threshold=20, word=6)
    homologous_groups(["ACGT" * 200, "ACGTACGA" * 10], np.array([100, 30]))
    best_scores(["ACGT" * 20], ["ACGTACGA" * 10], enough=20, word=7)
    thresholds(["ACGT" * 20, "ACGTACGA" * 5], 0.3)
    for function in (alignment.index_words, alignment.search, alignment.merge, alignment.align_rows):
        assert len(function.signatures) == 1


@pytest.mark.parametrize("size", [1, 64])
def test_pairs_that_are_forgotten_are_aligned_again_with_the_same_result(monkeypatch, size):
    random = np.random.Generator(np.random.PCG64(2))
    repeats = [
        "".join(random.choice(list("ACGT")) if random.random() < 0.3 else b for b in "GT" * 50) for _ in range(60)
    ]
    found = homologous_groups(repeats, 62), best_scores(repeats[:20], repeats[20:])
    monkeypatch.setattr(groups, "SEEN", size)
    again = homologous_groups(repeats, 62), best_scores(repeats[:20], repeats[20:])
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))
    assert len(set(found[0])) > 1
