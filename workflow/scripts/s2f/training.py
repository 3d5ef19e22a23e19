"""Training a head on cached embeddings: each epoch is one compiled loop on the device, early stopping on validation."""

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from s2f import augmentation as modes
from s2f import heads
from s2f.cache import open_cache
from s2f.files import InputError, read_json

# on a GPU the default would round float32 factors to TF32, and training would not be what the CPU predicts with
PRECISION = "highest"
PACKAGES = ("jax", "jaxlib", "dm-haiku", "optax", "orbax-checkpoint", "numpy")


@dataclass(frozen=True)
class TrainingSpec:
    """Settings of head training; defaults are those of the cached K562 heads of ALBench-S2F."""

    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    batch_size: int = 128
    epochs: int = 50
    patience: int = 5
    dropout: float = 0.1


@contextmanager
def open_views(paths, **expected):
    """Open embedding caches as {strand: Cache}, each checked against the manifest beside it and `expected` values.

    The manifest is what the workflow follows, so a file that was put in place of the one it describes is refused. All
    must stem from the same rows and number their unique sequences alike; `InputError` names what differs.
    """
    with ExitStack() as stack:
        caches = {}
        for path in paths:
            cache = stack.enter_context(open_cache(path, {**read_json(Path(path).with_suffix(".json")), **expected}))
            caches[cache.manifest["strand"]] = cache
            same = ("encoder_fingerprint", "construct", "index_sha256", "sequences_sha256")
            expected = {**expected, **{key: cache.manifest[key] for key in same}}
        if "forward" not in caches or len(caches) != len(paths):
            raise InputError(f"{paths[0]}: expected one cache per strand, the forward strand among them")
        yield caches


@dataclass(frozen=True)
class Examples:
    """Rows as the trainer sees them: `tables` {strand: (U, T, D)}, `index` int32 (N,) into them, `labels` (N,)."""

    tables: dict
    index: np.ndarray
    labels: np.ndarray

    @staticmethod
    def load(caches, row_ids, labels):
        """Gather the embeddings of `row_ids` from open caches {strand: Cache}, each unique sequence once."""
        unique, index = np.unique(caches["forward"].indices(row_ids), return_inverse=True)
        tables = {strand: np.asarray(cache.embedding[unique]) for strand, cache in caches.items()}
        return Examples(tables, index.astype(np.int32), np.asarray(labels, np.float32))


@dataclass
class Trained:
    """Outcome: `parameters` of the best epoch, `epoch` (from 1), its validation Pearson r, a table of all epochs."""

    parameters: dict
    epoch: int
    pearson: float
    history: pd.DataFrame = None

    @property
    def size(self):
        """Number of trained values."""
        return sum(array.size for array in jax.tree.leaves(self.parameters))


class Diverged(RuntimeError):
    """Training produced a loss or predictions from which no model may be kept."""


def train_head(slug, augmentation, train, val, spec, seed, report=print):
    """Train head `slug` on `train` (`Examples`) and keep the parameters of the best validation Pearson r.

    Per batch one AdamW step per view of the augmentation; mean squared error in float32; the order is drawn anew each
    epoch and the last, short batch is padded with weight 0. Validation uses the canonical strand, as the published
    heads did. Stops after `spec.patience` epochs without improvement. Raises `Diverged` when the loss is not finite or
    validation predictions are constant or not finite in every epoch so far at the end of patience.
    """
    report(
        f"{slug}, {augmentation}: {len(train.index):,} rows to train, {len(val.index):,} to validate, batches of "
        f"{spec.batch_size}, at most {spec.epochs} epochs, on {jax.devices()[0]}"
    )
    network = heads.build(slug, spec.dropout)
    optimiser = optax.adamw(spec.learning_rate, weight_decay=spec.weight_decay)
    key = jax.random.key(seed)
    key, start = jax.random.split(key)
    example = jnp.zeros((1, *train.tables["forward"].shape[1:]), jnp.float32)
    parameters = network.init(start, example, is_training=False)
    state = (parameters, optimiser.init(parameters))
    views = modes.build(augmentation)
    epoch = compiled_epoch(network, optimiser, views, spec.batch_size)
    device = {name: jnp.asarray(table) for name, table in train.tables.items()}
    index, labels = jnp.asarray(train.index), jnp.asarray(train.labels)
    val_table, val_index = jnp.asarray(val.tables["forward"]), jnp.asarray(val.index)
    val_labels = jnp.asarray(val.labels)

    best, history = None, []
    for number in range(1, spec.epochs + 1):
        began = time.perf_counter()
        key, this = jax.random.split(key)
        state, loss = epoch(state, device, index, labels, this)
        loss = float(loss)
        seconds = time.perf_counter() - began
        if not np.isfinite(loss):
            raise Diverged(f"epoch {number}: training loss is {loss}; lower the learning rate ({spec.learning_rate})")
        predicted = predict(network, state[0], val_table, val_index)
        r = float(_pearson(predicted, val_labels))
        history.append(
            {
                "epoch": number,
                "train_loss": loss,
                "val_pearson": r,
                "seconds": round(seconds, 4),
                "rows_per_second": round(len(train.index) / seconds, 1),
            }
        )
        report(
            f"epoch {number:3d}  train loss {loss:.4f}  validation r {r:.4f}  {len(train.index) / seconds:,.0f} rows/s"
        )
        if np.isfinite(r) and (best is None or r > best.pearson):
            best = Trained(jax.tree.map(np.array, state[0]), number, r)
        if number - (best.epoch if best else 0) >= spec.patience:
            break
    if best is None:
        raise Diverged("validation predictions are constant or not finite in every epoch: no model to keep")
    best.history = pd.DataFrame(history)
    return best


def compiled_epoch(network, optimiser, views, batch_size):
    """One epoch as a compiled function (state, tables, index, labels, key) -> (state, mean loss).

    The state (parameters, optimiser state) is donated: it is updated in place. Only the head is in it, so nothing of
    the encoder can receive a gradient or weight decay.
    """

    def loss_of(parameters, key, x, y, weight):
        with jax.default_matmul_precision(PRECISION):
            error = network.apply(parameters, key, x.astype(jnp.float32), is_training=True) - y
        return jnp.sum(weight * error**2) / jnp.sum(weight)

    def step(state, key, x, y, weight):
        parameters, moments = state
        loss, gradient = jax.value_and_grad(loss_of)(parameters, key, x, y, weight)
        change, moments = optimiser.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, change), moments), loss

    @partial(jax.jit, donate_argnums=0)
    def epoch(state, tables, index, labels, key):
        order_key, step_key = jax.random.split(key)
        n = len(index)
        steps = -(-n // batch_size)
        order = jnp.pad(jax.random.permutation(order_key, n), (0, steps * batch_size - n))
        weights = (jnp.arange(steps * batch_size) < n).astype(jnp.float32)

        def batch(state, inputs):
            rows, weight, key = inputs
            view_key, dropout_key = jax.random.split(key)
            x = views(view_key, tables, index[rows])
            losses = []
            for view in range(len(x)):
                state, loss = step(state, jax.random.fold_in(dropout_key, view), x[view], labels[rows], weight)
                losses.append(loss)
            return state, (jnp.stack(losses).mean(), weight.sum())

        batches = (order.reshape(steps, -1), weights.reshape(steps, -1), jax.random.split(step_key, steps))
        state, (losses, sizes) = jax.lax.scan(batch, state, batches)
        return state, jnp.sum(losses * sizes) / n

    return epoch


@dataclass(frozen=True)
class Head:
    """A trained head: the record of its checkpoint and its parameters."""

    record: dict
    parameters: dict

    @staticmethod
    def template(record):
        """Tree of shaped arrays that the parameters of the record's head must fill."""
        x = jax.ShapeDtypeStruct((1, record["tokens"], record["channels"]), jnp.float32)
        network = heads.build(record["head"], 0.0)
        return jax.eval_shape(partial(network.init, is_training=False), jax.random.key(0), x)

    def predict(self, cache, row_ids):
        """Predictions float32 (n,) for rows of an open cache, joined by id."""
        unique, index = np.unique(cache.indices(row_ids), return_inverse=True)
        network = heads.build(self.record["head"], 0.0)
        return np.asarray(predict(network, self.parameters, cache.embedding[unique], index))


def predict(network, parameters, table, index, batch_size=1024):
    """Predictions (N,) float32 of a head for rows `index` of `table` (U, T, D), dropout off, batch by batch."""
    n = len(index)
    size = min(batch_size, n)
    padded = jnp.pad(jnp.asarray(index), (0, -n % size)).reshape(-1, size)
    return _predict(network.apply, parameters, jnp.asarray(table), padded).reshape(-1)[:n]


@partial(jax.jit, static_argnums=0)
def _predict(apply, parameters, table, batches):
    return jax.lax.map(
        lambda rows: apply(parameters, None, table[rows].astype(jnp.float32), is_training=False), batches
    )


@jax.jit
def _pearson(x, y):
    """Pearson r of two float32 vectors on the device; NaN when one is constant up to rounding."""
    constant = (jnp.ptp(x) <= 1e-6 * jnp.abs(x).max()) | (jnp.ptp(y) <= 1e-6 * jnp.abs(y).max())
    x, y = x - x.mean(), y - y.mean()
    return jnp.where(constant, jnp.nan, jnp.sum(x * y) / jnp.sqrt(jnp.sum(x * x) * jnp.sum(y * y)))
