"""Constructs: how an insert and the plasmid around it become the fixed-length window that an encoder reads.

The compact window follows section 1.7 of the MPRA notes: a shifted window is cut again from real flank, never rolled,
and contains no N.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.sequences.flanks import FLANKS, check, left_flank

LAYOUTS = ("centered", "compact", "whole")


DEFAULTS = kinds.section_settings("sequences/constructs", {})


@dataclass(frozen=True)
class Construct:
    """A window of `length` bp that contains the whole insert between real flank.

    layout `centered`: the missing bases are divided, rounded down upstream and rounded up downstream (boda2).
    layout `compact`: as in the compact window, with at most min(200, `flank_bp`) bases per side.
    layout `whole`: both flanks in full; the insert must fill the rest exactly (lentiMPRA: 15 + 200 + 66 = 281).
    """

    length: int
    upstream: str
    downstream: str
    layout: str = DEFAULTS["layout"]
    flank_bp: int = DEFAULTS["flank_bp"]

    def __post_init__(self) -> None:
        """Refuse an unknown layout, and flanks with any letter other than A, C, G, T: an N is not real flank."""
        if self.layout not in LAYOUTS:
            raise InputError(f"construct: layout {self.layout!r} is unknown; known: {', '.join(LAYOUTS)}")
        for side in ("upstream", "downstream"):
            odd = set(getattr(self, side)) - set("ACGT")
            if odd:
                raise InputError(f"construct: {side} holds {min(odd)!r}, expected a real flank, only A, C, G and T")

    @staticmethod
    def from_spec(spec: dict[str, Any]) -> "Construct":
        """Build from a config section: `flanks` (a name in `FLANKS`) or both `upstream` and `downstream`, and `length`,
        `layout` and `flank_bp`. Raises `InputError` for flanks that are unknown, missing or given in both ways."""
        options = kinds.section_settings("sequences/constructs", spec)
        check(options, "construct")
        if "upstream" in options:
            upstream, downstream = (options[side].upper().replace("U", "T") for side in ("upstream", "downstream"))
        elif options["flanks"] in FLANKS:
            upstream, downstream = FLANKS[options["flanks"]]
        else:
            raise InputError(f"construct: flanks {options['flanks']!r} is unknown; known: {', '.join(FLANKS)}")
        return Construct(int(options["length"]), upstream, downstream, options["layout"], int(options["flank_bp"]))

    def spec(self) -> dict[str, Any]:
        """What `from_spec` turns back into an equal construct; checkpoints and caches store this."""
        return {
            "length": self.length, "upstream": self.upstream, "downstream": self.downstream,
            "layout": self.layout, "flank_bp": self.flank_bp,
        }  # fmt: skip

    def flank_lengths(self, insert_length: int, shift: int = 0) -> tuple[int, int]:
        """(left, right) flank in bp around an insert if the window is moved `shift` bp downstream.

        Raises `InputError` if the insert does not fit or a flank has too few real bases.
        """
        pad = self.length - insert_length
        if insert_length < 1:
            raise InputError("insert is empty")
        if pad < 0:
            raise InputError(f"insert of {insert_length} bp is longer than the window of {self.length} bp")
        cap_up, cap_down = len(self.upstream), len(self.downstream)
        if self.layout == "compact":
            cap_up = cap_down = min(200, self.flank_bp)
        base = left_flank(self.layout, pad, cap_up, self.flank_bp)
        if self.layout == "whole" and (shift or pad != cap_up + cap_down):
            if shift:
                raise InputError("layout 'whole' holds both flanks completely, so it cannot be shifted")
            expected = self.length - cap_up - cap_down
            raise InputError(
                f"insert has {insert_length} bp, expected {expected} bp in layout 'whole' of {self.length} bp"
            )
        left = base - shift
        right = pad - left
        cap_up, cap_down = min(cap_up, len(self.upstream)), min(cap_down, len(self.downstream))
        if not (0 <= left <= cap_up and 0 <= right <= cap_down):
            raise InputError(
                f"a {insert_length} bp insert at shift {shift:+d} in a {self.length} bp window needs "
                f"{left} + {right} bp of flank, but there are {cap_up} + {cap_down} bp"
            )
        return left, right

    def check_inserts(self, rows: Any, path: str | Path, shifts: Sequence[int] = (0,)) -> None:
        """Refuse rows (`row_id`, `sequence`) whose insert does not fit, or whose flank does not allow one of `shifts`;
        `InputError` names `path`, the first such row, the number of such rows and, if there is one, a length of the
        window that fits all rows."""
        lengths = rows["sequence"].str.len()
        for length in sorted(lengths.unique(), reverse=True):
            try:
                for shift in shifts:
                    self.flank_lengths(int(length), shift)
            except InputError as error:
                such = lengths == length
                fitting = self._fitting(lengths.unique(), shifts)
                fix, whole = f"write length: {fitting} in" if fitting else "change", self._whole(lengths, shifts)
                if len(self.upstream) > 1 and rows["sequence"][such].str.startswith(self.upstream).all():
                    fix, whole = "they begin with the upstream flank: cut the flanks off in the table, change", ""
                raise InputError(
                    f"{path}: row {rows['row_id'][such].iloc[0]!r}: {error} ({int(such.sum())} such "
                    f"row{'s' if such.sum() > 1 else ''}; {fix} the dataset's construct{whole} or remove them)"
                ) from None

    def _fitting(self, lengths: Iterable[int], shifts: Sequence[int]) -> int:
        """A length of the window in which inserts of all `lengths` fit at all `shifts`, as close as possible to this
        one; 0 if there is none."""
        shortest, longest = int(min(lengths)), int(max(lengths))
        caps, furthest = (len(self.upstream), len(self.downstream)), max(map(abs, shifts))
        if self.layout == "whole":
            candidate = longest + sum(caps)
        elif longest + 2 * furthest > self.length:
            candidate = longest + 2 * furthest
        else:
            candidate = shortest + 2 * (min(caps) - furthest)
        try:
            for shift in shifts:
                for length in (shortest, longest):
                    replace(self, length=candidate).flank_lengths(length, shift)
        except InputError:
            return 0
        return candidate

    def _whole(self, lengths: Any, shifts: Sequence[int]) -> str:
        """How to have both flanks in full, for the middle of a message; empty where layout `whole` is taken already, or
        does not fit inserts of these `lengths` (N,) or the `shifts`."""
        flanks, length = len(self.upstream) + len(self.downstream), int(lengths.iloc[0])
        if self.layout == "whole" or not flanks or (lengths != length).any() or any(shifts):
            return ""
        return f" (length: {length + flanks} and layout: whole hold both flanks in full)"

    def shift_range(self, insert_length: int) -> tuple[int, int]:
        """Smallest and largest shift that the real flank allows for an insert of this length."""
        left, right = self.flank_lengths(insert_length)
        if self.layout == "whole":
            return 0, 0
        cap = min(200, self.flank_bp) if self.layout == "compact" else self.length
        cap_up, cap_down = min(cap, len(self.upstream)), min(cap, len(self.downstream))
        return -min(cap_up - left, right), min(left, cap_down - right)

    def assemble(self, inserts: Iterable[str], shift: int = 0) -> NDArray[np.uint8]:
        """Codes (N, length) uint8 of the windows around `inserts`, texts of any mixture of lengths.

        `shift` moves the window downstream: it is cut again from the longer flank. Raises `InputError` as
        `flank_lengths` does, and for an illegal letter, naming the 0-based position of the insert.
        """
        inserts = list(inserts)  # by position: pandas would look up a filtered column by its row labels
        out = np.empty((len(inserts), self.length), np.uint8)
        upstream, downstream = dna.encode(self.upstream), dna.encode(self.downstream)
        lengths = np.fromiter(map(len, inserts), np.int64, len(inserts))
        for length in np.unique(lengths):
            positions = np.flatnonzero(lengths == length)
            try:
                left, right = self.flank_lengths(int(length), shift)
            except InputError as error:
                raise InputError(f"insert {positions[0]}: {error}") from None
            out[positions, :left] = upstream[len(upstream) - left :]
            out[positions, left : left + length] = _encode(inserts, positions)
            out[positions, left + length :] = downstream[:right]
        return out

    def places(self, inserts: Sequence[str], shift: int = 0) -> np.ndarray:
        """The first position of each of the `inserts` in its window, and the one after its last: integers (n, 2)."""
        lengths = np.fromiter(map(len, inserts), np.int64, len(inserts))
        known, which = np.unique(lengths, return_inverse=True)
        first = np.array([self.flank_lengths(int(length), shift)[0] for length in known])[which]
        return np.stack([first, first + lengths], axis=1)

    def stretches(self, inserts: Iterable[str], reach: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the windows around `inserts` cover over all shifts: codes (N, S) uint8, low and high int32 (N,).

        Shifts go from -reach to +reach bp, or as far as the real flank allows. The window at `shift` starts at position
        shift - low of the row's codes; rows with a smaller range are padded with N, which no window reaches.
        Raises `InputError` as `flank_lengths` does, naming the 0-based position of the insert.
        """
        inserts = list(inserts)
        lengths = np.fromiter(map(len, inserts), np.int64, len(inserts))
        ranges = np.empty((len(inserts), 2), np.int32)
        parts = []
        for length in np.unique(lengths):
            positions = np.flatnonzero(lengths == length)
            try:
                low, high = (-reach, reach) if reach is not None else self.shift_range(int(length))
                for shift in (low, high):
                    self.flank_lengths(int(length), shift)
            except InputError as error:
                raise InputError(f"insert {positions[0]}: {error}") from None
            ranges[positions] = low, high
            group = [inserts[i] for i in positions]
            # the last window adds high - low bases to the first; both contain the insert, so they overlap
            more = self.assemble(group, high)[:, self.length - (high - low) :]
            parts.append((positions, np.concatenate([self.assemble(group, low), more], axis=1)))
        out = np.full((len(inserts), max(part.shape[1] for _, part in parts)), dna.N_CODE, np.uint8)
        for positions, part in parts:
            out[positions, : part.shape[1]] = part
        return out, ranges[:, 0], ranges[:, 1]


def _encode(inserts: list[str], positions: np.ndarray) -> NDArray[np.uint8]:
    """Codes (P, length) of the `inserts` at `positions`, which must all have the same length."""
    try:
        return dna.encode("".join(inserts[i] for i in positions)).reshape(len(positions), -1)
    except ValueError:
        for position in positions:
            try:
                dna.encode(inserts[position])
            except ValueError as error:
                raise InputError(f"insert {position}: {error}") from None
        raise
