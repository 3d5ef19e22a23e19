"""Intervals on chromosomes, 0-based and half-open: which contain, overlap or lie near others."""

import bisect

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

LONGEST = 2**38  # bases: longer than any chromosome
_CHROMOSOME = 4 * LONGEST  # chromosomes are laid end to end on one axis, at distances greater than any length


class Intervals:
    """A set of intervals to be queried: N intervals given as `chrom` (text), `start` and `end` (integers).

    They may overlap. All queries are answered together, in O(N log N) steps.
    """

    def __init__(self, chrom: ArrayLike, start: ArrayLike, end: ArrayLike) -> None:
        self.names = pd.Index(pd.unique(pd.Series(chrom, dtype=object)))
        start, end = self._placed(chrom, start), self._placed(chrom, end)
        self.order = np.lexsort((end, start))
        self.starts, self.ends = start[self.order], end[self.order]
        self.reach = np.maximum.accumulate(self.ends)
        # among the intervals up to here, the one that ends last
        self.farthest = np.maximum.accumulate(np.where(self.ends == self.reach, np.arange(len(self.ends)), 0))

    def _placed(self, chrom: ArrayLike, position: ArrayLike) -> NDArray[np.int64]:
        """Positions (N,) on the common axis of all chromosomes; those on an unknown chromosome come first."""
        return self.names.get_indexer(chrom).astype(np.int64) * _CHROMOSOME + np.asarray(position, np.int64)

    def near(self, chrom: ArrayLike, start: ArrayLike, end: ArrayLike, distance: int = 0) -> NDArray[np.bool_]:
        """Whether each query interval overlaps one of the set, or is fewer than `distance` bases away from one."""
        started = np.searchsorted(self.starts, self._placed(chrom, end) + distance, "left")
        reached = np.concatenate([[-(2**62)], self.reach])[started]
        return reached > self._placed(chrom, start) - distance

    def holding(self, chrom: ArrayLike, start: ArrayLike, end: ArrayLike) -> NDArray[np.int64]:
        """Index (in the given order) of an interval in the set that contains the query interval, or -1: (N,)."""
        last = np.searchsorted(self.starts, self._placed(chrom, start), "right") - 1
        candidate = self.farthest[np.maximum(last, 0)]
        held = (last >= 0) & (self.ends[candidate] >= self._placed(chrom, end))
        return np.where(held, self.order[candidate], -1)


class Disjoint:
    """Intervals on strands, none of which may overlap another: `add` accepts an interval if its place is free."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, str], tuple[list[int], list[int]]] = {}

    def add(self, chrom: str, strand: str, start: int, end: int) -> bool:
        """Accept the interval and return True, or return False if it overlaps one accepted earlier."""
        starts, ends = self.taken.setdefault((chrom, strand), ([], []))
        index = bisect.bisect_left(starts, end)  # those before it start before `end`; the last of them ends last
        if index and ends[index - 1] > start:
            return False
        starts.insert(index, start)
        ends.insert(index, end)
        return True


def best_of_overlapping(table: pd.DataFrame, priority: ArrayLike) -> NDArray[np.bool_]:
    """A mask (N,) of rows (chrom, strand, start, end), chosen greedily so that no two on one strand overlap.

    Rows with higher `priority` ((N,), NaN last) come first; ties are broken by coordinates.
    """
    columns = [table[name].to_numpy() for name in ("chrom", "strand", "start", "end")]
    order = np.lexsort((columns[1].astype(str), columns[3], columns[2], columns[0].astype(str), -np.asarray(priority)))
    free, kept = Disjoint(), np.zeros(len(table), bool)
    for i in order:
        kept[i] = free.add(*(column[i] for column in columns))
    return kept


def merged(table: pd.DataFrame) -> pd.DataFrame:
    """Runs of overlapping rows (chrom, strand, start, end) on one strand, merged: a frame with the same columns and
    `signal`, the highest in the run."""
    table = table.sort_values(["chrom", "strand", "start", "end"])
    reach = table.groupby(["chrom", "strand"])["end"].cummax()
    before = reach.groupby([table["chrom"], table["strand"]]).shift(fill_value=-1)
    run = (table["start"] >= before).cumsum()
    return table.groupby(run.to_numpy(), as_index=False).agg(
        {"chrom": "first", "strand": "first", "start": "min", "end": "max", "signal": "max", "line": "min"}
    )
