"""The prediction that is asked of a model of several cells, and its gradient."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.explained_models import (
    HEADS,
    LEGNET,
    NARROW,
    WINDOW,
    agree,
    baseline_on_disk,
    head_on_disk,
    rows_of,
    some_inserts,
)
from s2f.design.models import Model
from s2f.design.objective import Reading
from s2f.interpretation import scorer as models
from s2f.interpretation.scorer import Chunk
from s2f.interpretation.tangents._frameworks import of_jax
from s2f.sequences import dna

pytestmark = pytest.mark.usefixtures("compiled_quickly", "toy_lamar")

CELLS = ("K562", "HepG2", "SKNSH")
READINGS = (Reading(1), Reading(1, (0,)), Reading(0, (1, 2)))  # a cell, less one other, less the larger of two others
STEP = 2.0**-14  # next to 0 and to 1 a number of float32


def strands_disagree(scorer, codes):
    """Those of inserts for which the larger one of the last two outputs is another one on each strand."""
    largest = next(scorer.outputs([Chunk(codes)]))[:, :, 1:].argmax(axis=2)
    return codes[largest[0] != largest[1]]


def test_the_gradient_is_that_of_finite_differences(tmp_path):
    """In float64, of a head; also where the largest of the others, by the mean over strands, is it on one alone."""
    spec, construct, slug, rule = HEADS["onehot"]
    head_on_disk(tmp_path / "head", spec, construct, slug, rule, CELLS)
    scorer = models.load(tmp_path / "head", spec)
    codes = strands_disagree(scorer, some_inserts(60))[:3]
    assert len(codes) == 3
    x, places = dna.one_hot(codes), [(0, 1), (7, 0), (20, 3), (31, 2), (38, 1), (39, 3)]
    moved = np.repeat(x[None], 2 * len(places), axis=0)
    for number, place in enumerate(places):
        moved[2 * number, :, *place] += STEP
        moved[2 * number + 1, :, *place] -= STEP
    with jax.enable_x64(True):
        parameters, head = models.head_function(tmp_path / "head", scorer.record)
        parameters = jax.tree.map(lambda array: jnp.asarray(array, jnp.float64), parameters)
        exact = replace(scorer, tangent=of_jax(lambda own, x: head(own, x.astype(jnp.float64)), parameters))
        outputs = exact.outputs_at(moved.reshape(-1, *x.shape[1:]))
        for reading in READINGS:
            values, gradients = Model("m", [exact], [reading]).gradient(x)
            expected = Model("m", [scorer], [reading]).predict(codes)
            np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
            up, down = reading.of_outputs(outputs).reshape(len(places), 2, len(x)).transpose(1, 0, 2)
            by_place = np.stack([gradients[0][:, *place] for place in places])
            np.testing.assert_allclose(by_place, (up - down) / (2 * STEP), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("kind", "spec"), [("malinois", NARROW), ("legnet", LEGNET)])
def test_the_gradient_of_a_baseline_is_that_of_the_asked_cells(tmp_path, kind, spec):
    train, val = rows_of(some_inserts(48, 40, 1)), rows_of(some_inserts(12, 40, 2))
    for rows in (train, val):
        for cell, base in zip(CELLS, "CGT", strict=True):
            rows[f"label.{cell}"] = rows["sequence"].str.count(base).astype(float)
    baseline_on_disk(tmp_path / "m", kind, WINDOW, spec, train, val)
    scorer, codes = models.load(tmp_path / "m"), some_inserts(2)
    for reading in READINGS:
        model = Model("m", [scorer], [reading])
        values, _ = model.gradient(dna.one_hot(codes))
        np.testing.assert_allclose(values, model.predict(codes), rtol=1e-4, atol=1e-5)
        agree(lambda x, model=model: [part[0] for part in model.gradient(x)], dna.one_hot(codes[:1]), 1.0)


def test_the_gradient_of_a_language_model_with_several_outputs(tmp_path):
    spec, construct, slug, rule = HEADS["lamar pooled"]
    head_on_disk(tmp_path / "head", spec, construct, slug, rule, CELLS)
    scorer = models.load(tmp_path / "head", spec)
    model, codes = Model("m", [scorer], [READINGS[-1]]), strands_disagree(scorer, some_inserts(60))[:2]
    values, _ = model.gradient(dna.one_hot(codes))
    np.testing.assert_allclose(values, model.predict(codes), rtol=1e-4, atol=1e-5)
    agree(lambda x: [part[0] for part in model.gradient(x)], dna.one_hot(codes))
