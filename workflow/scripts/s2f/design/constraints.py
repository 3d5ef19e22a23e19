"""What a designed sequence must respect: composition, runs, sites, distance to its start, no overlap with training
rows.

Runs and sites that reach into the flanks of the construct count too, because the plasmid will contain them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.iupac import IUPAC
from s2f.sequences.kmers import kmers

KMER = 31  # length of the k-mers that `avoid` compares with training rows, as in the leak audit


@dataclass(frozen=True)
class Constraints:
    """`gc`: lowest and highest share of G and C in the insert; `homopolymer`: longest run of one base; `forbidden`:
    sites in IUPAC letters; `changes`: most bases that differ from the start; `protect`: intervals (first, end) of the
    insert, in bp from 0, that stay as they are; `avoid`: training inserts with which no 31-mer may be shared, on either
    strand. A constraint that is None or empty does not apply."""

    gc: tuple[float, float] | None = None
    homopolymer: int | None = None
    forbidden: tuple[str, ...] = ()
    changes: int | None = None
    protect: tuple[tuple[int, int], ...] = ()
    avoid: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True)
class Rules:
    """`Constraints` for inserts of `length` bp in a construct; `both_strands`: sites are forbidden on both strands.

    Raises `InputError` for constraints that no sequence can keep.
    """

    constraints: Constraints
    construct: Construct
    length: int
    both_strands: bool = True

    def __post_init__(self) -> None:
        """Refuse constraints that no sequence can keep."""
        gc = self.constraints.gc
        if gc and np.floor(gc[1] * self.length + 1e-9) < np.ceil(gc[0] * self.length - 1e-9):
            raise InputError(
                f"gc {gc[0]:g} to {gc[1]:g}: no sequence of {self.length} bp has a GC content within "
                "it; give a wider range"
            )
        for first, end in self.constraints.protect:
            if end > self.length:
                raise InputError(
                    f"protect {first}-{end}: reaches beyond the insert of {self.length} bp; bases are counted from 0 "
                    "in the insert, and flanks never change"
                )
        if not self.free.any():
            raise InputError("protect: covers the whole insert, so there is nothing to design; protect fewer bases")
        for site in self.constraints.forbidden:
            if set(site.upper()) <= {"N"}:
                raise InputError(f"forbidden {site!r}: matches every sequence, so none would be allowed")

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """Which positions may change, (L,)."""
        free = np.ones(self.length, bool)
        for first, end in self.constraints.protect:
            free[first:end] = False
        return free

    @cached_property
    def _flanks(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Codes of the flanks that surround an insert of this length in its window."""
        left, _ = self.construct.flank_lengths(self.length)
        window = self.construct.assemble(["N" * self.length])[0]
        return window[:left], window[left + self.length :]

    @cached_property
    def _known(self) -> NDArray[np.uint64]:
        """Codes of the 31-mers of the training inserts, sorted."""
        found = [codes for _, codes in kmers(self.constraints.avoid, KMER)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64)

    def legal(self, codes: NDArray[np.uint8], starts: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which inserts (N, L) keep all constraints, bool (N,); `starts` (N, L) or (1, L) are their starts."""
        good = np.ones(len(codes), bool)
        for broken in self.broken(codes, starts).values():
            good &= ~broken
        return good

    def broken(self, codes: NDArray[np.uint8], starts: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
        """{constraint, in words: which inserts (N, L) break it, bool (N,)}; 31-mers, which cost most to look up, are
        only checked if nothing else is broken."""
        asked, found = self.constraints, dict[str, NDArray[np.bool_]]()
        if asked.gc:
            share = gc_content(codes)
            low, high = asked.gc
            found[f"GC content of {low:g} to {high:g}"] = (share < low - 1e-9) | (share > high + 1e-9)
        if asked.homopolymer is not None:
            found[f"no run of one base longer than {asked.homopolymer}"] = self._runs(codes, asked.homopolymer)
        for site in asked.forbidden:
            found[f"no site {site.upper()}"] = self._holds(codes, site.upper())
        if asked.changes is not None:
            found[f"at most {asked.changes} changes"] = (codes != starts).sum(axis=1) > asked.changes
        if not self.free.all():
            found["protected intervals"] = (codes != starts)[:, ~self.free].any(axis=1)
        if len(self._known):
            shared = np.zeros(len(codes), bool)
            rest = np.flatnonzero(~np.logical_or.reduce([*found.values(), shared]))
            shared[rest] = self._shares(codes[rest])
            found[f"no {KMER}-mer of a training row"] = shared
        return found

    def _in_context(self, codes: NDArray[np.uint8], bp: int) -> NDArray[np.uint8]:
        """Inserts (N, L) with up to `bp` bases of flank on both sides."""
        upstream, downstream = self._flanks
        sides = upstream[max(0, len(upstream) - bp) :], downstream[:bp]
        left, right = (np.broadcast_to(side, (len(codes), len(side))) for side in sides)
        return np.concatenate([left, codes, right], axis=1)

    def _runs(self, codes: NDArray[np.uint8], longest: int) -> NDArray[np.bool_]:
        """Which inserts have a run longer than `longest`, including runs that reach into a flank, bool (N,)."""
        around = self._in_context(codes, longest)
        same = around[:, 1:] == around[:, :-1]
        if same.shape[1] < longest:
            return np.zeros(len(codes), bool)
        total = np.concatenate([np.zeros((len(codes), 1), np.int64), same.cumsum(axis=1)], axis=1)
        return ((total[:, longest:] - total[:, :-longest]) == longest).any(axis=1)

    def _holds(self, codes: NDArray[np.uint8], site: str) -> NDArray[np.bool_]:
        """Which inserts contain a site, including sites that reach into a flank, bool (N,)."""
        around = self._in_context(codes, len(site) - 1)
        ends = around.shape[1] - len(site) + 1
        allowed = np.array([[base in IUPAC[letter] for base in dna.ALPHABET] for letter in site])
        # on the other strand the site is reversed, with A and T as well as C and G exchanged; N stays
        views = [allowed, allowed[::-1, [3, 2, 1, 0, 4]]] if self.both_strands else [allowed]
        found = np.zeros(len(codes), bool)
        for view in views:
            if ends > 0:
                found |= np.logical_and.reduce([row[around[:, k : k + ends]] for k, row in enumerate(view)]).any(axis=1)
        return found

    def _shares(self, codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which inserts share a 31-mer with a training insert, bool (N,)."""
        found = np.zeros(len(codes), bool)
        for of_row, words in kmers([dna.decode(row) for row in codes], KMER):
            place = np.searchsorted(self._known, words).clip(max=len(self._known) - 1)
            found[of_row[self._known[place] == words]] = True
        return found


def gc_content(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of G and C in inserts (N, L): (N,)."""
    return np.isin(codes, [1, 2]).mean(axis=1)


def longest_run(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Longest run of one base within inserts (N, L): (N,)."""
    longest = np.ones(len(codes), np.int64)
    run = np.ones(len(codes), np.int64)
    for k in range(1, codes.shape[1]):
        run = np.where(codes[:, k] == codes[:, k - 1], run + 1, 1)
        longest = np.maximum(longest, run)
    return longest
