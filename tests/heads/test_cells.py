"""Heads with an output for each cell: missing labels are masked, and one output is what it was."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers.on_gpu import by_device
from s2f.common.errors import InputError
from s2f.heads import networks
from s2f.heads.epochs import LOSSES
from s2f.heads.examples import Examples
from s2f.heads.trained_head import Head, outputs_of, predict
from s2f.heads.training import Trainer, TrainingSettings, trainer_of
from s2f.heads.weights import load_head, save_head
from s2f.models.validation import mean_of, pearson, pearson_by_cell, validation_score

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SEVERAL = ["boda-flatten-16", "boda-mean-16-8", "boda-max-16", "boda-center-16", "encoder-16-dropout"]


def rows(n=160, tokens=3, channels=8, cells=3, gaps=0.3, seed=0):
    """Rows of one strand with a label per cell that a head can learn, a share of which is missing."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(n, tokens, channels)).astype(np.float32)
    labels = np.tanh(table.mean(1) @ random.normal(size=(channels, cells))).astype(np.float32)
    labels[random.random(labels.shape) < gaps] = np.nan
    labels[np.isnan(labels).all(axis=1), 0] = 0.5
    return Examples((table,), np.arange(n, dtype=np.int32), labels)


def trained(data, lanes=(("boda-mean-16", 1),), **settings):
    spec = TrainingSettings.from_spec({"epochs": 12, "learning_rate": 0.02, "batch_size": 32, **settings})
    return Trainer(lanes, {"kind": "none"}, data, data, report=lambda line: None).train(spec)


@pytest.mark.parametrize("slug", SEVERAL)
def test_outputs_of_a_head_are_columns_of_its_last_map(slug):
    x = jnp.asarray(rows(4).tables[0])
    network = networks.build(slug, 0.0, outputs=3)
    parameters, state = network.init(jax.random.key(0), x, is_training=False)
    found, _ = network.apply(parameters, state, None, x, is_training=False)
    assert found.shape == (4, 3)
    one = networks.build(slug, 0.0)
    for output in range(3):
        alone = {
            **parameters,
            "output": {leaf: array[..., output : output + 1] for leaf, array in parameters["output"].items()},
        }
        expected, _ = one.apply(alone, state, None, x, is_training=False)
        assert expected.shape == (4,)
        np.testing.assert_allclose(found[:, output], expected, rtol=1e-5, atol=1e-6)


def test_a_head_of_one_output_refuses_several(monkeypatch):
    assert networks.several_outputs("linear-probe") and networks.several_outputs("chip-cnn")
    monkeypatch.setattr(networks, "several_outputs", lambda slug: False)
    with pytest.raises(InputError, match="head 'chip-cnn' has one output, but 3 were asked for"):
        networks.build("chip-cnn", 0.0, outputs=3)


def test_the_loss_is_the_mean_over_labels_that_are_there():
    y, label = jnp.array([[1.0, 5.0], [2.0, 3.0]]), jnp.array([[0.0, jnp.nan], [0.0, 1.0]])
    loss_of = LOSSES["regression", 2]
    loss, count = loss_of(y, label)
    assert loss.tolist() == [1.0, 8.0] and count.tolist() == [1, 2]
    gradient = jax.grad(lambda y: loss_of(y, label)[0].sum())(y)
    assert gradient.tolist() == [[2.0, 0.0], [4.0, 4.0]]


def test_labels_count_in_the_loss_by_their_importance():
    y, label = jnp.array([[1.0, 5.0], [2.0, 3.0]]), jnp.array([[0.0, jnp.nan], [0.0, 1.0]])
    importance = jnp.array([[2.0, 9.0], [0.5, 1.0]])
    loss, count = LOSSES["regression", 2](y, label, importance)
    assert loss.tolist() == [2.0, 6.0] and count.tolist() == [1, 2]
    for task in ("regression", "classification"):
        plain, once = (LOSSES[task, 1](y[:, 0], jnp.array([0.0, 1.0]), of) for of in (None, importance[:, 0]))
        np.testing.assert_allclose(once[0], plain[0] * importance[:, 0])


def test_training_learns_every_cell_and_never_reads_what_is_missing():
    data = rows()
    (best,) = trained(data)
    network = networks.build("boda-mean-16", 0.0, outputs=3)
    found = predict(network, best.variables, data.tables[0], data.index)
    assert found.shape == (160, 3) and validation_score("regression", data.labels, found) == pytest.approx(best.score)
    assert best.score > 0.8 and best.by_output == pearson_by_cell(data.labels, found)
    complete = dataclasses.replace(data, labels=rows(gaps=0.0).labels)
    hidden = ~np.isfinite(data.labels)
    assert pearson(found[hidden], complete.labels[hidden]) > 0.7  # learned from the other rows
    filled = dataclasses.replace(data, labels=np.where(hidden, np.float32(99), data.labels))
    assert trained(filled)[0].score != best.score  # the mask is what keeps them out


def test_labels_that_are_standardised_give_predictions_in_their_own_unit():
    data = rows()
    far = dataclasses.replace(data, labels=20 * data.labels + np.array([5, -100, 40], np.float32))
    (best,) = trained(far, standardise_labels=True)
    found = predict(networks.build("boda-mean-16", 0.0, outputs=3), best.variables, data.tables[0], data.index)
    measured = np.isfinite(far.labels)
    assert np.mean((found[measured] - far.labels[measured]) ** 2) < 0.5 * np.mean(
        (far.labels - np.nanmean(far.labels, axis=0))[measured] ** 2
    )
    assert best.history["train_loss"].iloc[0] > 10  # in the unit of the labels too


def solved(train, val, alphas):
    trainer = trainer_of([("linear-probe", 1)], {"kind": "none"}, train, val, report=lambda line: None)
    return trainer({"alphas": alphas})[0]


def test_the_probe_of_all_cells_takes_the_penalty_that_is_best_by_their_mean():
    train, val = rows(60, cells=2, gaps=0.1), rows(60, cells=2, gaps=0.1, seed=0)
    random = np.random.default_rng(1)
    train.labels[:, 1] += 2 * random.normal(size=60).astype(np.float32)
    val = dataclasses.replace(val, index=val.index[::-1].copy())  # other rows than those of training
    val.labels[:, 0] = np.tanh(val.tables[0].mean(1)[val.index] @ np.arange(8)).astype(np.float32)
    alphas, scores = [0.1, 30.0, 3000.0], {}
    for alpha in alphas:
        scores[alpha] = solved(train, val, [alpha]).by_output
    best_of = [max(alphas, key=lambda alpha: scores[alpha][cell]) for cell in range(2)]
    assert best_of[0] != best_of[1]  # so that a penalty of its own would be another model
    best = solved(train, val, alphas)
    chosen = max(alphas, key=lambda alpha: mean_of(scores[alpha]))
    assert best.by_output == pytest.approx(scores[chosen], abs=1e-6)
    assert best.score == pytest.approx(mean_of(scores[chosen]), abs=1e-6)
    assert dict(best.tried) == pytest.approx({alpha: mean_of(of) for alpha, of in scores.items()}, abs=1e-6)
    expected = solved(train, val, [chosen]).variables
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), best.variables, expected)


def test_the_probe_of_each_cell_is_the_solution_of_its_own_rows():
    data, options = rows(), {"alphas": [1.0, 10.0]}
    best = solved(data, data, options["alphas"])
    found = predict(networks.build("linear-probe", 0.0, outputs=3), best.variables, data.tables[0], data.index)
    for cell in range(3):
        measured = np.isfinite(data.labels[:, cell])
        own = dataclasses.replace(data, index=data.index[measured], labels=data.labels[measured, cell])
        (alone,) = trainer_of([("linear-probe", 1)], {"kind": "none"}, own, own, report=lambda line: None)(options)
        expected = predict(networks.build("linear-probe", 0.0), alone.variables, data.tables[0], data.index)
        np.testing.assert_allclose(found[:, cell], expected, atol=1e-5)
        assert best.by_output[cell] == pytest.approx(alone.score, abs=1e-6)
    assert best.score == pytest.approx(mean_of(best.by_output), abs=1e-6) and best.ended == "solved"
    assert best.history["output"].tolist() == [1, 1, 2, 2, 3, 3]


def test_seeds_that_train_together_give_what_they_give_alone():
    data = rows()
    together = trained(data, (("boda-mean-16", 1), ("boda-max-16", 2)), epochs=3)
    for lane, best in zip((("boda-mean-16", 1), ("boda-max-16", 2)), together, strict=True):
        (alone,) = trained(data, (lane,), epochs=3)
        assert best.score == pytest.approx(alone.score, abs=by_device(1e-4, 1e-2))
        np.testing.assert_allclose(
            best.parameters["output"]["w"], alone.parameters["output"]["w"], atol=by_device(1e-4, 0.02)
        )  # on a GPU a step of AdamW


def test_a_checkpoint_says_how_many_outputs_it_has(tmp_path):
    data = rows(40)
    (best,) = trained(data, epochs=1)
    save_head(tmp_path, best.variables)
    record = {"head": "boda-mean-16", "tokens": 3, "channels": 8, "cells": ["K562", "HepG2", "HeLa"]}
    assert outputs_of(record) == 3 and outputs_of({}) == outputs_of({"cells": ["K562"]}) == 1
    again = Head(record, load_head(tmp_path, Head.template(record)))
    found = predict(again.network, again.variables, data.tables[0], data.index, batch_size=16)
    wanted = predict(again.network, best.variables, jnp.asarray(data.tables[0]), data.index)
    # on a GPU batches of another size may have another kernel
    np.testing.assert_allclose(found, wanted, rtol=0, atol=by_device(0, 1e-6))
    with pytest.raises(InputError, match=r"output/b has shape \(3,\), this head on this encoder has \(1,\)"):
        load_head(tmp_path, Head.template({**record, "cells": ["K562"]}))


def test_one_label_per_row_takes_the_steps_it_took():
    """The masked loss of one complete cell gives the same weights as the plain mean squared error."""
    one = rows(cells=1, gaps=0.0)
    plain = dataclasses.replace(one, labels=one.labels[:, 0])
    step = {}
    for name, labels in (("cells", one.labels), ("plain", plain.labels)):
        loss_of, y = LOSSES["regression", labels.ndim], jnp.ones(labels.shape)
        loss, count = loss_of(y, labels)
        step[name] = float(jnp.sum(loss) / jnp.sum(count * jnp.ones(len(labels))))
    assert step["cells"] == pytest.approx(step["plain"], rel=1e-6)
    assert step["plain"] == pytest.approx(float(optax.l2_loss(jnp.ones(160), plain.labels).mean() * 2), rel=1e-6)
