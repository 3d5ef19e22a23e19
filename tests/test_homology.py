"""Homologous groups against textbook dynamic programming, the pairs that count, and the draw of whole groups."""

import gzip
import itertools
import shutil

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.splits.group_draw import draw_groups, units
from s2f.splits.homology.alignment import LANES, MASK_OF_CODE, PAD, align, workspace
from s2f.splits.homology.blast import homologous_groups_blast
from s2f.splits.homology.groups import best_scores, homologous_groups


@numba.njit
def gotoh(a, b):
    """Local alignment with three matrices, gaps of any kind in any order: match 1, mismatch -1, gap 2 + (k - 1)."""
    m, n = len(a), len(b)
    h = np.zeros((m + 1, n + 1), np.int64)
    e = np.full((m + 1, n + 1), -1000)
    f = np.full((m + 1, n + 1), -1000)
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            e[i, j] = max(h[i - 1, j] - 2, e[i - 1, j] - 1)
            f[i, j] = max(h[i, j - 1] - 2, f[i, j - 1] - 1)
            same = 1 if a[i - 1] == b[j - 1] and a[i - 1] < 4 else -1
            h[i, j] = max(0, h[i - 1, j - 1] + same, e[i, j], f[i, j])
    return h.max()


def score(a, b):
    return gotoh(dna.encode(a), dna.encode(b))


@numba.njit
def same(a, i, b, j):
    return 0 <= i < len(a) and 0 <= j < len(b) and a[i] == b[j] and a[i] < 4


@numba.njit
def seed_score(a, b, word):
    """Best score of a word that begins a run of equal letters, extended by up to PAD letters a side without gaps."""
    best = 0
    for i in range(len(a)):
        for j in range(len(b)):
            run = 0
            while same(a, i + run, b, j + run):
                run += 1
            if run >= word and not same(a, i - 1, b, j - 1):
                total = word
                for step, x, y in ((-1, i - 1, j - 1), (1, i + word, j + word)):
                    gain = score = 0
                    for k in range(PAD):
                        score += 1 if same(a, x + k * step, b, y + k * step) else -1
                        gain = max(gain, score)
                    total += gain
                best = max(best, total)
    return best


def candidate_score(first, second, word, seed, both_strands=True):
    """Score of a pair over the strands on which it is a candidate (the second is turned); 0 where it is none."""
    turned = [second, dna.reverse_complement_text(second)][: 1 + both_strands]
    seeds = [seed_score(dna.encode(first), dna.encode(c), word) for c in turned]
    return max([score(first, c) for c, s in zip(turned, seeds, strict=True) if s >= max(seed, 1)], default=0)


def components(sequences, threshold, word, seed, both_strands=True):
    """Groups by comparing all pairs of the distinct sequences in canonical form."""

    def canonical(sequence):
        return min(sequence, dna.reverse_complement_text(sequence)) if both_strands else sequence

    rows = sorted({canonical(sequence) for sequence in sequences})
    labels = list(range(len(rows)))
    for i, j in itertools.combinations(range(len(rows)), 2):
        if candidate_score(rows[i], rows[j], word, seed, both_strands) >= threshold:
            labels = [labels[i] if label == labels[j] else label for label in labels]
    return pd.factorize(np.array([labels[rows.index(canonical(sequence))] for sequence in sequences]))[0]


def mutated(rng, sequence, rate):
    """A relative: substitutions, short insertions and deletions, cut at the ends, either strand, now and then an N."""
    out = []
    for letter in sequence:
        kind = rng.random()
        if kind < rate * 0.6:
            out.append(rng.choice(list("ACGT")))
        elif kind < rate * 0.8:
            out.append(letter + "".join(rng.choice(list("ACGT"), rng.integers(1, 4))))
        elif kind < rate:
            continue
        else:
            out.append(letter if rng.random() > 0.01 else "N")
    text = "".join(out)[rng.integers(0, 8) :]
    return dna.reverse_complement_text(text) if rng.random() < 0.5 else text


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


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(20, 6, 6), (20, 6, 9), (14, 5, 5), (30, 8, 12)]), st.booleans())
def test_groups_equal_comparison_of_all_pairs(seed, setting, both_strands):
    threshold, word, seed_score = setting
    sequences = families(seed)
    found = homologous_groups(sequences, threshold, word, both_strands, threads=2, seed_score=seed_score)
    assert found.dtype == np.int32
    assert list(found) == list(components(sequences, threshold, word, seed_score, both_strands))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_best_scores_equal_comparison_of_all_pairs(seed):
    sequences = families(seed, members=16)
    queries, targets = sequences[:8], sequences[8:]
    expected = [max(candidate_score(t, q, 6, 8) for t in targets) for q in queries]
    assert list(best_scores(queries, targets, word=6, seed_score=8)) == expected
    assert list(best_scores(queries, targets, 20, word=6, seed_score=8)) == [min(score, 20) for score in expected]


@pytest.mark.parametrize("longest", [90, 300])
def test_every_lane_has_the_textbook_score(longest):
    rng = np.random.default_rng(longest)
    pairs = []
    for lane in range(LANES):
        a = "".join(rng.choice(list("ACGT"), rng.integers(1, longest + 1)))
        pairs.append((a, mutated(rng, a, 0.02 * (lane % 15))[:longest] or "A"))
    pairs[0] = ("ACGT" * (longest // 4), "ACGT" * (longest // 4))
    text = np.zeros((2 * LANES + 1, longest + 2 * PAD), np.uint8)[:-1]
    for row, sequence in enumerate([a for a, _ in pairs] + [b for _, b in pairs]):
        text[row, PAD : PAD + len(sequence)] = MASK_OF_CODE[dna.encode(sequence)]
    lengths = (text > 0).sum(1)
    scores = np.zeros(LANES, np.int64)
    work = workspace(longest)
    for count in (LANES, 3):
        scores[:] = -1
        align(text, lengths, np.arange(LANES), np.arange(LANES) + LANES, count, 0, work, scores)
        assert list(scores[:count]) == [score(a, b) for a, b in pairs[:count]]
        assert (scores[count:] == -1).all()


def test_the_convention_of_gaps():
    left, right = "ACGTTGCAAC", "GGATCTTACC"
    assert best_scores([left + right], [left + "T" + right], word=8, seed_score=8)[0] == 20 - 2
    assert best_scores([left + right], [left + "TTT" + right], word=8, seed_score=8)[0] == 20 - 4


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
    with pytest.raises(InputError, match=r"sequence 1 \(counted from 0\): letter 'X' at position 2"):
        homologous_groups(["ACGT", "ACXT"])
    with pytest.raises(InputError, match=r"sequence 1 \(counted from 0\) has 0 letters, expected 1 to"):
        homologous_groups(["ACGT", ""])
    with pytest.raises(InputError, match=r"target 0 \(counted from 0\): letter '-' at position 4"):
        best_scores(["ACGT"], ["ACGT-"])
    with pytest.raises(InputError, match="word is 20, expected 4 to 12"):
        homologous_groups(["ACGT"], word=20)


def test_blast_that_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="makeblastdb: not found on PATH"):
        homologous_groups_blast(["ACGT" * 50])


needs_blast = pytest.mark.skipif(shutil.which("blastn") is None, reason="needs NCBI BLAST+ (blastn) on PATH")


@needs_blast
def test_blast_finds_relatives_on_both_strands():
    rng = np.random.default_rng(2)
    ancestor, stranger = ("".join(rng.choice(list("ACGT"), 200)) for _ in range(2))
    sequences = [ancestor, stranger, dna.reverse_complement_text(ancestor[:150] + ancestor[160:])]
    assert list(homologous_groups_blast(sequences)) == [0, 1, 0]
    assert list(homologous_groups_blast(sequences, both_strands=False)) == [0, 1, 2]
    assert list(homologous_groups_blast(["N" * 50])) == [0]


@pytest.fixture(scope="session")
def published(shared):
    """The 5,000 sequences of hashFrag's example and the groups that hashFrag found in them."""
    folder = shared / "data" / "mpra" / "hashfrag_example"
    with gzip.open(folder / "groups_threshold60.tsv.gz", "rt") as stream:
        group = dict(line.split() for line in stream)
    with gzip.open(folder / "sequences.fa.gz", "rt") as stream:
        records = stream.read().split(">")[1:]
    sequence = {name: "".join(lines) for name, *lines in map(str.split, records)}
    names = [name for name in sequence if not name.endswith("_Reversed")]
    return [sequence[name] for name in names], pd.factorize(np.array([group[name] for name in names]))[0]


@pytest.mark.slow
def test_what_hashfrag_groups_is_grouped(published):
    sequences, expected = published
    found = homologous_groups(sequences)
    assert expected.max() + 1 == 4539
    assert len(set(zip(expected, found, strict=True))) == 4539  # no published group is divided
    assert found.max() + 1 == 4523  # as the comparison of all pairs; blastn missed what joins sixteen more
    with_reverse = homologous_groups(sequences + [dna.reverse_complement_text(s) for s in sequences])
    assert list(with_reverse) == [*found, *found]


@needs_blast
@pytest.mark.slow
def test_blast_repeats_the_published_groups(published):
    sequences, expected = published
    assert list(homologous_groups_blast(sequences)) == list(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(60, 300))
def test_a_draw_divides_no_unit_and_keeps_to_the_shares(seed, n):
    rng = np.random.default_rng(seed)
    groups = np.where(rng.random(n) < 0.3, 0, rng.integers(1, n, n))  # one giant group
    locus = np.where(rng.random(n) < 0.5, "", rng.integers(0, n // 2, n).astype(str)).astype(object)
    pair = np.where(rng.random(n) < 0.8, -1, rng.integers(0, n // 4, n))
    fractions = {"train": 0.6, "val": 0.2, "test": 0.2}
    try:
        parts, report = draw_groups(groups, fractions, seed, [locus, pair])
    except InputError as error:
        assert "is empty" in str(error)
        return
    for label in (groups, locus[locus != ""], pair[pair >= 0]):
        own = parts if label is groups else parts[locus != ""] if label.dtype == object else parts[pair >= 0]
        assert pd.DataFrame({"label": label, "part": own}).groupby("label")["part"].nunique().max() == 1
    assert (parts[groups == 0] == "train").all()
    counts = report["rows"]
    assert counts == {part: int((parts == part).sum()) for part in fractions}
    assert counts["val"] <= round(0.2 * n) and counts["test"] <= round(0.2 * n)


def test_a_draw_is_seeded_and_exact_with_single_rows():
    groups = np.r_[np.zeros(400, int), np.arange(1, 601)]
    fractions = {"train": 0.8, "val": 0.1, "test": 0.1}
    parts, report = draw_groups(groups, fractions, 7)
    assert report["rows"] == {"train": 800, "val": 100, "test": 100}
    assert report["too_large_to_evaluate"] == {"units": 1, "rows": 400} and report["largest_unit"] == 400
    assert (parts == draw_groups(groups, fractions, 7)[0]).all()
    assert (parts != draw_groups(groups, fractions, 8)[0]).any()


def test_units_follow_chains_and_ignore_missing_labels():
    assert list(units([[0, 1, 2, 3], ["a", "", "a", ""], [-1, 5, -1, -1], [-1, 5, 5, -1]])) == [0, 0, 0, 1]


def test_a_draw_refuses_what_cannot_be():
    with pytest.raises(InputError, match="expected train, val and test that sum to 1"):
        draw_groups([0, 1], {"train": 0.8, "test": 0.1, "val": 0.2}, 0)
    with pytest.raises(
        InputError, match="part 'val' is empty: it takes units of at most 1 rows, and the smallest of 1 has 9"
    ):
        draw_groups([0] * 9, {"train": 0.8, "test": 0.1, "val": 0.1}, 0)
    with pytest.raises(InputError, match="a label array has 3 rows, expected 2"):
        draw_groups([0, 1], {"train": 0.8, "test": 0.1, "val": 0.1}, 0, [[1, 2, 3]])
