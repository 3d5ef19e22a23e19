"""How similar two motifs are: p values as in TOMTOM (Gupta 2007), with complete scores (Tanaka 2011).

The score of two columns is their negative Euclidean distance, minus its median over the columns of all targets, so a
column that is aligned with nothing scores 0. The p value is the probability that a target of the same width, with
columns drawn from all targets, scores as high in the best of its alignments, which are treated as independent.

The package memelite (0.5.0) gives the same numbers, but compiles for 50 s of CPU time in each new environment, longer
than a whole panel of 200 sequences takes. Numpy needs no compilation, and 0.02 s for 8 patterns and 24 motifs.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

Matrix = NDArray[np.float64]  # probabilities (W, 4)
BINS = 100  # bins for the score of two columns, as in TOMTOM


def compare(
    queries: Sequence[Matrix], targets: Sequence[Matrix], one_strand: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """(p, q, turned) for each query (W, 4) and target (W, 4), all (queries, targets): as `p_values`, with q values over
    all pairs (Benjamini-Hochberg)."""
    p, turned = p_values(queries, targets, one_strand)
    return p, false_discovery_control(p, axis=None).reshape(p.shape) if p.size else p, turned


def p_values(
    queries: Sequence[Matrix], targets: Sequence[Matrix], one_strand: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(p, turned) for each query (W, 4) and target (W, 4), both (queries, targets): the p value of the best alignment,
    and whether the target's reverse complement fits better, which is not tried with `one_strand`."""
    strands = [*targets] if one_strand else [*targets, *(target[::-1, ::-1] for target in targets)]
    p = np.array([_on_one_strand(query, strands) for query in queries])
    p = p.reshape(len(queries), len(strands) // len(targets), len(targets))
    if one_strand:
        return p[:, 0], np.zeros(p[:, 0].shape, bool)
    least = p.min(axis=1)
    return least * (2 - least), p[:, 1] < p[:, 0]  # 1 - (1 - p)^2: the better of two


def _on_one_strand(query: Matrix, targets: Sequence[Matrix]) -> NDArray[np.float64]:
    """The p value of each target, float64 (targets,), all on one strand."""
    width, columns = len(query), np.concatenate(targets)
    scores = -np.linalg.norm(query[:, None] - columns[None], axis=2)
    scores -= np.sort(scores, axis=1)[:, [(len(columns) - 1) // 2]]  # the lower of two middle values
    lowest = math.floor(scores.min())
    scale = math.floor(BINS / max(scores.max() - lowest, 1))
    bins = np.floor((scores - lowest) * scale + 0.5).astype(np.int64)
    zero = -lowest * scale  # the bin of a column that is aligned with nothing
    # the targets one after another, each preceded by as many empty columns as alignments may extend beyond it
    widths = np.array([len(target) for target in targets])
    starts = np.cumsum([0, *(widths[:-1] + width - 1)])
    places = np.arange(len(columns)) + np.repeat((np.arange(len(targets)) + 1) * (width - 1), widths)
    laid = np.full((width, places[-1] + width), zero)
    laid[:, places] = bins
    alignments = laid.shape[1] - width + 1
    sums = np.sum([laid[k, k : k + alignments] for k in range(width)], axis=0)
    best = np.maximum.reduceat(sums, starts)
    shares = [np.bincount(row, minlength=BINS + 1) / len(columns) for row in bins]
    chances = _chances(shares, zero, max(BINS, zero) * width + 1)
    p = np.empty(len(targets))
    for of_width in np.unique(widths):
        # the first and the last column of the query with a partner, for each alignment
        spans = [(max(0, first), min(width, first + of_width)) for first in range(1 - of_width, width)]
        with np.errstate(divide="ignore"):  # a score that every target reaches gives log 0
            below = np.sum([np.log1p(-chances[span]) for span in spans], axis=0)
        here = widths == of_width
        p[here] = -np.expm1(below[best[here]])
    return p


def _chances(shares: Sequence[NDArray[np.float64]], zero: int, size: int) -> dict[tuple[int, int], NDArray[np.float64]]:
    """{(first, end): P(score >= s) for s from 0 to size - 1} of alignments in which the columns [first, end) of the
    query have partners and the others score `zero`; `shares` are the frequencies of a column's bins with random
    partners."""
    out = {}
    for first in range(len(shares)):
        chance = np.ones(1)
        for end in range(first + 1, len(shares) + 1):
            chance = np.convolve(chance, shares[end - 1])
            before = zero * (len(shares) - (end - first))
            at_least = np.cumsum(chance[::-1])[::-1][: size - before]
            at_least = np.concatenate([np.ones(before), np.minimum(at_least, 1)])
            out[first, end] = np.pad(at_least, (0, size - len(at_least)))
    return out
