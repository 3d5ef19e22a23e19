"""Split tables: parts joined by row id, linked rows kept together, and clusters, which panels take from there."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.linked_rows import (
    CHROMOSOMES,
    PUBLISHED,
    examples,
    random_rows,
    rows_of,
    split_of,
    unlinked,
)
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import read_rows, write_rows
from s2f.splits.linked_rows import clusters
from s2f.splits.make import make_split
from s2f.splits.table import PARTS, check_split, parts_and_clusters, parts_of

# --- parts


@examples
@given(random_rows, st.data())
def test_no_leak_passes_the_check_and_nothing_else_fails_it(rows, data):
    free = st.lists(st.sampled_from([*PARTS, "excluded"]), min_size=len(rows) - 3, max_size=len(rows) - 3)
    parts = [*PARTS, *data.draw(free)]
    label, used = clusters(rows), np.array(parts) != "excluded"
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
    write_table(tmp_path / "split.tsv", make_split(rows, PUBLISHED, 0).iloc[::-1])
    parts = parts_of(read_rows(tmp_path / "rows.parquet"), tmp_path / "split.tsv")
    assert {part: table["row_id"].tolist() for part, table in parts.items()} == {
        "train": ["r0", "r3"], "val": ["r1"], "test": ["r2", "r5"],
    }  # fmt: skip
    with pytest.raises(
        InputError, match="row 'r5' is in the rows or in the split, but not in both; make the split again"
    ):
        parts_of(rows[:5], tmp_path / "split.tsv")


# --- clusters


@examples
@given(random_rows)
def test_the_clusters_of_a_made_split_are_those_of_the_rows(rows):
    for spec in (CHROMOSOMES, PUBLISHED):
        split = make_split(rows, spec, 0)
        for table in (split, split.astype("str"), split.iloc[::-1], split[["row_id", "split"]]):
            parts, label = parts_and_clusters(rows, table)
            assert parts.tolist() == check_split(rows, split).tolist() and label.tolist() == clusters(rows).tolist()


@pytest.fixture
def rows():
    """r2 and r3 are two orientations, r4 and r5 are linked through r6 alone (which is excluded), r7 by nothing."""
    return rows_of(
        ["ACACACAC", "ACACACCA", "AACCAACC", "GGTTGGTT", "ACACCACA", "ACCACACA", "CACACACA", "CCACACAA"],
        published=["train", "val", "test", "test", "test", "test", "train", "test"],
        group=["", "", "", "", "one", "", "one", ""],
        pair_id=["", "", "", "", "", "p", "p", ""],
    )


def test_rows_that_only_an_excluded_row_joins_are_one_cluster(rows):
    split = make_split(rows, PUBLISHED, 0)
    assert split["split"].tolist() == ["train", "val", "test", "test", "test", "test", "excluded", "test"]
    assert split["cluster"].tolist() == [0, 1, 2, 2, 3, 3, 3, 4]
    assert parts_and_clusters(rows, split)[1].tolist() == split["cluster"].tolist()


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (3, "split", "train", r"linked rows lie in different parts: r2 \(test\), r3 \(train\)"),
        (3, "cluster", 5, "test row 'r3' has another cluster than its links give; make the split again"),
        (7, "cluster", 2, "test row 'r2' has another cluster than its links give"),  # joined by nothing
        (7, "cluster", 0, r"linked rows lie in different parts: r0 \(train\), r7 \(test\)"),
        (7, "cluster", 9, "clusters are 0 to 9, expected numbers from 0 to 7"),
        (7, "cluster", -1, "clusters are -1 to 3, expected"),
        (7, "cluster", "c4", "a cell of column cluster is no whole number"),
        (7, "row_id", "r8", "row 'r7' is in the rows or in the split, but not in both"),
        (1, "split", "train", "part 'val' is empty"),
    ],
)
def test_an_edited_table_is_refused(rows, row, column, value, message):
    split = make_split(rows, PUBLISHED, 0).astype(object)
    split.loc[row, column] = value
    with pytest.raises(InputError, match=message):
        parts_and_clusters(rows, split)


def test_a_table_of_another_version_of_the_rows_is_refused(rows):
    split = make_split(rows, PUBLISHED, 0)
    other = rows.assign(group=rows["group"].mask(rows["row_id"].isin(["r2", "r7"]), "new"))
    with pytest.raises(InputError, match="test row 'r7' has another cluster than its links give"):
        parts_and_clusters(other, split)


def test_the_programs_hand_clusters_on(root, tmp_path):
    rows = unlinked(
        40, chrom=["chr1", "chr2", "chr3", "chr3"] * 10, group=[f"g{i // 4}{i % 4 // 2}" for i in range(40)]
    )
    rows = rows.assign(group=rows["group"].mask(rows["chrom"] != "chr3", ""))
    write_rows(tmp_path / "rows.parquet", rows)
    write_table(tmp_path / "split.tsv", make_split(rows, CHROMOSOMES, 0))

    def run():
        files = ["--rows", "rows.parquet", "--split", "split.tsv", "--out", "panel.tsv"]
        command = [sys.executable, "-m", "make_panel", *files, "--name", "id", "--spec", '{"kind": "rows"}']
        environment = dict(os.environ, PYTHONPATH=str(root / "workflow" / "scripts"))
        return subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)

    assert run().returncode == 0
    panel = read_table(tmp_path / "panel.tsv", ["row_id", "group"]).set_index("row_id")["group"]
    label = pd.Series(clusters(rows), rows["row_id"])[panel.index]
    assert panel.tolist() == [f"c{number}" for number in label] and panel.nunique() == 10
    split = read_table(tmp_path / "split.tsv")
    write_table(tmp_path / "split.tsv", split.assign(cluster=split["cluster"].where(split["row_id"] != "r3", "0")))
    done = run()
    assert (
        done.returncode == 1
        and "error: split: linked rows lie in different parts: r0 (train), r3 (test)" in done.stderr
    )
