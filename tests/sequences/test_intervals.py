import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from s2f.sequences.intervals import Disjoint, Intervals, best_of_overlapping, merged

spans = st.tuples(st.sampled_from("AB"), st.sampled_from("+-"), st.integers(0, 60), st.integers(1, 15))


def frame(spans):
    table = pd.DataFrame(spans, columns=["chrom", "strand", "start", "end"])
    return table.assign(end=table["start"] + table["end"], signal=np.arange(len(table)) % 3, line=1)


def gap(one, other):
    """Bases between two intervals, -1 where they overlap, infinite on two chromosomes."""
    if one.chrom != other.chrom:
        return np.inf
    between = max(one.start, other.start) - min(one.end, other.end)
    return between if between >= 0 else -1


@given(st.lists(spans, min_size=1, max_size=8), st.lists(spans, min_size=1, max_size=8), st.integers(0, 12))
def test_near_and_holding_agree_with_looking_at_every_pair(own, asked, distance):
    own, asked = frame(own), frame([*asked, ("elsewhere", "+", 3, 4)])
    intervals = Intervals(own["chrom"], own["start"], own["end"])
    columns = (asked["chrom"], asked["start"], asked["end"])
    near = [any(gap(a, b) < distance for b in own.itertuples()) for a in asked.itertuples()]
    assert intervals.near(*columns, distance).tolist() == near
    for a, place in zip(asked.itertuples(), intervals.holding(*columns), strict=True):
        holders = [
            i for i, b in enumerate(own.itertuples()) if a.chrom == b.chrom and b.start <= a.start and a.end <= b.end
        ]
        assert place in holders if holders else place == -1


def test_an_interval_at_exactly_the_distance_is_not_near():
    peaks = Intervals(["chr1"], [100], [120])
    assert peaks.near(["chr1"] * 4, [10, 11, 130, 129], [90, 91, 140, 140], 10).tolist() == [False, True, False, True]


@given(st.lists(spans, min_size=1, max_size=12))
def test_of_overlapping_intervals_the_best_is_kept(rows):
    table = frame(rows)
    kept = best_of_overlapping(table, table["signal"])
    for i, a in enumerate(table.itertuples()):
        rivals = [
            j
            for j, b in enumerate(table.itertuples())
            if i != j and a.strand == b.strand and gap(a, b) == -1 and kept[j]
        ]
        if kept[i]:
            assert not rivals
        else:
            assert any(table["signal"][j] >= a.signal for j in rivals)


@given(st.permutations([("A", "+", 5, 4), ("A", "+", 7, 4), ("A", "+", 9, 4), ("B", "-", 5, 4)]))
def test_the_order_of_the_rows_does_not_matter(rows):
    table = frame(rows).assign(signal=1.0)
    kept = table[best_of_overlapping(table, table["signal"])]
    assert sorted(zip(kept["chrom"], kept["start"], strict=True)) == [("A", 5), ("A", 9), ("B", 5)]


def test_a_missing_priority_comes_last():
    table = frame([("A", "+", 5, 4), ("A", "+", 7, 4)])
    assert best_of_overlapping(table, np.array([np.nan, -9.0])).tolist() == [False, True]


@given(st.lists(spans, min_size=1, max_size=12))
def test_merged_runs_cover_the_same_bases_and_are_apart(rows):
    table = frame(rows)
    runs = merged(table)
    for key, part in table.groupby(["chrom", "strand"]):
        covered = {base for row in part.itertuples() for base in range(row.start, row.end)}
        own = runs[(runs["chrom"] == key[0]) & (runs["strand"] == key[1])]
        bases = [base for row in own.itertuples() for base in range(row.start, row.end)]
        assert sorted(bases) == sorted(covered)
        assert own["signal"].max() == part["signal"].max()
    assert best_of_overlapping(runs, runs["signal"]).all()


def test_strands_and_chromosomes_do_not_compete():
    free = Disjoint()
    assert free.add("A", "+", 0, 10) and free.add("A", "-", 5, 15) and free.add("B", "+", 0, 10)
    assert free.add("A", "+", 10, 20)
    assert not free.add("A", "+", 19, 30)
    assert not free.add("A", "+", 0, 1)
