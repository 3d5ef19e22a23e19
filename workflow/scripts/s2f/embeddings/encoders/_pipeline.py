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


# Rows of a chunk, by index, and the programs that encode them, one per requested array: functions from device codes
# (batch_size, L) and the position of the batch in the part to device results (batch_size, *shape(L)).
Part = tuple[np.ndarray, Sequence[Callable[[jax.Array, slice], jax.Array]]]


def stream(
    chunks: Iterable[tuple[np.ndarray, Sequence[Part]]],
    batch_size: int,
    shape: Callable[[int], tuple[int, ...]],
    dtype: Any,
) -> Iterator[list[np.ndarray]]:
    """Yield, for each chunk, a list with one array (n, *shape(L)) of `dtype` per program.

    `chunks`: pairs of uint8 codes (n, L) and the parts, at least one, in which the chunk is encoded. Codes are sent
    once for all programs, as codes; a short batch is filled up, so no program is compiled twice. Calls return before
    the device has done its work: results are copied back, in `dtype`, while the device computes the next batch. This
    also holds across chunks: a chunk is drawn before the last results of the previous one are awaited. Raises
    `InputError` for invalid codes.

    Memory: on the device, at most QUEUED + 1 batches of codes and results, in addition to what the programs need; on
    the host, the arrays of two chunks.
    """
    queued = QUEUED.get(jax.default_backend(), QUEUED_ELSEWHERE)
    waiting: deque[tuple[list[np.ndarray], np.ndarray, list[Any], bool]] = deque()

    def fetch() -> list[np.ndarray] | None:
        """Wait for the oldest batch; return the arrays of its chunk if it was that chunk's last batch, otherwise
        None."""
        arrays, rows, results, last = waiting.popleft()
        for array, result in zip(arrays, results, strict=True):
            array[rows] = np.asarray(result)[: len(rows)]
        return arrays if last else None

    for codes, parts in chunks:
        check_codes(codes)
        arrays = [np.empty((len(codes), *shape(codes.shape[1])), dtype) for _ in parts[0][1]]
        batches = [(part, start) for part in parts for start in range(0, len(part[0]), batch_size) or [0]]
        for number, ((rows, programs), start) in enumerate(batches, 1):
            place = slice(start, start + batch_size)
            batch = codes[rows[place]]
            filled = jax.device_put(np.pad(batch, ((0, batch_size - len(batch)), (0, 0))))
            results = [program(filled, place) for program in programs]
            for result in results:
                result.copy_to_host_async()
            waiting.append((arrays, rows[place], results, number == len(batches)))
            if len(waiting) > queued and (done := fetch()):
                yield done
    while waiting:
        if done := fetch():
            yield done
