"""Ridge and logistic regression for many penalties at once: the optimum of scikit-learn, on collinear columns."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from s2f.common.errors import InputError
from s2f.heads import linear_models
from s2f.representation.isoscore import isoscore

ALPHAS = [0.1, 10, 1000]
STRENGTHS = [0.001, 0.1, 10, 100]


def collinear(n=700, channels=24, seed=0):
    """(x, signal): columns far from 0 that share one direction almost wholly, as those of pooled language models do;
    the signal lies in directions of little variance."""
    random = np.random.Generator(np.random.PCG64(seed))
    hidden = random.normal(size=(n, channels)) * np.append(30, np.geomspace(3, 0.03, channels - 1))
    x = hidden @ np.linalg.qr(random.normal(size=(channels, channels)))[0] + 20 * random.normal(size=channels)
    x[:, 3] = 7.0  # constant
    return x, hidden[:, 5:9] @ [1, -2, 3, 4]


def blocks(x, labels, size):
    return lambda: ((x[start : start + size], labels[start : start + size]) for start in range(0, len(x), size))


def scaled(x):
    z = StandardScaler().fit_transform(x)
    z[:, 3] = 0
    return z


def test_the_rows_are_as_uneven_as_embeddings_of_language_models():
    x, _ = collinear()
    assert isoscore(np.cov(np.delete(x, 3, axis=1).T)) < 0.02


@pytest.mark.parametrize("size", [700, 64])
def test_ridge_is_that_of_scikit_learn(size):
    x, signal = collinear()
    labels = signal + np.random.Generator(np.random.PCG64(1)).normal(size=len(x)) + 3
    weights, intercepts, errors = linear_models.ridge(linear_models.moments(blocks(x, labels, size)), ALPHAS)
    for number, alpha in enumerate(ALPHAS):
        theirs = Ridge(alpha=alpha).fit(scaled(x), labels)
        np.testing.assert_allclose(weights[number], theirs.coef_, rtol=1e-6, atol=1e-8)
        assert intercepts[number] == pytest.approx(theirs.intercept_)
        assert errors[number] == pytest.approx(np.mean((theirs.predict(scaled(x)) - labels) ** 2))


def test_rows_of_a_ridge_regression_count_by_their_weights():
    x, signal = collinear()
    random = np.random.Generator(np.random.PCG64(1))
    labels, weights = signal + random.normal(size=len(x)) + 3, random.uniform(0.1, 3, len(x))
    weights /= weights.mean()
    parts = [slice(start, start + 64) for start in range(0, len(x), 64)]
    found = linear_models.moments(lambda: ((x[part], labels[part], weights[part]) for part in parts))
    ours, intercepts, errors = linear_models.ridge(found, ALPHAS)
    z = x - np.average(x, axis=0, weights=weights)
    z = z / np.sqrt(np.average(np.where(np.arange(z.shape[1]) == 3, 1, z**2), axis=0, weights=weights))
    for number, alpha in enumerate(ALPHAS):
        theirs = Ridge(alpha=alpha).fit(z, labels, sample_weight=weights)
        np.testing.assert_allclose(ours[number], theirs.coef_, rtol=1e-6, atol=1e-8)
        assert intercepts[number] == pytest.approx(theirs.intercept_)
        assert errors[number] == pytest.approx(np.average((theirs.predict(z) - labels) ** 2, weights=weights))


@pytest.mark.parametrize("size", [700, 64])
def test_logistic_regression_is_that_of_scikit_learn(size):
    x, signal = collinear()
    labels = (signal + np.random.Generator(np.random.PCG64(1)).logistic(size=len(x)) > 1).astype(float)
    passes = blocks(x, labels, size)
    weights, intercepts, losses = linear_models.logistic(passes, linear_models.moments(passes), STRENGTHS)
    for number, strength in enumerate(STRENGTHS):
        theirs = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8, max_iter=500)
        theirs.fit(scaled(x), labels)
        np.testing.assert_allclose(weights[number], theirs.coef_[0], rtol=1e-4, atol=1e-4)
        assert intercepts[number] == pytest.approx(theirs.intercept_[0], abs=1e-4)
        margins = theirs.decision_function(scaled(x))
        assert losses[number] == pytest.approx(np.mean(np.logaddexp(0, margins) - labels * margins), abs=1e-7)


def test_more_columns_than_rows_and_classes_that_a_plane_separates():
    random = np.random.Generator(np.random.PCG64(2))
    x = random.normal(size=(60, 90)) @ random.normal(size=(90, 90))
    labels = (x[:, 0] > 0).astype(float)
    passes = blocks(x, labels, 60)
    found = linear_models.moments(passes)
    weights, _, _ = linear_models.logistic(passes, found, [0.01, 100])
    theirs = LogisticRegression(C=100, solver="newton-cholesky", tol=1e-8, max_iter=500)
    theirs.fit(StandardScaler().fit_transform(x), labels)
    np.testing.assert_allclose(weights[1], theirs.coef_[0], rtol=1e-3, atol=1e-4)
    ours, _, _ = linear_models.ridge(found, [5.0])
    np.testing.assert_allclose(ours[0], Ridge(5.0).fit(StandardScaler().fit_transform(x), labels).coef_, atol=1e-8)


def test_a_solution_that_is_not_reached_is_an_error(monkeypatch):
    x, signal = collinear()
    passes = blocks(x, (signal > 0).astype(float), 700)
    monkeypatch.setattr(linear_models, "STEPS", 2)
    with pytest.raises(InputError, match=r"logistic regression: no solution for C 0\.001, 100 after 2 steps"):
        linear_models.logistic(passes, linear_models.moments(passes), [0.001, 100])
    with pytest.raises(InputError, match="no training rows"):
        linear_models.moments(lambda: iter([]))
