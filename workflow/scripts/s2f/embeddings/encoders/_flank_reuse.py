"""Constant flanks are encoded once: all windows of a dataset share the activations that the insert cannot reach.

For encoders made of stages, each of some convolutions and a pool over pairs of positions (`_towers`).

A convolution spreads the influence of the insert by a few positions, and a pool halves its extent. So each stage of the
encoder has a middle that depends on the insert, between two sides that do not. `plan` says where; the network then
convolves only the middle, with as many shared activations beside it as its convolutions read, instead of zeros. This is
exact: every position gets the same inputs as in the whole window. With 200 + 200 + 200 bp, 51.6 % of AlphaGenome's
multiply-adds remain (the minimum is 48.6 %: here a few positions of the sides are computed again, which saves one
splice per convolution), and 46.9 % of the multiply-adds of Enformer's tower.

Only the length of the window and the position of the insert in it decide which activations are shared, never the other
windows of a chunk: in bfloat16, a window encoded with another middle is rounded differently, by up to 6 % of the effect
of a substitution. So a window has the same embedding in any chunk.

Measured for AlphaGenome at full size on two idle CPU cores, float32, batches of 32: 1.7 times as many sequences a
second as with whole windows (26.8 instead of 15.7), and 1.8 times as many up to a verified file with both strands;
outputs are equal bit by bit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s2f.sequences.dna import N_CODE

# Flanks are treated as up to GRID - 1 bp shorter, so that inserts of similar lengths share a program, which takes
# seconds to compile; but not around inserts so short that these bases would cost more than a tenth of the work.
GRID, GRID_FROM = 8, 96  # bp
STRANDS = ("forward", "reverse")


@dataclass(frozen=True)
class Plan:
    """Where the middle is.

    `crop`: (first, end) in bp of what the stem reads. `splices`: for each pooled stage, from the first on,
    (begin, first, last, end): the middle holds positions first .. last - 1 of the stage, and shared activations widen
    it to begin .. end - 1. The last splice restores the whole stage; everything after it is computed.
    """

    crop: tuple[int, int]
    splices: tuple[tuple[int, int, int, int], ...]

    def sides(self, stages: Iterable[Any]) -> list[tuple[Any, Any]]:
        """The shared activations on both sides of the middle, pairs (left, right), from whole pooled `stages` (1,
        length, C)."""
        pairs = zip(self.splices, stages, strict=False)
        return [(stage[:, begin:first], stage[:, last:end]) for (begin, first, last, end), stage in pairs]


def plan(length: int, left: int, right: int, reaches: Sequence[int]) -> Plan | None:
    """The `Plan` of a window of `length` bp whose first `left` and last `right` bp are constant; None if the flanks are
    too short to save anything. `reaches`: for each stage, how many positions its convolutions reach, one after the
    other, before its pool."""
    stem = reaches[0]
    lo, hi = _even(left - stem, length - right + stem)
    if left + right >= length or lo < stem or hi > length - stem:
        return None
    crop, splices = (lo - stem, hi + stem), []
    for stage in range(1, len(reaches) + 1):
        length, first, last = -(-length // 2), lo // 2, hi // 2
        reach = (
            reaches[stage] if stage < len(reaches) else length
        )  # no convolution after the last pool: everything is restored
        lo, hi = _even(first - reach, last + reach)
        # the zeros beside the window are not activations: a middle that comes near them is computed with the rest
        inside = lo >= reach and hi <= length - reach
        splices.append((lo - reach, first, last, hi + reach) if inside else (0, first, last, length))
        if not inside:
            break
    return Plan(crop, tuple(splices))


@dataclass(frozen=True)
class Part:
    """Windows of a chunk that are encoded with one plan per strand. `rows` (n,): their positions in the chunk; `plans`:
    {strand: Plan or None}; `templates` (k, L): windows with N as the insert; `template_of` (n,): the template of each
    window."""

    rows: np.ndarray
    plans: dict[str, Plan | None]
    templates: np.ndarray
    template_of: np.ndarray


def parts(codes: np.ndarray, inserts: np.ndarray, reaches: Sequence[int]) -> list[Part]:
    """The parts of a chunk of windows, uint8 codes (n, L), whose inserts are at `inserts` (n, 2), first .. end - 1.
    `reaches` as in `plan`.

    The plan of a window follows only from L and the position of its insert, put on a grid. Raises `ValueError` if
    windows with the same insert position have different flanks.
    """
    length = codes.shape[1]
    positions, example, position_of = np.unique(inserts, axis=0, return_index=True, return_inverse=True)
    inside = (np.arange(length) >= positions[:, :1]) & (np.arange(length) < positions[:, 1:])
    templates = np.where(inside, N_CODE, codes[example]).astype(np.uint8)
    if not ((codes == templates[position_of]) | inside[position_of]).all():
        raise ValueError("windows with the insert at the same position have different flanks")
    chosen: dict[tuple[Plan | None, Plan | None], list[int]] = {}  # plans of both strands -> which positions
    for number, (first, end) in enumerate(positions.tolist()):
        grid = GRID if end - first >= GRID_FROM else 1
        left, right = first // grid * grid, (length - end) // grid * grid
        plans = plan(length, left, right, reaches), plan(length, right, left, reaches)
        chosen.setdefault(plans, []).append(number)
    found = []
    for plans, numbers in (chosen or {(None, None): []}).items():  # a chunk without windows is one part without rows
        rows = np.flatnonzero(np.isin(position_of, numbers))
        template_of = np.searchsorted(numbers, position_of[rows])
        found.append(Part(rows, dict(zip(STRANDS, plans, strict=True)), templates[numbers], template_of))
    return found


def _even(first: int, last: int) -> tuple[int, int]:
    """The smallest range around first .. last - 1 that a pool halves without a remainder."""
    return first // 2 * 2, -(-last // 2) * 2
