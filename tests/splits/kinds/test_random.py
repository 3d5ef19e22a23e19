"""The split `random`: shares of the rows, whole loci, drawn from the seeds alone."""

from helpers.linked_rows import RANDOM, units_of, unlinked
from s2f.splits.make import make_split


def test_random_parts_have_their_share():
    rows = unlinked(1000)
    split = make_split(rows, RANDOM, 0, units_of(rows))
    assert split["split"].value_counts().to_dict() == {"train": 600, "val": 200, "test": 200}


def test_random_parts_keep_groups_whole():
    rows = unlinked(1000, group=[f"g{i // 4}" for i in range(1000)])
    split = make_split(rows, RANDOM, 0, units_of(rows))
    assert split["split"].value_counts().to_dict() == {"train": 600, "val": 200, "test": 200}
    assert split.groupby(rows["group"])["split"].nunique().eq(1).all()


def test_random_parts_are_drawn_from_both_seeds_and_nothing_else():
    rows = unlinked(200)
    first = make_split(rows, RANDOM, 1, units_of(rows))
    assert make_split(rows, RANDOM, 1, units_of(rows)).equals(first)
    assert not make_split(rows, RANDOM, 2, units_of(rows)).equals(first)
    assert not make_split(rows, {**RANDOM, "seed": 1}, 1, units_of(rows)).equals(first)
    assert make_split(rows.assign(label=1.0), RANDOM, 1, units_of(rows.assign(label=1.0))).equals(first)
