"""Feeding a device: batches of one shape, sent once, with the next ones queued while results come back."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from s2f.embeddings.encoders import check_codes

# Batches on the device at a time: one computes, one waits, one is copied back. A CPU would compute them side by side,
# each with its own activations, and be no faster.
QUEUED = {"cpu": 1}
QUEUED_ELSEWHERE = 2


def stream(
    chunks: Iterable[tuple[np.ndarray, Sequence[Callable]]],
    batch_size: int,
    shape: Callable[[int], tuple[int, ...]],
    dtype: Any,
) -> Iterator[list[np.ndarray]]:
    """Yield, for each chunk, a list with one array (n, *shape(L)) of `dtype` per program.

    `chunks`: pairs of uint8 codes (n, L) and programs, functions from device codes (batch_size, L) to device results
    (batch_size, *shape(L)). Codes are sent once for all programs, as codes; a short batch is filled up, so that no
    program is compiled twice. Calls return before the device has done its work: results are copied back, in `dtype`,
    while it does the next batch, also across chunks: a chunk is drawn before the last results of the one before are
    awaited. Raises `InputError` for codes that are none.

    Memory: on the device QUEUED + 1 batches of codes and results at most, beside what the programs need; on the host
    the arrays of two chunks.
    """
    queued = QUEUED.get(jax.default_backend(), QUEUED_ELSEWHERE)
    waiting: deque[tuple[list[np.ndarray], int, list[Any]]] = deque()

    def fetch() -> list[np.ndarray] | None:
        """Wait for the oldest batch; the arrays of its chunk if it was the last of them, else None."""
        arrays, start, results = waiting.popleft()
        for array, result in zip(arrays, results, strict=True):
            rows = array[start : start + batch_size]
            rows[:] = np.asarray(result)[: len(rows)]
        return arrays if start + batch_size >= len(arrays[0]) else None

    for codes, programs in chunks:
        check_codes(codes)
        arrays = [np.empty((len(codes), *shape(codes.shape[1])), dtype) for _ in programs]
        for start in range(0, len(codes), batch_size) or [0]:
            batch = codes[start : start + batch_size]
            filled = jax.device_put(np.pad(batch, ((0, batch_size - len(batch)), (0, 0))))
            results = [program(filled) for program in programs]
            for result in results:
                result.copy_to_host_async()
            waiting.append((arrays, start, results))
            if len(waiting) > queued and (done := fetch()):
                yield done
    while waiting:
        if done := fetch():
            yield done
