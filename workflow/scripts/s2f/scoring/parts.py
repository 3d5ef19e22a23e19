"""The unfinished result of a long job: finished blocks are kept beside it, so a killed job loses at most one block."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pandas as pd

from s2f.common.errors import InputError
from s2f.common.files import atomic, is_disk_full, lock, remove


class Parts:
    """Folder ``.{name}.parts`` beside the result `path`, under an exclusive lock; use as a context manager.

    `request` is everything that the result depends on: an earlier run with an equal request is continued, and `done` is
    how many of its blocks exist; blocks of another request are removed. Entering raises `InputError` while another
    process is writing the same result.
    """

    def __init__(self, path: str | Path, request: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.folder = self.path.with_name(f".{self.path.name}.parts")
        text = json.dumps(request, sort_keys=True)
        self.request = hashlib.sha256(text.encode()).hexdigest()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self.folder / "request", "is writing this result")
        earlier = os.pread(self._lock, 64, 0).decode("ascii", "replace")
        if earlier != self.request:
            for path in self.folder.glob("*.tsv"):
                path.unlink()
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, self.request.encode(), 0)
        self.done = 0
        while self._part(self.done).exists():
            self.done += 1
        if self.done:
            print(f"{self.path}: continuing after {self.done:,} finished blocks", file=sys.stderr, flush=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind and not self.done:
            self.discard()
        os.close(self._lock)

    def _part(self, number: int) -> Path:
        return self.folder / f"{number:06d}.tsv"

    def add(self, lines: pd.DataFrame) -> None:
        """Keep the lines of the next block."""
        try:
            with atomic(self._part(self.done)) as temporary:
                lines.to_csv(temporary, sep="\t", index=False, header=not self.done, lineterminator="\n")
        except InputError as error:
            if not is_disk_full(error.__cause__ or error):
                raise
            raise InputError(f"{error}; the blocks scored so far are kept") from error
        self.done += 1

    def tables(self) -> Iterator[Path]:
        """The files of the blocks, in order; the first begins with a header."""
        return (self._part(number) for number in range(self.done))

    def publish(self) -> None:
        """Write the result from its blocks."""
        with atomic(self.path) as temporary, temporary.open("wb") as stream:
            for part in self.tables():
                stream.write(part.read_bytes())

    def discard(self) -> None:
        """Remove the blocks, which are no longer needed."""
        remove(self.folder)
