"""Training heads on embeddings of a frozen encoder: compiled epochs, early stopping on validation, the best is kept."""

import time
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from s2f import augmentation, heads
from s2f.cache import BLOCK_BYTES
from s2f.epochs import Data, Epochs
from s2f.predictions import VALIDATION, Diverged, validation_score

PACKAGES = ("jax", "jaxlib", "dm-haiku", "optax", "orbax-checkpoint", "numpy")


@dataclass(frozen=True)
class TrainingSpec:
    """Settings of head training; defaults are those of the cached K562 heads of ALBench-S2F.

    `precision` is that of the factors of matrix products in gradient steps (see `heads.layers.matmul`); parameters,
    optimiser, sums, validation and prediction are float32 always.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    batch_size: int = 128
    epochs: int = 50
    patience: int = 5
    dropout: float = 0.1
    precision: str = "float32"


@dataclass
class Trained:
    """Outcome: `variables` (parameters, state) of the best epoch, `epoch` (from 1), its validation `score` by `metric`,
    a table of all epochs."""

    variables: tuple
    epoch: int
    metric: str
    score: float
    history: pd.DataFrame = None

    @property
    def parameters(self):
        """What was trained, {module: {leaf: array}}."""
        return self.variables[0]

    @property
    def size(self):
        """Number of trained values."""
        return sum(array.size for array in jax.tree.leaves(self.parameters))


def train_heads(
    lanes, mode, train, val, spec, encoder=None, length=0, memory=None, report=print, task="regression"
):  # fmt: skip
    """Train heads `lanes`, pairs (slug, seed) of one family, and keep each one's variables of its best validation.

    `mode`: section of the augmentation. `train` and `val` are `Examples`; `val` holds the canonical strand alone, on
    which the published heads were validated too. `encoder` and the window `length` in bp are for modes that encode.
    `memory`: bytes that embeddings may take on the device; what does not fit is streamed from the files with the same
    result. Several lanes train in one program, each on its own batches, as they would alone.

    Per batch one AdamW step per view of the mode, in a `task` regression on the mean squared error, in a classification
    (labels 0 and 1) on the mean binary cross entropy of the logit; the order is drawn anew each epoch and the last,
    short batch is padded with weight 0. A head stops after `spec.patience` epochs without a better Pearson r, or AUROC.
    Returns one `Trained` per lane. Raises `Diverged` when a loss is not finite or the validation predictions of a head
    are constant or not finite in every epoch until its patience ends, `InputError` for embeddings too short for it.
    """
    slugs, seeds = zip(*lanes, strict=True)
    heads.check_tokens(slugs[0], train.tables[0].shape[1])
    count = len(lanes) if len(lanes) > 1 else None  # one lane goes without the lane axis
    encodes, reads = augmentation.encodes(mode), mode["kind"] == "hybrid" or not augmentation.encodes(mode)
    needed = train.bytes * reads + val.bytes
    fits = memory is None or needed <= memory
    report(_plan(lanes, mode, train, val, spec, reads, f"{needed / 1e9:.3f} GB", fits))
    optimiser = optax.adamw(spec.learning_rate, weight_decay=spec.weight_decay)
    epochs = Epochs(
        heads.build(slugs, spec.dropout, spec.precision), optimiser, augmentation.build(mode), spec.batch_size,
        len(train.tables), encoder.apply if encodes else None, length, train.tables[0].dtype, count, task,
    )  # fmt: skip
    network = heads.build(slugs, 0.0)  # in float32, without dropout: what is validated and kept
    data = _on_device(train, encoder if encodes else None, fits and reads)
    val_table, val_index = val.on_device() if fits else (val.tables[0], val.index)
    example = jnp.zeros((1, *train.tables[0].shape[1:]), jnp.float32)
    fitted = heads.fit(slugs[0], train.tables, train.index)

    def start(key):
        parameters, measured = network.init(key, example, is_training=False)
        return parameters, {**measured, **fitted}, optimiser.init(parameters)

    if count is None:
        keys, split = jax.random.key(seeds[0]), jax.random.split
    else:  # (2, lanes), as one key gives (2,)
        keys, split = jnp.stack([jax.random.key(seed) for seed in seeds]), jax.vmap(jax.random.split, out_axes=1)
        start = jax.vmap(start)
    keys, this = split(keys)
    state = jax.jit(start)(this)  # one program: op by op, each of them would be compiled for itself
    runs = [_Run(slug, seed, VALIDATION[task]) for slug, seed in lanes]
    for number in range(1, spec.epochs + 1):
        began = time.perf_counter()
        keys, this = split(keys)
        if fits or not reads:
            state, losses = epochs.resident(state, data, this)
        else:
            state, losses = epochs.streamed(state, data, this, train.tables, train.index)
        losses = np.atleast_1d(np.asarray(losses, np.float64))
        seconds = time.perf_counter() - began
        predicted = np.atleast_2d(predict(network, state[:2], val_table, val_index, count))
        for lane, run in enumerate(runs):
            if run.ended:
                continue
            own = state[:2] if count is None else jax.tree.map(lambda array: array[lane], state[:2])  # noqa: B023
            score = validation_score(task, val.labels, predicted[lane])
            run.add(number, losses[lane], score, own, spec, len(train.index), seconds)
            report(run.line() if count is None else f"{run.name}  {run.line()}")
        if all(run.ended for run in runs):
            break
    return [run.result() for run in runs]


def _plan(lanes, mode, train, val, spec, reads, needed, fits):
    """What is going to happen, in a line."""
    names = ", ".join(f"{slug} (seed {seed})" for slug, seed in lanes)
    place = "on the device" if fits else "streamed from the caches"
    return (
        f"{names}, {mode}: {len(train.index):,} rows to train, {len(val.index):,} to validate, batches of "
        f"{spec.batch_size}, at most {spec.epochs} epochs, {spec.precision}, on {jax.devices()[0]}; "
        f"{'' if reads else 'encoder in every step, '}{needed} of embeddings {place}"
    )


class _Run:
    """One lane in training: its history so far, its best epoch, and whether its patience has ended."""

    def __init__(self, slug, seed, metric):
        self.name, self.metric, self.history, self.best, self.ended = f"{slug}, seed {seed}", metric, [], None, False

    def add(self, number, loss, score, variables, spec, rows, seconds):
        """Take in one epoch; raises `Diverged` where its loss is not finite."""
        if not np.isfinite(loss):
            raise Diverged(
                f"{self.name}, epoch {number}: training loss is {loss}; lower the learning rate "
                f"({spec.learning_rate}); heads in the same job are lost too, train_together: false would keep them"
            )
        speed = {"seconds": round(seconds, 4), "rows_per_second": round(rows / seconds, 1)}
        shown = np.nan if score is None else score
        self.history.append({"epoch": number, "train_loss": loss, f"val_{self.metric}": shown, **speed})
        if score is not None and (self.best is None or score > self.best.score):
            self.best = Trained(jax.tree.map(np.array, variables), number, self.metric, score)
        self.ended = number - (self.best.epoch if self.best else 0) >= spec.patience

    def line(self):
        """The last epoch, for the log."""
        last = self.history[-1]
        return (
            f"epoch {last['epoch']:3d}  train loss {last['train_loss']:.4f}  validation {self.metric} "
            f"{last[f'val_{self.metric}']:.4f}  {last['rows_per_second']:,.0f} rows/s"
        )

    def result(self):
        """The best epoch with the history; raises `Diverged` where there is none."""
        if self.best is None:
            raise Diverged(f"{self.name}: validation predictions are constant or not finite in every epoch: no model")
        self.best.history = pd.DataFrame(self.history)
        return self.best


def _on_device(examples, encoder, cached):
    """`Data` of examples: with their embeddings if `cached`, with stretches and parameters if an `encoder` runs."""
    n = len(examples.index)
    table, index = examples.on_device() if cached else (None, None)
    codes, low, high = examples.stretches or (None, np.zeros(n, np.int32), np.zeros(n, np.int32))
    data = Data(*(jnp.asarray(array) for array in (examples.labels, low, high)), table, index)
    return data if encoder is None else data._replace(codes=jnp.asarray(codes), frozen=encoder.parameters)


@dataclass(frozen=True)
class Head:
    """A trained head: the record of its checkpoint and its variables (parameters, state)."""

    record: dict
    variables: tuple

    @staticmethod
    def template(record):
        """Pair (parameters, state) of trees of shaped arrays that the variables of the record's head must fill."""
        x = jax.ShapeDtypeStruct((1, record["tokens"], record["channels"]), jnp.float32)
        network = heads.build(record["head"], 0.0)
        return jax.eval_shape(partial(network.init, is_training=False), jax.random.key(0), x)

    @cached_property
    def network(self):
        """What `heads.build` gives; kept, as another one would be compiled again."""
        return heads.build(self.record["head"], 0.0)

    def predict(self, cache, row_ids):
        """Predictions (n,) for rows of an open cache, joined by id: probabilities, in float64, so that those near 1
        keep their order, in a classification."""
        out = predict(self.network, self.variables, cache.embedding, cache.indices(row_ids))
        if self.record.get("task") != "classification":  # a checkpoint without a task is from before there were two
            return out
        from scipy.special import expit  # a sixth of the start of a program, which a regression does not need

        return expit(out, dtype=np.float64)


def predict(network, variables, table, index, lanes=None, batch_size=1024):
    """What a head with `variables` (parameters, state) gives, float32 (N,), dropout off, for rows `index` of `table`
    (U, T, D), on the device or a map of a file that is read in blocks; (lanes, N) for variables with that leading axis.
    """
    n, size = len(index), min(batch_size, max(1, len(index)))
    padded = np.pad(index, (0, -n % size)).reshape(-1, size)
    if isinstance(table, jax.Array):
        return np.asarray(_predict(network.apply, lanes, variables, table, padded))[..., :n]
    step = max(1, BLOCK_BYTES // (size * int(np.prod(table.shape[1:])) * table.dtype.itemsize))
    out = []
    for start in range(0, len(padded), step):
        rows = padded[start : start + step]
        block = jnp.asarray(table[rows.ravel()])
        out.append(_predict(network.apply, lanes, variables, block, np.arange(rows.size).reshape(rows.shape)))
    return np.concatenate(out, axis=-1)[..., :n]


@partial(jax.jit, static_argnums=(0, 1))
def _predict(apply, lanes, variables, table, batches):
    def of_batch(rows):
        x = table[rows].astype(jnp.float32)
        if lanes is None:
            return apply(*variables, None, x, is_training=False)[0]
        return jax.vmap(lambda own, lane: apply(*own, None, x, is_training=False, lane=lane)[0])(
            variables, jnp.arange(lanes)
        )

    out = jax.lax.map(of_batch, batches)
    return out.reshape(-1) if lanes is None else jnp.swapaxes(out, 0, 1).reshape(lanes, -1)
