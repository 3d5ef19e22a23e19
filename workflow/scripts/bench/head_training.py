"""Head training, per head and augmentation mode, and the same work done in the usual way."""

from functools import partial

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax

from bench.machine import Turns, binding, header, peak_gb, reset_peak, seconds, shares
from bench.table import note
from s2f.common import kinds
from s2f.embeddings.encoders import _alphagenome_network as alphagenome_network
from s2f.heads import augmentations, networks
from s2f.heads.augmentations.draws import steps_per_batch
from s2f.heads.networks import chip_cnn

FULL_ROWS, LENGTH = 627_660, 600
SHAPE = 5, 1536  # T and D of AlphaGenome's embeddings at 600 bp
HOST_ROWS = 2**16  # of which random embeddings are made; a table on the device repeats them
LANGUAGE_SHAPE = 51, 128  # of the embeddings of a small language model at 51 nt, for heads that need more tokens
ADAMW_BYTES = 28  # per parameter and update: gradient, parameter and two moments read, the last three written
OPTIONS = {
    "multi_shift": {"shifts": 3, "reach": 15},
    "full": {"reach": 15},
    "hybrid": {"reach": 15},
}


def start_training(slug, mode, rows, encoder, batch_size, precision, tables, seeds=1):
    """(run, shapes of the parameters): `run()` trains one epoch with `s2f.heads.epochs`, for `seeds` heads in one
    program; only this function depends on that interface."""
    from s2f.heads.epochs import Data, Epochs

    encodes = augmentations.encodes(mode)
    network, optimiser = networks.build(slug, 0.1, precision), optax.adamw(1e-3, weight_decay=1e-6)
    views, shape, dtype = len(tables["views"]), tables["views"][0].shape[1:], tables["views"][0].dtype
    epochs = Epochs(
        lambda rates: (network, optimiser), augmentations.build(mode), batch_size, views,
        encoder.apply if encodes else None, LENGTH, dtype, seeds if seeds > 1 else None,
    )  # fmt: skip
    low = jnp.full(rows, -15 if encodes else 0, jnp.int32)
    data = Data(
        tables["labels"], low, -low, tables["table"], jnp.arange(rows),
        tables["stretches"] if encodes else None, encoder.parameters if encodes else None,
    )  # fmt: skip

    @jax.jit  # otherwise each operation would be compiled separately
    def start(key):
        parameters, measured = network.init(key, jnp.zeros((1, *shape), jnp.float32), is_training=False)
        return parameters, measured, optimiser.init(parameters)

    key = jax.random.key(0)
    size = jax.tree.map(lambda array: array.shape, jax.eval_shape(start, key)[0])
    key = jax.random.split(key, seeds) if seeds > 1 else key
    state = [jax.vmap(start)(key) if seeds > 1 else start(key)]

    def run():
        state[0], loss = epochs.resident(state[0], data, key)
        jax.block_until_ready(loss)

    return run, size


def work_of(slug, mode, size, tokens, length, encoder_size, batch_size=128):
    """(FLOP per row and step of the head, steps per batch, FLOP per row of encoding in the step).

    A gradient step takes three times the forward products, for the first layer twice: the gradient with respect to its
    input is not needed (see `s2f.heads.networks.layers`).
    """
    if slug == "chip-cnn":
        head = flop_of_chip_cnn(size, tokens, batch_size)
    else:
        per_token = tokens if any(f"-{reduction}-" in slug for reduction in ("sum", "mean", "max")) else 1
        products = {module: 2 if module.endswith("hidden_0") else 3 for module in size}
        head = sum(2 * products[m] * np.prod(leaves["w"]) for m, leaves in size.items() if "w" in leaves) * per_token
    steps = steps_per_batch(augmentations.build(mode))
    facts = kinds.facts("augmentations", mode["kind"])
    share = (0.5 if facts["reads_caches"] else 1.0) if facts["encodes"] else 0.0
    return head, steps, share * steps * encoder_flop(encoder_size, length)


def flop_of_chip_cnn(size, tokens, batch_size):
    """FLOP per row of one step of chip-cnn; its first three layers are merged once per batch (see `heads.chip_cnn`)."""
    merged = np.prod(size["reduce"]["w"]) * np.prod(size["convolution_0"]["w"][::2]) if "reduce" in size else 0
    total, channels = 3 * merged / batch_size, size["reduce"]["w"][0] if merged else size["convolution_0"]["w"][1]
    for depth, (taps, width, pool) in enumerate(chip_cnn.LAYERS):
        total += (3 if depth else 2) * tokens * taps * channels * width
        tokens, channels = tokens // pool, width
    return 2 * (total + 3 * (np.prod(size["hidden"]["w"]) + chip_cnn.HIDDEN))


def encoder_flop(size, length, plan=None):
    """FLOP of one window through AlphaGenome's encoder, two per multiply-add; with a `_flank_reuse.Plan`, what remains.

    15.25 GFLOP for the full size at 600 bp.
    """
    return sum(stages_flop(size, length, plan))


def stages_flop(size, length, plan=None):
    """`encoder_flop` of each stage, the stem and the blocks."""
    width, step = alphagenome_network.SIZES[size]
    left = [plan.crop[1] - plan.crop[0], *(end - begin for begin, *_, end in plan.splices)] if plan else [length]
    valid = len(left) - 1 if plan else 0  # stages without zero padding: each convolution shortens them
    found = []
    for stage in range(alphagenome_network.BLOCKS + 1):
        n = left[stage] if stage < len(left) else length
        inner = stage < valid
        if stage == 0:
            products = (n - 14 * inner) * 15 * 4 * width + (n - 18 * inner) * 5 * width**2
        else:
            old, width = width, width + step
            products = (n - 4 * inner) * 5 * old * width + (n - 8 * inner) * 5 * width**2
        found.append(2 * products)
        length = -(-length // 2)
    return found


def naive_training(slug, mode, encoder, tables, batch_size, extra_parameters):
    """`step()`: one batch trained in the usual way, blocking at its end; the head is the same network.

    For each batch, rows are gathered on the host and converted to float32 there; then follows one compiled step per
    view, whose optimiser holds the whole model, `extra_parameters` zeros in addition to the head, without donating its
    buffers. The loss is fetched after each step. Modes that encode send float one-hot windows and standardise the
    weights in each step.
    """
    network, optimiser = networks.build(slug, 0.1), optax.adamw(1e-3, weight_decay=1e-6)
    rows, shape = len(tables["views"][0]), tables["views"][0].shape[1:]
    encodes = not kinds.facts("augmentations", mode["kind"])["reads_caches"]
    init = jax.jit(partial(network.init, is_training=False))
    own, measured = init(jax.random.key(0), jnp.zeros((1, *shape), jnp.float32))
    parameters = {"head": own, "rest": jnp.zeros(extra_parameters, jnp.float32)}
    state = [(parameters, optimiser.init(parameters), measured)]
    if encodes:
        weights, definition = tables["weights"], alphagenome_network.network(encoder["size"], encoder["precision"])

    @jax.jit
    def step(state, weights, key, x, y):
        parameters, moments, measured = state

        def loss_of(parameters):
            embedding = definition.apply(*weights, x)[0][0].astype(jnp.float32) if encodes else x
            weight = jnp.ones(len(y))
            out, after = network.apply(parameters["head"], measured, key, embedding, is_training=True, weight=weight)
            return jnp.mean((out - y) ** 2), after

        (loss, measured), gradient = jax.value_and_grad(loss_of, has_aux=True)(parameters)
        change, moments = optimiser.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, change), moments, measured), loss

    random = np.random.default_rng(0)
    labels, windows = np.asarray(tables["labels"]), tables["host_windows"]
    both = mode["kind"] in ("no_shift", "multi_shift")

    def batch():
        chosen = random.integers(0, rows, batch_size)
        for view in tables["views"][: 1 + both]:
            x = np.eye(5, 4, dtype=np.float32)[windows[chosen]] if encodes else view[chosen].astype(np.float32)
            state[0], loss = step(state[0], weights if encodes else None, jax.random.key(0), x, labels[chosen])
            float(loss)

    return batch


def bench(slugs, modes, rows, repeats, limits, encoder, spec, batch_size, precision, naive_parameters, seeds):
    """Print one line per head and mode. `encoder` was built from `spec`; embeddings are random, with the encoder's
    shape in modes that run it, otherwise with AlphaGenome's. Without `naive_parameters` the usual way is left out."""
    usual = "not measured"
    if naive_parameters:
        usual = (
            "the same work as it is usually done: rows gathered on the host, a compiled step per batch, AdamW over "
            f"{naive_parameters / 1e6:.3g} M\n"
            "parameters beside the head, float(loss) after each step, no donated buffers"
        )
    print(
        f"\nhead training, {rows:,} rows, batch {batch_size}, {precision}, heads at a time: {seeds}, "
        "embeddings T x D in bfloat16 on the device\n"
        f"modes that encode run AlphaGenome's {spec['size']} size in {spec['precision']} on {LENGTH} bp in every step\n"
        f"naive: {usual}\n"
        "of ...: share of the rate measured beside it, in the median turn; full epoch: extrapolated to "
        f"{FULL_ROWS:,} rows (no_shift and multi_shift: x 2 strands)"
    )
    print(
        f"{'head':24s}{'mode':>12s}{'T x D':>10s}{'rows/s':>10s}{'GFLOP/s':>10s}{header(limits)}{'peak GB':>9s}"
        f"{'x naive':>9s}  full epoch"
    )
    for kind in modes:
        mode = {"kind": kind, **OPTIONS.get(kind, {})}
        shape = None
        for slug in slugs:
            tokens, channels = (encoder.tokens(LENGTH), encoder.channels) if augmentations.encodes(mode) else SHAPE
            if networks.min_tokens(slug) > tokens:
                if augmentations.encodes(mode):
                    continue
                tokens, channels = LANGUAGE_SHAPE
            if shape != (tokens, channels):
                shape, tables = (tokens, channels), make_tables(mode, rows, tokens, channels, spec)
            reset_peak()
            run, size = start_training(slug, mode, rows, encoder, batch_size, precision, tables, seeds)
            first = seconds(run)
            peak = peak_gb()
            runs = {limit.name: limit.run for limit in limits} | {"ours": run}
            if naive_parameters:
                runs["naive"] = naive_training(slug, mode, spec, tables, batch_size, naive_parameters)
            turns = Turns(runs, repeats)
            del run, runs  # free what they hold before the next peak is measured

            head, steps, encoding = work_of(slug, mode, size, tokens, LENGTH, spec["size"], batch_size)
            done = rows * seeds  # each head draws and encodes its own batches
            flop, rate = done * (head * steps + encoding), done / turns.best("ours")
            parameters = sum(int(np.prod(shape)) for leaves in size.values() for shape in leaves.values())
            moved = steps * (done * tokens * channels * 2 + -(-done // batch_size) * ADAMW_BYTES * parameters)
            amounts = [moved if limit.name == "memory" else flop for limit in limits]
            faster = turns.ratio("naive", "ours") * done / batch_size if naive_parameters else np.nan
            print(
                f"{slug:24s}{kind:>12s}{f'{tokens} x {channels}':>10s}{rate:10,.0f}{rate * flop / done / 1e9:10,.1f}"
                + shares(limits, turns, "ours", amounts)
                + f"{peak:9.2f}{faster:9.1f}  {duration(FULL_ROWS / rate)} (extrapolated)",
                flush=True,
            )
            epoch = turns.best("ours") * FULL_ROWS / rows
            limited_by, share = binding(limits, turns, "ours", amounts, precision)
            many = f", {seeds} seeds in one program" if seeds > 1 else ""
            both = " on two strands" if steps == 2 else ""
            way = f"; the usual way with {naive_parameters / 1e6:.3g} M parameters" if naive_parameters else ""
            note(
                f"head epoch, {slug}, {kind}, {FULL_ROWS:,} rows{both}, batch {batch_size}, {precision}{many}", epoch,
                "s", epoch * faster if naive_parameters else None, epoch * share, limited_by,
                f"measured on {rows:,} rows; first epoch {first:.1f} s, with compilation; at most {peak:.1f} GB{way}",
            )  # fmt: skip


def make_tables(mode, rows, tokens, channels, spec):
    """Random embeddings of each view, on the host (at most `HOST_ROWS`) and on the device as the trainer holds them;
    labels and windows."""
    random = np.random.Generator(np.random.PCG64(0))
    count, host = len(augmentations.views(mode)), min(rows, HOST_ROWS)
    first = random.standard_normal((host, tokens, channels), np.float32).astype(ml_dtypes.bfloat16)
    codes = random.integers(0, 4, (rows if augmentations.encodes(mode) else host, LENGTH + 30), np.uint8)
    views = [np.roll(first, number, axis=0) for number in range(count)]
    table = jnp.empty((count * rows, tokens, channels), first.dtype)
    for number, view in enumerate(views):
        block = jnp.asarray(view)
        for start in range(0, rows, host):
            table = _put(table, block[: rows - start], number * rows + start)
    tables = {
        "views": views,
        "table": table,
        "labels": jnp.asarray(random.standard_normal(rows, np.float32)),
        "stretches": jnp.asarray(codes),
        "host_windows": codes[:, 15 : 15 + LENGTH],
    }
    if augmentations.encodes(mode):
        from s2f.embeddings.encoders import alphagenome

        tables["weights"] = jax.device_put(alphagenome.random_weights(spec["size"], 0))
    return tables


@partial(jax.jit, donate_argnums=0)
def _put(table, block, start):
    return jax.lax.dynamic_update_slice(table, block, (start, 0, 0))


def duration(seconds):
    """Text of a time."""
    return (
        f"{seconds:.1f} s"
        if seconds < 120
        else f"{seconds / 60:.1f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
