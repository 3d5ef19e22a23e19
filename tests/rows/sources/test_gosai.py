"""Table S2: the ten published rows, made-up tables with planted anomalies, deviations named by line and column."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from helpers import table_s2
from helpers.linked_rows import units_of
from s2f.common.errors import InputError
from s2f.rows import placement, sources
from s2f.rows.canonical import read_rows, write_rows
from s2f.splits.linked_rows import loci
from s2f.splits.make import make_split

OFF = {"projects": None, "max_stderr": None, "sd_cutoff": None}


def read(path, designed=None, **spec):
    return sources.read("gosai", {"rows": path} | ({"designed": designed} if designed else {}), spec)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(frame, truth, path) of a table of 2,000 rows."""
    path = tmp_path_factory.mktemp("s2") / "table.txt"
    table, truth = table_s2.generate(2000)
    table_s2.write(path, table)
    return table, truth, path


def ids(rows):
    """IDs of rows, without what tells repeated ones apart."""
    return rows["row_id"].str.split("@").str[0]


# --- the published rows


def test_ten_published_rows(shared):
    rows, stages = read(shared / "data" / "mpra" / "table_s2_excerpt.txt")
    assert stages.counts == [
        (stage, 10) for stage in ("read", "complete", "project", "stderr", "outlier", "allele", "length")
    ]
    assert dict(stages.parts) == {"chr7+chr13": 1, "chr19+chr21+chrX": 0, "other chromosomes": 9}
    by_id = rows.set_index("row_id")
    lone, deleted = by_id.loc["7:70038969:G:T:A:wC"], by_id.loc["15:89574440:GT:G:A:wC"]
    assert lone[["chrom", "start", "end", "allele", "variant", "pair_id", "group", "published"]].tolist() == [
        "chr7", 70038869, 70039069, "alt", "chr7:70038969:G:T", "", "chr7:70038969", "",
    ]  # fmt: skip
    assert (lone["label"], lone["stderr"]) == (0.0607792388454394, 0.0987954468253551)
    assert (deleted["pair_id"], len(deleted["sequence"])) == ("chr15:89574440:GT:G:wC", 199)
    pairs = rows[rows["pair_id"] != ""].groupby("pair_id")["allele"].apply(set).to_dict()
    assert set(pairs) == {"chr15:89574440:GT:G:wC", "chr12:63513920:G:A:wC", "chr2:145626403:A:C:wC"}
    assert all(alleles == {"ref", "alt"} for alleles in pairs.values())
    snvs = rows[rows["sequence"].str.len() == 200]
    snvs = snvs[snvs["variant"].str.fullmatch(".*:[ACGT]:[ACGT]")]
    for row in snvs.itertuples():  # the window: the base of the allele lies at pos, counted from `start`
        place, ref, alt = row.variant.split(":")[1:]
        assert row.sequence[int(place) - 1 - row.start] == (alt if row.allele == "alt" else ref)
    assert len(snvs) == 8


def test_each_cell_has_its_label_and_error(shared):
    path = shared / "data" / "mpra" / "table_s2_excerpt.txt"
    last = {cell: read(path, label=f"{cell}_log2FC")[0].iloc[-1] for cell in table_s2.CELLS}
    assert {cell: (row["label"], row["stderr"]) for cell, row in last.items()} == {
        "K562": (3.12116318599416, 0.300046196674663), "HepG2": (2.0318973879052, 0.7110451151725841),
        "SKNSH": (1.98634514476049, 0.313657562286244),
    }  # fmt: skip


# --- made-up tables


@pytest.mark.parametrize("seed", [0, 1])
def test_every_stage_keeps_what_it_must(tmp_path, seed):
    table, truth = table_s2.generate(2000, seed)
    table_s2.write(tmp_path / "t.txt", table)
    rows, stages = read(tmp_path / "t.txt")
    kept = {stage: int(mask.sum()) for stage, mask in truth.kept.items()}
    assert len(set(kept.values())) == 5  # every filter has something to do
    assert dict(stages.counts) == {**kept, "allele": kept["outlier"], "length": kept["outlier"]}
    assert ids(rows).tolist() == table["IDs"][truth.kept["outlier"]].tolist()
    assert rows["chrom"].tolist() == truth.chrom[truth.kept["outlier"]].tolist()
    assert dict(stages.parts)["chr7+chr13"] == rows["chrom"].isin(["chr7", "chr13"]).sum() > 0
    assert sum(count for _, count in stages.parts) == len(rows)


def test_filters_look_at_all_three_cells_whatever_the_label(made):
    counts = {cell: read(made[2], label=f"{cell}_log2FC")[1].counts for cell in table_s2.CELLS}
    assert counts["HepG2"] == counts["K562"] == counts["SKNSH"]


def test_the_move_of_the_upper_limit(made):
    table, truth, path = made
    lost = set(ids(read(path, up_cutoff_move=4.0)[0])) - set(ids(read(path, up_cutoff_move=3.0)[0]))
    assert lost == set(table["IDs"][truth.anomaly == "kept by a move of 4, not of 3"]) != set()


def test_errors_at_the_threshold_are_dropped_and_just_below_kept(made):
    table, truth, path = made
    kept = set(ids(read(path, **OFF | {"max_stderr": 1.0})[0]))
    assert not kept & set(table["IDs"][truth.anomaly == "stderr at or above the threshold"])
    assert kept >= set(table["IDs"][truth.anomaly == "stderr just below the threshold"]) != set()


def test_filters_can_be_switched_off(made):
    _, truth, path = made
    assert len(read(path, **OFF)[0]) == truth.kept["complete"].sum()
    assert len(read(path, **OFF | {"projects": ["CRE"]})[0]) == (truth.kept["complete"] & (truth.role == "cre")).sum()


def test_reference_alleles_and_long_inserts(made):
    table, truth, path = made
    rows, stages = read(path, alleles="reference", min_length=198)
    kept = truth.kept["outlier"] & ~table["IDs"].str.contains(":A:w").to_numpy()
    assert dict(stages.counts)["allele"] == kept.sum()
    kept &= (table["sequence"].str.len() >= 198).to_numpy()
    assert dict(stages.counts)["length"] == len(rows) == kept.sum()
    assert set(rows["allele"]) == {"ref", ""} and (rows["pair_id"] == "").all()


def test_pairs_are_of_one_window_haplotype_and_library(made):
    table, truth, path = made
    rows = read(path)[0]
    assert (ids(rows) == table["IDs"][truth.kept["outlier"]].to_numpy()).all()
    rows["pair"], rows["role"] = truth.pair[truth.kept["outlier"]], truth.role[truth.kept["outlier"]]
    whole = rows[rows["pair"] >= 0].groupby("pair").filter(lambda pair: len(pair) == 2)
    assert rows.index[rows["pair_id"] != ""].tolist() == whole.index.tolist()
    assert (
        whole.groupby("pair")["pair_id"].nunique().eq(1).all()
        and whole.groupby("pair_id")["pair"].nunique().eq(1).all()
    )
    for role in table_s2.SLOTS.values():
        assert (whole["role"] == role).any()
    assert whole[whole["role"] == "haplotype"]["pair_id"].str.contains(":wC:Alt_").all()


def test_repeated_ids_are_told_apart_by_library(made):
    table, truth, path = made
    rows = read(path)[0]
    kept = truth.kept["outlier"]
    again = table["IDs"].duplicated(keep=False).to_numpy()[kept]
    assert rows["row_id"][again].tolist() == (table["IDs"] + "@" + table["OL"])[kept][again].tolist()
    assert rows["row_id"][~again].tolist() == table["IDs"][kept][~again].tolist()
    assert again.sum() > 80


def test_lines_repeated_within_a_library_are_numbered_in_order(tmp_path, made):
    table = made[0]
    pair = table[table["IDs"].str.contains(":wL")][:1]["IDs"].iloc[0].replace(":A:w", ":R:w").rsplit(":R:", 1)[0]
    lines = table[table["IDs"].str.startswith(f"{pair}:") & table["IDs"].str.endswith("wL")]
    table_s2.write(tmp_path / "t.txt", pd.concat([table, lines, lines]))
    rows = read(tmp_path / "t.txt", **OFF)[0]
    added = rows[ids(rows).isin(lines["IDs"])]
    library = lines["OL"].iloc[0]
    assert sorted(added["pair_id"].str.split("@").str[1]) == sorted([library, f"{library}.2", f"{library}.3"] * 2)
    assert added.groupby("pair_id")["allele"].apply(set).tolist() == [{"ref", "alt"}] * 3


def test_a_locus_is_one_group(made):
    _, truth, path = made
    rows = read(path, **OFF)[0]
    block = truth.pair // table_s2.BLOCK
    slot = truth.pair % table_s2.BLOCK
    kept = truth.kept["complete"]
    for slots in ((0, 1, 2), (3, 4), (5, 6), (9, 10)):
        chosen = np.isin(slot, slots) & (truth.pair >= 0)
        groups = rows["group"][chosen[kept]].groupby(block[kept][chosen[kept]])
        assert groups.nunique().eq(1).all() and len(groups) > 20
    assert rows["group"].ne("").all()


def test_every_window_has_its_place(made):
    """That of wC is known; that of the others follows from where their SNVs differ."""
    rows = read(made[2], **OFF)[0]
    window = rows["row_id"].str.extract(":(w[CLR])", expand=False)
    assert (rows["start"].notna() == window.notna()).all() and window.notna().sum() > 1900
    assert (rows["end"] - rows["start"])[window.notna()].eq(200).all()
    snvs = rows[rows["variant"].str.fullmatch(".*:[ACGT]:[ACGT]")]
    parts = snvs["variant"].str.split(":", expand=True)
    offset = window[snvs.index].map(table_s2.OFFSET)
    assert (parts[1].astype(int) - 1 - snvs["start"]).tolist() == offset.tolist()
    base = parts[3].where(snvs["allele"] == "alt", parts[2])
    found = [sequence[place] for sequence, place in zip(snvs["sequence"], offset, strict=True)]
    assert found == base.tolist() and set(window[snvs.index]) == {"wC", "wL", "wR"}


GENOME = "".join(np.random.default_rng(0).choice(list("ACGT"), 60_000))
TURN = str.maketrans("ACGT", "TGCA")


def test_places_are_those_of_inserts_and_variants(made):
    placement.check(read(made[2], **OFF)[0], "rows")


def windows_of(positions, offset, window, turned=False, change="snv"):
    """Lines of the table: variants of `GENOME` (chr1) at positions from 1, `offset` bases into their inserts of 200."""
    lines = []
    for position in positions:
        start = position - 1 - offset
        insert = GENOME[start : start + 200]
        ref, rest = insert[offset], insert[offset + 1 :]
        if change == "snv":
            alleles = (ref, "A" if ref != "A" else "C"), (insert, insert[:offset] + ("A" if ref != "A" else "C") + rest)
        else:
            alleles = (insert[offset : offset + 3], ref), (insert, insert[:offset] + ref + rest[2:])
        for allele, text in zip("RA", alleles[1], strict=True):
            text = text.translate(TURN)[::-1] if turned else text
            lines.append((f"1:{position}:{alleles[0][0]}:{alleles[0][1]}:{allele}:{window}", text))
    return lines


def placed(tmp_path, lines):
    """Rows of lines (ID, sequence)."""
    table = pd.DataFrame(lines, columns=["IDs", "sequence"])
    table = table.assign(chr="1", data_project="UKBB", OL="29", **{"class": ""})
    labels = ["1.5" if row % 2 else "1.6" for row in range(len(table))]
    table = table.assign(**dict.fromkeys(table_s2.LABELS, labels), **dict.fromkeys(table_s2.ERRORS, "0.1"))
    table_s2.write(tmp_path / "table.txt", table[table_s2.COLUMNS])
    return read(tmp_path / "table.txt", **OFF)[0].set_index("row_id")


def test_the_place_of_an_insert_is_where_the_genome_has_it(tmp_path):
    made = {
        "wL": windows_of(range(1000, 9000, 250), 49, "wL"), "wR": windows_of(range(1120, 9000, 250), 149, "wR"),
        "turned": windows_of(range(20_000, 22_000, 97), 30, "wX", turned=True),
    }  # fmt: skip
    deletions = windows_of(range(10_000, 12_000, 500), 149, "wR", change="deletion")
    lone = windows_of([15_000], 49, "wL")[1:]
    found = placed(tmp_path, [*made["wL"], *made["wR"], *made["turned"], *deletions, *lone])
    assert found["start"].notna().all()
    for row in found.itertuples():
        there = GENOME[row.start : row.end]
        there = there.translate(TURN)[::-1] if row.Index.endswith("wX") else there
        expected = sum(a != b for a, b in zip(there, row.sequence, strict=True)) if len(row.sequence) == 200 else 0
        assert row.end - row.start == 200 and expected == (len(row.sequence) == 200 and ":A:w" in row.Index)


def test_ten_snvs_tell_of_a_window_and_nine_do_not(tmp_path):
    for count in (9, 10):
        snvs = windows_of(range(1000, 1000 + 250 * count, 250), 49, "wL")
        lone = windows_of([9000], 49, "wL")[:1]
        start = placed(tmp_path, [*snvs, *lone])["start"]
        assert start[: 2 * count].notna().all()
        assert start.iloc[-1:].tolist() == [9000 - 1 - 49] if count == 10 else start.isna().iloc[-1]


def test_a_place_that_alleles_do_not_tell_stays_open(tmp_path):
    few = windows_of([1000, 1500], 49, "wL")  # too few to tell of others
    wrong = [(name, text[1:] + "A") for name, text in windows_of([5000], 60, "wM", change="deletion")]
    twice = windows_of([7000], 49, "wN")
    twice[1] = (twice[1][0], "T" * 30 + twice[1][1][30:])  # the alleles differ elsewhere as well
    lone = windows_of([9000], 49, "wL")[:1]
    found = placed(tmp_path, [*few, *wrong, *twice, *lone])
    known = found["start"].notna()
    assert set(found.index[known]) == {name for name, _ in few}


def test_neighbouring_windows_are_linked_in_every_split(tmp_path):
    """A variant every 120 bp, in wR and wL by turns: no test row may share 60 bp with a training row."""
    lines = [
        line for k, position in enumerate(range(1000, 50_000, 120))
        for line in windows_of([position], 149 if k % 2 else 49, "wR" if k % 2 else "wL")
    ]  # fmt: skip
    rows = placed(tmp_path, lines).reset_index()
    assert loci(rows).max() + 1 == 205  # of 409 variants in windows that overlap by twos
    spec = {"kind": "random", "val": 0.1, "test": 0.1, "seed": 0}
    parts = make_split(rows, spec, 0, units_of(rows))["split"].to_numpy()
    words = {part: {s[i : i + 60] for s in rows["sequence"][parts == part] for i in range(141)} for part in set(parts)}
    assert len(words["test"]) > 1000 and not words["test"] & words["train"] and not words["val"] & words["train"]


def test_the_order_of_lines_changes_nothing_but_the_order(tmp_path, made):
    table = made[0]
    unrepeated = ~table["IDs"].duplicated(keep=False)
    table_s2.write(tmp_path / "t.txt", table[unrepeated])
    table_s2.write(tmp_path / "reversed.txt", table[unrepeated][::-1])
    first, second = (read(tmp_path / name)[0].sort_values("row_id") for name in ("t.txt", "reversed.txt"))
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))


def test_expected_counts_stand_beside_ours(made, tmp_path):
    with pytest.raises(InputError, match="2,000 rows, expected 798,064: the file is cut off, or it is another version"):
        read(made[2], expected={"read": 798064})
    stages = read(made[2], expected={"read": 2000, "chr7+chr13": 62582})[1]
    table = stages.table().set_index("stage")
    assert table["expected"].dropna().to_dict() == {"read": 2000, "chr7+chr13": 62582}
    assert table["removed"].isna().tolist() == [False] * 7 + [True] * 4  # parts, and the note
    assert (
        stages.warnings()
        == [table["note"]["note"]]
        == [f"stage 'chr7+chr13' has {table['rows']['chr7+chr13']} rows, expected 62582"]
    )
    assert "expected" not in read(made[2])[1].table()


def test_rows_survive_their_file(made, tmp_path):
    rows = read(made[2])[0]
    write_rows(tmp_path / "rows.parquet", rows)
    pd.testing.assert_frame_equal(read_rows(tmp_path / "rows.parquet"), rows)


# --- deviations


def broken(folder, made, line, column, cell):
    """Path of the made-up table with one cell changed; `line` as an editor counts."""
    table = made[0].copy()
    table.loc[line - 2, column] = cell
    table_s2.write(folder / "bad.txt", table)
    return folder / "bad.txt"


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("K562_log2FC", "1,5", r"bad.txt: line 7: K562_log2FC is '1,5', expected a number"),
        ("SKNSH_lfcSE", "inf", r"line 7: SKNSH_lfcSE is 'inf', expected a number"),
        ("HepG2_lfcSE", "-0.5", r"line 7: .*HepG2_lfcSE is '-0.5'.*, expected a number of at least 0"),
        ("sequence", "ACGX", r"line 7: sequence is 'ACGX', expected letters A, C, G, T, N"),
        ("chr", "99", r"line 7: chr is '99', expected the chromosome of the ID"),
        ("chr", "chrchr7", r"bad.txt: line 7: chromosome is 'chrchr7', expected a name such as chr7, 7, chrX"),
        *[
            ("IDs", cell, rf"bad.txt: line 7: IDs is '{cell}', expected chr:pos:ref:alt:allele:window, allele R or A")
            for cell in (
                "", "1:5", "1:5:A:C:R", "1:5:A:C:B:wC", "1:x:A:C:R:wC", ":5:A:C:R:wC", "1:5::C:R:wC", "1:5:A:C:R:wC:",
                "1:5:A:C", "1:5:NA:C",
            )
        ],
    ],
)  # fmt: skip
def test_a_bad_cell_is_named(tmp_path, made, column, cell, message):
    with pytest.raises(InputError, match=message):
        read(broken(tmp_path, made, 7, column, cell))


@pytest.mark.parametrize("column", table_s2.COLUMNS)
def test_a_renamed_column_is_named(tmp_path, made, column):
    table_s2.write(tmp_path / "bad.txt", made[0].rename(columns={column: "renamed"}))
    with pytest.raises(InputError, match=rf"bad.txt: column '{column}' is missing; the file has: .*'renamed'"):
        read(tmp_path / "bad.txt")


@pytest.mark.parametrize(("change", "cells"), [(lambda line: line + "\tmore", 13), (lambda line: line[:20], "[1-9]")])
def test_a_line_of_another_length_is_named(tmp_path, made, change, cells):
    lines = made[2].read_text().splitlines()
    lines[8] = change(lines[8])
    (tmp_path / "bad.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=rf"bad.txt: line 9: {cells} cells?, expected 12"):
        read(tmp_path / "bad.txt")


def test_a_space_separated_table_is_refused(tmp_path, made):
    (tmp_path / "bad.txt").write_text(made[2].read_text().replace("\t", " "))
    with pytest.raises(InputError, match=r"bad.txt: column 'IDs' is missing"):
        read(tmp_path / "bad.txt")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"label": "A549_log2FC"}, "source gosai: label is 'A549_log2FC', expected one of K562_log2FC"),
        ({"alleles": "alternate"}, "alleles is 'alternate', expected one of all, reference"),
        ({"expected": {"raw": 1}}, "expected: unknown key 'raw'; known: allele, chr19"),
        ({"stderr": 1}, "unknown key 'stderr'; did you mean 'max_stderr'"),
        (
            {"projects": ["GWAS"]},
            r"no rows remain: [\d,]+ were read, and 'project' left none of [\d,]+; check the options",
        ),
    ],
)
def test_a_bad_setting_is_named(made, spec, message):
    with pytest.raises(InputError, match=message):
        read(made[2], **spec)


# --- designed sequences

DESIGNED = pd.DataFrame(
    [
        ["d1", "A" * 200, "FastSeqProp", "k562", "4.5", "0.2"],
        ["d2", "C" * 200, "AdaLead", "k562", "3.5", ""],
        ["d3", "G" * 200, "AdaLead", "k562", "NA", "0.2"],
    ],
    columns=["ID", "sequence", "method", "target_cell", "K562_log2FC", "K562_lfcSE"],
)


def test_designed_sequences_are_added_after_the_filters(made, tmp_path):
    DESIGNED.to_csv(tmp_path / "designed.tsv", sep="\t", index=False)
    rows, stages = read(made[2], designed=tmp_path / "designed.tsv", alleles="reference")
    added = rows[rows["published"] != ""]
    assert added[["row_id", "published", "label"]].to_numpy().tolist() == [
        ["d1", "ood:FastSeqProp", 4.5],
        ["d2", "ood:AdaLead", 3.5],
    ]
    assert (added[["chrom", "group", "variant", "pair_id", "allele"]] == "").all(axis=None)
    assert dict(stages.parts)["designed"] == 2 and len(rows) == dict(stages.counts)["length"] + 2
    assert np.isnan(added["stderr"].iloc[1])


def test_an_id_in_both_files_is_named_with_both(made, tmp_path):
    name = read(made[2])[0]["row_id"][0]
    DESIGNED.assign(ID=[name, "d2", "d3"]).to_csv(tmp_path / "designed.tsv", sep="\t", index=False)
    with pytest.raises(InputError) as error:
        read(made[2], designed=tmp_path / "designed.tsv")
    assert str(error.value) == (
        f"{made[2]}, {tmp_path}/designed.tsv: row_id {name!r} is in both files (1 such rows), expected a unique name "
        "for each row; remove these rows from one file"
    )


def archive(path, without=(), **members):
    """A made-up DATA-MPRA_Datasets.zip."""
    attributes = [("d1", "BODA:fsp:k562"), ("d2", "BODA:sa:k562"), ("d3", "BODA:al:hepg2"), ("d4", "UKBB"),
                  ("d5", "BODA:al:k562"), ("d6", "BODA:al:k562"), ("d7", "BODA:al:k562")]  # fmt: skip
    measured = [
        ("d1", 1.5, 0.1),
        ("d2", 2.5, 0.2),
        ("d3", 3.5, 0.3),
        ("d4", 4.5, 0.4),
        ("d6", "NA", "NA"),
        ("d7", 7.5, 0.7),
    ]
    fasta = "".join(f">d{i}\n{'ACGT' * 30}\n{'ACGT' * (20 - (i == 7))}\n" for i in range(1, 8))
    content = {
        "Validation/OL46.attributes": "ID\tSNP\tproject\n" + "".join(f"{a}\t\t{b}\n" for a, b in attributes),
        "Validation/OL46_K562_20220720.out": "ID\tctrl_mean\tlog2FoldChange\tlfcSE\n"
        + "".join(f"{a}\t1\t{b}\t{c}\n" for a, b, c in measured),
        "Fastas/OL46_reference.fasta.gz": gzip.compress(fasta.encode()),
    } | members
    with zipfile.ZipFile(path, "w") as file:
        for name, data in content.items():
            if name not in without:
                file.writestr(f"MPRA_Datasets/{name}", data)
    return path


def test_designed_sequences_are_read_from_the_archive(made, tmp_path):
    rows = read(made[2], designed=archive(tmp_path / "a.zip"))[0]
    # not of another cell, not measured (d5 absent, d6 missing), not of 200 bp
    assert rows[rows["published"] != ""][["row_id", "published", "label", "stderr"]].to_numpy().tolist() == [
        ["d1", "ood:FastSeqProp", 1.5, 0.1],
        ["d2", "ood:Simulated_Annealing", 2.5, 0.2],
    ]
    assert rows["sequence"].iloc[-1] == "ACGT" * 50


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: archive(p, without=["Validation/OL46.attributes"]), "a.bin: has no member Validation/OL46"),
        (
            lambda p: archive(p, **{"Validation/OL46.attributes": "ID\tmethod\nd1\tx\n"}),
            r"a.bin/MPRA_Datasets/Validation/OL46.attributes: column 'project' is missing",
        ),
        (lambda p: archive(p, **{"Validation/OL46.attributes": "ID\tproject\nd1\tx\n"}), "a.bin: no designed sequence"),
        (lambda p: DESIGNED.iloc[[0, 0]].to_csv(p, sep="\t"), "a.bin: line 3: ID is 'd1', as on line 2; keep one"),
        (lambda p: DESIGNED.drop(columns="method").to_csv(p, sep="\t"), "a.bin: column 'method' is missing"),
        (lambda p: DESIGNED.assign(K562_log2FC="x").to_csv(p, sep="\t"), "line 2: K562_log2FC is 'x', expected a"),
    ],
)  # fmt: skip
def test_bad_files_of_designed_sequences_are_named(made, tmp_path, make, message):
    make(tmp_path / "a.bin")
    with pytest.raises(InputError, match=message):
        read(made[2], designed=tmp_path / "a.bin")


def test_a_table_that_is_cut_off_is_named(made, tmp_path):
    whole = tmp_path / "whole.txt"
    table_s2.write(whole, made[0])
    assert read(whole)[1].warnings() == []
    content = whole.read_bytes()
    (tmp_path / "cut.txt").write_bytes(content[:-5])  # within the last sequence: its cells are all there
    assert read(tmp_path / "cut.txt")[1].warnings() == [
        f"{tmp_path / 'cut.txt'}: line {len(made[0]) + 1} has no line break at its end: the file may be cut off"
    ]
    (tmp_path / "cut.txt").write_bytes(content[:-250])  # within a line
    with pytest.raises(
        InputError, match=rf"cut.txt: line {len(made[0]) + 1}: \d+ cells?, expected 12 as in the header"
    ):
        read(tmp_path / "cut.txt")


def test_a_table_without_rows_is_refused(made, tmp_path):
    table_s2.write(tmp_path / "empty.txt", made[0][:0])
    with pytest.raises(InputError, match=r"empty.txt: no rows remain: none were read; expected a line for each"):
        read(tmp_path / "empty.txt")


# --- several cells


def test_cells_add_labels_to_the_very_same_rows(made, tmp_path):
    designed = DESIGNED.assign(HepG2_log2FC=["0.5", "NA", "1"][: len(DESIGNED)])
    designed.to_csv(tmp_path / "designed.tsv", sep="\t", index=False)
    files = {"rows": made[2], "designed": tmp_path / "designed.tsv"}
    cells = ["K562", "SKNSH", "HepG2"]
    rows, stages = sources.read("gosai", files, {}, cells=cells)
    one, stages_of_one = sources.read("gosai", files, {})
    assert stages.counts == stages_of_one.counts and stages.parts == stages_of_one.parts
    pd.testing.assert_frame_equal(rows[list(one)], one)
    of_table = rows["published"] == ""
    assert not rows.loc[of_table, [f"label.{cell}" for cell in cells]].isna().any(axis=None)
    for cell in cells:
        alone, _ = read(made[2], label=f"{cell}_log2FC")
        assert rows.loc[of_table, f"label.{cell}"].tolist() == alone["label"].tolist()
        assert rows.loc[of_table, f"stderr.{cell}"].tolist() == alone["stderr"].tolist()
    added = rows[~of_table]
    assert added["label.SKNSH"].isna().all() and added["label.HepG2"].notna().any()


def test_designed_sequences_of_the_archive_have_the_labels_of_other_cells(made, tmp_path):
    other = "ID\tctrl_mean\tlog2FoldChange\tlfcSE\nd2\t1\t-1.5\t0.4\nd3\t1\t9\t0.4\n"
    path = archive(tmp_path / "a.zip", **{"Validation/OL46_HepG2_20220720.out": other})
    rows, _ = sources.read("gosai", {"rows": made[2], "designed": path}, {}, cells=["K562", "HepG2", "SKNSH"])
    added = rows[rows["published"] != ""]
    assert added["row_id"].tolist() == ["d1", "d2"] and added["label"].tolist() == [1.5, 2.5]
    np.testing.assert_array_equal(added["label.HepG2"], [np.nan, -1.5])
    np.testing.assert_array_equal(added["stderr.HepG2"], [np.nan, 0.4])
    assert added["label.SKNSH"].isna().all()
