"""Units: loci and homologs joined, the table read back as it was made, and what is no table of these rows refused."""

import json

import numpy as np
import pandas as pd
import pytest

import make_panel
import make_split
import make_units
from helpers.linked_rows import CHROMOSOMES, PUBLISHED, rows_of, unlinked
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import write_rows
from s2f.sequences import dna
from s2f.splits import audit, make, panels, units, units_table
from s2f.splits.homology.groups import homologous_groups
from s2f.splits.linked_rows import loci

RANDOM = np.random.Generator(np.random.PCG64(2))
A, B, C, D = ("".join(RANDOM.choice(list("ACGT"), 200)) for _ in range(4))


def chained():
    """r0 and r1 are homologous, r1 and r2 of one locus, r3 and r4 homologous on the other strand, r5 alone."""
    turned = dna.reverse_complement_text(D[40:] + B[:40])
    return rows_of([A, B[:60] + A[60:], C, D, turned, "ACGT" * 30 + B[70:150]], group=["", "g", "g", "", "", ""])


def test_units_join_loci_and_homologs():
    table = units.make_units(chained(), 0.3)
    assert list(table) == ["row_id", "locus", "homology", "unit", "threshold"]
    assert table["locus"].tolist() == [0, 1, 1, 2, 3, 4]
    assert table["homology"].tolist() == [0, 0, 1, 2, 2, 3]
    assert table["unit"].tolist() == [0, 0, 0, 1, 1, 2]
    assert table["threshold"].tolist() == [60] * 6
    assert units.make_units(chained(), 0.75)["homology"].tolist() == [0, 1, 2, 3, 3, 4]  # 140 letters of 200 are alike
    assert units.make_units(chained(), 0.85)["homology"].tolist() == list(range(6))


def test_identity_1_takes_equal_inserts_alone_in_units_searches_and_audits():
    rows = rows_of([A, A[:199], dna.reverse_complement_text(A), "ACGTAC", "GTACGT", B, C])
    table = units.make_units(rows, 1)
    assert table["homology"].tolist() == table["unit"].tolist() == [0, 1, 0, 2, 2, 3, 4]
    assert table["threshold"].tolist() == [201, 200, 201, 7, 7, 201, 201]
    sequences, needed = rows["sequence"].tolist(), table["threshold"].to_numpy()
    assert homologous_groups(sequences, needed, threads=1).tolist() == table["homology"].tolist()
    split = pd.DataFrame({"row_id": rows["row_id"], "split": ["train", "test", "train", *["val"] * 4]})
    found = audit.audit(rows, split, table, report=lambda text: None).set_index("row_id")
    assert found["best_score"].iloc[0] == 199 and not found["homologous"].any()
    assert units.summary(rows, table).startswith("identity 1: only equal inserts are homologous\nlocus: 5 of 7 rows")


def test_short_inserts_are_homologous_to_what_holds_them():
    rows = rows_of([A, A[70:121], B[20:71], D])
    table = units.make_units(rows, 0.3)
    assert table["homology"].tolist() == [0, 0, 1, 2]
    assert table["threshold"].iloc[1] < 51 < table["threshold"].iloc[0]


def test_a_table_comes_back_in_the_order_of_the_rows(tmp_path):
    rows = chained()
    table = units.make_units(rows, 0.3)
    write_table(tmp_path / "units.tsv", table.iloc[::-1])
    assert units_table.read_units(tmp_path / "units.tsv", rows).astype("str").equals(table.astype("str"))


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (0, "unit", 2, "row 'r1' has a unit that differs from other rows of its homology; make the units again"),
        (2, "unit", 2, "row 'r2' has a unit that differs from other rows of its locus"),
        (5, "unit", 6, "unit is 0 to 6, expected 0 to 5"),
        (5, "locus", -1, "locus is -1 to 3, expected"),
        (5, "homology", "h", "a cell of column homology is not a whole number"),
        (5, "row_id", "r8", "units: row 'r5' is in the rows or in the units, but not in both; make the units again"),
    ],
)
def test_an_edited_table_is_refused(row, column, value, message):
    table = units.make_units(chained(), 0.3).astype(object)
    table.loc[row, column] = value
    with pytest.raises(InputError, match=message):
        units_table.checked(chained(), table)


# --- what panels check


@pytest.fixture
def rows():
    """r2 and r3 are two orientations, r4 and r5 are linked through r6 alone (which is excluded), r7 by nothing."""
    return rows_of(
        ["ACACACAC", "ACACACCA", "AACCAACC", "GGTTGGTT", "ACACCACA", "ACCACACA", "CACACACA", "CCACACAA"],
        published=["train", "val", "test", "test", "test", "test", "train", "test"],
        group=["", "", "", "", "one", "", "one", ""],
        pair_id=["", "", "", "", "", "p", "p", ""],
    )


def panel_of(rows, split, table):
    return panels.make_panel(rows, split, {"kind": "rows"}, "id", units_table.checked(rows, table))


def test_rows_that_only_an_excluded_row_joins_are_one_unit(rows):
    table = units.make_units(rows, 1)
    split = make.make_split(rows, PUBLISHED, 0, table)
    assert split["split"].tolist() == ["train", "val", "test", "test", "test", "test", "excluded", "test"]
    assert panel_of(rows, split, table)["group"].tolist() == ["u2", "u2", "u3", "u3", "u4"]


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (3, 5, "row 'r3' has a locus that differs from its links; make the units again"),
        (7, 2, "row 'r2' has a locus that differs from its links"),  # joined by nothing
        (7, 0, r"linked rows lie in different parts: r0 \(train\), r7 \(test\)"),
    ],
)
def test_loci_that_are_not_those_of_the_rows_are_refused(rows, row, value, message):
    table = units.make_units(rows, 1)
    split = make.make_split(rows, PUBLISHED, 0, table)
    table.loc[row, "locus"] = value
    table["homology"] = table["unit"] = 0
    with pytest.raises(InputError, match=message):
        panel_of(rows, split, table)


def test_a_table_of_another_version_of_the_rows_is_refused(rows):
    table = units.make_units(rows, 1)
    split = make.make_split(rows, PUBLISHED, 0, table)
    other = rows.assign(group=rows["group"].mask(rows["row_id"].isin(["r2", "r7"]), "new"))
    with pytest.raises(InputError, match="row 'r7' has a locus that differs from its links"):
        panel_of(other, split, table)


def test_the_programs_hand_units_on(tmp_path, monkeypatch, capsys):
    count = 40
    rows = unlinked(
        count, chrom=["chr1", "chr2", "chr3", "chr3"] * 10, group=[f"g{i // 4}{i % 4 // 2}" for i in range(count)]
    )
    rows = rows.assign(group=rows["group"].mask(rows["chrom"] != "chr3", ""))
    relatives = ["".join(np.random.default_rng(i).choice(list("ACGT"), 200)) for i in range(count)]
    relatives[6] = relatives[2]  # two loci of the test chromosome are alike
    rows = rows.assign(sequence=relatives)
    write_rows(tmp_path / "rows.parquet", rows)
    monkeypatch.chdir(tmp_path)
    given = ["--rows", "rows.parquet", "--units", "units.tsv"]
    call(monkeypatch, make_units, "--rows", "rows.parquet", "--identity", 0.3, "--out", "units.tsv")
    said = capsys.readouterr().out
    assert "threshold 60 to 60, half of the rows up to 60; identity 0.30 to 0.30" in said
    assert "locus: 29 of 40 rows, the largest 4, 2," in said and "homology: 39 of 40 rows, the largest 2, 1" in said
    spec = json.dumps(CHROMOSOMES)
    call(monkeypatch, make_split, *given, "--spec", spec, "--seed", 0, "--out", "split.tsv")

    def panel():
        files = [*given, "--split", "split.tsv", "--out", "panel.tsv"]
        call(monkeypatch, make_panel, *files, "--name", "id", "--spec", '{"kind": "rows"}')

    panel()
    found = read_table(tmp_path / "panel.tsv", ["row_id", "group"]).set_index("row_id")["group"]
    label = pd.Series(loci(rows), rows["row_id"])[found.index]
    assert found.nunique() == label.nunique() == 9 and found["r2"] == found["r3"] == found["r6"] == found["r7"]
    split = read_table(tmp_path / "split.tsv")
    write_table(tmp_path / "split.tsv", split.assign(split=split["split"].where(split["row_id"] != "r3", "train")))
    with pytest.raises(InputError, match=r"split: linked rows lie in different parts: r2 \(test\), r3 \(train\)"):
        panel()
