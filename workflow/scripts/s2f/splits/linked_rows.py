"""Rows that a split must keep together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.rows.canonical import letters_of
from s2f.sequences import dna

BLOCK = 100_000  # sequences processed together, so that the same memory is reused


def loci(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Label rows that a split must not separate: (N,), numbered by first occurrence.

    Rows are linked if they have equal sequences in either orientation, equal `pair_id` (alleles), equal `group`, or
    overlapping coordinates on one chromosome (windows and orientations of one locus).
    """
    edges = [_edges(*_recurring(rows["sequence"])), _edges(*_overlapping(rows))]
    for name in ("pair_id", "group"):
        linked = np.flatnonzero(rows[name] != "")
        edges.append(_edges(linked, pd.factorize(rows[name])[0][linked]))
    return _components(len(rows), *np.concatenate(edges, axis=1))


def joined(groupings: Sequence[np.ndarray]) -> NDArray[np.int64]:
    """Connected components of rows with equal numbers in any of the arrays, each (N,): (N,), by first occurrence."""
    rows = np.arange(len(groupings[0]))
    edges = [_edges(rows, pd.factorize(grouping)[0]) for grouping in groupings]
    return _components(len(rows), *np.concatenate(edges, axis=1))


def _edges(indices: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(2, E): each of the rows `indices` (R,) with the first one that has the same of the `keys` (R,)."""
    first = np.empty(keys.max(initial=-1) + 1, np.int64)
    first[keys[::-1]] = indices[::-1]
    return np.stack([first[keys], indices])[:, first[keys] != indices]


def _recurring(sequences: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the sequences that recur in either orientation, and a number for each such sequence.

    Nearly all occur once: a 64-bit sum over the middle, equal for both orientations, finds the few to be compared.
    """
    sums = np.empty(len(sequences), np.uint64)
    factors = np.random.Generator(np.random.PCG64(0)).integers(2**64, size=8, dtype=np.uint64) | np.uint64(1)
    for begin in range(0, len(sequences), BLOCK):
        letters, starts, lengths = letters_of(sequences.iloc[begin : begin + BLOCK])
        for length in np.unique(lengths):
            indices = np.flatnonzero(lengths == length)
            width = min(length, 64 - length % 2)
            middle = np.lib.stride_tricks.sliding_window_view(letters, width)[starts[indices] + (length - width) // 2]
            complement = np.frombuffer(middle.tobytes().translate(dna.COMPLEMENT_BYTE), np.uint8)
            strands = _words(middle) + _words(np.ascontiguousarray(complement.reshape(middle.shape)[:, ::-1]))
            sums[begin + indices] = strands @ factors[: strands.shape[1]]
    again = pd.Series(sums).duplicated(keep=False).to_numpy()
    candidates = dna.canonical_sequences(sequences[again].tolist())
    return np.flatnonzero(again), pd.factorize(np.array(candidates, object))[0]


def _words(letters: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Rows of letters (N, length) as uint64 (N, words), eight letters per word."""
    length = letters.shape[1]
    return (np.pad(letters, ((0, 0), (0, -length % 8))) if length % 8 else letters).view(np.uint64)


def _overlapping(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows with coordinates, and for each the number of its run of overlapping intervals."""
    placed = np.flatnonzero((rows["chrom"] != "") & rows["start"].notna() & rows["end"].notna())
    chrom = pd.factorize(rows["chrom"])[0][placed].astype(np.int64)
    start, end = (rows[name].to_numpy(np.int64, na_value=0)[placed] for name in ("start", "end"))
    if len(placed):  # lay the chromosomes end to end
        offset = chrom * (end.max() - start.min() + 1)
        start, end = start + offset, end + offset
    order = np.lexsort((end, start))
    reached = np.maximum.accumulate(end[order])
    run = np.concatenate([[0], np.cumsum(start[order][1:] >= reached[:-1])])[: len(placed)]
    return placed[order], run


def _components(count: int, first: np.ndarray, second: np.ndarray) -> NDArray[np.int64]:
    """Connected components of `count` nodes, (N,), numbered by first occurrence; edge i is first[i], second[i].

    Every node points to a node of its component with a number not above its own. For each edge, the greater end is made
    to point to the smaller, and then all pointers are followed to their ends, until no edge connects two different
    ends.
    """
    target = np.arange(count)
    while len(first):
        np.minimum.at(target, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(further := target[target], target):
            target = further
        first, second = target[first], target[second]
        apart = first != second
        first, second = first[apart], second[apart]
    return (np.cumsum(target == np.arange(count)) - 1)[target]
