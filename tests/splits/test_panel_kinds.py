"""Panels beyond the plain ones: SNVs where their variant says, loose pairs, published files, designed sequences."""

import numpy as np
import pandas as pd
import pytest

from helpers import table_s2
from helpers.linked_rows import units_of
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.evaluation.measure import read_panel
from s2f.rows import sources
from s2f.rows.canonical import canonical
from s2f.rows.stages import Stages
from s2f.splits import panel_files
from s2f.splits.make import make_split
from s2f.splits.panels import make_panel
from s2f.splits.table import check_split

CHROMOSOMES = {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
PAIRS, LOOSE, ROWS = {"kind": "pairs"}, {"kind": "pairs", "match": "variant_key"}, {"kind": "rows"}
OFF = {"projects": None, "max_stderr": None, "sd_cutoff": None}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(rows, split by chromosome, frame of the table, truth) of a table of 4,000 rows without filters."""
    path = tmp_path_factory.mktemp("s2") / "table.txt"
    table, truth = table_s2.generate(4000)
    table_s2.write(path, table)
    rows = sources.read("gosai", {"rows": path}, OFF)[0]
    return rows, make_split(rows, CHROMOSOMES, 0, units_of(rows)), table, truth


# --- SNVs


def test_snvs_are_the_planted_ones(made):
    rows, split, _, truth = made
    panel = make_panel(rows, split, PAIRS, "snv", units_of(rows))
    kept = truth.kept["complete"]
    planted = pd.DataFrame({"row_id": rows["row_id"], "pair": truth.pair[kept], "role": truth.role[kept]})
    planted = planted[
        np.isin(truth.chrom[kept], ["chr7", "chr13"]) & ~planted["role"].isin(["deletion", "insertion", "cre"])
    ]
    whole = planted.groupby("pair").filter(lambda pair: len(pair) == 2)
    assert (
        set(panel["ref_row_id"]) | set(panel["alt_row_id"]) == set(whole["row_id"])
        and len(panel) == len(whole) / 2 > 100
    )
    window = panel["pair_id"].str.split(":").str[4].str.split("@").str[0]
    assert panel["offset"].tolist() == window.map(table_s2.OFFSET).tolist()
    assert set(window) == set(table_s2.OFFSET)
    assert (panel["ref_base"] == panel["pair_id"].str.split(":").str[2]).all()
    assert (panel["alt_base"] == panel["pair_id"].str.split(":").str[3]).all()


def test_positions_with_several_alternate_bases_are_counted(made, capsys):
    rows, split = made[:2]
    panel = make_panel(rows, split, PAIRS, "snv", units_of(rows))
    position = panel["pair_id"].str.split(":").str[:2].str.join(":")
    variant = panel["pair_id"].str.split(":").str[:4].str.join(":")
    expected = (variant.groupby(position).transform("nunique") > 1).sum()
    assert f"; {expected} SNVs lie at positions with several alternate bases\n" in capsys.readouterr().out
    assert expected > 2


def library(*lines):
    """Rows of three good SNVs on chr7, and more lines: row_id, sequence, allele, variant, pair_id, start, published."""
    good = [
        line
        for i, base in enumerate("ACG")
        for line in (
            (f"r{i}", f"{base * 4}CAAAA", "ref", f"chr7:{100 * i + 5}:C:T", f"p{i}", 100 * i, ""),
            (f"a{i}", f"{base * 4}TAAAA", "alt", f"chr7:{100 * i + 5}:C:T", f"p{i}", 100 * i, ""),
        )
    ]
    table = pd.DataFrame(
        [*good, *lines], columns=["row_id", "sequence", "allele", "variant", "pair_id", "start", "published"]
    )
    others = pd.DataFrame({"row_id": ["t", "v"], "sequence": ["ACACACAC", "AGAGAGAG"], "chrom": ["chr1", "chr19"]})
    table["chrom"] = "chr7"
    table["end"] = table["start"] + 9
    table = pd.concat([table, others], ignore_index=True)
    return canonical(table.assign(label=np.arange(len(table)) / 7), "library")


def panel_of(rows, spec, name="snv"):
    return make_panel(rows, make_split(rows, CHROMOSOMES, 0, units_of(rows)), spec, name, units_of(rows))


@pytest.mark.parametrize("strand", ["+", "-", ""])
@pytest.mark.parametrize("lower", [False, True])
def test_snvs_of_both_strands_are_those_of_their_variant(strand, lower):
    inserts = ["ACCATGATA", "ACCATGACA"] if strand == "+" else ["TATCATGGT", "TGTCATGGT"]
    variant = "chr7:908:t:c" if lower else "chr7:908:T:C"
    lines = zip("ra", inserts, ("ref", "alt"), strict=True)
    rows = library(*((name, text, allele, variant, "p", 900, "") for name, text, allele in lines))
    rows.loc[rows["pair_id"] == "p", "strand"] = strand
    found = panel_of(rows, PAIRS).set_index("alt_row_id").loc["a", ["offset", "ref_base", "alt_base"]].tolist()
    assert found == ([7, "T", "C"] if strand == "+" else [1, "A", "G"])  # as the inserts stand
    rows.loc[rows["pair_id"] == "p", "strand"] = {"+": "-", "-": "+", "": ""}[strand]
    assert ("a" in panel_of(rows, PAIRS)["alt_row_id"].tolist()) == (strand == "")


def test_a_panel_that_lost_its_pairs_says_why():
    rows = library()
    rows["start"], rows["end"] = rows["start"] + 1, rows["end"] + 1
    with pytest.raises(InputError) as error:
        panel_of(rows, PAIRS, "snv")
    assert str(error.value) == (
        "panel snv: 0 pairs remain of 6 test rows, expected at least 3: of 3 alternate alleles 0 are not one base, "
        "0 have "
        "no reference, 3 differ at other positions than their variant says; 0 SNVs lie at positions with several "
        "alternate "
        "bases; they fit if starts are one less, as if starts were counted from 1"
    )


def test_the_shared_pairs_of_both_strands_are_all_found(shared):
    names = ("chrom", "start", "end", "strand", "allele", "variant")
    columns = {name: name for name in names} | {"row_id": "id", "sequence": "seq", "label": "y", "pair_id": "pair"}
    path = shared / "cases/faults/columns/minus_strand_pairs.tsv"
    rows, _ = sources.read("table", {"rows": path}, {"columns": columns})
    parts = ["train"] * 24 + ["val"] * 24 + ["test"] * 72
    split = pd.DataFrame({"row_id": rows["row_id"], "split": parts})
    panel = make_panel(rows, split, PAIRS, "snv", units_of(rows))
    test = rows[(np.array(parts) == "test") & (rows["allele"] == "alt")]
    assert panel["alt_row_id"].tolist() == test["row_id"].tolist() and len(panel) == 36
    assert set(panel["offset"]) == {13, 26} and (test["strand"] == "-").sum() > 10


@pytest.mark.parametrize(
    ("variant", "start", "kept"),
    [
        ("chr7:905:C:T", 900, True),
        ("chr7:906:C:T", 900, False),  # elsewhere
        ("chr7:905:C:G", 900, False),  # another base
        ("chr7:905:A:T", 900, False),
        ("chr7:906:C:T", None, True),  # nobody knows where the insert begins
        ("chr7:906:CA:C", 900, True),  # no single-base variant: its place is not fixed
        ("", 900, True),
    ],
)
def test_an_snv_is_the_one_of_its_variant(capsys, variant, start, kept):
    rows = library(
        ("r", "TTTTCTTTT", "ref", variant, "p", start, ""), ("a", "TTTTTTTTT", "alt", variant, "p", start, "")
    )
    panel = panel_of(rows, PAIRS)
    assert panel["alt_row_id"].tolist() == ["a0", "a1", "a2", *["a"] * kept]
    said = capsys.readouterr().out
    assert (
        f"{3 + kept} SNVs of 4 alternate alleles; 0 are not one base, 0 have no reference, {1 - kept} differ at "
        "other positions" in said
    )


# --- loose pairs


def test_loose_pairs_are_those_of_the_original(made, capsys):
    rows, split, _, _ = made
    panel = make_panel(rows, split, LOOSE, "snv_variant_key", units_of(rows))
    first = {"ref": {}, "alt": {}}
    test = set(split["row_id"][split["split"] == "test"])
    for row in rows.itertuples():  # the first row of each key and allele, in the order of the table
        if row.row_id in test and row.allele:
            first[row.allele].setdefault(":".join(row.row_id.split(":")[:4]), row)
    expected = {(row.row_id, first["alt"][key].row_id) for key, row in first["ref"].items() if key in first["alt"]}
    assert set(zip(panel["ref_row_id"], panel["alt_row_id"], strict=True)) == expected and len(panel) == len(expected)
    by_id = rows.set_index("row_id")
    windows = [by_id.loc[panel[f"{allele}_row_id"], "pair_id"].to_numpy() for allele in ("ref", "alt")]
    mixed = ((windows[0] != windows[1]) | (windows[0] == "")).sum()
    out = capsys.readouterr().out
    assert f"panel snv_variant_key: {len(panel)} loose pairs of one variant; {mixed} of them join different" in out
    assert mixed > 0 and panel["offset"].isna().sum() > 0  # indels come in, too
    assert f"{panel['offset'].isna().sum()} are not one base" in out


def test_pairs_that_share_a_unit_by_any_of_their_rows_are_one_group():
    def two(name, variant, base, start):
        """Both alleles of a variant in one window."""
        return [
            (f"{name}_{allele}", f"{base * 6}{allele.upper()}{base * 4}GTT", "ref" if allele == "c" else "alt", variant,
             name, start, "")
            for allele in "ct"
        ]  # fmt: skip

    rows = library(
        two("x", "chr7:5005:C:T", "A", 5000)[0],  # of one variant the reference in one window,
        two("y", "chr7:5005:C:T", "G", 9000)[1],  # the alternate in another,
        *two("beside_x", "chr7:5010:C:T", "AG", 5008),  # and pairs beside either of them
        *two("beside_y", "chr7:9010:C:T", "GA", 9008),
        *two("apart", "chr7:12010:C:T", "GCA", 12000),
    )
    panel = panel_of(rows, LOOSE, "snv_variant_key").set_index("alt_row_id")["group"]
    alone = ["a0", "a1", "a2", "apart_t"]
    assert panel["y_t"] == panel["beside_x_t"] == panel["beside_y_t"]
    assert panel[[*alone, "y_t"]].nunique() == 5 and set(panel.index) == {*alone, "y_t", "beside_x_t", "beside_y_t"}
    unit = dict(zip(rows["row_id"], units_of(rows)["unit"], strict=True))
    assert panel[alone].tolist() == [f"u{unit[name]}" for name in alone]


def test_alternates_that_loose_pairs_do_not_take_are_counted():
    rows = library(
        ("again", "GGGGTGGGG", "alt", "chr7:5:C:T", "q", 0, ""),  # the variant of a0 in another window
        ("alone", "GGGATAGGG", "alt", "chr7:905:C:T", "q", 900, ""),
        ("bare", "GGGATACCC", "alt", "", "q", 1900, ""),
    )
    stages = Stages()
    units = units_of(rows)
    make_panel(rows, make_split(rows, CHROMOSOMES, 0, units), LOOSE, "snv_variant_key", units, stages)
    assert stages.table()["removed"].fillna(-1).tolist() == [0, -1, 1, 1, 1]
    assert stages.counts == [
        ("test rows", 9), ("alternate alleles", 6), ("with a variant", 5), ("the first of each variant", 4),
        ("with a reference", 3),
    ]  # fmt: skip


def test_loose_pairs_are_a_panel_like_any_other(made, tmp_path):
    rows, split, _, _ = made
    write_table(tmp_path / "p.tsv", make_panel(rows, split, LOOSE, "snv_variant_key", units_of(rows)))
    panel = read_panel("snv_variant_key", "pairs", tmp_path / "p.tsv", rows)
    assert len(panel.scored) == len(pd.read_csv(tmp_path / "p.tsv", sep="\t"))


def test_the_first_row_of_a_key_counts_and_not_the_best(tmp_path):
    variant = "chr7:905:C:T"
    rows = library(
        ("far", "GGGGCTTTT", "ref", variant, "other", None, ""),
        ("r", "TTTTCTTTT", "ref", variant, "p", 900, ""),
        ("a", "TTTTTTTTT", "alt", variant, "p", 900, ""),
    )
    assert panel_of(rows, LOOSE).iloc[-1][["pair_id", "ref_row_id", "alt_row_id"]].tolist() == [variant, "far", "a"]
    assert panel_of(rows, PAIRS).iloc[-1][["pair_id", "ref_row_id", "alt_row_id"]].tolist() == ["p", "r", "a"]


# --- designed sequences

DESIGNED = [
    (f"d{i}", "".join("ACGT"[int(digit) % 4] for digit in str(7**9 + i)), "", "", "", None, f"ood:{method}")
    for i, method in enumerate(["FastSeqProp"] * 3 + ["AdaLead"] * 3)
]


@pytest.mark.parametrize("kind", ["chromosome", "file", "published", "random"])
def test_designed_sequences_are_only_evaluated(kind, tmp_path):
    rows = library(*DESIGNED)
    rows.loc[rows["chrom"] == "chr1", "sequence"] = rows["sequence"][6]  # a training row with a designed sequence
    rows["published"] = rows["published"].where(rows["published"] != "", rows["chrom"])
    spec = {
        "chromosome": CHROMOSOMES,
        "published": {"kind": "published", "train": ["chr1"], "val": ["chr19"], "test": ["chr7"]},
        "random": {"kind": "random", "val": 0.2, "test": 0.2, "seed": 0},
        "file": {
            "kind": "file",
            "files": {"pairs": snv_file(tmp_path, rows)},
            "label": "K562_log2FC",
            "val": 0.5,
            "seed": 0,
        },
    }[kind]
    rows = pd.concat(
        [rows, rows[-2:].assign(row_id=["t2", "v2"], sequence=["AACCAACC", "AAGGAAGG"])], ignore_index=True
    )
    split = make_split(rows, spec, 0, units_of(rows))
    assert (split["split"][6:12] == "test").all()
    assert split.set_index("row_id").loc["t", ["split", "reason"]].tolist() == ["excluded", "linked to a test row"]


def test_designed_sequences_come_into_panels_by_name_only():
    rows = library(*DESIGNED)
    assert panel_of(rows, ROWS, "chromosome")["row_id"].tolist() == ["r0", "a0", "r1", "a1", "r2", "a2"]
    assert panel_of(rows, {**ROWS, "published": ["ood:AdaLead"]}, "ood")["row_id"].tolist() == ["d3", "d4", "d5"]
    both = panel_of(rows, {**ROWS, "published": ["ood:AdaLead", "ood:FastSeqProp"]}, "ood")
    assert len(both) == 6 and (both["group"] != "").all()


# --- published files


def snv_file(folder, rows, label="K562_log2FC"):
    """test_snv_pairs_hashfrag.tsv of the three SNVs of `library`, as ALBench-S2F writes it."""
    parts = [
        rows[rows["allele"] == allele][:3][["row_id", "sequence", "label", "stderr"]]
        .set_axis([f"IDs_{allele}", f"sequence_{allele}", f"{label}_{allele}", f"{label[:-6]}lfcSE_{allele}"], axis=1)
        .reset_index(drop=True)
        for allele in ("ref", "alt")
    ]
    table = pd.concat([rows[rows["allele"] == "alt"][:3][["variant"]].reset_index(drop=True), *parts], axis=1)
    table = table.rename(columns={"variant": "variant_key"})
    table["delta_log2FC"] = table[f"{label}_alt"] - table[f"{label}_ref"]
    table.to_csv(folder / "test_snv_pairs_hashfrag.tsv", sep="\t", index=False)
    return str(folder / "test_snv_pairs_hashfrag.tsv")


def id_file(folder, table, rows=slice(None)):
    """test_in_distribution_hashfrag.tsv: raw columns and the parts of the IDs."""
    table = table[rows].copy()
    parts = table["IDs"].str.split(":", expand=True)
    for number, name in enumerate(("chr", "pos", "ref", "alt", "allele")):
        table[f"{name}_parsed"] = parts[number]
    table["variant_key"] = table["IDs"].str.split(":").str[:4].str.join(":")
    table.to_csv(folder / "test_in_distribution_hashfrag.tsv", sep="\t", index=False)
    return str(folder / "test_in_distribution_hashfrag.tsv")


def test_the_in_distribution_file_is_a_panel_and_a_split(made, tmp_path):
    rows, _, table, truth = made
    # as the original: reference alleles and CRE rows of 198 bp and more, a tenth of them, whatever their chromosome
    chosen = truth.kept["complete"] & (table["sequence"].str.len() >= 198) & ~table["IDs"].str.contains(":A:w")
    chosen &= np.arange(len(table)) % 10 == 0
    path = id_file(tmp_path, table, chosen)
    split = make_split(
        rows, {"kind": "file", "files": {"id": path}, "label": "K562_log2FC", "val": 0.1, "seed": 0}, 0, units_of(rows)
    )
    parts = split["split"].value_counts()
    assert parts["test"] == chosen.sum() > 100 and parts["val"] > 200 and parts["train"] > 2000
    assert (check_split(rows, split) == split["split"]).all()
    alleles = rows["allele"].to_numpy()[(split["reason"] == "linked to a test row").to_numpy()]
    assert (alleles == "alt").sum() > 100  # the other allele does not train
    panel = make_panel(rows, split, {**ROWS, "file": path}, "id", units_of(rows))
    assert panel["row_id"].str.split("@").str[0].tolist() == table["IDs"][chosen].tolist()
    # a repeated ID is the line with the listed label, not the first one
    found = rows.set_index("row_id").loc[panel["row_id"]]
    assert found["label"].tolist() == pytest.approx(table["K562_log2FC"][chosen].astype(float).tolist())
    assert panel["row_id"].str.contains("@35").any()


def test_the_file_of_pairs_is_a_panel(tmp_path):
    rows = library()
    path = snv_file(tmp_path, rows)
    panel = panel_of(rows, {**PAIRS, "file": path})
    assert panel.drop(columns="group").to_numpy().tolist() == [
        ["r0", "r0", "a0", 4, "C", "T"], ["r1", "r1", "a1", 4, "C", "T"], ["r2", "r2", "a2", 4, "C", "T"],
    ]  # fmt: skip
    write_table(tmp_path / "p.tsv", panel)
    assert len(read_panel("snv", "pairs", tmp_path / "p.tsv", rows).scored) == 3


def test_the_file_of_designed_sequences_is_a_panel(tmp_path):
    rows = library(*DESIGNED)
    columns = {"row_id": "ID", "published": "method", "label": "K562_log2FC", "stderr": "K562_lfcSE"}
    table = rows[rows["published"] != ""].rename(columns=columns).assign(target_cell="k562")
    write_table(tmp_path / "ood.tsv", table[["ID", "sequence", "method", "target_cell", "K562_log2FC", "K562_lfcSE"]])
    assert panel_of(rows, {**ROWS, "file": str(tmp_path / "ood.tsv")}, "ood")["row_id"].tolist() == table["ID"].tolist()


def test_what_the_dataset_lacks_is_refused_or_left_out_by_wish(tmp_path, capsys):
    rows = library()
    path = snv_file(tmp_path, rows)
    fewer = rows[rows["row_id"] != "r1"]
    with pytest.raises(
        InputError,
        match=r"1 of the 3 pairs of .*hashfrag.tsv are not in the dataset, for example 'r1'; .*incomplete: true",
    ):
        panel_of(fewer, {**PAIRS, "file": path})
    with pytest.raises(InputError, match="panel snv: 2 pairs remain"):
        panel_of(fewer, {**PAIRS, "file": path, "incomplete": True})
    assert "panel snv: 2 of the 3 pairs of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(sequence_alt="ACGT"), "row 'a0': sequence differs from the dataset"),
        (lambda t: t.assign(K562_log2FC_ref=9.0), "row 'r0': label differs from the dataset"),
        (lambda t: t.assign(K562_log2FC_ref="x"), "line 2: K562_log2FC_ref is 'x', expected a number"),
        (lambda t: t.drop(columns="sequence_ref"), "column 'sequence_ref' is missing; .*; did you mean 'sequence_alt'"),
        (lambda t: t.rename(columns={"IDs_alt": "alt"}), "expected IDs, ID, or both IDs_ref and IDs_alt among"),
        (lambda t: t.iloc[[0, 1, 2, 1]], "line 5: 'a1' occurs a second time"),
        (lambda t: t.rename(columns={"IDs_ref": "IDs", "sequence_ref": "sequence", "K562_log2FC_ref": "K562_log2FC"}),
         "lists rows, but the panel is of kind pairs"),
    ],
)  # fmt: skip
def test_a_bad_panel_file_is_named(tmp_path, change, message):
    rows = library()
    path = snv_file(tmp_path, rows)
    change(pd.read_csv(path, sep="\t")).to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match=message) as caught:
        panel_of(rows, {**PAIRS, "file": path})
    assert path in str(caught.value)


def test_a_listed_row_that_trains_is_refused(tmp_path):
    rows = library()
    rows["chrom"] = rows["chrom"].mask(rows["row_id"].isin(["r1", "a1"]), "chr2")
    with pytest.raises(InputError, match=r"row 'r1' of .* is train in this split, expected test; a split of kind file"):
        panel_of(rows, {**PAIRS, "file": snv_file(tmp_path, rows)})


def test_labels_of_another_cell_are_named(tmp_path):
    rows = library()
    path = snv_file(tmp_path, rows, "HepG2_log2FC")
    assert len(panel_of(rows, {**PAIRS, "file": path, "label": "HepG2_log2FC"})) == 3
    with pytest.raises(InputError, match="column 'K562_log2FC_ref' is missing"):
        panel_of(rows, {**PAIRS, "file": path})


def test_an_id_with_an_at_sign_is_found_as_it_stands(tmp_path):
    rows = library()
    rows["row_id"] += "@lab"
    kind, frames = panel_files.read(snv_file(tmp_path, rows), "K562_log2FC")
    assert kind == "pairs" and panel_files.find(rows, frames[0], "f").tolist() == [0, 2, 4]
