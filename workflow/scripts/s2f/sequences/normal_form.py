"""The form that `bcftools norm` gives a variant: only the bases that change, as far left as the sequence allows.

A variant is first trimmed to the bases that change, then moved left (Tan et al. 2015,
doi:10.1093/bioinformatics/btv112).
"""

import numpy as np
from numpy.typing import NDArray

from s2f.sequences import dna
from s2f.sequences.genome import Genome
from s2f.sequences.variants import letters, texts


def trimmed(ref: str, alt: str) -> tuple[int, str, str]:
    """How many bases two different alleles have in common before the change, and what is replaced by what."""
    tail, most = 0, min(len(ref), len(alt))
    while tail < most and ref[-1 - tail] == alt[-1 - tail]:
        tail += 1
    head, most = 0, most - tail
    while head < most and ref[head] == alt[head]:
        head += 1
    return head, ref[head : len(ref) - tail], alt[head : len(alt) - tail]


def kind_of(removed: int, inserted: int) -> str:
    """The name of a change that replaces `removed` bases by `inserted` bases."""
    if not inserted:
        return "deletion"
    if not removed:
        return "insertion"
    if removed != inserted:
        return "complex"
    return "SNV" if removed == 1 else "MNV"


def leftmost(
    genome: Genome, record: np.ndarray, start: np.ndarray, gone: NDArray[np.object_], new: NDArray[np.object_]
) -> tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.object_]]:
    """Move the insertions and deletions among N changes left as far as the sequence allows: start, removed, inserted.

    A change can move by one base if the base before it equals the last base that is inserted or deleted, which then
    moves to the front.
    """
    pure = np.flatnonzero([not g or not n for g, n in zip(gone, new, strict=True)])
    moving = texts([gone[row] or new[row] for row in pure])
    codes, begin = letters(moving)
    length, is_new = np.diff(begin), np.array([not gone[row] for row in pure], bool)
    first = genome.records["start"].to_numpy(np.int64)[record[pure]]
    moved = np.zeros(len(pure), np.int64)
    active = np.arange(len(pure))
    while len(active):
        place = start[pure][active] - 1 - moved[active]
        active, place = active[place >= first[active]], place[place >= first[active]]
        if not len(active):
            break
        of = record[pure][active]
        # the base that must be equal is as many bases further on: in the genome, or in what is inserted there
        last = genome.codes(of, place + np.where(moved[active] < length[active], 0, length[active]))
        own = moved[active] < length[active]
        last[own] = codes[(begin[1:][active] - 1 - moved[active])[own]]
        same = genome.codes(of, place) == last
        active = active[same]
        moved[active] += 1
    start = start.copy()
    start[pure] -= moved
    for column, chosen in ((new, is_new), (gone, ~is_new)):
        for i in np.flatnonzero(chosen & (moved > 0)):
            at = int(moved[i] % length[i])
            column[pure[i]] = moving[i][-at:] + moving[i][:-at] if at else moving[i]
    return start, gone, new


def anchored(
    genome: Genome, record: np.ndarray, start: np.ndarray, gone: NDArray[np.object_], new: NDArray[np.object_]
) -> tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.object_]]:
    """Position (from 1), REF and ALT as a VCF writes N changes: with the base before an insertion or deletion, or, at
    the beginning of the genome's record, with the base after it."""
    pos, ref, alt = start + 1, gone.copy(), new.copy()
    begin, end = (genome.records[name].to_numpy(np.int64)[record] for name in ("start", "end"))
    length = np.fromiter(map(len, gone), np.int64, len(gone))
    pure = np.array([not g or not n for g, n in zip(gone, new, strict=True)], bool)
    before = pure & (start > begin)
    behind = pure & ~before & (start + length < end)
    bases = texts([""] * len(gone))
    for rows, place in ((before, start - 1), (behind, start + length)):
        bases[rows] = list(dna.decode(genome.codes(record[rows], place[rows])))
    ref[before], alt[before] = bases[before] + ref[before], bases[before] + alt[before]
    ref[behind], alt[behind] = ref[behind] + bases[behind], alt[behind] + bases[behind]
    pos[before] -= 1
    return pos, ref, alt
