"""Windows of the reference and the alternate allele around variants, made only of real bases.

A window has L bases in the model's orientation: the plus strand as it is, or the reverse complement for the minus
strand. The first base that changes, in that orientation, is at a given offset. Everything before it is the same in both
windows and stays in place. If the alleles differ in length, everything after the change moves: a deletion brings bases
in at the end of the window, and an insertion pushes bases out there. If the genome ends just after the window, a
deletion instead brings in bases from before it, and what comes after the change stays in place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s2f.sequences import dna
from s2f.sequences.genome import Genome
from s2f.sequences.variant_judge import Judged
from s2f.sequences.variants import texts

_ROWS = 4096  # windows made at a time, so that their positions stay in the processor's cache


@dataclass(frozen=True)
class WindowPairs:
    """Windows of N variants: codes `ref` and `alt`, (N, L).

    `reason` (N,) is `OK`, or says why there is no window: near_contig_end, n_in_window, or the reason why the variant
    is not scored; the codes are then all N. If a change is longer than the rest of the window, the window shows its
    beginning; the two windows are equal if a repeat is longer than they are.
    """

    ref: NDArray[np.uint8]
    alt: NDArray[np.uint8]
    reason: NDArray[np.object_]


def centre(length: int) -> int:
    """The default position of the first changed base: 99 in 200 bases, 25 in 51."""
    return (length - 1) // 2


def window_pairs(
    genome: Genome,
    judged: Judged,
    length: int,
    offset: int | NDArray[np.int64] | None = None,
    strand: str | NDArray[np.object_] = "+",
) -> WindowPairs:
    """Windows of `length` bases for N judged variants, in the same order.

    `offset` is the position of the first changed base in the window, from 0 (`centre` if None), and `strand` is + or -;
    both may be a single value for all or (N,). Raises `ValueError` for an offset outside the window or another strand.
    """
    count = len(judged)
    offsets = np.broadcast_to(np.asarray(centre(length) if offset is None else offset, np.int64), count)
    strands = np.broadcast_to(np.asarray(strand, object), count)
    if count and not (0 <= offsets.min() and offsets.max() < length):
        raise ValueError(f"offsets from {offsets.min()} to {offsets.max()}, expected 0 to {length - 1}")
    if not np.isin(strands, ["+", "-"]).all():
        raise ValueError(f"strands {set(strands.tolist())}, expected + or -")
    pairs = WindowPairs(
        ref=np.full((count, length), dna.N_CODE, np.uint8),
        alt=np.full((count, length), dna.N_CODE, np.uint8),
        reason=texts(judged.reason),
    )
    for begin in range(0, count, _ROWS):
        rows = np.arange(begin, min(begin + _ROWS, count))
        _fill(pairs, genome, judged, rows[judged.scored[rows]], offsets, strands == "-")
    return pairs


def _fill(
    pairs: WindowPairs,
    genome: Genome,
    judged: Judged,
    rows: NDArray[np.int64],
    offsets: NDArray[np.int64],
    minus: NDArray[np.bool_],
) -> None:
    """Make the windows for some of the rows."""
    length = pairs.ref.shape[1]
    removed, new = judged.removed, np.fromiter(map(len, judged.inserted[rows]), np.int64, len(rows))
    # the first base of the window; steps through the genome are + or - 1
    way = np.where(minus[rows], -1, 1)
    origin = np.where(
        minus[rows], judged.start[rows] + removed[rows] - 1 + offsets[rows], judged.start[rows] - offsets[rows]
    )
    more = np.maximum(removed[rows] - new, 0)  # bases brought in by a deletion
    record = _holding(genome, judged.chrom[rows], origin, origin + way * (length - 1 + more))
    before = np.zeros(len(rows), np.int64)  # how many of them come from before the window
    beyond = np.flatnonzero((record < 0) & (more > 0) & (offsets[rows] + removed[rows] <= length))
    first = origin[beyond] - way[beyond] * more[beyond]
    record[beyond] = _holding(genome, judged.chrom[rows[beyond]], first, origin[beyond] + way[beyond] * (length - 1))
    before[beyond] = more[beyond]
    held = record >= 0
    pairs.reason[rows[~held]] = "near_contig_end"
    rows, new, way, origin, record, before = (column[held] for column in (rows, new, way, origin, record, before))
    if not len(rows):
        return
    step = np.arange(length)
    ref = _read(genome, record, origin, way, step[None])
    alt = ref.copy()
    moved = np.flatnonzero(removed[rows] != new)
    if len(moved):
        behind = step >= (offsets[rows[moved]] + before[moved] + new[moved])[:, None]
        shift = (removed[rows[moved]] - new[moved])[:, None]
        places = step + shift * behind - before[moved][:, None]
        alt[moved] = _read(genome, record[moved], origin[moved], way[moved], places)
    _put(alt, judged.inserted[rows], offsets[rows] + before, new, minus[rows])
    has_n = (ref == dna.N_CODE).any(axis=1) | (alt == dna.N_CODE).any(axis=1)
    pairs.reason[rows[has_n]] = "n_in_window"
    rows, ref, alt = rows[~has_n], ref[~has_n], alt[~has_n]
    pairs.ref[rows], pairs.alt[rows] = ref, alt


def _holding(genome: Genome, chrom: np.ndarray, first: np.ndarray, last: np.ndarray) -> NDArray[np.int64]:
    """The genome record that contains each stretch between two bases, given in either order; -1 for none."""
    return genome.intervals.holding(chrom, np.minimum(first, last), np.maximum(first, last) + 1)


def _read(
    genome: Genome, record: np.ndarray, origin: np.ndarray, way: np.ndarray, step: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Codes (N, L) of the bases at distances `step` (N or 1, L) from `origin` (N,), in the model's orientation."""
    codes = genome.codes(record, origin[:, None] + way[:, None] * step)
    codes[way < 0] = dna.complement(codes[way < 0])
    return codes


def _put(
    alt: NDArray[np.uint8],
    inserted: NDArray[np.object_],
    offsets: NDArray[np.int64],
    new: NDArray[np.int64],
    minus: NDArray[np.bool_],
) -> None:
    """Write the new bases at the offsets of N windows, in the model's orientation."""
    codes = dna.encode("".join(inserted))
    begin = np.cumsum(new) - new
    within = np.arange(int(new.sum())) - np.repeat(begin, new)  # position within its insertion
    of = np.repeat(np.arange(len(new)), new)
    place = offsets[of] + np.where(minus[of], new[of] - 1 - within, within)
    seen = place < alt.shape[1]
    alt[of[seen], place[seen]] = np.where(minus[of], dna.complement(codes), codes)[seen]
