"""Forms of stage 2: adapters, random windows, several devices, less memory, both strands, and going on after a kill."""

import dataclasses
import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings import encoders
from s2f.embeddings.encoders._towers import NWC
from s2f.heads import networks, resume
from s2f.heads.epochs import Data
from s2f.heads.examples import Examples
from s2f.heads.locon import DOWN, UP, Locon
from s2f.heads.resume import Resume
from s2f.heads.stage2 import Finetuner, Stage2Settings, told_what_to_lower, whole
from s2f.heads.tuned import load_encoder
from s2f.heads.weights import save_changes
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("compiled_quickly")
SLUG, NONE, F32 = "encoder-8-dropout", {"kind": "none"}, np.dtype(np.float32)
HEAD = {**kinds.section_settings("heads/training", {}), "dropout": 0.1}
# the last block, the shape that it reads and its number; of the toy below all but the first block
LAST = {
    "alphagenome": (["downres_block_5"], (2, 88), 6),
    "enformer_tower": (["conv_tower.5"], (2, 80), 6),
    "toy": (["1", "2"], (8, 8), 1),
}
CONSTRUCT = Construct(64, "ACGTT" * 5, "GGATC" * 5)


def tiny(kind="alphagenome", **more):
    return {"kind": kind, "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 16, **more}


def settings(**more):
    section = {"unfrozen": "all", "batch_size": 16, "encoder_learning_rate": 0.01, "learning_rate": 0.01, **more}
    return Stage2Settings.of({"patience": 50, "epochs": 2, "augmentation": NONE, **section}, HEAD)


def toy():
    """An encoder of three blocks that compiles in a moment, for what does not depend on the encoder."""
    random, names = np.random.default_rng(3), [f"{block}/w" for block in range(3)]
    weights = {n: random.normal(0, 0.3, (5, 8 if n > "1" else 4, 8)).astype(np.float32) for n in names}

    def apply(weights, x, first, last=-1):
        for name in names[first : last % 3 + 1]:
            x = jax.nn.gelu(
                jax.lax.conv_general_dilated(x, weights[name], (2,), "SAME", dimension_numbers=NWC, precision="highest")
            )
        return x

    return encoders.Tunable(weights, {name: name[0] for name in names}, dict.fromkeys(names, 2), apply)


@functools.cache
def head(channels=96):
    """Variables of a head as drawn."""
    init = jax.jit(functools.partial(networks.build(SLUG, 0.0).init, is_training=False))
    return init(jax.random.key(0), jnp.zeros((1, 1, channels)))


def rows(shape, count, seed):
    """Random activations (count, *shape), and labels that are a sum of some."""
    x = np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)
    return Examples((x,), np.arange(count, dtype=np.int32), x[:, :2, :4].sum((1, 2)))


def tuner(kind="toy", spec=None, val=None, **more):
    blocks, shape, first = LAST[kind]
    tunable = toy() if kind == "toy" else encoders.tunable(spec or tiny(kind))
    return Finetuner(
        SLUG, 1, NONE, rows(shape, 48, 0), val or rows(shape, 24, 1), tunable, blocks,
        head(8 if kind == "toy" else 96), F32, first, 128, report=lambda line: None, **more,
    )  # fmt: skip


# ---- adapters


@pytest.mark.parametrize(("kind", "equation"), [("alphagenome", "kir,ro->kio"), ("enformer_tower", "rik,ro->oik")])
def test_adapters_begin_with_the_encoder_learn_alone_and_are_merged_exactly(kind, equation, tmp_path):
    locon = Locon(2, 3.0)
    plain, adapted = tuner(kind), tuner(kind, locon=locon)
    np.testing.assert_array_equal(adapted.validation(), plain.validation())
    (best,) = adapted.train(settings())
    adapters, tunable = best.parameters["encoder"], adapted.tunable
    convolutions = [name for name in tunable.convolutions if tunable.block_of[name] in LAST[kind][0]]
    assert sorted(adapters) == sorted(name + end for name in convolutions for end in (DOWN, UP)) and len(adapters) == 4
    assert sum(a.size for a in adapters.values()) < 0.2 * sum(a.size for a in plain.trained.values())
    assert all((adapters[name] != adapted.trained[name]).any() for name in adapters)
    for name, array in adapted.frozen.items():
        np.testing.assert_array_equal(array, tunable.weights[name])
    merged = locon.merged(tunable, adapters)
    assert set(merged) == set(convolutions)
    for name, array in merged.items():
        delta = 1.5 * np.einsum(equation, adapters[name + DOWN], adapters[name + UP])
        np.testing.assert_allclose(array, tunable.weights[name] + delta, atol=1e-6)
    # as weights of an encoder without adapters, standardisation behind the sum, they predict the same
    parameters = {"encoder": {**plain.trained, **merged}, "head": best.parameters["head"]}
    found = plain._validated((parameters, best.variables[1]))
    np.testing.assert_allclose(adapted._validated(best.variables), found, atol=1e-5)
    assert np.abs(adapted.validation() - found).max() > 0.1
    # a checkpoint has the adapters alone, and loads as the encoder with them merged
    save_changes(tmp_path, adapters)
    base, tuned = encoders.build(tiny(kind)).fingerprint, encoders.build(tiny(kind), merged).fingerprint
    assert encoders.build(tiny(kind), locon.merged(tunable, adapted.trained)).fingerprint == base != tuned
    record = {
        "stage2": {"stands_on": base, "locon": dataclasses.asdict(locon)}, "encoder": "e", "encoder_fingerprint": tuned,
    }  # fmt: skip
    encoder, changes = load_encoder(tmp_path, record, tiny(kind))
    assert encoder.fingerprint == tuned and set(changes) == set(convolutions)


def test_adapters_of_another_encoder_and_too_high_a_rank_are_refused():
    tunable, other = encoders.tunable(tiny()), encoders.tunable(tiny("enformer_tower"))
    adapters = Locon(2, 1.0).start(tunable, ["downres_block_5"], 0)
    assert all(adapters[name].any() == name.endswith(DOWN) for name in adapters)
    with pytest.raises(InputError, match=r"array alphagenome/.* is unexpected: these weights are of another encoder"):
        Locon(2, 1.0).merged(other, adapters)
    with pytest.raises(InputError, match=r"has \(5, 88, 2\) and \(2, 96\), this encoder with rank 3 has \(5, 88, 3\)"):
        Locon(3, 1.0).merged(tunable, adapters)
    with pytest.raises(InputError, match=r"rank is 96, but the convolution .* of 96 channels: choose a lower rank"):
        Locon(96, 1.0).start(tunable, ["downres_block_5"], 0)


# ---- what a training may be asked for


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    one, path = tuner(locon=Locon(2, 3.0)), tmp_path / ".best_model.checkpoint"
    asked = settings(epochs=4, schedule="cosine", warmup=0.1)
    (whole_run,) = one.train(asked)
    lines, one.resume = [], Resume(path, "this one")

    def killed(line):
        lines.append(line)
        if line.startswith("epoch   3"):
            raise KeyboardInterrupt

    one.report = killed
    with pytest.raises(KeyboardInterrupt):
        one.train(asked)
    one.report, one.resume = lines.append, Resume(path, "this one")
    (rest,) = one.train(asked)
    assert f"{path}: continues after epoch 2" in lines
    jax.tree.map(np.testing.assert_array_equal, rest.variables, whole_run.variables)
    assert (rest.epoch, rest.score, rest.ended) == (whole_run.epoch, whole_run.score, whole_run.ended)
    kept = ["epoch", "train_loss", "val_pearson"]
    assert rest.history[kept].equals(whole_run.history[kept])
    lines.clear()
    one.resume = Resume(path, "another one")
    (again,) = one.train(asked)
    assert not [line for line in lines if "goes on" in line] and again.score == whole_run.score
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"broken checkpoint .*; delete it and run again"):
        one.train(asked)


@pytest.mark.parametrize("mode", [{"kind": "full", "reach": 5}, {"kind": "compact"}], ids=lambda mode: mode["kind"])
def test_random_windows_are_those_of_the_construct_and_train_the_encoder(mode):
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("ACGT"), 40)) for _ in range(48)]
    stretches = CONSTRUCT.stretches(texts, mode.get("reach"))
    low, high = (-5, 5) if mode["kind"] == "full" else (-12, 12)  # 12 bp to either side, of 25 bp of flank 13 are left
    if mode["kind"] == "compact":
        low, high = CONSTRUCT.shift_range(40)
        assert low <= -12 and high >= 12
    assert (stretches[1] == low).all() and (stretches[2] == high).all()
    labels = np.array([text.count("G") for text in texts], np.float32)
    codes = CONSTRUCT.assemble(texts)[..., None]
    train = Examples((codes,), np.arange(48, dtype=np.int32), labels, stretches)
    one = Finetuner(
        SLUG, 1, mode, train, dataclasses.replace(train, stretches=None), encoders.tunable(tiny()), ["downres_block_5"],
        head(), F32, 0, 64, report=lambda line: None,
    )  # fmt: skip
    epochs, _ = one._program(settings())
    seen: Data = one._data
    plan = epochs._plan(seen, jax.random.key(7))
    shift, turned, which = (np.asarray(a) for a in (plan.draws.shift[:, 0], plan.draws.reverse[:, 0], plan.rows))
    assert low <= shift.min() < low / 2 and high / 2 < shift.max() <= high
    assert 0.3 < turned.mean() < 0.7
    if mode["kind"] == "full":
        assert 0.35 < (shift == 0).mean() < 0.75  # half, and an eleventh of the others
    views = np.asarray(epochs._views(seen, jax.tree.map(lambda a: a[0], plan), None))[0]
    for row in range(16):
        window = CONSTRUCT.assemble([texts[which[0, row]]], int(shift[0, row]))
        window = dna.reverse_complement(window) if turned[0, row] else window
        np.testing.assert_array_equal(views[row], window[0])
    (best,) = one.train(settings())
    assert np.isfinite(best.history["train_loss"]).all()
    assert all((array != one.trained[name]).any() for name, array in best.parameters["encoder"].items())


def test_both_strands_are_validated_by_the_mean_of_their_predictions():
    own, other = rows((8, 8), 24, 1), rows((8, 8), 24, 2)
    both = tuner(val=dataclasses.replace(own, tables=own.tables + other.tables)).validation()
    streamed = tuner(val=dataclasses.replace(own, tables=own.tables + other.tables), memory=1).validation()
    each = [tuner(val=part).validation() for part in (own, other)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-6)
    np.testing.assert_allclose(streamed, both, atol=1e-6)
    assert np.abs(both - each[0]).max() > 0.01


def test_bfloat16_is_computed_from_float32_parameters_and_moments():
    spec = tiny(precision="bfloat16")
    one = tuner("alphagenome", spec)
    x = jax.ShapeDtypeStruct((2, 2, 88), jnp.float32)
    out = jax.eval_shape(lambda weights, x: one.tunable.apply(weights, x, 6), one.tunable.weights, x)
    assert out.dtype == jnp.bfloat16
    _, start = one._program(settings())
    parameters, _, moments = start(None)
    assert {leaf.dtype.name for leaf in jax.tree.leaves((parameters, moments))} == {"float32", "int32"}


# ---- memory and devices


def test_with_remat_gradients_are_the_same_and_what_lies_within_blocks_is_not_kept():
    tunable, (parameters, state) = toy(), head(8)
    x = rows((8, 8), 64, 0).tables[0]

    def loss(remat):
        network = whole(tunable, 1, networks.build(SLUG, 0.0), F32, remat=remat)

        def of(trained):
            every = {"encoder": trained, "frozen": tunable.weights, "head": parameters}
            return jnp.mean(network.apply(every, state, jax.random.key(0), x, is_training=True)[0] ** 2)

        return of

    def kept(loss):
        """Positions of activations that wait for the way back, by their shapes."""
        left = jax.tree.leaves(jax.eval_shape(lambda weights: jax.vjp(loss, weights)[1], tunable.weights))
        return [leaf.shape[1:] for leaf in left if len(leaf.shape) == 3 and leaf.shape[0] == 64]

    assert kept(loss(True)).count((4, 8)) == 1 < kept(loss(False)).count((4, 8))  # between the blocks, within the first
    plain, again = (jax.jit(jax.grad(loss(remat)))(tunable.weights) for remat in (False, True))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), plain, again)
    assert all((np.abs(again[name]) > 0).any() == (name != "0/w") for name in again)


def test_a_device_without_memory_says_what_to_lower():
    asked = settings(batch_size=64)
    with pytest.raises(
        InputError, match=r"no memory left .*lower batch_size \(64\); set remat: true.*; unfreeze fewer"
    ):
        with told_what_to_lower(asked, ["a", "b"], "float32"):
            jnp.zeros(1 << 60, jnp.int8).block_until_ready()
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        with told_what_to_lower(asked, ["a"], "bfloat16"):
            raise jax.errors.JaxRuntimeError("INTERNAL: another fault")


SEVERAL = """
import jax, numpy as np, pytest
from heads.test_stage2_forms import settings, tuner
from s2f.common.errors import InputError
devices = jax.local_devices()
assert len(devices) == 4
one, four = tuner(), tuner(devices=devices)
found = [each.train(settings())[0] for each in (one, four)]
for a, b in zip(*(jax.tree.leaves(each.variables) for each in found), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(found[0].history["train_loss"], found[1].history["train_loss"], rtol=1e-5)
assert all((a != four.trained[name]).any() for name, a in found[1].parameters["encoder"].items())
epochs, start = four._program(settings())
data = four._data._replace(rates=four._rates(settings()))
plan = jax.tree.map(lambda a: a[:1], epochs._plan(data, jax.random.key(0)))
state = start(None)
assert all(len(leaf.sharding.device_set) == 4 for leaf in jax.tree.leaves(state))
text = epochs._block.lower(state, data, plan, None, 0).compile().as_text()
assert "all-reduce" in text and "f32[4,4,8]" in text and "f32[16,4,8]" not in text, text
with pytest.raises(InputError, match="batch_size is 18, which 4 devices cannot share evenly: choose a multiple of 4"):
    four.train(settings(batch_size=18))
print("equal")
"""


def test_several_devices_share_a_batch_with_the_result_of_one(root):
    flags = "--xla_force_host_platform_device_count=4 --xla_cpu_multi_thread_eigen=false"
    path = os.pathsep.join([str(root / "workflow" / "scripts"), str(root / "tests")])
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    done = subprocess.run([sys.executable, "-c", SEVERAL], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("equal\n"), done.stderr
