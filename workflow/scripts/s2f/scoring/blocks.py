"""The input of scoring, in blocks: which lines the result will have, and which inserts the model reads for each."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from s2f.interpretation.scorer import CHUNK, Chunk, Scorer

LINES = 2048  # lines per block: the most that is lost when a job is killed


@dataclass(frozen=True)
class Windows:
    """Inserts (n, L) uint8 for `lines` (n,) of a block, in the window at one shift (bp); `role` says for which of a
    line's values."""

    role: int
    lines: np.ndarray
    inserts: np.ndarray
    shift: int = 0


@dataclass(frozen=True)
class Block:
    """Lines of a result: their first columns, and the windows whose mean each value is. `skipped` has a line, with the
    columns `reason` and `explanation`, for each item that cannot be scored."""

    lines: pd.DataFrame
    windows: Sequence[Windows]
    skipped: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["id", "reason", "explanation"]))


@dataclass(frozen=True)
class _Group:
    """Windows of one length and shift, each read once: `chunks` of the distinct windows; `of` are their numbers for all
    `windows`, one after another."""

    windows: list[Windows]
    chunks: list[Chunk]
    of: np.ndarray


def outputs(scorer: Scorer, blocks: Iterable[Block], roles: int) -> Iterator[tuple[Block, np.ndarray]]:
    """Yield each block with the outputs of its lines, float64 (S, roles, lines, C): means over the windows of a line,
    NaN if it has none.

    Equal windows of a block are read once, such as a reference that several alleles share, or an insert that occurs
    again. The next block may be drawn before this one is yielded: the model then never waits for the reader.
    """
    waiting: deque[tuple[Block, list[_Group]]] = deque()

    def chunks() -> Iterator[Chunk]:
        for block in blocks:
            groups = _groups(block)
            waiting.append((block, groups))
            for group in groups:
                yield from group.chunks

    found: list[np.ndarray] = []
    for values in scorer.outputs(chunks()):
        found.append(values)
        yield from _complete(waiting, found, roles, len(scorer.strands))
    yield from _complete(waiting, found, roles, len(scorer.strands))


def _complete(
    waiting: deque[tuple[Block, list[_Group]]], found: list[np.ndarray], roles: int, strands: int
) -> Iterator[tuple[Block, np.ndarray]]:
    """Yield the blocks at the head of the queue whose chunks are all `found`, and remove them."""
    while waiting:
        block, groups = waiting[0]
        count = sum(len(group.chunks) for group in groups)
        if len(found) < count or (not found and groups):
            return
        waiting.popleft()
        own = deque(found[:count])
        del found[:count]
        yield block, _means(block, groups, own, roles) if groups else np.zeros((strands, roles, len(block.lines), 0))


def _groups(block: Block) -> list[_Group]:
    alike: dict[tuple[int, int], list[Windows]] = {}
    for windows in block.windows:
        if len(windows.lines):
            alike.setdefault((windows.inserts.shape[1], windows.shift), []).append(windows)
    groups = []
    for (_, shift), own in sorted(alike.items(), key=lambda item: item[0]):
        inserts = np.concatenate([windows.inserts for windows in own])
        places: dict[bytes, int] = {}
        of = np.array([places.setdefault(insert.tobytes(), len(places)) for insert in inserts])
        different = inserts[np.unique(of, return_index=True)[1]]
        chunks = [Chunk(different[i : i + CHUNK], None, shift) for i in range(0, len(different), CHUNK)]
        groups.append(_Group(own, chunks, of))
    return groups


def _means(block: Block, groups: list[_Group], found: deque[np.ndarray], roles: int) -> np.ndarray:
    strands, _, outputs = found[0].shape
    total = np.zeros((strands, roles, len(block.lines), outputs))
    times = np.zeros((roles, len(block.lines)))
    for group in groups:
        values = np.concatenate([found.popleft() for _ in group.chunks], axis=1)[:, group.of]
        start = 0
        for windows in group.windows:
            own = values[:, start : start + len(windows.lines)]
            start += len(windows.lines)
            for strand in range(strands):
                np.add.at(total[strand, windows.role], windows.lines, own[strand])
            np.add.at(times[windows.role], windows.lines, 1)
    with np.errstate(invalid="ignore"):
        return total / times[..., None]
