"""Examples: the rows of a dataset as the trainer sees them, with embeddings joined to labels by row id.

Embeddings stay in the files (memory maps) until the trainer decides: all move to the device if they fit, otherwise they
are streamed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from s2f.common.errors import InputError
from s2f.common.files import read_json
from s2f.embeddings.cache import Cache, open_cache
from s2f.embeddings.table import BLOCK_BYTES, Shards, blocks
from s2f.rows.canonical import errors_of, labels_of


@contextmanager
def open_views(paths: Sequence[str | Path], **expected: Any) -> Iterator[dict[tuple[int, str], Cache]]:
    """Open embedding caches by (shift, strand), each checked against the manifest beside it and `expected`.

    The workflow follows the manifest, so a file that has been put in place of the one it describes is refused. All
    caches must come from the same rows and number their unique sequences alike; `InputError` names what differs.
    """
    with ExitStack() as stack:
        caches: dict[tuple[int, str], Cache] = {}
        for path in paths:
            cache = stack.enter_context(open_cache(path, {**read_json(Path(path).with_suffix(".json")), **expected}))
            caches[cache.manifest["shift"], cache.manifest["strand"]] = cache
            same = ("encoder_fingerprint", "construct", "index_sha256", "sequences_sha256", "dtype")
            expected = {**expected, **{key: cache.manifest[key] for key in same}}
        if (0, "forward") not in caches or len(caches) != len(paths):
            raise InputError(f"{paths[0]}: expected one cache per shift and strand, +00.forward among them")
        yield caches


@dataclass(frozen=True)
class Examples:
    """N rows. `tables`: one array (U, T, D) per view, in memory or as a map of a file. `index`: (N,) int32 into axis 0
    of each. `labels`: float32 (N,), or (N, C) for C cells, with NaN for a missing one. `stretches`, for modes that
    encode: codes (N, S) uint8, low (N,), high (N,), see `Construct.stretches`. `errors`: standard errors of the labels,
    in the same shape, NaN if unknown."""

    tables: tuple[np.ndarray | Shards, ...]
    index: np.ndarray
    labels: np.ndarray
    stretches: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    errors: np.ndarray | None = None

    @staticmethod
    def of(
        caches: Mapping[tuple[int, str], Cache],
        views: Sequence[tuple[int, str]],
        rows: Any,
        stretches: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    ) -> "Examples":
        """The `views` (pairs of shift and strand) of rows (`row_id`, labels) in open caches; nothing is read yet.

        Raises `InputError` for a view that no cache holds and for a row that is in none.
        """
        for shift, strand in views:
            if (shift, strand) not in caches:
                raise InputError(f"the cache of shift {shift:+d}, {strand} strand, is not among those given (--caches)")
        index = caches[views[0]].indices(rows["row_id"])
        return Examples(
            tuple(caches[view].embedding for view in views), index, labels_of(rows).astype(np.float32), stretches,
            errors_of(rows),
        )  # fmt: skip

    @property
    def outputs(self) -> int:
        """Labels per row, which is also the number of outputs of a head."""
        return 1 if self.labels.ndim == 1 else self.labels.shape[1]

    @property
    def order(self) -> jax.Array:
        """The rows in the order of their embeddings in the caches, int32 (N,)."""
        return jnp.asarray(np.argsort(self.index, kind="stable"), jnp.int32)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in one view."""
        return int(np.prod(self.tables[0].shape[1:])) * self.tables[0].dtype.itemsize

    @property
    def bytes(self) -> int:
        """Bytes of all views of all unique rows."""
        return len(np.unique(self.index)) * len(self.tables) * self.row_bytes

    def on_device(self) -> tuple[jax.Array, jax.Array]:
        """One table (views * U, T, D) on the device with the used rows of all views, one view after the other, and the
        index (N,) int32 into the first view. It is moved in blocks, while threads read the next ones; the host never
        holds the whole table."""
        unique, index = np.unique(self.index, return_inverse=True)
        count, shape = len(unique), self.tables[0].shape[1:]
        table = jnp.empty((len(self.tables) * count, *shape), self.tables[0].dtype)
        step = min(count, max(1, BLOCK_BYTES // self.row_bytes))
        # blocks of one size, so that one program moves them all: the last two of a view may overlap
        places = [
            (number, min(start, count - step)) for number in range(len(self.tables)) for start in range(0, count, step)
        ]
        parts = ((self.tables[number], unique[start : start + step]) for number, start in places)
        for (number, start), block in zip(places, blocks(parts, step), strict=True):
            table = _put(table, block, number * count + start).block_until_ready()
        return table, jnp.asarray(index, jnp.int32)


def _put_block(table, block, start):
    return jax.lax.dynamic_update_slice(table, block, (start, 0, 0))


_put = jax.jit(_put_block, donate_argnums=0)
