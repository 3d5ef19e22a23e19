import json

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from helpers import programs
from helpers.linked_rows import units_of
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.rows import sources
from s2f.rows.canonical import canonical, write_rows
from s2f.splits.make import make_split
from s2f.splits.panels import make_panel
from s2f.splits.table import panel_rows
from s2f.splits.units import make_units

PAIRS, ROWS = {"kind": "pairs"}, {"kind": "rows"}
PUBLISHED = {"kind": "published", "train": ["train", "pool"], "val": ["val"], "test": ["test", "test_snv"]}
# row_id, sequence, allele, pair_id, published; the part of a row is what its published name begins with
LIBRARY = [
    ("t0", "AAAAAAAA", "", "", "train"),
    ("v0", "CCCCCCCC", "", "", "val"),
    ("r1", "ACACACAC", "ref", "one", "test_snv"),
    ("a1", "ACACATAC", "alt", "one", "test_snv"),  # SNV at 5, C to T
    ("r2", "AAACCCAA", "ref", "two", "test_snv"),
    ("a2", "AAACCCAG", "alt", "two", "test_snv"),  # SNV at 7, A to G
    ("b2", "GAACCCAA", "alt", "two", "test_snv"),  # SNV at 0, A to G, on the same reference
    ("c2", "AAACCAA", "alt", "two", "test_snv"),  # a deletion
    ("d2", "AAAGGCAA", "alt", "two", "test_snv"),  # two bases
    ("e2", "AAACCCAA", "alt", "two", "test_snv"),  # no change at all
    ("a3", "CACACACA", "alt", "three", "test_snv"),  # its reference was not measured
    ("r4", "AACAACAA", "ref", "", "test"),  # references without alternate allele
    ("r5", "AACCACAA", "ref", "", "test"),
    ("s6", "ACCCACAA", "", "", "test"),
]
COLUMNS = ["row_id", "sequence", "allele", "pair_id", "published"]


def library(*more, without=()):
    lines = [line for line in [*LIBRARY, *more] if line[0] not in without]
    return canonical(pd.DataFrame(lines, columns=COLUMNS).assign(label=range(len(lines))), "library")


def split_of(rows):
    return pd.DataFrame({"row_id": rows["row_id"], "split": rows["published"].str.replace("_snv", "")})


def panel_of(rows, spec, name="panel"):
    return make_panel(rows, split_of(rows), spec, name, units_of(rows))


# --- rows


def test_a_panel_of_rows_holds_the_test_rows_with_their_units():
    panel = panel_of(library(), ROWS)
    assert list(panel) == ["row_id", "group"]
    assert panel["row_id"].tolist() == [line[0] for line in LIBRARY[2:]]
    groups = panel.set_index("row_id")["group"]
    assert (groups != "").all()
    assert groups[["r2", "a2", "b2", "c2", "d2", "e2"]].nunique() == 1 and groups[["r1", "a1"]].nunique() == 1
    assert groups.nunique() == 6


def test_published_parts_limit_a_panel():
    assert panel_of(library(), {**ROWS, "published": ["test"]})["row_id"].tolist() == ["r4", "r5", "s6"]
    assert len(panel_of(library(), {**ROWS, "published": ["test", "test_snv"]})) == len(LIBRARY) - 2
    assert len(panel_of(library(), {**ROWS, "published": []})) == len(LIBRARY) - 2


# --- pairs


def test_every_alternate_allele_meets_its_reference():
    panel = panel_of(library(), PAIRS)
    assert list(panel) == ["pair_id", "ref_row_id", "alt_row_id", "offset", "ref_base", "alt_base", "group"]
    assert panel.drop(columns="group").to_numpy().tolist() == [
        ["one", "r1", "a1", 5, "C", "T"],
        ["two|a2", "r2", "a2", 7, "A", "G"],
        ["two|b2", "r2", "b2", 0, "A", "G"],
    ]
    assert panel["group"].tolist()[1] == panel["group"].tolist()[2] != panel["group"].tolist()[0]


def test_what_is_no_snv_is_counted(capsys):
    panel_of(library(), PAIRS, "snv")
    assert capsys.readouterr().out == (
        "panel snv: 3 SNVs of 7 alternate alleles; 3 are not one base, 1 have no reference\n"
    )


def test_a_reference_outside_the_published_parts_pairs_with_nothing():
    rows = library(("r6", "ACGACGAC", "ref", "six", "test"), ("a6", "ACGACGAA", "alt", "six", "test_snv"))
    assert "six" in panel_of(rows, PAIRS)["pair_id"].tolist()
    assert "six" not in panel_of(rows, {**PAIRS, "published": ["test_snv"]})["pair_id"].tolist()


def test_pairs_outside_test_are_no_items():
    rows = library(("r6", "ACGACGAC", "ref", "six", "train"), ("a6", "ACGACGAA", "alt", "six", "train"))
    assert panel_of(rows, PAIRS).equals(panel_of(library(), PAIRS))


# --- refusals


def test_a_locus_with_two_references_is_refused():
    rows = library(("x1", "ACACAGAC", "ref", "one", "test_snv"))
    with pytest.raises(InputError, match="panel snv: locus 'one' has more than one reference row"):
        panel_of(rows, PAIRS, "snv")


@pytest.mark.parametrize(
    "spec, without, message",
    [
        ({"kind": "triples"}, (), "panels: kind 'triples' is unknown; known: pairs, rows"),
        (
            {**ROWS, "published": ["tset"]},
            (),
            "panel p: no test row belongs to the published part 'tset'; there are: test",
        ),
        ({**PAIRS, "published": ["test"]}, (), "panel p: 0 pairs remain of 3 test rows, expected at least 3"),
        (PAIRS, ("b2",), "panel p: 2 pairs remain of 11 test rows, expected at least 3"),
        (PAIRS, ("r1", "r2"), "panel p: 0 pairs remain"),
        (PAIRS, ("a1", "a2", "b2"), "panel p: 0 pairs remain"),
        (PAIRS, ("a1", "a2", "b2", "c2", "d2", "e2", "a3"), "panel p: 0 pairs remain"),
    ],
)
def test_empty_panels_are_refused(spec, without, message):
    with pytest.raises(InputError, match=message):
        panel_of(library(without=without), spec, "p")


def test_a_split_of_other_rows_is_refused():
    rows = library()
    with pytest.raises(InputError, match="row 's6' is in the rows or in the split, but not in both"):
        make_panel(rows, split_of(rows)[:-1], ROWS, "p", units_of(rows))


def test_a_leaking_split_is_refused():
    rows = library()
    split = split_of(rows)
    split.loc[3, "split"] = "train"  # the alternate allele of a test reference
    with pytest.raises(InputError, match=r"linked rows lie in different parts: r1 \(test\), a1 \(train\)"):
        make_panel(rows, split, PAIRS, "p", units_of(rows))


# --- the program


def test_the_program_writes_a_panel_or_says_why_not(root, tmp_path):
    write_rows(tmp_path / "rows.parquet", library())
    write_table(tmp_path / "split.tsv", split_of(library()))
    write_table(tmp_path / "units.tsv", make_units(library(), 1))

    def run(spec):
        arguments = ["--rows", "rows.parquet", "--units", "units.tsv", "--split", "split.tsv"]
        arguments += ["--name", "snv", "--spec", json.dumps(spec), "--out", "snv.tsv"]
        return programs.run(root, "make_panel", *arguments, folder=tmp_path)

    failed = run({**PAIRS, "published": ["test"]})
    assert failed.returncode == 1
    assert failed.stderr == (
        "error: panel snv, split split: 0 pairs remain of 3 test rows, expected at least 3 (test rows 3, alternate "
        "alleles 0, with a reference 0, one base 0); give test a larger share or more chromosomes in the split's "
        "section, or a k-fold split fewer folds; or loosen the panel's own conditions\n"
    )
    assert not (tmp_path / "snv.tsv").exists()
    done = run(PAIRS)
    assert done.returncode == 0 and done.stdout.endswith("panel snv: 3 pairs\n")
    assert_frame_equal(read_table(tmp_path / "snv.tsv"), panel_of(library(), PAIRS).astype("str"))
    stages = read_table(tmp_path / "snv.stages.tsv")
    assert list(stages) == ["stage", "rows", "removed"] and stages["rows"].iloc[-1] == "3"


# --- the rows a panel needs


def test_panel_rows_are_each_once_and_in_the_order_of_the_rows(tmp_path):
    rows = library()
    panel = panel_of(rows, PAIRS)
    write_table(tmp_path / "panel.tsv", panel.iloc[::-1])
    needed = panel_rows(rows, read_table(tmp_path / "panel.tsv"))
    assert needed["row_id"].tolist() == ["r1", "a1", "r2", "a2", "b2"] and needed.index.tolist() == [0, 1, 2, 3, 4]
    assert panel_rows(rows, panel_of(rows, ROWS))["row_id"].tolist() == [line[0] for line in LIBRARY[2:]]


def test_a_panel_of_other_rows_is_refused():
    with pytest.raises(InputError, match="panel: row 'b2' is not among the rows; make the panel again"):
        panel_rows(library(without=("b2",)), panel_of(library(), PAIRS))


# --- real rows


def test_panels_of_the_gosai_sample(shared):
    mpra = shared / "data/mpra"
    rows = sources.read("gosai_sample", {"rows": mpra / "gosai_sample.tsv", "pairs": mpra / "gosai_snv_pairs.tsv"}, {})[
        0
    ]
    split = make_split(rows, PUBLISHED, 0, units_of(rows))
    assert len(make_panel(rows, split, {**ROWS, "published": ["test"]}, "id", units_of(rows))) == 1000
    panel = make_panel(rows, split, {**PAIRS, "published": ["test_snv"]}, "snv", units_of(rows))
    published = read_table(mpra / "gosai_snv_pairs.tsv")
    published = published[published["kind"] == "SNV"].set_index("pair_id").loc[panel["pair_id"]]
    assert len(panel) == len(published) == 468 and (panel["offset"] == 99).all()
    assert panel["ref_base"].tolist() == published["ref_base"].tolist()
    assert panel["alt_base"].tolist() == published["alt_base"].tolist()
    sequence = rows.set_index("row_id")["sequence"]
    assert sequence[panel["alt_row_id"]].tolist() == published["seq_alt"].tolist()
    assert sequence[panel["ref_row_id"]].tolist() == published["seq_ref"].tolist()
    assert panel["group"].nunique() == 468
    assert len(panel_rows(rows, panel)) == 936


def test_an_unknown_match_is_refused():
    with pytest.raises(InputError, match="panel loose: match is 'variant', expected pair_id or variant_key"):
        panel_of(library(), {"kind": "pairs", "match": "variant"}, "loose")
