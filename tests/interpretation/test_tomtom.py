"""How alike motifs are: p values by hand, those of another program, and that they are right for what is drawn."""

import numpy as np

from s2f.interpretation.motifs import tomtom
from s2f.sequences import dna

# p values of three queries with targets 0, 1, 5 and 17 of `test_values_are_those_of_memelite`
MEMELITE_BOTH = [
    [9.5589432716e-28, 0.37414691115, 0.28965565669, 0.6265040336],
    [0.9501511405, 0.76184024172, 2.5733230225e-10, 0.44606176335],
    [0.26213743043, 0.38274827852, 0.7347235743, 0.3916800804],
]
MEMELITE_ONE = [
    [1.923079808e-28, 0.65093510966, 0.78734146955, 0.40459909915],
    [0.74709896068, 0.51728006294, 6.1759752375e-09, 0.22931185823],
    [0.16132578695, 0.21163924184, 0.77776896294, 0.23454594165],
]


def bases(text):
    """Probabilities of a motif in which each base is certain."""
    return dna.one_hot(dna.encode(text), np.float64)


def test_of_one_column_it_is_the_share_of_columns_that_are_as_near():
    targets = [bases(base) for base in "AAACGT"]
    p, turned = tomtom.p_values([bases("A")], targets, one_strand=True)
    assert np.allclose(p, [[0.5, 0.5, 0.5, 1, 1, 1]]) and not turned.any()
    # A is the reverse complement of T: both strands of all targets hold four A and four T
    p, turned = tomtom.p_values([bases("A")], targets, one_strand=False)
    chance = 4 / 12
    assert np.allclose(p[0, [0, 5]], 1 - (1 - chance) ** 2) and turned.tolist() == [[False] * 5 + [True]]


def test_of_two_columns_every_alignment_counts():
    """Of the query AC: columns of targets are A, C, G, T alike, so two are within reach of AC in each alignment."""
    targets = [bases(text) for text in ("AC", "CG", "GT", "TA")]
    p, _ = tomtom.p_values([bases("AC")], targets, one_strand=True)
    assert np.allclose(p[0, 0], 1 / 16)  # two aligned columns alike; one column, with the other outside, scores less
    half = 1 - (1 - 1 / 4) * (1 - 1 / 4) * (1 - 7 / 16)  # a score as high as one column's alike: of any alignment
    assert np.allclose(p[0, [1, 3]], half)


def test_values_are_those_of_memelite():
    """Of version 0.5.0, with each column of a target for itself and a million bins for the median."""
    draw = np.random.default_rng(3)
    targets = [draw.dirichlet([0.3] * 4, int(width)) for width in draw.integers(5, 15, 30)]
    queries = [targets[0] * 0.9 + 0.025, targets[5][2:6], draw.dirichlet([0.3] * 4, 12)]
    for one_strand, known in ((False, MEMELITE_BOTH), (True, MEMELITE_ONE)):
        p, _ = tomtom.p_values(queries, targets, one_strand)
        assert np.allclose(p[:, [0, 1, 5, 17]], known, rtol=1e-9, atol=0)


def test_targets_of_random_columns_have_even_p_values():
    draw = np.random.default_rng(0)
    columns = draw.dirichlet([0.3] * 4, 40)
    targets = [columns[draw.integers(0, 40, width)] for width in draw.integers(5, 9, 400)]
    p, _ = tomtom.p_values([columns[draw.integers(0, 40, 7)] for _ in range(10)], targets, one_strand=True)
    for level in (0.01, 0.05, 0.2):
        assert 0.7 * level < (p <= level).mean() < 1.2 * level


def test_q_values_are_taken_over_all_pairs():
    motifs = [bases(text) for text in ("TGTAAATA", "GGGGCGG", "ACTAACC", "TTTCTTT")]
    p, q, _ = tomtom.compare(motifs[:2], motifs, one_strand=True)
    assert np.allclose(q.min(), np.sort(p.ravel())[1] * 8 / 2) and (q >= p).all()  # of eight, two are small
    assert tomtom.compare([], motifs, one_strand=False)[1].shape == (0, 4)
