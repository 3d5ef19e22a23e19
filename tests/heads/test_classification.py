"""Classification in the one trainer: loss, metric, network state, and what it learns and does not learn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from helpers.on_gpu import by_device
from s2f.common.errors import InputError
from s2f.heads import augmentations, networks
from s2f.heads.epochs import Data, Epochs
from s2f.heads.examples import Examples
from s2f.heads.networks import chip_cnn
from s2f.heads.trained_head import Head, predict
from s2f.heads.training import Trainer, TrainingSettings
from s2f.heads.weights import load_head, save_head
from s2f.models.validation import DivergedError, auroc

NO_SHIFT = {"kind": "no_shift"}
# what becomes part of a compiled program: with the same in several tests, chip-cnn is compiled once for all
SAME = {"batch_size": 40, "weight_decay": 1e-2}


@pytest.fixture
def shallow(monkeypatch):
    """chip-cnn of one convolution, which compiles in half the time; the trainer does not see how many there are."""
    monkeypatch.setattr(chip_cnn, "LAYERS", chip_cnn.LAYERS[:1])


def rows(n=101, tokens=32, channels=5, seed=0):
    """Rows with two strands whose class shows in the mean of the tokens."""
    random = np.random.Generator(np.random.PCG64(seed))
    tables = tuple(random.normal(size=(n, tokens, channels)).astype(np.float32) for _ in range(2))
    labels = tables[0].mean(1) @ np.linspace(-1, 1, channels) > 0
    return Examples(tables, np.arange(n, dtype=np.int32), labels.astype(np.float32))


def train(lanes, data, val, spec, mode=NO_SHIFT, **keys):
    val = dataclasses.replace(val, tables=val.tables[:1])
    return Trainer(lanes, mode, data, val, report=lambda line: None, task="classification", **keys).train(spec)


def close(one, other, atol):
    """On a GPU up to a step of AdamW: a gradient that is zero but for rounding has another sign if sums are taken in
    another order."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=by_device(atol, 1e-3))


@pytest.mark.usefixtures("compiled_quickly", "shallow")
@pytest.mark.parametrize("slug", ["encoder-8-dropout", pytest.param("chip-cnn", marks=pytest.mark.slow)])
def test_epochs_equal_a_plain_loop(slug):
    """Two steps per batch, the last batch padded; the state passes from step to step."""
    data, size, count = rows(), SAME["batch_size"], 2
    network, optimiser = networks.build(slug, 0.1), optax.adamw(1e-3, weight_decay=SAME["weight_decay"])
    init = jax.jit(lambda key: network.init(key, jnp.zeros((1, 32, 5)), is_training=False))
    parameters, measured = init(jax.random.key(0))
    epochs = Epochs(lambda _: (network, optimiser), augmentations.build(NO_SHIFT), size, views=2, task="classification")
    low = jnp.zeros(len(data.labels), jnp.int32)
    device = Data(jnp.asarray(data.labels), low, low, *data.on_device())
    moments = optimiser.init(parameters)
    state = jax.tree.map(jnp.array, (parameters, measured, moments))

    @jax.jit
    def step(parameters, measured, moments, key, x, y, real):
        def loss_of(parameters):
            weight = jnp.arange(size) < real
            out, after = network.apply(
                parameters, measured, key, x, is_training=True, weight=weight.astype(jnp.float32)
            )
            probability = jax.nn.sigmoid(out)
            losses = -(y * jnp.log(probability) + (1 - y) * jnp.log(1 - probability))
            return jnp.where(weight, losses, 0).sum() / real, after

        (loss, after), gradient = jax.value_and_grad(loss_of, has_aux=True)(parameters)
        change, moments = optimiser.update(gradient, moments, parameters)
        return optax.apply_updates(parameters, change), after, moments, loss

    for key in jax.random.split(jax.random.key(5), count):
        state, mean_loss = epochs.resident(state, device, key)
        order_key, step_key = jax.random.split(key)
        order, losses, sizes = np.asarray(jax.random.permutation(order_key, len(data.labels))), [], []
        for place, batch_key in enumerate(jax.random.split(step_key, -(-len(order) // size))):
            chosen = order[size * place : size * place + size]
            padded = np.concatenate([chosen, np.zeros(size - len(chosen), int)])
            dropout_key = jax.random.split(batch_key)[1]
            for view in (0, 1):
                key = jax.random.fold_in(dropout_key, view)
                now = data.tables[view][padded], data.labels[padded], len(chosen)
                parameters, measured, moments, loss = step(parameters, measured, moments, key, *now)
                losses.append(float(loss))
                sizes.append(len(chosen))
        assert float(mean_loss) == pytest.approx(np.average(losses, weights=sizes), rel=by_device(1e-4, 1e-3))
    close(state[:2], (parameters, measured), 1e-5 if slug == "encoder-8-dropout" else 1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_quickly", "shallow")
def test_streamed_and_together_equal_resident_and_alone(monkeypatch):
    """Both at once, as each program takes long to compile: lanes with streamed batches against heads alone."""
    monkeypatch.setattr("s2f.heads.epochs.BLOCK_BYTES", 1)
    spec = TrainingSettings.from_spec({**SAME, "epochs": 2})
    lanes = [("chip-cnn", 1), ("chip-cnn", 2)]
    alone = [train([lane], rows(), rows(50, seed=1), spec)[0] for lane in lanes]
    for one, other in zip(train(lanes, rows(), rows(50, seed=1), spec, memory=1000), alone, strict=True):
        close(one.variables, other.variables, 1e-4)
        assert one.score == pytest.approx(other.score, abs=1e-3) and one.epoch == other.epoch


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_quickly", "shallow")
def test_metric_history_and_probabilities_of_a_saved_head(tmp_path):
    """Loaded again, the head gives what it gave in its best epoch, bit by bit: running statistics are saved too."""
    val = rows(50, seed=1)
    (trained,) = train([("chip-cnn", 1)], rows(), val, TrainingSettings.from_spec({**SAME, "epochs": 4}))
    assert list(trained.history) == ["epoch", "train_loss", "val_auroc", "seconds", "rows_per_second"]
    assert trained.metric == "auroc" and trained.score == trained.history["val_auroc"].max()
    assert trained.size == sum(a.size for a in jax.tree.leaves(trained.variables[0]))
    logits = predict(networks.build("chip-cnn", 0.0), trained.variables, val.tables[0], val.index)
    assert trained.score == auroc(val.labels, logits) == pytest.approx(roc_auc_score(val.labels, logits))

    save_head(tmp_path, trained.variables)
    record = {"head": "chip-cnn", "tokens": 32, "channels": 5, "task": "classification"}
    head = Head(record, load_head(tmp_path, Head.template(record)))

    class Cache:
        embedding = val.tables[0]

        def indices(self, row_ids):
            return np.asarray(row_ids)

    found = head.predict(Cache(), val.index)
    np.testing.assert_array_equal(found, expit(logits.astype(np.float64)))
    assert found.min() >= 0 and found.max() <= 1

    parameters, state = trained.variables
    broken = {**state, "norm_0": {**state["norm_0"], "variance": np.full(64, np.nan, np.float32)}}
    save_head(tmp_path / "nan", (parameters, broken))
    with pytest.raises(InputError, match="norm_0/variance holds values that are not finite"):
        load_head(tmp_path / "nan", Head.template(record))
    save_head(tmp_path / "without", (parameters, {}))
    with pytest.raises(InputError, match="array norm_0/mean is missing"):
        load_head(tmp_path / "without", Head.template(record))


def motif_rows(n, seed, shuffled=False):
    """One-hot rows of 60 letters, in half of them TGTATATA at a random place."""
    random = np.random.Generator(np.random.PCG64(seed))
    codes, labels = random.integers(0, 4, (n, 60)), np.arange(n) % 2
    for row in np.flatnonzero(labels):
        place = random.integers(0, 52)
        codes[row, place : place + 8] = [3, 2, 3, 0, 3, 0, 3, 0]
    labels = random.permutation(labels) if shuffled else labels
    return Examples((np.eye(4, dtype=np.float32)[codes],), np.arange(n, dtype=np.int32), labels.astype(np.float32))


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_planted_motif_is_found_and_shuffled_labels_are_not(shuffled):
    parts = [motif_rows(n, seed, shuffled) for seed, n in enumerate((600, 200, 400))]
    spec = TrainingSettings.from_spec(dict(batch_size=32, epochs=8))
    (trained,) = train([("chip-cnn", 1)], *parts[:2], spec, {"kind": "none"})
    test = parts[2]
    score = auroc(test.labels, predict(networks.build("chip-cnn", 0.0), trained.variables, test.tables[0], test.index))
    assert abs(score - 0.5) < 0.1 if shuffled else score > 0.9


@pytest.mark.usefixtures("compiled_quickly")
def test_too_few_tokens_and_constant_predictions_are_refused():
    short, spec = rows(tokens=31), TrainingSettings.from_spec(dict(batch_size=64, epochs=2))
    with pytest.raises(InputError, match="chip-cnn needs at least 32 tokens"):
        train([("chip-cnn", 1)], short, short, spec)
    flat = rows(50)
    flat.tables[0][:] = flat.tables[0][0]
    with pytest.raises(DivergedError, match="constant"):
        train([("encoder-8-dropout", 1)], rows(), flat, spec)
