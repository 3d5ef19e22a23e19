"""Stage 2: only what is unfrozen changes, by the true gradient, and caches of the frozen part change nothing."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings import encoders
from s2f.embeddings.encoders import _towers
from s2f.heads import networks
from s2f.heads.examples import Examples
from s2f.heads.stage2 import Finetuner, Stage2Settings, blocks_below, whole
from s2f.heads.training import Trainer, TrainingSettings
from s2f.sequences import dna

SLUG, LENGTH, NONE = "encoder-32-dropout", 128, {"kind": "none"}
HEAD = {**kinds.section_settings("heads/training", {}), "epochs": 30, "patience": 30, "batch_size": 64}


def tiny(kind, **more):
    return {"kind": kind, "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 32, **more}


@pytest.fixture(scope="module")
def windows():
    """Simulated rows: random windows with 0 to 3 copies of a site; the label is their number with noise of sd 0.1."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (800, LENGTH)).astype(np.uint8)
    counts = random.integers(0, 4, len(codes))
    for row, count in enumerate(counts):
        for at in random.integers(0, LENGTH - 8, count):
            codes[row, at : at + 8] = dna.encode("TGACTCAT")
    return codes, (counts + random.normal(0, 0.1, len(codes))).astype(np.float32)


@pytest.fixture(scope="module")
def started(windows):
    """A head trained on the frozen tiny encoder, and the tuner of its blocks 2 to 5 on what block 2 reads."""
    codes, labels = windows
    train, val = np.arange(640, dtype=np.int32), np.arange(640, 800, dtype=np.int32)

    def examples(table, index):
        return Examples((table,), index, labels[index])

    frozen = encoders.build(tiny("alphagenome")).encode(codes)
    trainer = Trainer([(SLUG, 1)], NONE, examples(frozen, train), examples(frozen, val), report=lambda line: None)
    (start,) = trainer.train(TrainingSettings.from_spec(HEAD))
    blocks = kinds.facts("encoders", "alphagenome")["blocks"]
    unfrozen = blocks[3:]
    first = blocks_below(blocks, unfrozen)
    table = encoders.build(tiny("alphagenome", until=blocks[first - 1])).encode(codes)
    tuner = Finetuner(
        SLUG, 1, NONE, examples(table, train), examples(table, val), encoders.tunable(tiny("alphagenome")), unfrozen,
        start.variables, np.dtype(np.float32), first, LENGTH, report=lambda line: None,
    )  # fmt: skip
    return start, tuner


def settings(**more):
    section = {"unfrozen": "all", "batch_size": 64, "encoder_learning_rate": 0.003, "learning_rate": 0.003, **more}
    return Stage2Settings.of({"patience": 50, "augmentation": NONE, **section}, HEAD)


def sha256(arrays):
    return {name: hashlib.sha256(np.asarray(array).tobytes()).hexdigest() for name, array in arrays.items()}


def test_rates_of_zero_leave_every_bit(started):
    start, tuner = started
    (best,) = tuner.train(settings(encoder_learning_rate=0, learning_rate=0, epochs=1))
    parameters, _ = best.variables
    jax.tree.map(np.testing.assert_array_equal, parameters, {"encoder": tuner.trained, "head": start.parameters})
    assert best.score == pytest.approx(start.score, abs=1e-4)  # of the head on embeddings of the whole encoder
    same = encoders.build(tiny("alphagenome"), parameters["encoder"])
    assert same.fingerprint == encoders.build(tiny("alphagenome")).fingerprint


def test_it_learns_what_the_frozen_encoder_does_not_show_and_changes_nothing_frozen(started):
    start, tuner = started
    before = sha256(tuner.frozen)
    (best,) = tuner.train(settings(epochs=14))
    assert best.score > start.score + 0.2
    assert sha256(tuner.frozen) == before
    assert not set(best.parameters["encoder"]) & set(tuner.frozen)
    changed = best.parameters["encoder"]
    assert all((changed[name] != tuner.trained[name]).any() for name in changed)
    assert {tuner.tunable.block_of[name] for name in changed} == {f"downres_block_{i}" for i in range(2, 6)}
    tuned = encoders.build(tiny("alphagenome"), changed)
    assert tuned.fingerprint != encoders.build(tiny("alphagenome")).fingerprint and "fine-tuned" in tuned.provenance


def test_the_optimiser_knows_two_groups_and_has_no_state_of_what_is_frozen(started):
    _, tuner = started
    _, start = tuner._compile(settings(epochs=8))
    parameters, _, moments = start(None)
    trained = sum(array.size for array in jax.tree.leaves(parameters))
    sizes = [leaf.size for leaf in jax.tree.leaves(moments)]
    assert sum(sizes) - sizes.count(1) == pytest.approx(2 * trained, abs=4)  # two moments; counts of steps aside
    assert set(parameters) == {"encoder", "head"} and not set(parameters["encoder"]) & set(tuner.frozen)


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("kind", ["alphagenome", "enformer_tower"])
def test_the_cached_frozen_part_is_that_of_the_whole_encoder(kind):
    codes = np.random.default_rng(1).integers(0, 5, (3, 281)).astype(np.uint8)
    spec, blocks = tiny(kind), kinds.facts("encoders", kind)["blocks"]
    expected, tunable = encoders.build(spec).encode(codes), encoders.tunable(spec)
    one_hot = dna.one_hot(codes)
    apply = jax.jit(tunable.apply, static_argnums=2)
    np.testing.assert_allclose(apply(tunable.weights, one_hot, 0), expected, rtol=2e-4, atol=2e-5)
    below = encoders.build({**spec, "until": blocks[4]})
    cached = below.encode(codes)
    assert cached.shape == (3, below.tokens(281), below.channels) and below.tokens(281) == 9  # of 281 halved five times
    np.testing.assert_allclose(apply(tunable.weights, cached, 5), expected, rtol=2e-4, atol=2e-5)


@pytest.mark.usefixtures("compiled_quickly")
def test_gradients_are_those_of_finite_differences(monkeypatch):
    """Of the mean squared error in float64, for an array of every kind of the unfrozen blocks and of the head."""
    monkeypatch.setitem(_towers.PRECISIONS, "float64", np.float64)
    codes = np.random.default_rng(2).integers(0, 4, (2, 8)).astype(np.float32)
    with jax.enable_x64(True):
        tunable = encoders.tunable({**tiny("alphagenome"), "precision": "float64"})
        weights = {name: np.asarray(array, np.float64) for name, array in tunable.weights.items()}
        head = networks.build(SLUG, 0.0)
        parameters, state = head.init(jax.random.key(0), jnp.zeros((1, 1, 96)), is_training=False)
        network, labels = whole(tunable, 0, head, np.dtype(np.float64)), np.array([1.0, -1.0])
        unfrozen = [name for name, block in tunable.block_of.items() if block in ("downres_block_1", "downres_block_5")]
        trained = {
            "encoder": {name: jnp.asarray(weights[name]) for name in unfrozen},
            "head": jax.tree.map(lambda array: jnp.asarray(array, np.float64), parameters),
        }
        frozen = {name: jnp.asarray(array) for name, array in weights.items() if name not in unfrozen}

        @jax.jit
        def loss(trained, frozen):
            y, _ = network.apply({**trained, "frozen": frozen}, state, None, codes, is_training=False)
            return jnp.mean((y - labels) ** 2)

        gradient = jax.jit(jax.grad(loss))(trained, frozen)
        leaves, tree = jax.tree.flatten(trained)
        slopes = jax.tree.leaves(gradient)
        random, step = np.random.default_rng(3), 1e-6
        for number, slope in enumerate(slopes):
            assert slope.dtype == np.float64
            way = random.normal(size=slope.shape)
            ends = [
                loss(tree.unflatten([*leaves[:number], leaves[number] + s * step * way, *leaves[number + 1 :]]), frozen)
                for s in (1, -1)
            ]
            found = float(ends[0] - ends[1]) / (2 * step)
            assert float((slope * way).sum()) == pytest.approx(found, rel=1e-4, abs=1e-8)


def test_weights_of_another_encoder_are_refused():
    with pytest.raises(InputError, match="array x is unexpected"):
        encoders.build(tiny("alphagenome"), {"x": np.zeros(1, np.float32)})
    name = "alphagenome/sequence_encoder/dna_embedder/conv1_d/b"
    with pytest.raises(InputError, match=r"is \(1,\), this encoder has \(48,\)"):
        encoders.build(tiny("alphagenome"), {name: np.zeros(1, np.float32)})
