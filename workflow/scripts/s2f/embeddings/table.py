"""Tables of embeddings (U, T, D): an array in memory, a map of a file, or the maps of several files as one array."""

import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

DENSE = 8  # rows: gaps up to this are read through rather than jumped over
BLOCK_BYTES = 128 << 20  # of embeddings read, or moved to the device, at a time
READERS = 4  # threads that read at a time: one is slower than the copy to a GPU


class Shards:
    """Arrays (U_k, T, D) of one dtype, one after the other, as one array (U, T, D). Index it with a slice or with
    integers (n,); both copy."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = tuple(parts)
        self.starts = np.cumsum([0, *map(len, self.parts)])
        self.shape, self.dtype = (int(self.starts[-1]), *self.parts[0].shape[1:]), self.parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        return take(self, np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows))


def take(table: np.ndarray | Shards, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Rows `rows` (n,) of a table as a new array (n, T, D), or in `out`. Several threads may do this at once. Raises
    `IndexError` for a row that the table does not have."""
    if len(rows) and (rows.min() < 0 or rows.max() >= len(table)):
        raise IndexError(f"rows {rows.min()} to {rows.max()} of a table of {len(table)}")
    if out is None:
        out = np.empty((len(rows), *table.shape[1:]), table.dtype)
    if not isinstance(table, Shards):
        bits = f"u{table.dtype.itemsize}"  # integers are copied without the interpreter's lock, bfloat16 is not
        np.take(table.view(bits), rows, 0, out.view(bits), "clip")  # "clip" writes into `out` without a buffer
        return out
    shard = np.searchsorted(table.starts, rows, "right") - 1
    for number in np.unique(shard):
        own = np.flatnonzero(shard == number)
        part, places = table.parts[number], rows[own] - table.starts[number]
        if own[-1] - own[0] < len(own):  # neighbours in `out`
            take(part, places, out[own[0] : own[-1] + 1])
        else:
            out[own] = take(part, places)
    return out


def blocks(parts: Iterable[tuple[np.ndarray | Shards, np.ndarray]], size: int) -> Iterator[np.ndarray]:
    """Yield the rows of each part, a pair of a table and at most `size` rows of it, as an array (n, T, D).

    A few threads read ahead while the caller works, so that reading costs no time if the caller is slower. An array is
    overwritten once the next one has been asked for: whatever reads it must be done by then. At most `READERS` + 2
    blocks are in memory.
    """
    free: deque[np.ndarray] = deque()
    coming: deque[Future[tuple[np.ndarray, np.ndarray]]] = deque()
    unread = iter(parts)
    readers = min(READERS, len(os.sched_getaffinity(0)))

    def read(table: np.ndarray | Shards, rows: np.ndarray, buffer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return buffer, take(table, rows, buffer[: len(rows)])

    with ThreadPoolExecutor(readers) as pool:
        while True:
            while len(coming) <= readers and (part := next(unread, None)):
                table, rows = part
                buffer = free.popleft() if free else np.empty((size, *table.shape[1:]), table.dtype)
                coming.append(pool.submit(read, table, rows, buffer))
            if not coming:
                return
            buffer, block = coming.popleft().result()
            yield block
            free.append(buffer)


def read_ahead(table: np.ndarray | Shards, rows: np.ndarray) -> list[tuple[int, int]]:
    """Ask the system to read parts of a file's map before they are needed: stretches around `rows` (n,) of which at
    least an eighth is wanted, because rows read one by one would each wait for the disk. Returns the stretches, (first,
    end) in rows.

    Does nothing for a table in memory.
    """
    rows = np.unique(rows)
    if isinstance(table, Shards):
        bounds = np.searchsorted(rows, table.starts)
        return [
            (first + start, end + start)
            for part, start, own in zip(
                table.parts, table.starts[:-1].tolist(), np.split(rows, bounds[1:-1]), strict=True
            )
            for first, end in read_ahead(part, own - start)
        ]
    if not isinstance(table, np.memmap) or not len(rows):
        return []
    gap = np.flatnonzero(np.diff(rows) > DENSE)
    first, last = rows[np.concatenate([[0], gap + 1])], rows[np.concatenate([gap, [len(rows) - 1]])]
    row_bytes, file = table.strides[0], table._mmap  # type: ignore[attr-defined]  # no public way to the map
    before = table.offset % mmap.ALLOCATIONGRANULARITY  # the map starts at the page that holds the first value
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        begin = before + start * row_bytes
        aligned = begin // mmap.PAGESIZE * mmap.PAGESIZE
        file.madvise(mmap.MADV_WILLNEED, aligned, before + (end + 1) * row_bytes - aligned)
    return [(int(start), int(end) + 1) for start, end in zip(first, last, strict=True)]
