"""Alignments, many at once, against textbook dynamic programming."""

import numpy as np
import pytest

from helpers.homologs import mutated, score
from s2f.sequences import dna
from s2f.splits.homology.alignment import LANES, MASK_OF_CODE, PAD, align, workspace
from s2f.splits.homology.groups import best_scores


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
