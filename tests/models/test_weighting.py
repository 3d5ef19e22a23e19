"""Weights of labels by their standard errors."""

import numpy as np
import pytest

from s2f.common.errors import InputError
from s2f.models.weighting import weights_by_error


def test_weights_are_inverse_variances_with_mean_one():
    errors = np.array([0.1, 0.2, 0.4, np.nan])
    weights = weights_by_error(errors, 0.3)
    assert weights.mean() == pytest.approx(1)
    average = np.mean([0.01, 0.04, 0.16])
    expected = 1 / (np.array([0.01, 0.04, 0.16, average]) + 0.09)
    np.testing.assert_allclose(weights, expected / expected.mean())


def test_no_label_counts_more_than_twice_an_average_one_by_default():
    errors = np.concatenate([[0.0], np.full(99, 0.2), [3.0, np.nan]])
    weights = weights_by_error(errors)
    assert weights.max() / weights[-1] == pytest.approx(2) and weights[100] < weights[-1] / 10


def test_equal_errors_weigh_nothing():
    np.testing.assert_array_equal(weights_by_error(np.full((4, 2), 0.5)), np.ones((4, 2)))
    np.testing.assert_array_equal(weights_by_error(np.zeros(3)), np.ones(3))


def test_weights_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="no training row has a standard error"):
        weights_by_error(np.full(3, np.nan))
    with pytest.raises(InputError, match="would have infinite weight; give a tau"):
        weights_by_error(np.array([0.0, 1.0]), 0.0)
