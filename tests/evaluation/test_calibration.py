"""Intervals, scores of distributions and temperatures, against definitions, brute force and numerical integrals."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats
from scipy.special import expit

from s2f.common.errors import InputError
from s2f.evaluation import calibration as c

SEEDS = st.integers(0, 2**32 - 1)
DRAWN = {
    "normal": lambda rng, size: rng.normal(size=size),
    "skewed": lambda rng, size: rng.exponential(size=size) - 0.3,
    "heavy": lambda rng, size: rng.standard_t(2, size=size),
    "tied": lambda rng, size: rng.integers(-3, 4, size=size).astype(float),
}


@given(SEEDS, st.integers(1, 60), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
@settings(max_examples=50)
def test_half_width_is_the_order_statistic_of_split_conformal_prediction(seed, n, level):
    errors = np.random.default_rng(seed).normal(size=n)
    rank = int(np.ceil(round((n + 1) * level, 9)))
    found = c.half_width([*errors, np.nan], level)  # a missing label does not count
    if rank > n:
        assert np.isinf(found) and n < c.fewest_rows(level)
    else:
        share = (rank - 1) / max(n - 1, 1)
        assert found == np.sort(np.abs(errors))[rank - 1] and n >= c.fewest_rows(level)
        assert np.quantile(np.abs(errors), max(0, share - 1e-9), method="higher") == found


@given(SEEDS, st.integers(1, 30))
@settings(max_examples=30)
def test_resamples_are_copied_rows(seed, n):
    rng = np.random.default_rng(seed)
    errors, new = rng.normal(size=n).round(1), rng.normal(size=n + 3).round(1)
    counts, of_new = rng.integers(0, 4, size=(5, n)) * 1.0, rng.integers(0, 3, size=(5, n + 3)) * 1.0
    counts[:, 0] += 1
    of_new[:, 0] += 1
    half = c.half_widths(errors, c.LEVELS, counts)
    covered, scores = c.coverage(new, half, of_new), c.crps(errors, new, counts)
    for i in range(5):
        rows, items = np.repeat(errors, counts[i].astype(int)), np.repeat(new, of_new[i].astype(int))
        assert half[:, i] == pytest.approx([c.half_width(rows, level) for level in c.LEVELS])
        assert covered[:, i] == pytest.approx([np.mean(np.abs(items) <= width) for width in half[:, i]])
        assert scores[i] == pytest.approx(c.crps(rows, new))


@pytest.mark.parametrize("name", DRAWN)
def test_exchangeable_rows_are_covered_as_promised(name):
    """Over draws of 99 calibration and 100 new rows: the mean is at least the level, and no more than 1 / 100 above
    where there are no ties; single draws spread as the beta-binomial of split conformal prediction."""
    rng, draws = np.random.default_rng(1), 400
    covered = np.empty((len(c.LEVELS), draws))
    for draw in range(draws):
        errors, new = DRAWN[name](rng, 99), DRAWN[name](rng, 100)
        one = np.ones((1, 99))
        covered[:, draw] = c.coverage(new, c.half_widths(errors, c.LEVELS, one), np.ones((1, 100)))[:, 0]
    for level, own in zip(c.LEVELS, covered, strict=True):
        error = own.std() / np.sqrt(draws)
        assert own.mean() > level - 3 * error
        if name != "tied":
            assert own.mean() < level + 0.01 + 3 * error
            rank = np.ceil(100 * level - 1e-9)
            low, high = stats.betabinom(100, rank, 100 - rank).ppf([0.0005, 0.9995]) / 100
            assert ((own >= low) & (own <= high)).mean() > 0.99


@given(SEEDS)
@settings(max_examples=20)
def test_a_shifted_panel_is_not_covered(seed):
    rng = np.random.default_rng(seed)
    half = c.half_widths(rng.normal(size=300), c.LEVELS, np.ones((1, 300)))
    covered = c.coverage(rng.normal(2, 1, size=300), half, np.ones((1, 300)))[:, 0]
    assert (covered < np.array(c.LEVELS) - 0.1).all()


def test_errors_scaled_by_what_members_differ_by():
    """Errors four times as large where members differ four times as much: scaled intervals hold in both halves."""
    rng = np.random.default_rng(0)
    spread, of_new = (np.where(np.arange(2000) < 1000, 1.0, 4.0) for _ in range(2))
    errors, new = rng.normal(size=2000) * spread, rng.normal(size=2000) * of_new
    half = c.half_width(errors / c.scaled_by(spread, spread), 0.9)
    inside = np.abs(new) <= half * c.scaled_by(of_new, spread)
    plain = np.abs(new) <= c.half_width(errors, 0.9)
    assert [inside[:1000].mean(), inside[1000:].mean()] == pytest.approx([0.9, 0.9], abs=0.03)
    assert plain[:1000].mean() > 0.99 and plain[1000:].mean() < 0.85
    assert c.scaled_by(np.array([0.0, 2.0]), np.array([1.0, 3.0])).tolist() == [0.02, 2.0]
    assert c.scaled_by(np.zeros(2), np.zeros(3)).tolist() == [1.0, 1.0]


def test_crps_is_the_integral_of_squared_distances_of_distribution_functions():
    rng = np.random.default_rng(0)
    residuals, errors = rng.exponential(size=13) - 1, np.array([-3.0, -0.4, 0.0, 0.7, 5.0])
    found = c.crps(residuals, errors)
    for score, y in zip(found, errors, strict=True):
        steps = np.sort(np.append(residuals, y))
        of = lambda x, y=y: (np.mean(residuals <= x) - (x >= y)) ** 2  # noqa: E731
        parts = [integrate.quad(of, *ends)[0] for ends in itertools.pairwise(steps)]
        assert score == pytest.approx(sum(parts))
    pairs = np.abs(residuals[:, None] - residuals)
    assert found == pytest.approx([np.mean(np.abs(residuals - y)) - pairs.mean() / 2 for y in errors])
    assert c.crps(np.zeros(4), errors) == pytest.approx(np.abs(errors))
    # the score of a standard normal at 0 (Gneiting and Raftery 2007, equation 20): 2 phi(0) - 1 / sqrt(pi)
    fine = stats.norm.ppf((np.arange(20000) + 0.5) / 20000)
    assert c.crps(fine, np.zeros(1))[0] == pytest.approx(2 * stats.norm.pdf(0) - 1 / np.sqrt(np.pi), abs=1e-4)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_temperature_is_found(true):
    rng = np.random.default_rng(3)
    logits = rng.normal(scale=2, size=20_000)
    labels = (rng.random(20_000) < expit(logits)).astype(float)
    found = c.temperature(logits * true, labels)[0]
    assert found == pytest.approx(true, rel=0.05)

    def loss(divisor):
        return c.log_loss(expit(logits * true / divisor), labels).mean()

    exact = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    assert found == pytest.approx(exact.x, rel=1e-5)
    counts = rng.integers(0, 3, size=(2, 20_000)) * 1.0
    copied = [np.repeat(np.arange(20_000), own.astype(int)) for own in counts]
    each = [c.temperature(logits[rows] * true, labels[rows])[0] for rows in copied]
    assert c.temperature(logits * true, labels, counts, start=found) == pytest.approx(each, rel=1e-7)


def test_temperature_without_a_minimum_is_a_limit():
    low, high = c.TEMPERATURES
    logits, labels = np.array([-2.0, -1.0, 1.0, 3.0]), np.array([0.0, 0.0, 1.0, 1.0])
    assert c.temperature(logits, labels)[0] == pytest.approx(low)
    assert c.temperature(-logits, labels)[0] == pytest.approx(high)
    assert c.temperature(np.zeros(4), labels)[0] in (pytest.approx(low), pytest.approx(high))


def test_calibrated_probabilities_have_the_calibration_error_of_chance_alone():
    rng, errors = np.random.default_rng(5), []
    p = rng.beta(0.7, 1.5, size=600)
    bins, one = c.bins_of(p), np.ones((1, 600))
    assert len(np.unique(bins)) == c.BINS and set(np.bincount(bins)) == {40}
    for _ in range(200):
        errors.append(c.calibration_error(p, (rng.random(600) < p) * 1.0, bins, one)[0])
    assert np.mean(errors) == pytest.approx(c.chance_error(p, bins, one)[0], rel=0.05) and np.mean(errors) < 0.06
    sure = expit(3 * c.log_odds(p))
    labels = (rng.random(600) < p) * 1.0
    assert c.calibration_error(sure, labels, c.bins_of(sure), one)[0] > 1.5 * max(errors)


def test_calibration_error_by_hand():
    p, labels = np.array([0.1, 0.1, 0.1, 0.8, 0.8]), np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    bins = c.bins_of(p)
    assert bins.tolist() == [0, 0, 0, 1, 1]  # equal probabilities are in one bin
    expected = (3 * abs(1 / 3 - 0.1) + 2 * abs(0.5 - 0.8)) / 5
    assert c.calibration_error(p, labels, bins, np.ones((1, 5)))[0] == pytest.approx(expected)
    twice = np.array([[1.0, 2.0, 1.0, 1.0, 1.0]])
    assert c.calibration_error(p, labels, bins, twice)[0] == pytest.approx((4 * abs(0.5 - 0.1) + 2 * 0.3) / 6)
    assert c.brier(p, labels)[:2] == pytest.approx([0.01, 0.81])
    assert c.log_loss(p, labels)[:2] == pytest.approx([-np.log(0.9), -np.log(0.1)])
    assert np.isfinite(c.log_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0]))).all()
    assert np.isfinite(c.log_odds([0.0, 1.0])).all()


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(InputError, match=f"confidence is {confidence}, expected a number between 0 and 1"):
        c.half_width([1.0], confidence)
