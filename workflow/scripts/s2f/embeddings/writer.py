"""The unfinished embedding cache: written past HDF5, locked and journaled, so a killed run loses at most one chunk.

``.{name}.partial`` is an HDF5 file in which the embeddings have their space but no content yet; chunks are written
there by position. ``.{name}.journal`` holds one line of JSON per finished chunk, with its checksum, under a header line
that says what is being built. A later run with an equal header checks the listed chunks and goes on; any other run
starts anew.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from s2f.common.errors import InputError
from s2f.common.files import lock, remove
from s2f.common.hdf5 import open_hdf5
from s2f.embeddings.cache import (
    DTYPES,
    as_json,
    content_sha256,
    embedding_shape,
    map_bits,
    open_cache,
    to_attribute,
)

SPARE = 16 << 20  # bytes for HDF5's own structures, on top of row index and embeddings
LATE = ("round_trip_token_error", "round_trip_bad_share", "content_sha256")  # attributes known only at the end


class Partial:
    """The partial file of the cache `path`, under the exclusive lock of its journal. Use it as a context manager: write
    all chunks in any order, seal, publish.

    `settings`: the manifest without the keys in `LATE`. `code`: fingerprint of the encoding code, because chunks from
    two versions must not meet in one file. `done` maps chunk number -> record for the chunks that are on disk. Entering
    raises `InputError` if another process holds the lock.
    """

    def __init__(
        self,
        path: str | Path,
        settings: dict[str, Any],
        code: str,
        row_ids: np.ndarray,
        row_to_embedding: np.ndarray,
    ) -> None:
        self.path = Path(path)
        self.file = self.path.with_name(f".{self.path.name}.partial")
        self.journal = self.path.with_name(f".{self.path.name}.journal")
        self.settings, self.index = settings, (row_ids, row_to_embedding)
        self.header = {"settings_sha256": hashlib.sha256(as_json(settings).encode()).hexdigest(), "code": code}
        self.chunk_bytes = settings["chunk_rows"] * math.prod(embedding_shape(settings)[1:])
        self.chunk_bytes *= DTYPES[settings["dtype"]].itemsize

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            self.log = lock(self.journal, "is writing this cache")
            stack.callback(os.close, self.log)
            with _disk_errors(self.path):
                done = self._continue()
                if done is None:
                    self._start()
                self.done = done or {}
            self.target = os.open(self.file, os.O_RDWR)
            self.bits = map_bits(self.file, self.offset, self.settings)
            stack.callback(os.close, self.target)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def write(self, chunk: int, bits: np.ndarray, errors: list[float]) -> None:
        """Write the bits (n, T, D) of one chunk, read them back, and record it; `errors` are its two round-trip errors.
        Several threads may write at once. Raises `InputError` if the file does not return what was written."""
        unwritten, position = bits.reshape(-1).data.cast("B"), self.offset + chunk * self.chunk_bytes
        record = {"chunk": chunk, "sha256": hashlib.sha256(unwritten).hexdigest(), "errors": errors}
        with _disk_errors(self.path):
            while unwritten:  # one call writes 2 GB at most
                written = os.pwrite(self.target, unwritten, position)
                unwritten, position = unwritten[written:], position + written
            start = chunk * self.settings["chunk_rows"]
            read = hashlib.sha256(self.bits[start : start + len(bits)].data).hexdigest()
            if read != record["sha256"]:
                raise InputError(
                    f"{self.file}: chunk {chunk} does not read back as it was written; check the disk and run again"
                )
            self._note(record)
        self.done[chunk] = record

    def discard(self) -> None:
        """Remove what has been written, because no later run can use it."""
        remove(self.file)
        self.journal.unlink(missing_ok=True)

    def seal(self) -> dict[str, Any]:
        """Write checksums and the complete flag, and check all but the embeddings, each of which `write`, or the
        continuation of an earlier run, has read back; returns the manifest."""
        records = [self.done[chunk] for chunk in range(len(self.done))]
        checksums = np.array([list(bytes.fromhex(record["sha256"])) for record in records], np.uint8)
        token_error, bad_share = np.max([record["errors"] for record in records], axis=0).tolist()
        manifest = {**self.settings, "round_trip_token_error": token_error, "round_trip_bad_share": bad_share}
        manifest["content_sha256"] = content_sha256(manifest, checksums)
        with _disk_errors(self.path):
            with open_hdf5(self.file, "r+") as file:
                file["chunk_sha256"][:] = checksums
                for key in LATE:
                    file.attrs.modify(key, to_attribute(manifest[key]))
                file.attrs.modify("complete", np.uint8(1))
            os.fsync(self.target)
        open_cache(self.file, manifest).close()
        return manifest

    def publish(self) -> None:
        """Give the sealed file its final name."""
        self.file.replace(self.path)
        self.journal.unlink()

    def lacks(self) -> int:
        """Bytes that are still to be written."""
        needed = math.prod(embedding_shape(self.settings)) * DTYPES[self.settings["dtype"]].itemsize + SPARE
        return needed + sum(part.nbytes for part in self.index) - self.file.stat().st_blocks * 512

    def _continue(self) -> dict[int, dict[str, Any]] | None:
        """Records of the intact chunks of an earlier run; None if that was another run or left no file."""
        records, length = _read_journal(self.log)
        if not records or records[0] != self.header:
            return None
        try:
            self._locate()
            bits = map_bits(self.file, self.offset, self.settings)
        except (OSError, KeyError, ValueError) as error:
            print(f"{self.file}: cannot be continued, starting anew ({error})", file=sys.stderr, flush=True)
            return None
        os.ftruncate(self.log, length)
        size, done = self.settings["chunk_rows"], {}
        for record in records[1:]:
            part = bits[record["chunk"] * size :][:size]
            if hashlib.sha256(part.data).hexdigest() == record["sha256"]:
                done[record["chunk"]] = record
        print(f"{self.file}: continuing, {len(done)} chunks are done", file=sys.stderr, flush=True)
        return done

    def _start(self) -> None:
        remove(self.file)
        os.ftruncate(self.log, 0)
        self._create()
        self._locate()
        self._note(self.header)

    def _create(self) -> None:
        """An HDF5 file with everything but the embeddings, whose space is reserved, and with room for what comes
        last."""
        shape, dtype = embedding_shape(self.settings), DTYPES[self.settings["dtype"]]
        late = dict(zip(LATE, (0.0, 0.0, "0" * 64), strict=True))
        # 4096: embeddings start on a page, which aligns maps and direct reads
        with open_hdf5(self.file, "w", alignment_threshold=4096, alignment_interval=4096) as file:
            for key, value in {**self.settings, **late}.items():
                file.attrs[key] = to_attribute(value)
            file.attrs["complete"] = np.uint8(0)
            file["row_id"], file["row_to_embedding"] = self.index
            file["chunk_sha256"] = np.zeros((-(-shape[0] // self.settings["chunk_rows"]), 32), np.uint8)
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            layout.set_obj_track_times(False)  # equal content, equal bytes
            kind = h5py.h5t.py_create(np.dtype("<u2" if self.settings["dtype"] == "bfloat16" else dtype))
            h5py.h5d.create(file.id, b"embedding", kind, h5py.h5s.create_simple(shape), layout)

    def _locate(self) -> None:
        with open_hdf5(self.file) as file:
            self.offset = file["embedding"].id.get_offset()

    def _note(self, record: Mapping[str, Any]) -> None:
        os.write(self.log, as_json(record).encode() + b"\n")
        os.fsync(self.log)


def check_space(partials: Collection[Partial]) -> None:
    """Raise `InputError` if the disk has no room for what `partials`, all in one folder, still lack together; partial
    files in which nothing is done yet are removed."""
    folder = next(iter(partials)).path.parent
    needed, free = sum(partial.lacks() for partial in partials), shutil.disk_usage(folder).free
    if free < needed:
        for partial in partials:
            if not partial.done:
                partial.discard()
        caches = "cache needs" if len(partials) == 1 else "caches need"
        raise InputError(
            f"{folder}: {free / 1e9:.3f} GB are free, the {caches} {needed / 1e9:.3f} GB; free some space and run again"
        )


def _read_journal(log: int) -> tuple[list[dict[str, Any]], int]:
    """The parsed lines of a journal, up to the first one that a kill or a power cut broke, and their length in
    bytes."""
    records, length = [], 0
    with open(log, "rb", closefd=False) as stream:
        for line in stream:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
            if not line.endswith(b"\n"):
                records.pop()
                break
            length += len(line)
    return records, length


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or an exceeded quota during the work into an `InputError` that says how to go on."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(
            f"{path}: {error.strerror}; free some space and run again, the chunks written so far are kept"
        ) from None
