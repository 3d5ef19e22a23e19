"""Metrics: values by hand and by scipy, undefined cases, and predictions that must be refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from s2f.common.errors import InputError
from s2f.evaluation.metrics import score

LABELS = np.array([1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize(
    ("metric", "predictions", "value"),
    [
        ("pearson", [2, 1, 4, 3], 0.6),  # sum of products 3, both sums of squares 5
        ("pearson", [1, 2, 4, 3], 0.8),
        ("pearson", [-1, -2, -3, -4], -1.0),
        ("spearman", [2, 1, 40, 30], 0.6),
        ("spearman", [1, 1, 2, 2], 4 / np.sqrt(5 * 4)),  # ranks 1.5 1.5 3.5 3.5
        ("mse", [2, 1, 4, 3], 1.0),
        ("mse", [1, 2, 3, 6], 1.0),
    ],
)
def test_regression_metrics_by_hand(metric, predictions, value):
    assert score(metric, LABELS, predictions) == (pytest.approx(value, abs=1e-15), "")


@pytest.mark.parametrize(
    ("metric", "value"),
    # positives .9 .3, negatives .6 .2 .1: of 6 pairs 5 in order; precision 1 and 2/3 at the two positives
    # called at .5 are .9 and .6, one of them and of the two positives right
    [
        *(("auroc", 5 / 6), ("auprc", (1 + 2 / 3) / 2), ("accuracy", 3 / 5), ("f1", 2 / 4), ("prevalence", 2 / 5)),
        *(("precision", 1 / 2), ("recall", 1 / 2)),
    ],
)
def test_classification_metrics_by_hand(metric, value):
    labels, predictions = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.6, 0.3, 0.2, 0.1])
    assert score(metric, labels, predictions) == (pytest.approx(value), "")


def test_precision_and_recall_are_not_exchanged_and_0_where_nothing_is_called():
    labels = np.array([1, 1, 1, 0])
    assert score("precision", labels, [0.9, 0.1, 0.2, 0.3])[0] == 1
    assert score("recall", labels, [0.9, 0.1, 0.2, 0.3])[0] == pytest.approx(1 / 3)
    assert score("precision", labels, [0.1] * 4) == score("recall", labels, [0.1] * 4) == (0, "")


@pytest.mark.parametrize(
    ("metric", "labels", "predictions", "reason"),
    [
        ("pearson", LABELS, [5, 5, 5, 5], "constant predictions"),
        ("spearman", [2, 2, 2, 2], LABELS, "constant labels"),
        ("pearson", LABELS, np.float32(0.3) + np.float32(3e-8) * np.arange(4), "constant predictions"),
        ("pearson", LABELS[:2], LABELS[:2], "2 rows"),
        ("mse", LABELS[:2], LABELS[:2], "2 rows"),
        ("auroc", [1, 1, 1], [0.1, 0.2, 0.3], "one class: every label is 1"),
        ("auprc", [0, 0, 0], [0.1, 0.2, 0.3], "one class: every label is 0"),
        ("f1", [0, 0, 0], [0.1, 0.2, 0.3], "one class"),
        ("precision", [1, 1, 1], [0.1, 0.2, 0.3], "one class"),
        ("recall", [0, 0, 0], [0.1, 0.2, 0.3], "one class"),
    ],
)
def test_undefined_metrics_are_nan_with_a_reason(metric, labels, predictions, reason):
    value, why = score(metric, labels, predictions)
    assert np.isnan(value)
    assert reason in why


def test_constant_probabilities_rank_at_random():
    assert score("auroc", [0, 1, 1, 0], [0.5] * 4) == (0.5, "")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_no_numbers_are_refused(bad):
    with pytest.raises(InputError, match="prediction 2 of 4"):
        score("pearson", LABELS, [1, bad, 3, 4])


def test_a_classification_needs_probabilities_and_labels_0_and_1():
    with pytest.raises(InputError, match="probabilities from 0 to 1, not logits"):
        score("auroc", [0, 1, 0], [0.1, 3.2, 0.4])
    with pytest.raises(InputError, match=r"label 0\.5"):
        score("accuracy", [0, 1, 0.5], [0.1, 0.2, 0.4])


values = hnp.arrays(np.float64, 12, elements=st.floats(-50, 50, width=32))


@given(values, values, st.floats(0.01, 100), st.floats(-100, 100))
def test_correlations_are_those_of_scipy_and_ignore_scale_and_shift(x, y, scale, shift):
    if np.ptp(x) < 0.1 or np.ptp(y) < 0.1:
        return
    pearson, spearman = score("pearson", x, y)[0], score("spearman", x, y)[0]
    assert pearson == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-9)
    assert spearman == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-9)
    assert score("pearson", x, scale * y + shift)[0] == pytest.approx(pearson, abs=1e-6)
    assert score("pearson", x, -y)[0] == pytest.approx(-pearson, abs=1e-9)
    assert score("spearman", x, y**3)[0] == pytest.approx(spearman, abs=1e-6)


def test_pearson_is_global_not_the_mean_of_batches():
    labels, predictions = np.array([0, 1, 2, 10, 11, 12.0]), np.array([2, 1, 0, 12, 11, 10.0])
    assert score("pearson", labels, predictions)[0] > 0.9
    assert all(score("pearson", labels[own], predictions[own])[0] == -1 for own in (slice(3), slice(3, 6)))


def test_labels_of_gosai_alleles_agree_as_published(shared):
    pairs = pd.read_csv(shared / "data" / "mpra" / "gosai_snv_pairs.tsv", sep="\t")
    r, _ = score("pearson", pairs["K562_log2FC_ref"], pairs["K562_log2FC_alt"])
    assert round(r, 3) == 0.881
