"""A trained head and what it predicts."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from s2f.embeddings.cache import Cache
from s2f.embeddings.table import BLOCK_BYTES, Shards, blocks
from s2f.heads import networks


@dataclass(frozen=True)
class Head:
    """A trained head: the record of its checkpoint and its variables (parameters, state)."""

    record: dict[str, Any]
    variables: tuple[Any, Any]

    @staticmethod
    def template(record: dict[str, Any]) -> tuple[Any, Any]:
        """Pair (parameters, state) of trees of shaped arrays, which the variables of the record's head must match."""
        x = jax.ShapeDtypeStruct((1, record["tokens"], record["channels"]), jnp.float32)
        network = network_of(record["head"], outputs_of(record))
        return jax.eval_shape(partial(network.init, is_training=False), jax.random.key(0), x)

    @property
    def network(self) -> Any:
        """The network of the head, without dropout."""
        return network_of(self.record["head"], outputs_of(self.record))

    def predict(self, cache: Cache, row_ids: Iterable[object]) -> np.ndarray:
        """Predictions (n,) for rows of an open cache, joined by id, or (n, C) for C cells. In a classification these
        are probabilities, in float64, so that values near 1 keep their order."""
        return self.predict_from(cache.embedding, cache.indices(row_ids))

    def predict_from(self, table: np.ndarray | Shards, index: np.ndarray) -> np.ndarray:
        """The same for embeddings `index` (n,) of a table (U, T, D)."""
        out = predict(self.network, self.variables, table, index)
        if self.record["task"] != "classification":
            return out
        from scipy.special import expit  # takes a sixth of a program's start, and a regression does not need it

        return expit(out, dtype=np.float64)


@cache
def network_of(slug: str, outputs: int) -> Any:
    """The result of `networks.build` without dropout, one for all heads `slug`: a new one would be compiled again."""
    return networks.build(slug, 0.0, outputs=outputs)


def outputs_of(record: dict[str, Any]) -> int:
    """Number of outputs of the head of a record, that is, of cells that it predicts."""
    return max(1, len(record.get("cells", [])))


def predict(
    network: Any,
    variables: tuple[Any, Any],
    table: np.ndarray | Shards | jax.Array,
    index: np.ndarray,
    lanes: int | None = None,
    batch_size: int = 1024,
) -> np.ndarray:
    """The output of a head with `variables` (parameters, state), float32 (N,), dropout off, for rows `index` of `table`
    (U, T, D), which is on the device, or in files that are read in blocks; (lanes, N) for variables with that
    leading axis. A head with C outputs gives (N, C) and (lanes, N, C).
    """
    n, size = len(index), min(batch_size, max(1, len(index)))
    padded = np.pad(index, (0, -n % size)).reshape(-1, size)
    kept = (slice(None),) * (lanes is not None) + (slice(n),)
    if isinstance(table, jax.Array):
        return np.asarray(_predict(network.apply, lanes, variables, table, padded))[kept]
    step = max(1, BLOCK_BYTES // (size * int(np.prod(table.shape[1:])) * table.dtype.itemsize))
    parts = [padded[start : start + step] for start in range(0, len(padded), step)]
    out = []
    for rows, block in zip(parts, blocks(((table, rows.ravel()) for rows in parts), step * size), strict=True):
        within = np.arange(rows.size).reshape(rows.shape)
        out.append(np.asarray(_predict(network.apply, lanes, variables, jnp.asarray(block), within)))
    return np.concatenate(out, axis=len(kept) - 1)[kept]


def compile_prediction(
    network: Any, variables: Any, table: Any, rows: int, lanes: int | None = None, batch_size: int = 1024
) -> None:
    """Compile what `predict` runs for so many `rows` of a table on the device; `variables` and `table` are shapes
    (`jax.ShapeDtypeStruct`). JAX keeps the program for the call itself."""
    size = min(batch_size, max(1, rows))
    batches = jax.ShapeDtypeStruct((-(-rows // size), size), jnp.int32)
    _predict.lower(network.apply, lanes, variables, table, batches).compile()


@partial(jax.jit, static_argnums=(0, 1))
def _predict(apply, lanes, variables, table, batches):
    def of_batch(rows):
        x = table[rows].astype(jnp.float32)
        if lanes is None:
            return apply(*variables, None, x, is_training=False)[0]
        return jax.vmap(lambda pair, lane: apply(*pair, None, x, is_training=False, lane=lane)[0])(
            variables, jnp.arange(lanes)
        )

    out = jax.lax.map(of_batch, batches)
    if lanes is None:
        return out.reshape(-1, *out.shape[2:])
    return jnp.swapaxes(out, 0, 1).reshape(lanes, -1, *out.shape[3:])
