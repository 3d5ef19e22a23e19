"""The trainer: equal to a plain loop, deterministic, honest about failure; checkpoints refuse what does not fit."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from s2f import checkpoint, heads
from s2f.augmentation import build as build_views
from s2f.checkpoint import read_record, write_record
from s2f.files import InputError
from s2f.training import Diverged, Examples, Head, TrainingSpec, compiled_epoch, predict, train_head
from s2f.weights import load_head, save_head

SLUG = "boda-mean-16-16"


def examples(n=203, tokens=3, channels=8, seed=0):
    """Rows with two strands and labels that a head can learn."""
    random = np.random.Generator(np.random.PCG64(seed))
    tables = {s: random.normal(size=(n, tokens, channels)).astype(np.float32) for s in ("forward", "reverse")}
    labels = np.tanh(tables["forward"].mean(1) @ np.linspace(-1, 1, channels))
    return Examples(tables, np.arange(n, dtype=np.int32), labels.astype(np.float32))


def quiet(line):
    pass


def test_one_epoch_equals_a_plain_loop_of_two_steps_per_batch():
    data, spec = examples(), TrainingSpec(batch_size=32, dropout=0.2)
    network, optimiser = heads.build(SLUG, spec.dropout), optax.adamw(1e-3, weight_decay=1e-2)
    parameters = network.init(jax.random.key(0), jnp.zeros((1, 3, 8)), is_training=False)
    key = jax.random.key(5)
    epoch = compiled_epoch(network, optimiser, build_views("no_shift"), spec.batch_size)
    state = (jax.tree.map(jnp.array, parameters), optimiser.init(parameters))
    (compiled, _), mean_loss = epoch(state, data.tables, data.index, data.labels, key)

    # the same batches, step by step, without padding, scan or donation
    order_key, step_key = jax.random.split(key)
    order = np.asarray(jax.random.permutation(order_key, len(data.index)))
    keys = jax.random.split(step_key, -(-len(order) // 32))
    moments, losses = optimiser.init(parameters), []
    for place, batch_key in enumerate(keys):
        rows = order[32 * place : 32 * place + 32]
        padded = np.concatenate([rows, np.zeros(32 - len(rows), int)])  # dropout masks are drawn for whole batches
        dropout_key = jax.random.split(batch_key)[1]
        for view, strand in enumerate(("forward", "reverse")):

            def loss_of(p, strand=strand, view=view, rows=rows, padded=padded, dropout_key=dropout_key):
                x = data.tables[strand][padded]
                out = network.apply(p, jax.random.fold_in(dropout_key, view), x, is_training=True)[: len(rows)]
                return jnp.mean((out - data.labels[rows]) ** 2)

            loss, gradient = jax.value_and_grad(loss_of)(parameters)
            change, moments = optimiser.update(gradient, moments, parameters)
            parameters = optax.apply_updates(parameters, change)
            losses.append((float(loss), len(rows)))
    for got, want in zip(jax.tree.leaves(compiled), jax.tree.leaves(parameters), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)
    assert float(mean_loss) == pytest.approx(
        np.average([x for x, _ in losses], weights=[n for _, n in losses]), rel=1e-4
    )


def test_training_learns_stops_early_and_keeps_the_best_epoch():
    trained = train_head(SLUG, "no_shift", examples(400), examples(100, seed=1), TrainingSpec(epochs=60), 1, quiet)
    best = trained.history["val_pearson"].max()
    assert trained.pearson == best > 0.8
    assert trained.history["epoch"].iloc[-1] - trained.epoch in (5, 60 - trained.epoch)
    assert list(trained.history) == ["epoch", "train_loss", "val_pearson", "seconds", "rows_per_second"]


def test_same_seed_same_parameters_other_seed_others():
    def run(seed):
        return train_head(SLUG, "no_shift", examples(), examples(50, seed=1), TrainingSpec(epochs=2), seed, quiet)

    first, again, other = run(3), run(3), run(4)
    for a, b in zip(jax.tree.leaves(first.parameters), jax.tree.leaves(again.parameters), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.pearson == again.pearson != other.pearson


def test_a_diverged_run_is_an_error():
    bad = examples()
    bad.labels[3] = np.inf
    with pytest.raises(Diverged, match="training loss is"):
        train_head(SLUG, "no_shift", bad, examples(50), TrainingSpec(epochs=2), 0, quiet)


def test_constant_validation_predictions_are_an_error():
    flat = examples(50)
    flat.tables["forward"][:] = flat.tables["forward"][0]
    with pytest.raises(Diverged, match="constant"):
        train_head(SLUG, "no_shift", examples(), flat, TrainingSpec(epochs=9, patience=2), 0, quiet)


@pytest.mark.parametrize("mode", ["none", "no_shift", "random_rc"])
def test_views_of_the_modes(mode):
    data, rows = examples(), np.array([5, 0, 7, 7, 1, 2, 3, 4])
    seen = np.asarray(build_views(mode)(jax.random.key(1), data.tables, rows))
    forward, reverse = data.tables["forward"][rows], data.tables["reverse"][rows]
    if mode == "random_rc":
        is_forward = (seen[0] == forward).all((1, 2))
        np.testing.assert_array_equal(seen[0], np.where(is_forward[:, None, None], forward, reverse))
        assert 0 < is_forward.sum() < len(rows)
    else:
        np.testing.assert_array_equal(seen, [forward, reverse][: len(seen)])
        assert len(seen) == {"none": 1, "no_shift": 2}[mode]


def test_random_rc_draws_each_strand_half_of_the_time():
    tables = {"forward": np.zeros((1, 1, 1)), "reverse": np.ones((1, 1, 1))}
    share = np.asarray(build_views("random_rc")(jax.random.key(0), tables, np.zeros(10_000, int))).mean()
    assert abs(share - 0.5) < 0.02


def test_unknown_mode_is_refused():
    with pytest.raises(InputError, match="augmentation 'ful' is unknown"):
        build_views("ful")


@pytest.mark.parametrize("n", [1, 7, 1024, 1025])
def test_prediction_does_not_depend_on_the_batch(n):
    data = examples(1100)
    network = heads.build(SLUG, 0.0)
    parameters = network.init(jax.random.key(0), jnp.zeros((1, 3, 8)), is_training=False)
    whole = network.apply(parameters, None, data.tables["forward"][:n], is_training=False)
    np.testing.assert_allclose(predict(network, parameters, data.tables["forward"], np.arange(n)), whole, atol=1e-6)


# ---- checkpoints

RECORD = dict(
    name="x", kind="head", dataset="d", split="s", model="e/no_shift/boda-mean-16-16", encoder="e",
    augmentation="no_shift", head=SLUG, seed=1, strand_rule="mean", construct={}, spec={}, tokens=3, channels=8,
    validation={}, parameters=1, provenance="trained here", licence="none",
)  # fmt: skip
ROWS = pd.DataFrame({"row_id": ["a"], "sequence": ["ACGT"], "label": [1.0]})


@pytest.fixture
def saved(tmp_path):
    network = heads.build(SLUG, 0.0)
    parameters = network.init(jax.random.key(0), jnp.zeros((1, 3, 8)), is_training=False)
    save_head(tmp_path, parameters)
    write_record(tmp_path, {"train": ROWS, "val": ROWS}, ("numpy",), **RECORD)
    return tmp_path, parameters


def test_a_saved_head_comes_back_bit_by_bit(saved):
    folder, parameters = saved
    record = read_record(folder, kind="head", encoder="e")
    restored = load_head(folder, Head.template(record))
    assert jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a, b), parameters, restored))
    assert record["train_rows"] == 1 and len(record["train_rows_sha256"]) == 64


def test_a_head_for_another_number_of_tokens_is_refused(saved, tmp_path):
    network = heads.build("boda-flatten-16-16", 0.0)
    folder = tmp_path / "flat"
    folder.mkdir()
    save_head(folder, network.init(jax.random.key(0), jnp.zeros((1, 128, 8)), is_training=False))
    with pytest.raises(
        InputError, match=r"hidden_0/w has shape \(1024, 16\), this head on this encoder has \(24, 16\)"
    ):
        load_head(folder, Head.template(RECORD | {"head": "boda-flatten-16-16"}))


def test_the_checkpoint_of_another_head_is_refused(saved):
    with pytest.raises(InputError, match="array hidden_1/b is unexpected"):
        load_head(saved[0], Head.template(RECORD | {"head": "boda-mean-16"}))


def test_a_record_of_another_encoder_or_format_is_refused(saved):
    with pytest.raises(InputError, match="encoder is 'e', expected 'f'; train this model again"):
        read_record(saved[0], encoder="f")
    path = saved[0] / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": checkpoint.FORMAT + 1}))
    with pytest.raises(InputError, match="format is"):
        read_record(saved[0])


def test_a_partial_record_is_refused(saved):
    path = saved[0] / "model.json"
    record = json.loads(path.read_text())
    del record["construct"]
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="key 'construct' is missing: not a complete checkpoint"):
        read_record(saved[0])


def test_a_missing_or_broken_checkpoint_is_refused(saved):
    folder, _ = saved
    with pytest.raises(InputError, match="no such checkpoint"):
        load_head(folder / "nowhere", {})
    for file in (folder / "checkpoint").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(InputError, match="broken checkpoint"):
        load_head(folder, Head.template(RECORD))


def test_a_changed_record_is_blamed_and_not_the_cache(saved, tmp_path):
    cache = tmp_path / "+00.forward.h5"
    cache.with_suffix(".json").write_text(json.dumps({"tokens": 5}))
    with pytest.raises(
        InputError, match=r"model.json: tokens is 7, the cache .* has 5: this model was trained on other"
    ):
        checkpoint.check_record(saved[0], {"tokens": 7}, [cache])
    checkpoint.check_record(saved[0], {"tokens": 5}, [cache])
