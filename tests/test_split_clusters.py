"""Split tables carry clusters, which panels take from there: what such a table must not get away with."""

import os
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from test_splits import CHROMOSOMES, PUBLISHED, examples, random_rows, rows_of, unlinked

from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import write_rows
from s2f.splits.linked_rows import clusters
from s2f.splits.make import make_split
from s2f.splits.table import check_split, parts_and_clusters


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
