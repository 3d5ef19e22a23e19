"""The trainer: equal to a plain loop, the same from device or file, alone or together; honest about failure."""

import dataclasses
import threading
import weakref
from functools import partial, wraps

import haiku as hk
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

from helpers.on_gpu import by_device
from s2f.common.errors import InputError
from s2f.heads import augmentations, examples, networks
from s2f.heads import epochs as epochs_module
from s2f.heads.epochs import Data, Epochs
from s2f.heads.examples import Examples
from s2f.heads.networks.layers import dropped, matmul, norm_linear
from s2f.heads.trained_head import predict
from s2f.heads.training import Trainer, TrainingSettings
from s2f.language_model.schedule import schedule
from s2f.models.validation import DivergedError

pytestmark = pytest.mark.usefixtures("compiled_quickly")

# what becomes part of a compiled program: with the same in several tests, each is compiled once for all of them
SLUG, SAME = "boda-mean-16-16", {"batch_size": 32}
LANES = [("boda-sum-16", 1), ("boda-mean-16", 2), ("boda-max-16", 1)]
NO_SHIFT = {"kind": "no_shift"}
on_device, all_steps = Examples.on_device, Epochs._all_steps
OTHERWISE = {"schedule": "cosine", "warmup": 0.1, "standardise_labels": True}  # than by default


def rows(n=203, tokens=3, channels=8, seed=0):
    """Rows with two strands and labels that a head can learn."""
    random = np.random.Generator(np.random.PCG64(seed))
    tables = tuple(random.normal(size=(n, tokens, channels)).astype(np.float32) for _ in range(2))
    labels = np.tanh(tables[0].mean(1) @ np.linspace(-1, 1, channels))
    return Examples(tables, np.arange(n, dtype=np.int32), labels.astype(np.float32))


def train(lanes, data, val, spec, mode=NO_SHIFT, **keys):
    val = dataclasses.replace(val, tables=val.tables[:1])
    return Trainer(lanes, mode, data, val, report=lambda line: None, **keys).train(spec)


def close(one, other, atol):
    """On a GPU up to a step of AdamW: a gradient that is zero but for rounding has another sign if sums are taken in
    another order."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=by_device(atol, 1e-3))


@pytest.mark.parametrize("slug", [SLUG, "boda-flatten-16-16", "boda-center-16", "encoder-16-dropout"])
def test_three_epochs_equal_a_plain_loop_of_two_steps_per_batch(slug):
    """The reference knows nothing of plans, scans, donation, padding, or of `norm_linear`."""
    data, dropout = rows(), 0.2
    init = jax.jit(partial(networks.build(slug, dropout).init, is_training=False))
    parameters, _ = init(jax.random.key(0), jnp.zeros((1, 3, 8)))
    # a norm that does something, so that a wrong gradient of its scale or offset shows
    parameters["norm"] = {"scale": jnp.linspace(0.5, 2, 8), "offset": jnp.linspace(-1, 1, 8)}
    optimiser = optax.adamw(1e-3, weight_decay=1e-2)
    epochs = Epochs(lambda _: (networks.build(slug, dropout), optimiser), augmentations.build(NO_SHIFT), 32, views=2)
    low = jnp.zeros(203, jnp.int32)
    table, index = data.on_device()
    device = Data(jnp.asarray(data.labels), low, low, table, index)
    state = (jax.tree.map(jnp.array, parameters), {}, optimiser.init(parameters))
    moments = optimiser.init(parameters)

    @jax.jit
    def step(parameters, moments, key, x, y, real):
        def loss_of(parameters):
            out = plain(slug, parameters, key, x, dropout)
            return jnp.where(jnp.arange(32) < real, (out - y) ** 2, 0).sum() / real

        loss, gradient = jax.value_and_grad(loss_of)(parameters)
        change, moments = optimiser.update(gradient, moments, parameters)
        return optax.apply_updates(parameters, change), moments, loss

    for key in jax.random.split(jax.random.key(5), 3):
        state, mean_loss = epochs.resident(state, device, key)

        order_key, step_key = jax.random.split(key)
        order = np.asarray(jax.random.permutation(order_key, 203))
        losses = []
        for place, batch_key in enumerate(jax.random.split(step_key, -(-len(order) // 32))):
            chosen = order[32 * place : 32 * place + 32]
            padded = np.concatenate([chosen, np.zeros(32 - len(chosen), int)])  # masks are drawn for whole batches
            dropout_key = jax.random.split(batch_key)[1]
            for view in (0, 1):
                key = jax.random.fold_in(dropout_key, view)
                now = data.tables[view][padded], data.labels[padded], len(chosen)
                parameters, moments, loss = step(parameters, moments, key, *now)
                losses.append((float(loss), len(chosen)))
        values, sizes = zip(*losses, strict=True)
        assert float(mean_loss) == pytest.approx(np.average(values, weights=sizes), rel=by_device(1e-4, 1e-3))
    close(state[0], parameters, 1e-5)


def test_precise_labels_count_more():
    """Half of the labels are noise, and their standard errors say so; a second cell or a missing error changes nothing
    in that. Without standard errors there is nothing to weigh by."""
    data, random = rows(400), np.random.default_rng(2)
    noisy = np.arange(400) % 2 == 0
    errors = np.where(noisy, 3.0, 0.05)
    wrong = (data.labels + noisy * random.normal(0, 3, 400)).astype(np.float32)
    train_rows, network = dataclasses.replace(data, labels=wrong, errors=errors), networks.build(SLUG, 0.0)
    found = {}
    for name, settings in (
        ("equal", {}),
        ("stderr", {"weighting": "stderr"}),
        ("tau", {"weighting": "stderr", "tau": 99.0}),
    ):
        spec = TrainingSettings.from_spec({**SAME, **settings, "epochs": 8, "patience": 8, "learning_rate": 0.01})
        (best,) = train([(SLUG, 1)], train_rows, data, spec)
        predicted = predict(network, best.variables, data.tables[0], data.index)
        found[name] = np.corrcoef(predicted, data.labels)[0, 1]
    assert found["stderr"] > found["equal"] + 0.05 and found["tau"] == pytest.approx(found["equal"], abs=0.02)
    with pytest.raises(InputError, match="no training row has a standard error"):
        train([(SLUG, 1)], data, data, TrainingSettings.from_spec({**SAME, "weighting": "stderr"}))


def plain(slug, parameters, key, x, dropout):
    """A head in training, written down again with what JAX differentiates by itself."""

    def linear(name, x):
        return jnp.matmul(x, parameters[name]["w"], precision="highest") + parameters[name]["b"]

    if "center" in slug:
        x = x[:, 1:2]
    centred = x - x.mean(-1, keepdims=True)
    x = centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    x = x * parameters["norm"]["scale"] + parameters["norm"]["offset"]
    if "encoder" in slug:
        x = x.mean(1)
    n, tokens = len(x), x.size // len(x) // 8
    x = x.reshape(n, -1) if "flatten" in slug else x.reshape(-1, 8)
    keys = hk.PRNGSequence(key)
    for name in sorted(name for name in parameters if name.startswith("hidden")):
        x = jax.nn.relu(hk.dropout(next(keys), dropout, linear(name, x)))
    x = linear("output", x)[:, 0]
    return x.reshape(n, tokens).mean(1) if "mean" in slug else x


def planned(count, order, key=0):
    """The rows of an epoch in its order."""
    epochs = Epochs(None, augmentations.build(NO_SHIFT), 32, 2)
    low = jnp.zeros(count, jnp.int32)

    @jax.jit  # op by op, each of them would be compiled for itself
    def drawn(data, key):
        plan = epochs._planned(data, key)
        return plan.rows, plan.weights

    rows, weights = (np.asarray(a).ravel() for a in drawn(Data(low, low, low, order=order), jax.random.key(key)))
    return rows[weights > 0]


def test_few_rows_are_shuffled_all_at_once_whatever_their_order_in_the_file(monkeypatch):
    monkeypatch.setattr(epochs_module, "BLOCK_ROWS", 7)
    monkeypatch.setattr(epochs_module, "MIXED_ROWS", 203)
    wanted = jax.random.permutation(jax.random.split(jax.random.key(0))[0], 203)
    np.testing.assert_array_equal(planned(203, jnp.arange(203)[::-1]), wanted)
    assert not np.array_equal(planned(204, jnp.arange(204)), planned(204, None))


def test_many_rows_are_shuffled_in_blocks_of_the_file_and_then_within_several(monkeypatch):
    monkeypatch.setattr(epochs_module, "BLOCK_ROWS", 10)
    monkeypatch.setattr(epochs_module, "MIXED_ROWS", 50)
    order = np.random.default_rng(3).permutation(1003)  # the last block holds 3 rows
    place = np.argsort(order)  # of each row in the file
    first, again, other = (planned(1003, jnp.asarray(order), key) for key in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert sorted(first) == list(range(1003)) and not np.array_equal(first, other)
    blocks = place[first] // 10
    bounds = np.flatnonzero(np.diff([sorted({*blocks}).index(b) for b in blocks]) != 0)
    assert len(bounds) > 700  # rows of a block do not follow each other ...
    starts = [np.flatnonzero(blocks == block).min() for block in range(101)]
    spans = [np.ptp(np.flatnonzero(blocks == block)) for block in range(101)]
    assert max(spans) < 50 and np.mean(spans) > 30  # ... but are near
    assert abs(np.corrcoef(starts, np.arange(101))[0, 1]) < 0.3  # and blocks stand anywhere


@pytest.mark.parametrize("count", [(1 << 14) + 1, (1 << 14) + 256, (1 << 14) + 700, 40_000])
def test_no_batch_is_drawn_from_a_few_blocks_that_are_left_over(count):
    first = planned(count, jnp.arange(count))
    assert sorted(first) == list(range(count))
    whole = first[: count // 128 * 128].reshape(-1, 128)
    # of 32 blocks or more that are mixed, 128 rows hold nearly all
    assert min(len(np.unique(batch // 256)) for batch in whole) > 20


def test_streamed_blocks_equal_resident_ones_and_read_stretches_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(epochs_module, "BLOCK_ROWS", 16)
    monkeypatch.setattr(epochs_module, "MIXED_ROWS", 64)
    read, read_ahead = [], epochs_module.read_ahead
    monkeypatch.setattr(epochs_module, "read_ahead", lambda *given: read.append(read_ahead(*given)))
    data, tables = rows(400), []
    for number, table in enumerate(data.tables):
        np.save(tmp_path / f"{number}.npy", table)
        tables.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
    index = np.random.default_rng(1).permutation(400).astype(np.int32)
    data = dataclasses.replace(data, tables=tuple(tables), index=index)
    spec = TrainingSettings.from_spec(dict(batch_size=32, epochs=2))
    resident, streamed = (
        train([(SLUG, 7)], data, rows(50, seed=1), spec, {"kind": "random_rc"}, memory=memory)[0]
        for memory in (None, 1000)
    )
    close(resident.parameters, streamed.parameters, 1e-6)
    # every row of both files is announced in each epoch, in stretches and not one by one
    assert sum(end - start for stretches in read for start, end in stretches) >= 2 * 400
    assert np.mean([end - start for stretches in read for start, end in stretches]) > 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "views", "steps", "others"),
    [("no_shift", 2, 2, {"epochs": 3, **OTHERWISE}), ("random_rc", 1, 1, {"epochs": 3})],
)
def test_streamed_epochs_equal_resident_ones(mode, views, steps, others, monkeypatch):
    """A limit of a few kilobytes: blocks of one step, or of two, the last one short; validation from the file too."""
    monkeypatch.setattr(examples, "BLOCK_BYTES", 1)
    monkeypatch.setattr("s2f.heads.epochs.BLOCK_BYTES", steps * views * 32 * 3 * 8 * 4)
    monkeypatch.setattr("s2f.heads.trained_head.BLOCK_BYTES", 1)
    spec = TrainingSettings.from_spec(SAME | others)
    resident, streamed = (
        train([(SLUG, 7)], rows(), rows(50, seed=1), spec, {"kind": mode}, memory=memory)[0] for memory in (None, 1000)
    )
    close(resident.parameters, streamed.parameters, 1e-6)
    np.testing.assert_allclose(
        resident.history["train_loss"], streamed.history["train_loss"], rtol=by_device(1e-5, 1e-3)
    )
    np.testing.assert_allclose(
        resident.history["val_pearson"], streamed.history["val_pearson"], atol=by_device(1e-6, 1e-3)
    )


@pytest.mark.slow
@pytest.mark.parametrize("memory", [None, 1000])
def test_heads_trained_together_equal_heads_trained_alone(memory):
    spec = TrainingSettings.from_spec({**SAME, **OTHERWISE, "epochs": 12, "patience": 2})
    together = train(LANES, rows(), rows(50, seed=1), spec, memory=memory)
    stops = set()
    for lane, ours in zip(LANES, together, strict=True):
        alone = train([lane], rows(), rows(50, seed=1), spec)[0]
        assert (ours.epoch, len(ours.history)) == (alone.epoch, len(alone.history))
        assert ours.score == pytest.approx(alone.score, abs=by_device(1e-5, 1e-3))
        close(ours.parameters, alone.parameters, 1e-5)
        stops.add(len(ours.history))
    assert len(stops) > 1  # some stopped while others went on, so stopping alone was put to the test


@pytest.mark.slow
def test_seeds_of_any_head_train_together():
    spec = TrainingSettings.from_spec({**SAME, "epochs": 2})
    lanes = [("boda-flatten-8", 1), ("boda-flatten-8", 2)]
    for lane, ours in zip(lanes, train(lanes, rows(), rows(50, seed=1), spec), strict=True):
        close(ours.parameters, train([lane], rows(), rows(50, seed=1), spec)[0].parameters, 1e-5)


def test_streaming_holds_three_blocks_at_most(monkeypatch):
    """Blocks are counted while they are alive, on a device that is slower than the gathering thread."""
    blocks, most, gather = [], [0], epochs_module._gather

    def counting(*arguments):
        block = gather(*arguments)
        blocks.append(weakref.ref(block))
        most[0] = max(most[0], sum(ref() is not None for ref in blocks))
        return block

    monkeypatch.setattr(epochs_module, "_gather", counting)
    monkeypatch.setattr(epochs_module, "BLOCK_BYTES", 1)  # a block per step
    train(
        [("boda-flatten-256", 1)],
        rows(400),
        rows(50, seed=1),
        TrainingSettings.from_spec(dict(batch_size=8, epochs=2)),
        memory=0,
    )
    assert 1 <= most[0] <= 3


def test_heads_of_two_families_do_not_train_together():
    with pytest.raises(InputError, match="are not of one family"):
        train([(SLUG, 1), ("boda-center-16-16", 1)], rows(), rows(50), TrainingSettings.from_spec(dict(epochs=1)))


def test_training_learns_stops_early_and_keeps_the_best_epoch():
    (trained,) = train([(SLUG, 1)], rows(), rows(50, seed=1), TrainingSettings.from_spec({**SAME, "epochs": 60}))
    best = trained.history["val_pearson"].max()
    assert trained.score == best > 0.8 and trained.metric == "pearson"
    assert trained.history["epoch"].iloc[-1] - trained.epoch in (5, 60 - trained.epoch)
    assert trained.ended == ("limit" if trained.history["epoch"].iloc[-1] == 60 else "patience")
    assert list(trained.history) == ["epoch", "train_loss", "val_pearson", "seconds", "rows_per_second"]


@pytest.mark.parametrize(("settings", "ended"), [({"epochs": 2}, "limit"), ({"epochs": 30, "patience": 1}, "patience")])
def test_a_run_says_whether_its_patience_or_its_epochs_ended(settings, ended):
    val = rows(50, seed=1)
    val = dataclasses.replace(val, labels=np.random.Generator(np.random.PCG64(2)).normal(size=50).astype(np.float32))
    (trained,) = train([(SLUG, 1)], rows(), val, TrainingSettings.from_spec(SAME | settings))
    assert trained.ended == ended and (len(trained.history) == settings["epochs"]) == (ended == "limit")


@pytest.mark.parametrize("warmup", [0, 0.01, 0.25])
@pytest.mark.parametrize("name", ["constant", "cosine"])
def test_step_sizes_are_those_of_optax(name, warmup):
    steps, warm = 80, round(80 * warmup)
    settings = TrainingSettings.from_spec(dict(learning_rate=0.02, schedule=name, warmup=warmup))
    found = settings.step_size(steps)
    if name == "constant" and not warm:
        assert found == 0.02  # a number, and so the same bits as without schedules
        return
    found = [float(found(step)) for step in range(steps)]
    np.testing.assert_allclose(found[:warm], [0.02 * schedule(step, steps, warmup) for step in range(warm)], rtol=1e-6)
    theirs = optax.warmup_cosine_decay_schedule(0.0, 0.02, warm, steps) if name == "cosine" else lambda step: 0.02
    np.testing.assert_allclose(found[warm:], [float(theirs(step)) for step in range(warm, steps)], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("mode", "per_batch"), [("no_shift", 2), ("random_rc", 1)])
def test_a_schedule_ends_with_the_last_step_of_the_last_epoch(mode, per_batch, monkeypatch):
    horizons = []
    monkeypatch.setattr(TrainingSettings, "step_size", lambda self, steps: horizons.append(steps) or self.learning_rate)
    spec = TrainingSettings.from_spec(dict(batch_size=32, epochs=3, patience=3))
    train([(SLUG, 1)], rows(), rows(50, seed=1), spec, {"kind": mode})
    assert set(horizons) == {3 * 7 * per_batch}  # 203 rows are 7 batches


@pytest.mark.parametrize(
    ("lanes", "others"),
    [
        (LANES, {"epochs": 12, **OTHERWISE}),
        ([("boda-flatten-8", 1)], {"epochs": 4}),
        ([("encoder-8-dropout", 1)], {"epochs": 4}),
    ],
)
def test_predictions_of_standardised_labels_are_in_the_unit_of_the_labels(lanes, others):
    """Labels in another unit give the predictions in that unit, of heads that add up tokens too."""
    spec = TrainingSettings.from_spec({**SAME, **others, "standardise_labels": True, "learning_rate": 0.01})
    val = rows(50, seed=1)
    trained = train(lanes, rows(), val, spec)
    larger = dataclasses.replace(rows(), labels=10 * rows().labels + 50)
    for (slug, _), one, other in zip(lanes, trained, train(lanes, larger, val, spec), strict=True):
        ours, scaled = (predict(networks.build(slug, 0.0), t.variables, val.tables[0], val.index) for t in (one, other))
        np.testing.assert_allclose(scaled, 10 * ours + 50, atol=2e-3)
        np.testing.assert_allclose(other.history["train_loss"], 100 * one.history["train_loss"], rtol=1e-3)
        assert np.mean((ours - val.labels) ** 2) < np.var(val.labels)
        assert one.score == pytest.approx(np.corrcoef(ours, val.labels)[0, 1], abs=1e-4)


def test_constant_labels_have_no_scale():
    flat = dataclasses.replace(rows(), labels=np.full(203, 3.0, np.float32))
    spec = TrainingSettings.from_spec(dict(batch_size=32, epochs=1, standardise_labels=True))
    (trained,) = train([(SLUG, 1)], flat, rows(50, seed=1), spec)
    found = predict(networks.build(SLUG, 0.0), trained.variables, flat.tables[0], flat.index)
    assert abs(found.mean() - 3) < 1


def test_bfloat16_products_learn_as_well_with_float32_parameters():
    runs = [
        train(
            [(SLUG, 1)], rows(), rows(50, seed=1), TrainingSettings.from_spec({**SAME, "epochs": 20, "precision": p})
        )[0]
        for p in ("float32", "bfloat16")
    ]
    exact, rounded = (run.history["train_loss"].to_numpy()[:10] for run in runs)
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(exact, rounded, rtol=0.05)
    assert abs(runs[0].score - runs[1].score) < 0.02
    assert {leaf.dtype for leaf in jax.tree.leaves(runs[1].parameters)} == {np.dtype("float32")}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_and_gradients_of_the_shared_layers(precision):
    """Against numpy: the value with factors rounded as asked, and every gradient, that of the input too."""
    random = np.random.Generator(np.random.PCG64(0))
    x, w, g = (random.normal(size=shape).astype(np.float32) for shape in ((6, 3, 8), (24, 5), (6, 5)))
    scale, offset = random.normal(size=(2, 8)).astype(np.float32)

    def rounded(a):
        return a.astype(ml_dtypes.bfloat16 if precision == "bfloat16" else np.float32).astype(np.float64)

    value, pull = jax.vjp(jax.jit(partial(norm_linear, precision)), x, scale, offset, w)
    applied = (x * scale + offset).reshape(6, -1)
    np.testing.assert_allclose(value, rounded(applied) @ rounded(w), atol=1e-5)
    dx, dscale, doffset, dw = pull(g)
    products = (rounded(x.reshape(6, -1)).T @ rounded(g)).reshape(3, 8, 5)
    by_token = w.reshape(3, 8, 5)
    np.testing.assert_allclose(dx, (rounded(g) @ rounded(w).T).reshape(x.shape) * scale, atol=1e-4)
    np.testing.assert_allclose(dscale, (by_token * products).sum((0, 2)), atol=1e-4)
    np.testing.assert_allclose(doffset, (by_token * g.sum(0)).sum((0, 2)), atol=1e-4)
    want = scale[:, None] * products + offset[:, None] * g.sum(0)
    np.testing.assert_allclose(dw, want.reshape(24, 5), atol=1e-4)
    flat = x.reshape(6, -1)
    value, pull = jax.vjp(jax.jit(partial(matmul, precision)), flat, w)
    np.testing.assert_allclose(value, rounded(flat) @ rounded(w), atol=1e-5)
    for found, want in zip(pull(g), (rounded(g) @ rounded(w).T, rounded(flat).T @ rounded(g)), strict=True):
        np.testing.assert_allclose(found, want, atol=1e-4)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.37, 0.5])
def test_dropout_is_that_of_haiku_whether_it_is_a_constant_of_the_program_or_an_argument(rate):
    x, key = jnp.asarray(np.random.Generator(np.random.PCG64(0)).normal(size=(64, 16)), jnp.float32), jax.random.key(1)
    ours = hk.transform(dropped)
    theirs = jax.jit(hk.transform(lambda x: hk.dropout(hk.next_rng_key(), rate, x)).apply)({}, key, x)
    np.testing.assert_array_equal(jax.jit(lambda x: ours.apply({}, key, x, rate))(x), theirs)
    np.testing.assert_array_equal(jax.jit(lambda x, kept: ours.apply({}, key, x, 1 - kept))(x, 1 - rate), theirs)
    np.testing.assert_array_equal(ours.apply({}, key, x, 0.0), x)


def test_settings_tried_one_after_another_are_compiled_and_moved_once_and_leave_nothing_behind(monkeypatch):
    """Trials of a search: step size, weight decay and dropout are arguments of one program."""
    moved, compiled = [], []
    monkeypatch.setattr(Examples, "on_device", lambda self: moved.append(self) or on_device(self))

    @wraps(all_steps)  # its name is the program's too, under which the other tests have compiled it
    def counted(self, *given):
        compiled.append(self)
        return all_steps(self, *given)

    monkeypatch.setattr(Epochs, "_all_steps", counted)
    val = dataclasses.replace(rows(50, seed=1), tables=rows(50, seed=1).tables[:1])
    same = {"batch_size": 32, "epochs": 2, "learning_rate": 0.01}
    settings = [
        TrainingSettings.from_spec(same | other)
        for other in (
            {}, {"learning_rate": 0.002, "weight_decay": 0.05, "dropout": 0.37}, {"epochs": 3, "patience": 1},
            {"standardise_labels": True}, {}, {"dropout": 0}, {"batch_size": 64},
        )
    ]  # fmt: skip
    trainer = Trainer([(SLUG, 3)], NO_SHIFT, rows(), val, report=lambda line: None)
    trained = [trainer.train(of)[0] for of in settings]
    assert len(moved) == 2  # train and val
    assert len(compiled) == 3  # with dropout, without, and for another batch size
    for of, ours in zip(settings, trained, strict=True):
        (alone,) = train([(SLUG, 3)], rows(), rows(50, seed=1), of)
        jax.tree.map(np.testing.assert_array_equal, ours.variables, alone.variables)
        np.testing.assert_array_equal(ours.history["train_loss"], alone.history["train_loss"])
    assert len({one.score for one in trained}) == 6  # the first and the fifth are the same


@pytest.mark.parametrize("lanes", [LANES[:1], LANES])
def test_programs_are_compiled_while_embeddings_are_on_their_way(lanes, monkeypatch):
    """Embeddings that arrive only once the epoch and the validation are compiled, each of them once. (No other test has
    rows of these numbers, whose programs would be there already.)"""
    compiled, both, began = [], threading.Event(), threading.get_ident()

    def listen(event, _, fun_name="", **others):
        if event.endswith("backend_compile_duration") and ("_all_steps" in fun_name or "_predict" in fun_name):
            compiled.append((fun_name, threading.get_ident() != began))
            if len(compiled) == 2:
                both.set()

    def late(self):
        assert both.wait(60), f"compiled before embeddings are there: {compiled}"
        return on_device(self)

    monkeypatch.setattr(Examples, "on_device", late)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        train(lanes, rows(n=190), rows(37, seed=1), TrainingSettings.from_spec({**SAME, "epochs": 2}))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert sorted(compiled) == [("jit(_all_steps)", True), ("jit(_predict)", True)]


def test_same_seed_same_parameters_other_seed_others():
    first, again, other = (
        train([(SLUG, seed)], rows(), rows(50, seed=1), TrainingSettings.from_spec(dict(batch_size=32, epochs=2)))[0]
        for seed in (3, 3, 4)
    )
    for a, b in zip(jax.tree.leaves(first.parameters), jax.tree.leaves(again.parameters), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.score == again.score != other.score


def test_a_diverged_run_is_an_error():
    bad = rows()
    bad.labels[3] = np.inf
    spec = TrainingSettings.from_spec(dict(batch_size=32, epochs=2))
    with pytest.raises(DivergedError, match=r"boda-flatten-8, seed 0, epoch 1: training loss is .* rate \(0.001\)$"):
        train([("boda-flatten-8", 0)], bad, rows(50), spec)
    with pytest.raises(DivergedError, match=r"\(0.001\); the heads and seeds that train with it"):
        train([("boda-flatten-8", 0), ("boda-flatten-8", 1)], bad, rows(50), spec)


def test_constant_validation_predictions_are_an_error():
    flat = rows(50)
    flat.tables[0][:] = flat.tables[0][0]
    with pytest.raises(DivergedError, match="constant"):
        train([(SLUG, 0)], rows(), flat, TrainingSettings.from_spec({**SAME, "epochs": 9, "patience": 2}))


@pytest.mark.parametrize("n", [1, 7, 1024, 1025])
def test_prediction_depends_neither_on_the_batch_nor_on_the_place_of_the_table(n, monkeypatch):
    monkeypatch.setattr("s2f.heads.trained_head.BLOCK_BYTES", 1)
    data = rows(1100)
    network = networks.build(SLUG, 0.0)
    variables = jax.jit(partial(network.init, is_training=False))(jax.random.key(0), jnp.zeros((1, 3, 8)))
    whole, _ = network.apply(*variables, None, data.tables[0][:n], is_training=False)
    for table in (data.tables[0], jnp.asarray(data.tables[0])):
        np.testing.assert_allclose(predict(network, variables, table, np.arange(n)), whole, atol=1e-6)
