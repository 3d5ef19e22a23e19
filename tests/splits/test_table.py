"""Split tables: parts joined by row id, linked rows kept together."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.linked_rows import (
    PUBLISHED,
    examples,
    random_rows,
    rows_of,
    split_of,
    units_of,
    unlinked,
)
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.rows.canonical import read_rows, write_rows
from s2f.splits.linked_rows import loci
from s2f.splits.make import make_split
from s2f.splits.table import PARTS, check_split, parts_of

# --- parts


@examples
@given(random_rows, st.data())
def test_no_leak_passes_the_check_and_nothing_else_fails_it(rows, data):
    free = st.lists(st.sampled_from([*PARTS, "excluded"]), min_size=len(rows) - 3, max_size=len(rows) - 3)
    parts = [*PARTS, *data.draw(free)]
    label, used = loci(rows), np.array(parts) != "excluded"
    if (pd.Series(parts)[used].groupby(label[used]).nunique() > 1).any():
        with pytest.raises(InputError, match="split: linked rows lie in different parts: r"):
            check_split(rows, split_of(rows, parts))
    else:
        assert check_split(rows, split_of(rows, parts)).tolist() == parts


@examples
@given(st.permutations(range(8)))
def test_a_split_is_joined_by_row_id_and_not_by_place(order):
    rows, parts = unlinked(8), [PARTS[i % 3] for i in range(8)]
    assert check_split(rows, split_of(rows, parts).iloc[order]).tolist() == parts


@pytest.mark.parametrize(
    ("columns", "how"),
    [
        ({"sequence": ["ACGT"] * 4}, "3 repeat the sequence of another"),
        ({"group": "g"}, "0 repeat the sequence of another; 4 are of 1 group"),
        (
            {"chrom": "chr1", "start": [0, 5, 10, 15], "end": [9, 14, 19, 24]},
            "0 repeat the sequence of another; 4 have coordinates, on 1 chromosome(s), and may overlap",
        ),
    ],
)
def test_an_empty_part_is_told_with_the_rows_that_hold_together(columns, how):
    rows = unlinked(4).assign(**columns)
    with pytest.raises(InputError) as error:
        check_split(rows, split_of(rows, ["train"] * 4))
    assert str(error.value) == (
        "split: part 'val' is empty (rows per part: train 4); 4 of 4 rows are linked, and one part holds them all: "
        f"'r0', 'r1', 'r2', ...; of these {how}"
    )


@pytest.mark.parametrize("kind", [{"kind": "hashfrag", "val": 0.2, "test": 0.2}, {"kind": "kfold", "by": "homology"}])
def test_kinds_that_deal_units_tell_so_too(kind):
    rows = rows_of(["ACGTTGCAAC"] * 8)
    with pytest.raises(InputError, match=r"; 8 of 8 rows are linked, .* of these 7 repeat the sequence of another$"):
        make_split(rows, {**kind, "fold": 0}, 0, units_of(rows))


@pytest.mark.parametrize(
    "ids, parts, message",
    [
        (["r0", "r1", "r2", "r2"], ["train", "val", "test", "test"], "row 'r2' is assigned twice"),
        (["r0", "r1", "r2"], ["train", "val", "test"], "row 'r3' is in the rows or in the split, but not in both"),
        (["r0", "r1", "r2", "r9"], ["train", "val", "test", "test"], "row 'r3' is in the rows or in the split"),
        (["r0", "r1", "r2", "r3", "r4"], ["train", "val", "test", "test", "test"], "row 'r4' is in the rows or"),
        (["r0", "r1", "r2", "r3"], ["train", "train", "test", "excluded"], "part 'val' is empty .*train 2"),
        (
            ["r0", "r1", "r2", "r3"],
            ["train", "val", "test", "valid"],
            "part 'valid' is unknown; known: train, val, test",
        ),
    ],
)
def test_the_check_refuses_a_split_that_is_not_of_these_rows(ids, parts, message):
    with pytest.raises(InputError, match=message):
        check_split(unlinked(4), pd.DataFrame({"row_id": ids, "split": parts}))


@pytest.mark.parametrize("part", [None, "", "Train"])
def test_a_row_without_a_known_part_is_refused(part):
    rows = rows_of(["ACGT", "CCGA", "TTGA"])
    with pytest.raises(InputError, match="is unknown; known: train, val, test, excluded"):
        check_split(rows, pd.DataFrame({"row_id": rows["row_id"], "split": ["train", part, "test"]}))


def test_the_check_names_linked_rows_with_their_parts():
    rows = rows_of(["AACC", "ACAC", "AGAG", "GGTT"])  # the last is the first from the other strand
    with pytest.raises(InputError, match=r"linked rows lie in different parts: r0 \(train\), r3 \(test\)"):
        check_split(rows, split_of(rows, ["train", "val", "test", "test"]))


def test_parts_of_reads_a_written_split_in_any_order(tmp_path):
    rows = unlinked(6, published=["train", "val", "test", "train", "", "test"])
    write_rows(tmp_path / "rows.parquet", rows)
    write_table(tmp_path / "split.tsv", make_split(rows, PUBLISHED, 0, units_of(rows)).iloc[::-1])
    parts = parts_of(read_rows(tmp_path / "rows.parquet"), tmp_path / "split.tsv")
    assert {part: table["row_id"].tolist() for part, table in parts.items()} == {
        "train": ["r0", "r3"], "val": ["r1"], "test": ["r2", "r5"],
    }  # fmt: skip
    with pytest.raises(
        InputError, match="row 'r5' is in the rows or in the split, but not in both; make the split again"
    ):
        parts_of(rows[:5], tmp_path / "split.tsv")
