"""The inner loops of the bootstrap: statistics of ranks in every resample, in one pass per model over its sorted order.

A resample gives each item a weight: how often its cluster was drawn. In sorted order, the average rank of an item
follows from the weights before it, so nothing needs to be sorted again or copied. Items of equal value form a run and
share a rank. A run is the interval [start, stop) of the sorted order, and only runs of two items or more are listed:
`runs` (G, 2) holds the runs of all orders one after another; order i has the runs from `first[i]` to `first[i + 1]`.

One pass reads two numbers per item at random places of an array, which fits into the second-level cache of a core up to
about 60,000 items. These reads, 2 to 3 ns each, are what limits its speed.
"""

import numba
import numpy as np

from s2f.common.compiled_loops import keeper

_kept = keeper(__file__)


@numba.njit(nogil=True)
def _doubled_ranks(order, runs, weight, ranks):
    """Fill `ranks` (N,) with twice the average rank of each item, and return the ranks' sum of squares about the mean.

    That sum is (n^3 - n) / 12 minus (t^3 - t) / 12 for each run of t items (Kendall, Rank Correlation Methods, 1948).
    """
    before, place, cubes = 0, 0, 0.0
    for run in range(len(runs) + 1):
        start, stop = (runs[run, 0], runs[run, 1]) if run < len(runs) else (len(order), len(order))
        for i in order[place:start]:
            size = weight[i, 0]
            ranks[i] = 2 * before + size + 1
            before += size
            cubes += float(size) * size * size
        size = 0
        for i in order[start:stop]:
            size += weight[i, 0]
        for i in order[start:stop]:
            ranks[i] = 2 * before + size + 1
        before += size
        cubes += float(size) * size * size
        place = stop
    return (float(before) * before * before - cubes) / 12


@numba.njit(nogil=True)
def _with_ranks(order, runs, weight):
    """Sum over items of the average rank times the second column of `weight` (N, 2), and the ranks' sum of squares.

    The second column must sum to 0, so the mean of the ranks need not be subtracted.
    """
    before, place, cubes, product = 0, 0, 0.0, 0.0
    for run in range(len(runs) + 1):
        start, stop = (runs[run, 0], runs[run, 1]) if run < len(runs) else (len(order), len(order))
        for i in order[place:start]:
            size = weight[i, 0]
            product += float(weight[i, 1]) * (2 * before + size)
            before += size
            cubes += float(size) * size * size
        size, other = 0, 0
        for i in order[start:stop]:
            size += weight[i, 0]
            other += weight[i, 1]
        product += float(other) * (2 * before + size)
        before += size
        cubes += float(size) * size * size
        place = stop
    return product / 2, (float(before) * before * before - cubes) / 12


@_kept
def spearman(
    counts: np.ndarray, clusters: np.ndarray, orders: np.ndarray, runs: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance sums (C, M) of the ranks of labels and predictions, and sums of squares (C, M + 1) of all ranks.

    `counts` (C, K) of each cluster in each resample, `clusters` (N,) of the items, `orders` (M + 1, N): the order of
    the labels first, then those of the M models.
    """
    resamples, items, models = len(counts), len(clusters), len(orders) - 1
    covariance, squares = np.empty((resamples, models)), np.empty((resamples, models + 1))
    weight, ranks = np.empty((items, 2), np.int32), np.empty(items, np.int32)
    for b in range(resamples):
        total = 0
        for i in range(items):
            weight[i, 0] = counts[b, clusters[i]]
            total += weight[i, 0]
        squares[b, 0] = _doubled_ranks(orders[0], runs[: first[1]], weight, ranks)
        for i in range(items):
            weight[i, 1] = weight[i, 0] * (ranks[i] - total - 1)
        for m in range(models):
            product, squares[b, m + 1] = _with_ranks(orders[m + 1], runs[first[m + 1] : first[m + 2]], weight)
            covariance[b, m] = product / 2  # of doubled ranks of the labels
    return covariance, squares


@numba.njit(nogil=True)
def _ranking(order, runs, weight):
    """Sum of the positives' average ranks and average precision (0 without positives); `weight` (N, 2): all, positives.

    Items are visited from the highest prediction down, as precision requires.
    """
    above, hits, precision, ranks, place = 0, 0, 0.0, 0.0, len(order)
    for run in range(len(runs) - 1, -2, -1):
        start, stop = (runs[run, 0], runs[run, 1]) if run >= 0 else (0, 0)
        for i in order[stop:place][::-1]:
            size, positive = weight[i, 0], weight[i, 1]
            if positive > 0:
                hits += positive
                precision += positive * (hits / (above + size))
                ranks += positive * (above + (size + 1) / 2)  # counted from above
            above += size
        size, positive = 0, 0
        for i in order[start:stop]:
            size += weight[i, 0]
            positive += weight[i, 1]
        if positive > 0:
            hits += positive
            precision += positive * (hits / (above + size))
            ranks += positive * (above + (size + 1) / 2)
        above += size
        place = start
    return hits * (above + 1) - ranks, precision / max(hits, 1)


@_kept
def ranking(
    counts: np.ndarray,
    clusters: np.ndarray,
    positive: np.ndarray,
    orders: np.ndarray,
    runs: np.ndarray,
    first: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the positives' average ranks, and average precisions: both (C, M); `positive` (N,) marks the positives.

    The other arguments are as in `spearman`; `orders` (M, N) has the models only.
    """
    resamples, items, models = len(counts), len(clusters), len(orders)
    rank_sums, precisions = np.empty((resamples, models)), np.empty((resamples, models))
    weight = np.empty((items, 2), np.int32)
    for b in range(resamples):
        for i in range(items):
            weight[i, 0] = counts[b, clusters[i]]
            weight[i, 1] = weight[i, 0] if positive[i] else 0
        for m in range(models):
            rank_sums[b, m], precisions[b, m] = _ranking(orders[m], runs[first[m] : first[m + 1]], weight)
    return rank_sums, precisions
