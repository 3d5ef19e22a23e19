"""Cluster bootstrap of metrics: exact, without copying rows, and with the same resamples for every model of a panel.

Also the influence of single clusters on a metric, computed with the same weights.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from s2f.common.errors import InputError
from s2f.evaluation.metrics import METRICS

MOST_INFLUENCES = 200  # clusters whose influence is computed
AT_ONCE = 2**22  # counts in memory


def bootstrap(
    task: str, labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Metrics of M models in each of B resamples of the clusters: metric -> float64 (M, B).

    `labels` (N,), `predictions` (M, N), `clusters` (N,) numbered from 0, `resamples` B. A resample draws as many
    clusters as there are, with replacement, and takes all items of a cluster each time. All models get the same
    resamples, and so do all calls with the same seed and number of clusters: differences between models are paired.
    Every value equals, up to rounding, the metric of the explicitly resampled arrays, ties included; it is NaN where
    that metric is undefined. A resample gives each item a weight: moments are products of a matrix of counts (C, K) and
    sums over clusters; ranks come from cumulative weights in sorted order (`_resampled_ranks`, compiled). The ranks
    take most of the time: B x M x N x 2 to 3 ns. Memory: the counts of some of the resamples (32 MB) and three numbers
    per item and model.
    """
    return stratified_bootstrap(task, labels, predictions, clusters, resamples, (int(np.max(clusters)) + 1, seed))


def stratified_bootstrap(
    task: str,
    labels: np.ndarray,
    predictions: np.ndarray,
    clusters: np.ndarray,
    resamples: int,
    *strata: tuple[int, int],
) -> dict[str, np.ndarray]:
    """As `bootstrap`, but clusters are drawn within strata, and each stratum has a seed.

    `strata` are (number of clusters, seed) of consecutive clusters. A cluster may have no items here.
    """
    weighted = _weighted(task, labels, predictions, clusters, sum(count for count, _ in strata))
    with np.errstate(divide="ignore", invalid="ignore"):  # of a resample without items
        parts = [weighted(counts) for counts in resampled_counts(resamples, *strata)]
    return {metric: np.concatenate([part[metric] for part in parts]).T for metric in METRICS[task]}


def influences(
    task: str, labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray, of: np.ndarray
) -> dict[str, np.ndarray]:
    """Influence of the clusters `of` (U,) on metrics of M models: metric -> float64 (M, U).

    The influence is the derivative of the metric with respect to the weight of a cluster when all clusters have weight
    1 (infinitesimal jackknife: Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982). Here it is the
    difference between the weights 1.5 and 0.5, computed as counts of 3 and 1 while all others have 2. To first order,
    the sum of squares over all clusters is the variance over resamples. NaN where the metric is undefined. This takes
    as long as 2 U resamples.
    """
    if not len(of):
        return {metric: np.empty((len(np.atleast_2d(predictions)), 0)) for metric in METRICS[task]}
    count = int(np.max(clusters)) + 1
    weighted = _weighted(task, labels, predictions, clusters, count)
    parts = []
    for some in np.array_split(of, math.ceil(len(of) * count / AT_ONCE)):
        counts = np.full((len(some), count), 2.0)
        taken = {}
        for times in (1, 3):
            counts[np.arange(len(some)), some] = times
            taken[times] = weighted(counts)
        parts.append({metric: taken[3][metric] - taken[1][metric] for metric in METRICS[task]})
    return {metric: np.concatenate([part[metric] for part in parts]).T for metric in METRICS[task]}


def large_clusters(clusters: np.ndarray, most: int = MOST_INFLUENCES) -> tuple[np.ndarray, np.ndarray]:
    """The clusters that are larger than others (U,) and their size classes (U,); `clusters` (N,) are numbered from 0.

    A class holds the sizes from one power of 2 to the next. The smallest class is omitted. If more than `most` clusters
    remain, whole classes are omitted too, smallest first, so the choice depends only on sizes.
    """
    sizes = np.bincount(clusters)
    classes = np.floor(np.log2(np.maximum(sizes, 1))).astype(np.int64)
    there = classes[sizes > 0]
    levels, members = np.unique(there, return_counts=True)
    taken = [level for level in levels[1:] if members[levels >= level].sum() <= most]
    chosen = np.flatnonzero(np.isin(classes, taken) & (sizes > 0))
    return chosen, classes[chosen]


def _weighted(
    task: str, labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray, count: int
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A function from counts (C, `count`), how often each cluster is taken, to {metric: (C, M)}."""
    labels, predictions = np.asarray(labels, np.float64), np.atleast_2d(np.asarray(predictions, np.float64))
    # compiled for arrays of one type and layout
    clusters = np.ascontiguousarray(clusters, np.int64)
    return (_regression if task == "regression" else _classification)(labels, predictions, clusters, count)


def resampled_counts(resamples: int, *strata: tuple[int, int], size: int = AT_ONCE) -> Iterator[np.ndarray]:
    """Yield float64 (C, K): how often each of the K clusters of all strata was drawn in each of the next C resamples.

    `strata` are (number of clusters, seed); within each, draws are multinomial with equal chances. An array has at most
    `size` numbers, unless a single resample has more; `size` does not change the draws.
    """
    generators = [np.random.Generator(np.random.PCG64(seed)) for _, seed in strata]
    ends = np.cumsum([count for count, _ in strata])
    at_once = max(1, size // int(ends[-1]))
    for start in range(0, resamples, at_once):
        counts = np.empty((min(at_once, resamples - start), ends[-1]))
        for one in counts:  # one at a time stays in the processor's cache
            for (count, _), end, generator in zip(strata, ends, generators, strict=True):
                one[end - count : end] = np.bincount(generator.integers(count, size=count), minlength=count)
        yield counts


def _regression(
    labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray, count: int
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """As `_weighted`; whatever is the same in all resamples is computed here, once."""
    from s2f.evaluation import _resampled_ranks  # compiles: only if something is resampled

    y, p = labels - labels.mean(), predictions - predictions.mean(axis=1, keepdims=True)
    sums = _cluster_sums([np.ones_like(y), y, y * y, *p, *p * p, *p * y, *(predictions - labels) ** 2], clusters, count)
    orders = _Orders.of(np.vstack([labels, predictions]))

    def weighted(counts: np.ndarray) -> dict[str, np.ndarray]:
        resampled = counts @ sums
        n, sum_y, sum_yy = np.split(resampled[:, :3], 3, axis=1)  # each (C, 1)
        sum_p, sum_pp, sum_py, squares = np.split(resampled[:, 3:], 4, axis=1)  # each (C, M)
        pearson = _correlation(sum_py - sum_p * sum_y / n, _spread(sum_pp, sum_p, n), _spread(sum_yy, sum_y, n))
        if counts.max() * n.max() >= 2**31:  # the largest possible weighted rank
            raise InputError(
                f"{len(labels):,} items are too many to resample their ranks, expected 80 million or fewer"
            )
        covariance, spreads = _resampled_ranks.spearman(counts, clusters, *orders)
        spreads = np.where(spreads > 1e-12 * n**3, spreads, np.nan)  # a resample of one value has no ranks
        spearman = _correlation(covariance, spreads[:, 1:], spreads[:, :1])
        return {"pearson": pearson, "spearman": spearman, "mse": squares / n}

    return weighted


def _classification(
    labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray, count: int
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """As `_regression`, for labels 0 and 1 and probabilities."""
    from s2f.evaluation import _resampled_ranks

    hard = (predictions >= 0.5).astype(np.float64)
    sums = _cluster_sums([np.ones_like(labels), labels, *hard, *hard * labels, *(hard == labels)], clusters, count)
    orders = _Orders.of(predictions)

    def weighted(counts: np.ndarray) -> dict[str, np.ndarray]:
        resampled = counts @ sums
        n, positive = np.split(resampled[:, :2], 2, axis=1)  # each (C, 1)
        called, true_positive, correct = np.split(resampled[:, 2:], 3, axis=1)  # each (C, M)
        rank_sums, precision = _resampled_ranks.ranking(counts, clusters, labels > 0, *orders)
        one_class = (positive == 0) | (positive == n)
        pairs = np.where(one_class, np.nan, positive * (n - positive))
        # AUROC is the U statistic of Mann and Whitney (1947) over the number of pairs of a positive and a negative
        return {
            "auroc": (rank_sums - positive * (positive + 1) / 2) / pairs,
            "auprc": np.where(one_class, np.nan, precision),
            "accuracy": correct / n,
            "f1": np.where(one_class, np.nan, 2 * true_positive / np.maximum(positive + called, 1)),
            "precision": np.where(one_class, np.nan, true_positive / np.maximum(called, 1)),
            "recall": np.where(one_class, np.nan, true_positive / np.maximum(positive, 1)),
            "prevalence": np.broadcast_to(positive / n, correct.shape),
        }

    return weighted


def _cluster_sums(features: Sequence[np.ndarray], clusters: np.ndarray, count: int) -> np.ndarray:
    """Sum F features (N,) over the items of each of K = `count` clusters: (K, F)."""
    return np.stack([np.bincount(clusters, weights=feature, minlength=count) for feature in features], axis=1)


def _spread(squares: np.ndarray, total: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Sum of squares about the mean; NaN if it is only rounding error: a resample of one value has no correlation."""
    spread = squares - total * total / n
    return np.where(spread > 1e-12 * squares, spread, np.nan)


def _correlation(covariance: np.ndarray, spread_x: np.ndarray, spread_y: np.ndarray) -> np.ndarray:
    return np.clip(covariance / np.sqrt(spread_x * spread_y), -1.0, 1.0)


class _Orders(NamedTuple):
    """Sorted orders (M, N) of M arrays of N values, and their runs of equal values as in `_resampled_ranks`."""

    order: np.ndarray
    runs: np.ndarray
    first: np.ndarray

    @staticmethod
    def of(values: np.ndarray) -> "_Orders":
        order = np.argsort(values, axis=1, kind="stable").astype(np.int32)
        runs = []
        for one, places in zip(values, order, strict=True):
            starts = np.flatnonzero(np.concatenate([[True], np.diff(one[places]) != 0]))
            stops = np.append(starts[1:], len(one))
            runs.append(np.stack([starts, stops], axis=1)[stops - starts > 1])
        return _Orders(order, np.concatenate(runs), np.cumsum([0, *map(len, runs)]))
