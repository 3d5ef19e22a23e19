"""One epoch of head training as compiled loops over batches, with embeddings on the device or streamed ahead of the
step.

All randomness of an epoch (order, views, dropout) is drawn from its key before the first step, as a `Plan`. So both
ways take the same steps on the same batches, and so does each of several heads that train together (lanes, by vmap).

With more than `MIXED_ROWS` rows, the order of an epoch is drawn in two stages. Blocks of `BLOCK_ROWS` rows that are
neighbours in the cache are shuffled and put into groups of equal size, as few as possible with at most `MIXED_ROWS`
rows each (16,640 rows give two equal groups, not a full one and a single block); then the rows of each group are
shuffled. An epoch that is streamed thus reads stretches of some hundred rows, from a part of the file that fits into
memory, instead of single rows from all over it. The price is some randomness: neighbours in a cache are inserts with
the same first letters, including alleles, and two rows of a block share a batch of B with a probability of about B over
the rows of a group (0.8 to 1.6 % for batches of 128) instead of B / N. Fewer rows are shuffled all at once. With 20,000
rows in families of four neighbours, three seeds reached a validation r of 0.876 when shuffled at once, 0.875 with a
tenth of the rows mixed and 0.875 with a fortieth.

Inside a compiled loop on a CPU, the gradient of XLA's convolution with respect to its weights runs at a fortieth of its
speed (351 ms for ten of width 5 and 48 channels, on 32 x 100 positions, against 9 ms one by one; forward, a loop costs
nothing). So if an encoder learns on a CPU, each step is a separate call (`stepwise`).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from s2f.embeddings.table import BLOCK_BYTES, Shards, read_ahead
from s2f.heads.augmentations.draws import Draw, cut


def _of_cells(y: jax.Array, label: jax.Array, importance: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
    """Squared errors of the labelled cells, times their importance, summed over cells, and the number of these cells:
    (B,) each, from (B, C)."""
    measured = jnp.isfinite(label)
    difference = jnp.where(measured, y - jnp.where(measured, label, 0.0), 0.0)
    return _times(importance, difference**2).sum(axis=1), measured.sum(axis=1)


def _times(importance: jax.Array | None, loss: jax.Array) -> jax.Array:
    return loss if importance is None else importance * loss


# (task, dimensions of the labels) -> function of the head's output, its labels and their importance (None: all alike),
# which gives the loss of each row and the number of labels
LOSSES: dict[tuple[str, int], Callable] = {
    ("regression", 1): lambda y, label, importance=None: (_times(importance, (y - label) ** 2), 1),
    ("regression", 2): _of_cells,
    ("classification", 1): lambda y, label, importance=None: (
        _times(importance, optax.sigmoid_binary_cross_entropy(y, label)),
        1,
    ),
}


BLOCK_ROWS, MIXED_ROWS = 256, 1 << 14


class Plan(NamedTuple):
    """An epoch of S steps over batches of B rows: `rows` int32 (S, B), indices of the examples; `weights` (S, B), 0 for
    the padding of the last batch; `draws` with leading axis S; `keys` (S,) for dropout."""

    rows: jax.Array
    weights: jax.Array
    draws: Draw
    keys: jax.Array


class Data(NamedTuple):
    """What every step reads, on the device: `labels`, and the range of shifts `low` and `high`, each (N,); unless
    streamed, `table` (V * U, T, D) of V views with `index` (N,) into the first; for modes that encode, `codes` (N,
    stretch) and `frozen`, the encoder's parameters; for modes that read caches, `order` (N,), the rows in the order of
    the cache. Labels of C cells are (N, C), NaN for a missing one. `rates` are the arguments of the learner in
    `Epochs`. `importance`, of the same shape as the labels and with mean 1, is how much each label counts (None: all
    alike). `places` int32 are those of the views that the mode draws from, among the V of the table (None: the first
    ones, in this order)."""

    labels: jax.Array
    low: jax.Array
    high: jax.Array
    table: Any = None
    index: Any = None
    codes: Any = None
    frozen: Any = None
    order: Any = None
    rates: Any = None
    importance: Any = None
    places: Any = None


class Epochs:
    """The compiled epochs of trainings.

    `learner`: function of `Data.rates`, scalars such as the step size that are arguments of the compiled program. It
    gives the network, as from `networks.build`, and the optimiser, which sees only the head's parameters: nothing of
    the encoder can receive a gradient or weight decay. `draw`: from `augmentations.build`; `views`: number of views in
    `Data.table`; `encode`: None or (frozen, codes (B, length)) -> (B, T, D); `dtype`: the stored dtype of
    embeddings, to which encoded batches are rounded too; `lanes`: number of heads that train together, a leading axis
    of state and key, or None for one head without that axis; `task` and `dimensions` of the labels: the key in
    `LOSSES`; `stepwise`: no loop over steps is compiled. The state (parameters, state of the network, optimiser state)
    is donated, that is, updated in place.
    """

    def __init__(
        self,
        learner: Callable[[Any], tuple[Any, optax.GradientTransformation]],
        draw: Callable,
        batch_size: int,
        views: int = 1,
        encode: Callable | None = None,
        length: int = 0,
        dtype: Any = None,
        lanes: int | None = None,
        task: str = "regression",
        dimensions: int = 1,
        stepwise: bool = False,
    ) -> None:
        self.learner, self.draw = learner, draw
        self.batch_size, self.views, self.lanes = batch_size, views, lanes
        self.encode, self.length, self.dtype, self.loss = encode, length, dtype, LOSSES[task, dimensions]
        self.lane = 0 if lanes is None else jnp.arange(lanes)
        self.stepwise = stepwise

        def over_lanes(function, axes):
            return function if lanes is None else jax.vmap(function, axes)

        self._plan = jax.jit(over_lanes(self._planned, (None, 0)))
        self._resident = jax.jit(over_lanes(self._all_steps, (0, None, 0, 0)), donate_argnums=0)
        self._block = jax.jit(over_lanes(self._steps, (0, None, 0, 0, 0)), donate_argnums=0)

    def compile(self, state: Any, data: Data, key: jax.Array) -> None:
        """Compile `resident` for arguments of these shapes (arrays, or `jax.ShapeDtypeStruct`). JAX keeps the program
        for the call itself, in the process and, if there is one, in its persistent cache."""
        self._resident.lower(state, data, key, self.lane).compile()

    def resident(self, state: Any, data: Data, key: jax.Array) -> tuple[Any, jax.Array]:
        """One epoch on embeddings in `data.table`, or on none if the mode encodes everything: (state, mean loss)."""
        if not self.stepwise:
            return self._resident(state, data, key, self.lane)
        plan, axis = self._plan(data, key), 0 if self.lanes is None else 1
        total = 0.0
        for step in range(plan.rows.shape[axis]):
            part = slice(step, step + 1) if axis == 0 else (slice(None), slice(step, step + 1))
            state, loss = self._block(state, data, jax.tree.map(lambda a: a[part], plan), None, self.lane)  # noqa: B023
            total = total + loss
        return state, total / len(data.labels)

    def streamed(
        self, state: Any, data: Data, key: jax.Array, tables: Sequence[np.ndarray | Shards], index: np.ndarray
    ) -> tuple[Any, jax.Array]:
        """One epoch on embeddings that stay in `tables`, one (U, T, D) per view, in memory or as a map of a file;
        `index` (N,) points into each: (state, mean loss).

        While the device computes one block of steps, a thread gathers the next; at most three blocks exist at a time.
        """
        plan = self._plan(data, key)
        rows, view = np.asarray(plan.rows), np.asarray(plan.draws.view)
        positions = np.broadcast_to(index[rows][..., None, :], view.shape)
        axis = 0 if self.lanes is None else 1
        steps = rows.shape[axis]
        step_bytes = view.size // steps * int(np.prod(tables[0].shape[1:])) * tables[0].dtype.itemsize
        size = 1 if self.stepwise else max(1, min(steps, BLOCK_BYTES // step_bytes))
        mixed = max(size, len(index) // _groups(len(index)) // self.batch_size // size * size)  # steps, whole blocks

        def block(start):
            if start % mixed == 0:
                for first in (start, start + mixed)[start > 0 :]:  # the following ones, at first these too
                    near = slice(first, first + mixed) if axis == 0 else (slice(None), slice(first, first + mixed))
                    for number, table in enumerate(tables):
                        read_ahead(table, positions[near][view[near] == number])
            part = slice(start, start + size) if axis == 0 else (slice(None), slice(start, start + size))
            x = _gather(tables, view[part], positions[part])
            return jax.tree.map(lambda array: array[part], plan), jax.device_put(x)

        total = before = 0.0
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(block, 0)
            for start in range(0, steps, size):
                now = coming.result()
                jax.block_until_ready(before)  # the block before last: otherwise blocks would queue up in device memory
                before = total
                if start + size < steps:
                    coming = ahead.submit(block, start + size)
                state, loss = self._block(state, data, *now, self.lane)
                total = total + loss
        return state, total / len(index)

    def _planned(self, data, key):
        order_key, step_key = jax.random.split(key)
        n = len(data.labels)
        steps = -(-n // self.batch_size)
        rows = jnp.pad(_shuffled(order_key, n, data.order), (0, steps * self.batch_size - n)).reshape(steps, -1)
        weights = (jnp.arange(rows.size) < n).astype(jnp.float32).reshape(rows.shape)

        def of_batch(key, rows):
            view_key, dropout_key = jax.random.split(key)
            return self.draw(view_key, data.low[rows], data.high[rows]), dropout_key

        return Plan(rows, weights, *jax.vmap(of_batch)(jax.random.split(step_key, steps), rows))

    def _all_steps(self, state, data, key, lane):
        state, loss = self._steps(state, data, self._planned(data, key), None, lane)
        return state, loss / len(data.labels)

    def _steps(self, state, data, plan, streamed, lane):
        """The steps of a plan in order; returns the state and the sum over rows of the loss."""
        learner = self.learner(data.rates)

        def batch(state, now):
            plan, x = now
            x, y = self._views(data, plan, x), data.labels[plan.rows]
            importance = None if data.importance is None else data.importance[plan.rows]

            def one(state, now):
                view, x = now
                return self._step(
                    learner, state, jax.random.fold_in(plan.keys, view), x, y, importance, plan.weights, lane
                )

            # a loop in the program, so that the step is compiled once, not once for each view
            state, losses = loop(one, state, (jnp.arange(len(x)), x))
            return state, losses.mean() * plan.weights.sum()

        loop = _unrolled if self.stepwise else jax.lax.scan
        state, losses = loop(batch, state, (plan, streamed))
        return state, losses.sum()

    def _views(self, data, plan, streamed):
        """Embeddings float32 (V, B, T, D) of one batch: gathered, given, or encoded."""
        draw, rows = plan.draws, plan.rows

        def cached():
            if streamed is not None:
                return streamed.astype(jnp.float32)
            view = draw.view if data.places is None else data.places[draw.view]
            positions = view * (len(data.table) // self.views) + data.index[rows]
            return data.table[positions].astype(jnp.float32)

        def encoded():
            assert self.encode is not None, "a mode that draws shifts encodes"
            codes = cut(data.codes[rows], data.low[rows], draw.shift, draw.reverse, self.length)
            x = self.encode(data.frozen, codes.reshape(-1, self.length))
            return x.astype(self.dtype).astype(jnp.float32).reshape(*codes.shape[:2], *x.shape[1:])

        if draw.shift is None:
            return cached()
        return encoded() if draw.encode is None else jax.lax.cond(draw.encode, encoded, cached)

    def _step(self, learner, state, key, x, y, importance, weight, lane):
        """One AdamW step on the mean loss; with cells, this is the mean over all labels of the batch."""
        network, optimiser = learner

        def loss_of(parameters, measured):
            out, measured = network.apply(parameters, measured, key, x, is_training=True, lane=lane, weight=weight)
            loss, labels = self.loss(out, y, importance)
            return jnp.sum(weight * loss) / jnp.sum(weight * labels), measured

        parameters, measured, moments = state
        (loss, measured), gradient = jax.value_and_grad(loss_of, has_aux=True)(parameters, measured)
        change, moments = optimiser.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, change), measured, moments), loss


def _unrolled(function: Callable, state: Any, over: Any) -> tuple[Any, jax.Array]:
    """As `jax.lax.scan` for a function that gives numbers, but without a loop in the program."""
    out = []
    for number in range(len(jax.tree.leaves(over)[0])):
        state, found = function(state, jax.tree.map(lambda array: array[number], over))  # noqa: B023
        out.append(found)
    return state, jnp.stack(out)


def _shuffled(key: jax.Array, count: int, order: jax.Array | None) -> jax.Array:
    """The rows of an epoch, int32 (count,), shuffled; in blocks first if they have an `order` in a file."""
    if order is None or count <= MIXED_ROWS:
        return jax.random.permutation(key, count)
    block_key, row_key = jax.random.split(key)
    blocks = -(-count // BLOCK_ROWS)
    place = jax.random.permutation(block_key, blocks)  # of each block, in sequence
    mixed_with = place[jnp.arange(count) // BLOCK_ROWS] * _groups(count) // blocks
    return order[jnp.lexsort((jax.random.bits(row_key, (count,)), mixed_with))]


def _groups(count: int) -> int:
    """Number of groups in which the blocks of `count` rows are mixed. Groups are equal to within one block; otherwise
    the last batches of an epoch would come from the few blocks that are left over."""
    return -(-count // MIXED_ROWS)


def _gather(tables: Sequence[np.ndarray | Shards], view: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Rows `positions` of the tables numbered in `view`, two arrays of one shape: (..., T, D)."""
    out = np.empty((view.size, *tables[0].shape[1:]), tables[0].dtype)
    view, flat = view.ravel(), positions.ravel()
    ascending = np.argsort(flat)
    for number, table in enumerate(tables):
        chosen = ascending[view[ascending] == number]
        out[chosen] = table[flat[chosen]]
    return out.reshape(*positions.shape, *out.shape[1:])
