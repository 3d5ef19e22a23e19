"""The score at which two inserts are homologous: a share of the best possible score, and beyond the reach of chance.

The best possible score of two inserts is the length of the shorter one (match 1). hashFrag (de-Boer-Lab/hashFrag)
requires 60 whatever the length: a share of 0.3 at 200 bp, and impossible at 51. A share alone is too low if inserts are
short or consist of few different letters: among unrelated rows of 51 nt, one pair in 25,000 reaches 0.3, which is 1,000
pairs for 5,000 rows; among rows of only C and T, as the sites of PTBP1 often are, nearly every pair does.

What chance reaches is the score that one pair is expected to reach among all comparisons in a dataset (an E value of 1;
Karlin and Altschul, PNAS 87, 2264, 1990). The statistics of gapped alignments have no formula and change with length
(Altschul and others, Nucleic Acids Research 29, 351, 2001), so they are simulated: random pairs with a row's length and
evenness of letters are aligned, and the tail of their scores, which falls exponentially, is extrapolated to the number
of comparisons.

A row's threshold is the greater of the two, but chance requires no more than `HASHFRAG`. At 0.3, inserts of 200 bp
therefore have the groups of hashFrag; longer ones need their share, 69 at 230 bp, which is stricter than hashFrag. For
a pair, the lower of its rows' thresholds applies: that of the shorter insert, and that of the insert with the more even
letters, because only two rows with similar composition are alike by chance.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.splits.homology.alignment import align_rows
from s2f.splits.homology.groups import pack_codes

HASHFRAG = 60
PAIRS = 1 << 15  # random pairs per setting: one in 3,000 still means ten pairs
# Probabilities that two letters of a row are equal, for which pairs are simulated: 0.25 if the four letters are equally
# frequent, 0.5 if only two of them occur, 1 if only one does. Scores in between are interpolated.
CHANCE_EQUAL = np.array([0.25, 0.27, 0.29, 0.32, 0.35, 0.38, 0.42, 0.46, 0.5, 0.6, 0.8, 1.0])
TAIL = 0.02  # share of the pairs whose scores show how the tail falls


def thresholds(sequences: Sequence[str], identity: float) -> NDArray[np.int64]:
    """The threshold of each sequence, (N,); the lower of two is the threshold of the pair.

    `identity` is the share of the best possible score, above 0 and up to 1. With 1, only equal sequences, in either
    orientation, are homologous: the threshold is one more than the length, a score that no pair reaches. Raises
    `InputError` if, because of chance, most sequences would need their whole length or more: they are too short for
    homologs to be recognised.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    if identity == 1:
        return lengths + 1
    share = np.ceil(np.round(identity * lengths, 9)).astype(np.int64)
    chance = np.zeros(len(lengths), np.int64)
    short = share < HASHFRAG
    if short.any():
        rows = np.flatnonzero(short)
        comparisons = len(lengths) * (len(lengths) - 1)  # over all pairs, on two strands
        chance[rows] = np.ceil(by_chance([sequences[row] for row in rows.tolist()], lengths, comparisons))
    too_short = chance >= lengths
    if too_short.mean() > 0.5:
        raise InputError(
            f"homology: the inserts ({lengths.min()} to {lengths.max()} letters) are too short: {too_short.sum():,} of "
            f"{len(lengths):,} need a score of {chance[too_short].min()} or more, at least their length, to be more "
            "alike than unrelated ones are by chance, most of all if they hold only one or two different letters; "
            "with homology: {identity: 1} of the dataset, only equal inserts are homologs"
        )
    return np.minimum(np.maximum(share, np.minimum(chance, HASHFRAG)), lengths)


def by_chance(sequences: Sequence[str], partners: np.ndarray, comparisons: float) -> NDArray[np.float64]:
    """The score that chance reaches once in `comparisons` comparisons of rows like each of the sequences: (N,).

    `partners` (M,) are the lengths of the rows with which they are compared.
    """
    counts = np.stack([np.bincount(dna.encode(sequence), minlength=5)[:4] for sequence in sequences])
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    total = counts.sum(axis=1)
    equal = (counts * (counts - 1)).sum(axis=1) / np.maximum(total * (total - 1), 1)  # of all pairs of its letters
    equal = equal.clip(min=CHANCE_EQUAL[0])
    simulated = np.unique(lengths)
    if len(simulated) > 3:
        simulated = np.array([simulated[0], (simulated[0] + simulated[-1]) // 2, simulated[-1]])
    used = np.flatnonzero((CHANCE_EQUAL[1:] >= equal.min()) & (CHANCE_EQUAL[:-1] <= equal.max()))
    grid = CHANCE_EQUAL[used[0] : used[-1] + 2] if len(used) else CHANCE_EQUAL[:1]
    random = np.random.Generator(np.random.PCG64(0))
    # a longer partner has more positions where an alignment can begin
    times = [comparisons * max(1.0, float(np.mean(partners)) / length) for length in simulated]
    per_length = [
        np.interp(equal, grid, [_highest(random, length, chance, count) for chance in grid])
        for length, count in zip(simulated, times, strict=True)
    ]
    place = np.interp(lengths, simulated, np.arange(len(simulated)))
    between = np.maximum(0, 1 - np.abs(place - np.arange(len(simulated))[:, None]))  # (lengths simulated, N)
    return (between * per_length).sum(axis=0)


def _highest(random: np.random.Generator, length: int, chance_equal: float, comparisons: float) -> float:
    """The score that one of `comparisons` pairs of random sequences is expected to reach, from the tail of `PAIRS`."""
    text, scores = pack_codes(_codes(random, length, chance_equal, 2 * PAIRS)), np.empty(PAIRS, np.int64)
    align_rows(text, np.full(2 * PAIRS, length), scores)
    values = np.arange(scores.min(), scores.max() + 1)
    reached = PAIRS - np.searchsorted(np.sort(scores), values)
    first = int(np.argmax(reached <= TAIL * PAIRS))  # 0 if all pairs have the same score
    used = slice(max(first - 1, 0), max(int(np.count_nonzero(reached >= 10)), first + 1))
    if len(values[used]) < 2:
        return float(values[-1])
    slope, start = np.polyfit(values[used], np.log(reached[used] / PAIRS), 1)
    return float((np.log(comparisons) + start) / -slope)


def _codes(random: np.random.Generator, length: int, chance_equal: float, count: int) -> NDArray[np.uint8]:
    """Random sequences as codes (count, length) in which two letters are equal with probability `chance_equal`."""
    if chance_equal <= 0.5:  # two letters are more frequent, two less: 2 (0.25 + d)^2 + 2 (0.25 - d)^2
        more = np.sqrt((chance_equal - 0.25) / 4)
        shares = [0.25 + more, 0.25 - more, 0.25 - more, 0.25 + more]
    else:  # only two letters: (0.5 + d)^2 + (0.5 - d)^2
        more = np.sqrt((chance_equal - 0.5) / 2)
        shares = [0.5 + more, 0.5 - more, 0, 0]
    letters = np.searchsorted(np.cumsum(shares)[:3], (np.arange(1 << 12) + 0.5) / (1 << 12)).astype(np.uint8)
    return letters[random.integers(0, 1 << 12, (count, length), np.uint16)]
