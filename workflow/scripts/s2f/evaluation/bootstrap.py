"""Cluster bootstrap of metrics: exact, without copying a row, the same resamples for every model of a panel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from s2f.evaluation.metrics import METRICS


def bootstrap(
    task: str, labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Metrics of M models in each of B resamples of the clusters: metric -> float64 (M, B).

    `labels` (N,), `predictions` (M, N), `clusters` (N,) numbered from 0, `resamples` B. A resample draws as many
    clusters as there are, with replacement, and takes all items of a cluster each time. All models meet the same
    resamples, and so do all calls with equal seed and number of clusters: differences between models are paired.
    Every value equals, up to rounding, the metric of the explicitly resampled arrays, ties included; it is NaN where
    that metric is undefined. A resample is a weight per item: moments are sums over clusters, ranks come from
    cumulative weights in sorted order.
    """
    labels, predictions = np.asarray(labels, np.float64), np.atleast_2d(np.asarray(predictions, np.float64))
    weighted = (_regression if task == "regression" else _classification)(labels, predictions, clusters)
    chunks = resampled_counts(int(np.max(clusters)) + 1, resamples, seed, len(labels))
    parts = [weighted(counts) for counts in chunks]
    return {metric: np.concatenate([part[metric] for part in parts]).T for metric in METRICS[task]}


def resampled_counts(clusters: int, resamples: int, seed: int, width: int = 1) -> Iterator[np.ndarray]:
    """Yield float64 (C, clusters): how often each of `clusters` clusters was drawn in each of the next C resamples.

    The draws are multinomial with equal chances. C keeps an array (C, width) near 4 MB, that is in the processor's
    cache, and does not change the draws.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    size = max(1, 2**19 // max(width, clusters))
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = generator.integers(clusters, size=(rows, clusters)) + clusters * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.float64)


def _regression(
    labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Function of counts (C, clusters) -> {metric: (C, M)}; work that no resample changes is done here, once."""
    y, p = labels - labels.mean(), predictions - predictions.mean(axis=1, keepdims=True)
    ones = _cluster_sums([np.ones_like(y), y, y * y], clusters)
    models = [_cluster_sums(list(values), clusters) for values in (p, p * p, p * y, (predictions - labels) ** 2)]
    label_order, orders = _Order.of(labels), [_Order.of(values) for values in predictions]

    def weighted(counts: np.ndarray) -> dict[str, np.ndarray]:
        n, sum_y, sum_yy = (counts @ ones).T[:, :, None]  # each (C, 1)
        sum_p, sum_pp, sum_py, squares = (counts @ sums for sums in models)  # each (C, M)
        pearson = _correlation(sum_py - sum_p * sum_y / n, _spread(sum_pp, sum_p, n), _spread(sum_yy, sum_y, n))
        weight = counts[:, clusters]
        ranks, spread_y = label_order.ranks(weight)
        about_mean = weight * (ranks - (n + 1) / 2)
        products = [order.rank_product(weight, about_mean) for order in orders]
        covariance, spread_p = (np.stack(values, axis=1) for values in zip(*products, strict=True))
        spearman = _correlation(covariance, spread_p, spread_y[:, None])
        return {"pearson": pearson, "spearman": spearman, "mse": squares / n}

    return weighted


def _classification(
    labels: np.ndarray, predictions: np.ndarray, clusters: np.ndarray
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """As `_regression`, for labels 0 and 1 and probabilities."""
    hard = (predictions >= 0.5).astype(np.float64)
    ones = _cluster_sums([np.ones_like(labels), labels], clusters)
    models = [_cluster_sums(list(values), clusters) for values in (hard, hard * labels, hard == labels)]
    orders = [_Order.of(values) for values in predictions]

    def weighted(counts: np.ndarray) -> dict[str, np.ndarray]:
        n, positive = (counts @ ones).T[:, :, None]
        called, true_positive, correct = (counts @ sums for sums in models)
        weight = counts[:, clusters]
        weighted_labels = weight * labels
        ranked = [order.ranking(weight, weighted_labels) for order in orders]
        rank_sums, precision = (np.stack(values, axis=1) for values in zip(*ranked, strict=True))
        one_class = (positive == 0) | (positive == n)
        pairs = np.where(one_class, np.nan, positive * (n - positive))
        # AUROC is the U statistic of Mann and Whitney (1947) per pair of a positive and a negative
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


def _cluster_sums(features: Sequence[np.ndarray], clusters: np.ndarray) -> np.ndarray:
    """Sum F features (N,) over the items of each of K clusters: (K, F)."""
    return np.stack([np.bincount(clusters, weights=feature) for feature in features], axis=1)


def _spread(squares: np.ndarray, total: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Sum of squares about the mean, NaN where that is rounding: a resample of one value has no correlation."""
    spread = squares - total * total / n
    return np.where(spread > 1e-12 * squares, spread, np.nan)


def _correlation(covariance: np.ndarray, spread_x: np.ndarray, spread_y: np.ndarray) -> np.ndarray:
    return np.clip(covariance / np.sqrt(spread_x * spread_y), -1.0, 1.0)


@dataclass(frozen=True)
class _Order:
    """Sorted order of N values with its G runs of equal values; `group` (N,) is the run of each item.

    `starts` (G,) is the first index of each run, or None where no two values are equal.
    """

    order: np.ndarray
    starts: np.ndarray | None
    group: np.ndarray

    @staticmethod
    def of(values: np.ndarray) -> "_Order":
        order = np.argsort(values, kind="stable")
        new = np.concatenate([[True], np.diff(values[order]) != 0])
        group = np.empty(len(values), np.int64)
        group[order] = np.cumsum(new) - 1
        return _Order(order, None if new.all() else np.flatnonzero(new), group)

    def sums(self, weight: np.ndarray) -> np.ndarray:
        """Sums over each run of the weights (C, N) of items: (C, G), in ascending order of value."""
        ordered = np.take(weight, self.order, axis=1)
        return ordered if self.starts is None else np.add.reduceat(ordered, self.starts, axis=1)

    def ranks(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Average rank (C, N) of every item where each counts `weight` times, and the ranks' sum of squares (C,)."""
        size = self.sums(weight)
        ranks = np.cumsum(size, axis=1) - (size - 1) / 2
        return np.take(ranks, self.group, axis=1), _rank_spread(size)

    def rank_product(self, weight: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum over items of average rank times `other` (C, N), and the ranks' sum of squares about their mean: (C,).

        The rank of a run is (items up to its end) - (its size - 1) / 2.
        """
        size, other = self.sums(weight), self.sums(other)
        upto = np.cumsum(size, axis=1)
        product = np.einsum("ij,ij->i", other, upto) - (np.einsum("ij,ij->i", other, size) - other.sum(axis=1)) / 2
        return product, _rank_spread(size)

    def ranking(self, weight: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum of the positives' average ranks, and average precision (0 without positives): both (C,).

        `positive` (C, N) are the weights of the positives. Average precision is the mean over positives of the
        precision among all items that score at least as high.
        """
        size, hits = self.sums(weight), self.sums(positive)
        upto, hits_upto = np.cumsum(size, axis=1), np.cumsum(hits, axis=1)
        rank_sum = np.einsum("ij,ij->i", hits, upto) - (np.einsum("ij,ij->i", hits, size) - hits_upto[:, -1]) / 2
        above, hits_above = upto[:, -1:] - upto + size, hits_upto[:, -1:] - hits_upto + hits
        precision = np.divide(hits_above, above, out=np.zeros_like(above), where=above > 0)
        return rank_sum, np.einsum("ij,ij->i", hits, precision) / np.maximum(hits_upto[:, -1], 1)


def _rank_spread(size: np.ndarray) -> np.ndarray:
    """Sum of squares of average ranks about their mean, (C,), from the sizes (C, G) of runs of equal values.

    (n^3 - n) / 12 less (t^3 - t) / 12 for each run of t (Kendall, Rank Correlation Methods, 1948); NaN when constant.
    """
    n = size.sum(axis=1)
    spread = (n**3 - np.einsum("ij,ij,ij->i", size, size, size)) / 12  # the linear terms cancel
    return np.where(spread > 1e-12 * n**3, spread, np.nan)
