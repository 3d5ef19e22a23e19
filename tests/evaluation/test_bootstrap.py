"""Cluster bootstrap: exact against scipy and scikit-learn on copied rows, paired, whole clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from s2f.evaluation import _resampled_ranks
from s2f.evaluation.bootstrap import bootstrap, influences, large_clusters, resampled_counts, stratified_bootstrap
from s2f.evaluation.metrics import METRICS, score


def data(seed=0, n=60, models=3, clusters=25, digits=1):
    """Labels and predictions with many ties, clusters of unequal size."""
    rng = np.random.default_rng(seed)
    labels = rng.normal(3, 1, n).round(digits)
    predictions = (labels + rng.normal(0, 1, (models, n))).round(digits)
    return labels, predictions, np.unique(rng.integers(clusters, size=n), return_inverse=True)[1]


def explicit(counts, clusters):
    """Places of the rows that each resample holds, copied as often as their cluster was drawn."""
    return [np.repeat(np.arange(len(clusters)), one[clusters].astype(int)) for one in counts]


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_regression_equals_scipy_on_copied_rows(digits):
    labels, predictions, clusters = data(digits=digits)
    found = bootstrap("regression", labels, predictions, clusters, 40, seed=7)
    counts = np.concatenate(list(resampled_counts(40, (clusters.max() + 1, 7))))
    for b, rows in enumerate(explicit(counts, clusters)):
        for m, predicted in enumerate(predictions):
            y, p = labels[rows], predicted[rows]
            assert found["pearson"][m, b] == pytest.approx(stats.pearsonr(y, p)[0], abs=1e-12)
            assert found["spearman"][m, b] == pytest.approx(stats.spearmanr(y, p)[0], abs=1e-12)
            assert found["mse"][m, b] == pytest.approx(np.mean((y - p) ** 2), abs=1e-12)


@pytest.mark.parametrize("digits", [1, 9])
def test_classification_equals_scikit_learn_on_copied_rows(digits):
    labels, predictions, clusters = data(digits=digits)
    labels = (labels > 3).astype(float)
    predictions = (1 / (1 + np.exp(3 - predictions))).round(digits)
    found = bootstrap("classification", labels, predictions, clusters, 40, seed=7)
    counts = np.concatenate(list(resampled_counts(40, (clusters.max() + 1, 7))))
    for b, rows in enumerate(explicit(counts, clusters)):
        for m, predicted in enumerate(predictions):
            for metric in METRICS["classification"]:
                expected = score(metric, labels[rows], predicted[rows])[0]
                assert found[metric][m, b] == pytest.approx(expected, abs=1e-12), metric


def test_undefined_in_a_resample_is_nan():
    labels, predictions = np.array([0.3, 0.3, 0.3, 5.0]), np.array([[1.0, 2.0, 3.0, 4.0]])
    found = bootstrap("regression", labels, predictions, np.arange(4), 200, seed=0)
    counts = np.concatenate(list(resampled_counts(200, (4, 0))))
    constant = (counts[:, 3] == 0) | (counts[:, :3].sum(axis=1) == 0)
    assert 0 < constant.sum() < 200
    for metric in ("pearson", "spearman"):
        assert np.array_equal(np.isnan(found[metric][0]), constant)
    for positives in (labels > 1, labels < 1):  # one class is mostly all negatives, then all positives
        one_class = bootstrap("classification", positives, predictions / 10, np.arange(4), 200, seed=0)
        for metric in ("auroc", "auprc", "f1", "precision", "recall"):
            assert np.array_equal(np.isnan(one_class[metric][0]), constant)
        assert np.isfinite(one_class["accuracy"]).all()


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_resamples_are_paired(data_seed, seed):
    """A model meets the same resamples alone and among others, so equal models never differ."""
    labels, predictions, clusters = data(data_seed, n=20, models=2, clusters=9)
    together = bootstrap("regression", labels, np.vstack([predictions, predictions[:1]]), clusters, 30, seed)
    alone = bootstrap("regression", labels, predictions[1], clusters, 30, seed)
    for metric in METRICS["regression"]:
        assert np.array_equal(together[metric][0], together[metric][2], equal_nan=True)
        assert np.allclose(together[metric][1], alone[metric][0], atol=1e-12, equal_nan=True)


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_clusters_are_drawn_whole(seed, copies):
    """Rows copied within their cluster add nothing: the same spread, where single rows would seem more certain."""
    labels, predictions, _ = data(seed, n=30, models=1)
    once = bootstrap("regression", labels, predictions, np.arange(30), 50, seed)
    many = bootstrap(
        "regression", np.tile(labels, copies), np.tile(predictions, copies), np.tile(np.arange(30), copies), 50, seed
    )
    for metric in METRICS["regression"]:
        assert np.allclose(once[metric], many[metric], atol=1e-10, equal_nan=True)
    apart = bootstrap(
        "regression", np.tile(labels, copies), np.tile(predictions, copies), np.arange(30 * copies), 200, seed
    )
    assert apart["mse"].std() < bootstrap("regression", labels, predictions, np.arange(30), 200, seed)["mse"].std()


def test_counts_are_multinomial_and_do_not_depend_on_chunks():
    small, large = (np.concatenate(list(resampled_counts(4000, (50, 3), size=size))) for size in (1, 2**17))
    assert np.array_equal(small, large)
    assert small.shape == (4000, 50)
    assert (small.sum(axis=1) == 50).all()
    # binomial(50, 1/50): mean 1, variance .98; 4,000 x 50 draws
    assert abs(small.var() - 0.98) < 0.02
    assert not np.array_equal(small, np.concatenate(list(resampled_counts(4000, (50, 4)))))


def test_standard_error_of_a_mean_is_that_of_theory():
    """MSE of predictions 0 is the mean of squared labels: its bootstrap spread is sd / sqrt(n)."""
    labels = np.random.default_rng(0).normal(size=400)
    found = bootstrap("regression", labels, np.zeros((1, 400)), np.arange(400), 2000, seed=1)["mse"][0]
    assert found.std() == pytest.approx((labels**2).std() / 20, rel=0.06)
    assert np.isnan(bootstrap("regression", labels, np.zeros((1, 400)), np.arange(400), 10, seed=1)["pearson"]).all()


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_influences_are_those_of_copied_rows(task):
    """Of the largest clusters, each taken three times and once where others are taken twice."""
    labels, predictions, clusters = data()
    if task == "classification":
        labels, predictions = (labels > 3).astype(float), 1 / (1 + np.exp(3 - predictions))
    found = influences(task, labels, predictions, clusters, np.argsort(-np.bincount(clusters), kind="stable")[:5])
    sizes = np.bincount(clusters)
    expected_order = sorted(range(len(sizes)), key=lambda cluster: -sizes[cluster])[:5]
    for place, cluster in enumerate(expected_order):
        more, less = (np.repeat(np.arange(60), np.where(clusters == cluster, count, 2)) for count in (3, 1))
        for m, predicted in enumerate(predictions):
            for metric in METRICS[task]:
                expected = np.subtract(*(score(metric, labels[rows], predicted[rows])[0] for rows in (more, less)))
                assert found[metric][m, place] == pytest.approx(expected, abs=1e-12), metric


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_squares_of_all_influences_are_the_variance_over_resamples(task):
    labels, predictions, clusters = data(n=600, clusters=150, digits=9)
    if task == "classification":
        labels, predictions = (labels > 3).astype(float), 1 / (1 + np.exp(3 - predictions))
    resampled, found = (
        bootstrap(task, labels, predictions, clusters, 2000, 1),
        influences(task, labels, predictions, clusters, np.arange(150)),
    )
    for metric in METRICS[task]:
        assert found[metric].shape == (3, 150)
        assert (found[metric] ** 2).sum(axis=1) == pytest.approx(resampled[metric].var(axis=1), rel=0.15), metric
        assert found[metric].sum(axis=1) == pytest.approx(0, abs=1e-3)  # weights in common change nothing


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_strata_are_drawn_among_themselves_also_clusters_without_items(task):
    """Here clusters 10 and 59 have no items, as those of another fold; some resamples hold nothing at all."""
    labels, predictions, clusters = data()
    if task == "classification":
        labels, predictions = (labels > 3).astype(float), 1 / (1 + np.exp(3 - predictions))
    there = np.flatnonzero((clusters != 10) & (clusters != 59))
    found = stratified_bootstrap(task, labels[there], predictions[:, there], clusters[there], 20, (20, 3), (40, 4))
    generators = np.random.default_rng(3), np.random.default_rng(4)
    for b in range(20):
        drawn = [g.integers(n, size=n) + first for g, n, first in zip(generators, (20, 40), (0, 20), strict=True)]
        times = np.bincount(np.concatenate(drawn), minlength=60)[clusters[there]]
        rows = np.repeat(there, times)
        for m, predicted in enumerate(predictions):
            for metric in METRICS[task]:
                expected = score(metric, labels[rows], predicted[rows])[0]
                assert found[metric][m, b] == pytest.approx(expected, abs=1e-9, nan_ok=True), metric
    few = stratified_bootstrap(task, labels[:2], predictions[:, :2], clusters[:2], 100, (60, 3))
    assert all(values.shape == (3, 100) for values in few.values())


def test_large_clusters_are_chosen_by_size_alone():
    sizes = [1, 1, 40, 3, 1, 2, 50, 1]
    clusters = np.repeat(np.arange(8), sizes)
    assert [part.tolist() for part in large_clusters(clusters)] == [[2, 3, 5, 6], [5, 1, 1, 5]]
    assert [part.tolist() for part in large_clusters(clusters, most=3)] == [[2, 6], [5, 5]]
    assert [len(part) for part in large_clusters(np.arange(500))] == [0, 0]
    assert [len(part) for part in large_clusters(np.repeat(np.arange(300), 2))] == [0, 0]
    assert influences("regression", np.arange(3.0), np.zeros((2, 3)), np.arange(3), np.empty(0, int))["mse"].shape == (
        2,
        0,
    )


def test_influences_do_not_depend_on_chunks(monkeypatch):
    labels, predictions, clusters = data()
    whole = influences("regression", labels, predictions, clusters, np.arange(9))
    monkeypatch.setattr("s2f.evaluation.bootstrap.AT_ONCE", 60)
    for metric, values in influences("regression", labels, predictions, clusters, np.arange(9)).items():
        assert np.allclose(values, whole[metric], atol=1e-12)


def test_loops_whose_code_is_kept_have_one_signature():
    """Also for clusters of other types and layouts, and values without ties."""
    labels, predictions, clusters = data(digits=9)
    for of_rows in (clusters, clusters.astype(np.int32), np.repeat(clusters, 2)[::2], np.arange(60)):
        for task, y, p in (("regression", labels, predictions), ("classification", labels > 3, predictions > 3)):
            bootstrap(task, y, p[0], of_rows, 3, 0)
            influences(task, y, p[:, ::-1], of_rows, np.arange(3))
    assert len(_resampled_ranks.spearman.signatures) == len(_resampled_ranks.ranking.signatures) == 1
