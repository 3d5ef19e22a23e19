"""Gradients against formulas whose derivative is known, and the completeness of integrated gradients."""

import numpy as np
import pytest

from helpers.explained_models import HEADS, formula, head_on_disk, linear, rows_of, some_inserts
from s2f.common.errors import InputError
from s2f.interpretation import attributions, gradients
from s2f.interpretation import scorer as models
from s2f.sequences import dna

WEIGHTS = np.random.default_rng(0).normal(size=(12, 4))
CODES = some_inserts(1, 12)[0]


def square():
    """(sum of the weights of the bases)^2."""
    dot = lambda x: (x * WEIGHTS).sum((1, 2))  # noqa: E731
    return formula(lambda x: dot(x) ** 2, lambda x: 2 * dot(x)[:, None, None] * WEIGHTS)


def step(sharpness):
    """A sigmoid along the way from baseline to sequence: the steeper, the more steps it needs."""
    x = dna.one_hot(CODES)
    along = (x - 0.25) / ((x - 0.25) ** 2).sum()  # 0 at the baseline, 1 at the sequence
    where = lambda x: sharpness * (((x - 0.25) * along).sum((1, 2)) - 0.503)  # noqa: E731
    value = lambda x: 1 / (1 + np.exp(-np.clip(where(x), -60, 60)))  # noqa: E731
    return formula(value, lambda x: (sharpness * value(x) * (1 - value(x)))[:, None, None] * along)


def test_saliency_of_a_linear_model_is_its_weights():
    gradient, scores = gradients.saliency(linear(WEIGHTS), CODES[None])
    np.testing.assert_allclose(gradient[0], WEIGHTS, rtol=1e-6)
    own = WEIGHTS[np.arange(12), CODES]
    np.testing.assert_allclose(gradients.on_observed(gradient, CODES[None])[0], own, rtol=1e-6)
    assert scores[0] == pytest.approx(own.sum(), rel=1e-6)
    right = gradients.corrected(gradient)
    np.testing.assert_allclose(right.sum(-1), 0, atol=1e-6)
    np.testing.assert_allclose(right[0], WEIGHTS - WEIGHTS.mean(1, keepdims=True), atol=1e-6)


def test_correction_removes_what_no_sequence_can_feel():
    shifted = linear(WEIGHTS + np.arange(12)[:, None])
    one, other = (gradients.corrected(gradients.saliency(s, CODES[None])[0]) for s in (linear(WEIGHTS), shifted))
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("baseline, start", [("uniform", 0.25), ("zeros", 0.0)])
def test_integrated_gradients_of_formulas(baseline, start):
    x = dna.one_hot(CODES)
    found = gradients.integrated(linear(WEIGHTS), CODES, steps=3, baseline=baseline)
    np.testing.assert_allclose(found.attribution, WEIGHTS * (x - start), atol=1e-5)
    assert found.relative_gap < 1e-5 and found.steps == 3
    found = gradients.integrated(square(), CODES, baseline=baseline)
    high, low = (WEIGHTS * x).sum(), (WEIGHTS * start).sum()
    np.testing.assert_allclose(found.attribution, (high + low) * WEIGHTS * (x - start), rtol=1e-3, atol=1e-4)
    assert found.difference == pytest.approx(high**2 - low**2, rel=1e-5)
    assert found.attribution.sum() == pytest.approx(found.difference + found.gap)


def test_uniform_baseline_does_not_feel_what_no_sequence_can():
    shifted = linear(WEIGHTS + np.arange(12)[:, None])
    one, other = (gradients.integrated(s, CODES).attribution.sum(1) for s in (linear(WEIGHTS), shifted))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_steps_are_doubled_until_the_gap_is_small():
    found = gradients.integrated(step(200), CODES, steps=8)
    assert found.steps == 128 and found.relative_gap <= 0.01
    assert gradients.integrated(step(200), CODES, steps=8, most_steps=8).relative_gap > 0.2


def test_a_gap_that_stays_is_said_and_written(tmp_path):
    lines, rows = [], rows_of(CODES[None])
    settings = {"steps": 8, "most_steps": 16, "tolerance": 0.01, "baseline": "uniform"}
    found = attributions.attribute_all(step(2000), "ig", rows, settings, report=lines.append)
    warning = next(line for line in lines if line.startswith("warning"))
    assert "row 'r0': integrated gradients miss the score difference 1 by" in warning
    assert "after 16 steps: more than 1.0%" in warning
    attributions.write(tmp_path / "a.h5", rows, found, **attributions.describe(step(9), "ig", settings, 0, "u"))
    stored, about = attributions.read(tmp_path / "a.h5")
    assert not stored["complete"][0] and stored["steps"][0] == 16
    assert abs(stored["gap"][0]) > 0.01 and about["settings"] == (
        '{"baseline": "uniform", "most_steps": 16, "steps": 8, "tolerance": 0.01}'
    )
    lines.clear()
    attributions.attribute_all(step(5), "ig", rows, settings, report=lines.append)
    assert not any(line.startswith("warning") for line in lines)


def test_difference_of_zero_is_no_division():
    flat = formula(lambda x: 0 * x.sum((1, 2)), lambda x: 0 * x)
    assert gradients.integrated(flat, CODES).relative_gap == 0
    assert gradients.Integrated(np.ones(1), 0, 0, 1, 4).relative_gap == np.inf


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"baseline": "black"}, "baseline is 'black', expected one of: uniform, zeros"),
        ({"steps": 0}, r"steps is 0, expected 1 to most_steps \(1024\)"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        gradients.integrated(linear(WEIGHTS), CODES, **settings)


def test_gradient_methods_are_refused_before_work():
    blind = formula(lambda x: x.sum((1, 2)))
    for method in ("saliency", "ig"):
        with pytest.raises(InputError, match="has no gradient; use mutagenesis"):
            attributions.attribute(blind, method, CODES, {})
    assert blind.spans == []


@pytest.mark.slow
def test_completeness_holds_for_a_head_on_an_encoder_after_the_default_doubling(tmp_path):
    spec, construct, slug, rule = HEADS["alphagenome"]
    head_on_disk(tmp_path / "head", spec, construct, slug, rule)
    found = gradients.integrated(models.load(tmp_path / "head", spec), some_inserts(1, 40, 5)[0])
    assert found.relative_gap <= 0.01


def test_results_that_are_not_finite_are_refused():
    broken = formula(lambda x: x.sum((1, 2)), lambda x: np.full_like(x, np.nan))
    with pytest.raises(InputError, match="row 'r0': saliency of model formula is not finite"):
        attributions.attribute_all(broken, "saliency", rows_of(CODES[None]), {}, report=lambda line: None)


def test_files_hold_sequences_of_different_lengths(tmp_path):
    rows = rows_of(some_inserts(2, 12))
    rows["sequence"] = [rows["sequence"][0], rows["sequence"][1][:9]]
    scorer = formula(lambda x: x[:, :, 0].sum(1), length=12)
    found = attributions.attribute_all(scorer, "window", rows, {"width": 3, "step": 3}, report=lambda line: None)
    attributions.write(tmp_path / "a.h5", rows, found, method="window")
    stored, about = attributions.read(tmp_path / "a.h5")
    assert stored["attribution"].shape == (2, 12, 4) and stored["window_effect"].shape == (2, 4)
    assert np.isnan(stored["attribution"][1, 9:]).all() and np.isfinite(stored["attribution"][1, :9]).all()
    assert list(stored["sequence"]) == list(rows["sequence"]) and about["method"] == "window"
    (tmp_path / "b.h5").write_text("no")
    with pytest.raises(InputError, match=r"b\.h5: is not a readable file of attributions"):
        attributions.read(tmp_path / "b.h5")
