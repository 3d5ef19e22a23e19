"""Splits of any kind: no linked rows apart, what protects whom, and what is refused."""

import itertools
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import make_split as make_split_program
from helpers.linked_rows import CHROMOSOMES, PUBLISHED, RANDOM, examples, linked, random_rows, units_of, unlinked
from helpers.programs import call
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.rows.canonical import canonical, write_rows
from s2f.splits.kinds import need_units
from s2f.splits.make import make_split, stages_of
from s2f.splits.table import counted


def by_id(split):
    return dict(zip(split["row_id"], split["split"], strict=True))


# --- no leak, whatever the rows


@examples
@given(random_rows, st.integers(0, 3))
def test_made_splits_never_leak(rows, seed):
    pairs = [(i, j) for (i, a), (j, b) in itertools.combinations(enumerate(rows.itertuples()), 2) if linked(a, b)]
    for spec in (CHROMOSOMES, PUBLISHED, {**RANDOM, "val": 0.3, "test": 0.3}):
        try:
            split = make_split(rows, spec, seed, units_of(rows))
        except InputError as error:  # one big locus can leave no room for another part
            assert spec["kind"] == "random" and "is empty" in str(error)
            continue
        parts, reasons = split["split"].tolist(), split["reason"].tolist()
        assert split["row_id"].tolist() == rows["row_id"].tolist()
        assert not [(i, j) for i, j in pairs if "excluded" not in (parts[i], parts[j]) and parts[i] != parts[j]]
        assert [part == "excluded" for part in parts] == [reason != "" for reason in reasons]


# --- what protects whom


def test_a_linked_row_stays_in_test_before_val_before_train():
    rows = unlinked(
        9,
        published=["train", "val", "test", "train", "val", "train", "val", "test", ""],
        group=["abc", "abc", "abc", "ab", "ab", "", "", "", "abc"],
    )
    split = make_split(rows, PUBLISHED, 0, units_of(rows))
    assert split[["split", "reason"]].to_numpy().tolist() == [
        ["excluded", "linked to a test row"],
        ["excluded", "linked to a test row"],
        ["test", ""],
        ["excluded", "linked to a val row"],
        ["val", ""],
        ["train", ""],
        ["val", ""],
        ["test", ""],
        ["excluded", "no published part"],
    ]


def test_a_window_over_a_chain_of_loci_is_kept_together():
    rows = unlinked(
        7,
        published=["train", "train", "test", "train", "val", "train", "test"],
        chrom=["chr1"] * 4 + ["chr2"] * 3,
        start=[0, 150, 300, 600, 0, 300, 600],
        end=[200, 350, 500, 800, 200, 500, 800],
    )
    split = by_id(make_split(rows, PUBLISHED, 0, units_of(rows)))
    assert split == {
        "r0": "excluded", "r1": "excluded", "r2": "test", "r3": "train", "r4": "val", "r5": "train", "r6": "test",
    }  # fmt: skip


def test_a_part_emptied_by_exclusion_is_an_error():
    rows = unlinked(4, published=["train", "val", "test", "train"], group=["g", "", "g", "g"])
    with pytest.raises(InputError, match=r"part 'train' is empty \(rows per part: .*excluded 2"):
        make_split(rows, PUBLISHED, 0, units_of(rows))


# --- units


def test_only_splits_by_homology_need_more_than_loci(tmp_path, monkeypatch):
    rows = unlinked(60, chrom=["chr1", "chr2", "chr3"] * 20, published=["train", "val", "test"] * 20)
    write_rows(tmp_path / "rows.parquet", rows)
    write_table(tmp_path / "units.tsv", units_of(rows))
    alone = {"chromosome": CHROMOSOMES, "published": PUBLISHED, "random": RANDOM}
    alone["kfold"] = {"kind": "kfold", "folds": 3, "fold": 0}
    assert set(kinds.names("splits")) - set(alone) == {"hashfrag", "file"}
    given = ["--rows", tmp_path / "rows.parquet", "--seed", 0]
    for name, spec in alone.items():
        spec = kinds.filled(spec, kinds.schema("splits", spec["kind"]))
        assert not need_units(spec)
        for units, out in ((["--units"], name), (["--units", tmp_path / "units.tsv"], f"{name}-too")):
            call(monkeypatch, make_split_program, *given, "--spec", json.dumps(spec), "--out", tmp_path / out, *units)
        assert (tmp_path / name).read_text() == (tmp_path / f"{name}-too").read_text()


@pytest.mark.parametrize("spec", [{"kind": "hashfrag"}, {"kind": "kfold", "by": "homology", "fold": 0}])
def test_a_split_by_homology_without_units_is_refused(tmp_path, monkeypatch, capsys, spec):
    given = ["--rows", tmp_path / "rows.parquet", "--units", "--spec", json.dumps(spec), "--seed", 0]
    with pytest.raises(SystemExit):
        call(monkeypatch, make_split_program, *given, "--out", tmp_path / "split.tsv")
    assert "--units is missing: the split needs it, because it goes by homology" in capsys.readouterr().err


def test_a_cell_that_a_part_lacks_is_named(tmp_path, monkeypatch, capsys):
    cells = ["K562", "HepG2"]
    table = {"row_id": [f"r{i}" for i in range(60)], "sequence": ["C" * i + "ACGT" for i in range(60)]}
    table |= {"label.K562": 0.5, "label.HepG2": 0.5}
    rows = canonical(pd.DataFrame(table), "rows", cells=cells)
    rows["published"] = ["train", "val", "test"] * 20
    rows.loc[(rows["published"] == "val") & (rows.index > 20), "label.HepG2"] = float("nan")
    write_rows(tmp_path / "rows.parquet", rows)
    spec = {"kind": "published", "train": ["train"], "val": ["val"], "test": ["test"]}
    given = ["--rows", tmp_path / "rows.parquet", "--seed", 0, "--spec", json.dumps(spec)]
    call(monkeypatch, make_split_program, *given, "--out", tmp_path / "split.tsv")
    assert capsys.readouterr().err == (
        "no model can be trained on this cell: part val: 7 of 20 rows have a label of HepG2, expected 10 or more\n"
    )


# --- refusals


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"kind": "stratified"}, "splits: kind 'stratified' is unknown; known: .*chromosome"),
        (
            {**CHROMOSOMES, "val": ["chr8"], "test": ["chr9", "chr10"]},
            r"none of the chromosomes chr8, chr9, chr10 occurs in the rows; the rows have chr1 \(2 rows\), chr2 \(1 r",
        ),
        (
            {**CHROMOSOMES, "val": ["chr8"]},
            r"^splits.mine.val: no row is on chr8; the rows have chr1 \(1 row\), chr2 \(1 row\), chr3 \(1 row\): c",
        ),
        ({**CHROMOSOMES, "val": ["3"]}, "chromosome 'chr3' is listed under both val and test"),
        ({**PUBLISHED, "test": ["test"]}, "published part 'test_snv' of the rows is not mapped to train, val or test"),
        ({**PUBLISHED, "val": ["val", "pool"]}, "published part 'pool' is listed under both train and val"),
        (
            {**PUBLISHED, "val": ["dev"], "train": ["train", "val"], "test": ["test_snv", "pool"]},
            r"^splits.mine.val: no row's published part is dev; the rows have pool \(1 row\), test_snv \(1 row\), tr",
        ),
        ({**RANDOM, "test": 0.1}, "part 'test' is empty"),
    ],
)
def test_bad_specs_are_refused(spec, message):
    rows = unlinked(4, chrom=["1", "2", "3", "1"], published=["train", "val", "test_snv", "pool"])
    if spec["kind"] == "chromosome" and spec["val"] == ["chr8"] and spec["test"] == ["chr3"]:
        rows = rows[:3].assign(chrom=["chr1", "chr2", "chr3"])
    with pytest.raises(InputError, match=message):
        make_split(rows, spec, 0, units_of(rows), "mine")


def test_rows_without_published_parts_are_told_to_name_the_column():
    rows = unlinked(4)
    with pytest.raises(InputError, match=r"the rows have no published parts; name the column with them \(columns: "):
        make_split(rows, PUBLISHED, 0, units_of(rows), "mine")


def test_chromosomes_in_a_message_are_counted_and_at_most_eight():
    column = pd.Series(["chr2", "", "chr1", "chr2", *(f"chrUn_{i}" for i in range(8))])
    assert counted(column).startswith("chr2 (2 rows), chr1 (1 row), chrUn_0 (1 row), ")
    assert counted(column).endswith("chrUn_5 (1 row) and 2 more") and counted(column[1:2]) == "none"


def test_a_split_counts_what_it_excludes_and_why():
    table = pd.DataFrame({
        "row_id": list("abcdefgh"),
        "split": ["train", "excluded", "excluded", "val", "test", "excluded", "excluded", "excluded"],
        "reason": ["", "no chromosome", "linked to a test row", "", "", "subsample", "no chromosome", "subsample"],
    })  # fmt: skip
    stages = stages_of(table, unlinked(8), PUBLISHED).table()
    assert stages[stages["removed"].notna()][["stage", "rows", "removed"]].to_numpy().tolist() == [
        ["rows", 8, 0], ["excluded: no chromosome", 6, 2], ["excluded: linked to a test row", 5, 1],
    ]  # fmt: skip
    assert dict(zip(stages["stage"], stages["rows"], strict=True)) == {
        "rows": 8, "excluded: no chromosome": 6, "excluded: linked to a test row": 5, "excluded: subsample": 3,
        "train": 1, "val": 1, "test": 1,
    }  # fmt: skip


# --- names that are no chromosome

HELD_OUT = {"kind": "chromosome", "val": ["chr19"], "test": ["chr7"]}


def noted(rows, spec):
    return stages_of(make_split(rows, spec, 0, units_of(rows)), rows, spec)


def test_rows_on_names_of_no_whole_chromosome_are_counted_and_named():
    rows = unlinked(9, chrom=["1", "chr19", "chr7", "7p12", "hs7", "23", "chr1_KI270706v1_random", "7p12", ""])
    stages = noted(rows, HELD_OUT)
    assert ("on names of no whole chromosome", 5) in stages.parts
    (note,) = stages.notes
    assert note == (
        "5 of 9 rows lie on names that are not whole chromosomes (those are called chr7, chrX, …) that the split does "
        "not list: chr7p12 2, "
        "chr1_KI270706v1_random 1, chr23 1, chrhs7 1; of these rows 5 train; list those that are part of a listed one; "
        "PLINK's human 23 is chrX, 24 chrY, 25 their common part, 26 chrM: rename them"
    )
    listed = {**HELD_OUT, "test": ["chr7", "chr7p12", "chrhs7", "chr23", "chr1_KI270706v1_random"]}
    stages = noted(rows, listed)
    assert not stages.notes and stages.table()["stage"].tolist()[-1] == "test"


def test_usual_names_and_splits_that_do_not_go_by_them_have_no_note():
    rows = unlinked(9, chrom=["2L", "X", "chr7", "IV", "chr19", "chr22", "M", "Y", "chr13"])
    assert not noted(rows, HELD_OUT).notes
    rows = unlinked(9, chrom=[*"12345678", "7p12"])
    assert not noted(rows, {**RANDOM, "val": 0.3, "test": 0.3}).notes
    folds = {"kind": "kfold", "folds": 3, "fold": 0, "by": "chromosome", "inner": 0.3, "seed": 0}
    (note,) = noted(rows, folds).notes
    assert (
        "1 of 9 rows lie on names that are not whole chromosomes (those are called chr7, chrX, …) each of which the "
        "split deals as a chromosome: " in note
    )
    assert not noted(rows, {**folds, "by": "locus"}).notes
