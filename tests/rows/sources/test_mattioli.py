import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.rows.sources import mattioli
from s2f.sequences import dna

COLUMNS = ["unique_id", "oligo_type", "chr_hg19", "start", "end", "strand", "sequence"]
COLUMNS += ["K562_log2_mean", "K562_log2_sd", "n_reps", "HepG2_log2_mean"]
ROWS = pd.DataFrame(
    [
        ["wt", "WILDTYPE_BUT_HAS_SNP", "chr2", "100", "104", "+", "AAAC", "1.0", "0.4", "4", "0.1"],
        ["snp", "WILDTYPE_SNP_INDIV", "chr2", "100", "104", "+", "AAAG", "1.5", "0.4", "1", "0.2"],
        ["haplo", "WILDTYPE_SNP_PLUS_HAPLO", "chr2", "100", "104", "+", "AATG", "", "", "0", "0.3"],
        ["flip", "FLIPPED", "chr2", "100", "104", "-", "GTTT", "2.0", "0.1", "2", "0.4"],
        ["scr", "SCRAMBLED", "chr2", "100", "104", "+", "CAAA", "0.5", "0.1", "2", "0.5"],
        ["scr", "SCRAMBLED", "chr2", "100", "104", "+", "ACAA", "0.6", "0.1", "2", "0.6"],
        ["near", "WILDTYPE", "chr2", "103", "107", "-", "TTTT", "0.7", "0.1", "2", "0.7"],
        ["far", "WILDTYPE", "chr2", "107", "111", "-", "TTTA", "0.8", "0.1", "2", "0.8"],
        ["else", "WILDTYPE", "chr3", "100", "104", "+", "TTAA", "0.9", "0.1", "2", "0.9"],
        ["rand", "RANDOM", "", "", "", "", "GGGG", "1.0", "0.1", "2", "1.0"],
    ],
    columns=COLUMNS,
)
PAIRS = pd.DataFrame(
    [["wt", "snp", "AAAC", "AAAG", "1.0", "1.5"], ["wt", "haplo", "AAAC", "AATG", "1.0", ""]],
    columns=["wt_id", "snp_id", "seq_ref", "seq_alt", "K562_ref", "K562_alt"],
)


def read(folder, rows=ROWS, pairs=PAIRS, spec=None):
    files = {"rows": folder / "rows.tsv", "pairs": folder / "pairs.tsv"}
    rows.to_csv(files["rows"], sep="\t", index=False)
    pairs.to_csv(files["pairs"], sep="\t", index=False)
    table, stages = sources.read("mattioli", files, spec or {})
    return table.set_index("row_id"), stages


def changed(table, line, column, value):
    table = table.copy()
    table.loc[line, column] = value
    return table


def test_rows_pairs_and_groups(tmp_path):
    rows, stages = read(tmp_path)
    assert stages.counts == [("read", 10), ("label measured", 9)]
    assert rows.loc["wt", "allele"] == "ref"
    assert list(rows.index[rows["pair_id"] == "wt"]) == ["wt", "snp"]
    assert rows.loc[["wt", "snp", "flip", "near"], "group"].tolist() == ["chr2:100-107"] * 4
    assert rows.loc[["far", "else", "rand"], "group"].tolist() == ["chr2:107-111", "chr3:100-104", ""]
    np.testing.assert_allclose(rows.loc[["wt", "flip"], "stderr"], [0.2, 0.1 / np.sqrt(2)])
    assert np.isnan(rows.loc["snp", "stderr"])  # one replicate


def test_scrambles_get_ids_that_do_not_depend_on_the_order_of_the_file(tmp_path):
    for table in (ROWS, ROWS.iloc[::-1]):
        rows, _ = read(tmp_path, table)
        assert rows.loc["scr.scramble01", "sequence"] == "ACAA"
        assert rows.loc["scr.scramble02", "sequence"] == "CAAA"


def test_another_label_has_other_rows_and_no_replicate_statistics(tmp_path):
    rows, stages = read(tmp_path, spec={"label": "HepG2_log2_mean"})
    assert stages.counts == [("read", 10), ("label measured", 10)]
    assert rows.loc["haplo", "label"] == 0.3
    assert rows["stderr"].isna().all()
    assert (rows["pair_id"] == "wt").sum() == 3


def test_the_table_can_do_without_its_pairs(tmp_path):
    with_pairs = read(tmp_path)[0]
    table, stages = sources.read("mattioli", {"rows": tmp_path / "rows.tsv"}, {})
    assert stages.counts == [("read", 10), ("label measured", 9)]
    assert (table["pair_id"] == "").all() and (table["allele"] == "").all()
    for name in ("row_id", "sequence", "label", "group", "stderr"):
        assert table[name].equals(with_pairs.reset_index()[name])


def test_coordinates_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(
        InputError, match="line 10: row 'else': from start 100 to end 500 are 400 bases, but the insert has"
    ):
        read(tmp_path, changed(ROWS, 8, "end", "500"))


@pytest.mark.parametrize(
    ("rows", "pairs", "message"),
    [
        (ROWS, changed(PAIRS, 1, "snp_id", "none"), r"pairs.tsv: line 3: snp_id 'none' is not in .*rows.tsv"),
        (ROWS, changed(PAIRS, 0, "seq_alt", "AAAT"), "line 2: snp_id 'snp' has another sequence in"),
        (ROWS, changed(PAIRS, 0, "K562_alt", "1.6"), "line 2: snp_id 'snp' has another label in"),
        (ROWS, changed(PAIRS, 1, "K562_alt", "1.6"), "line 3: snp_id 'haplo' has another label in"),
        (
            ROWS,
            changed(PAIRS, 1, "snp_id", "snp"),
            "line 3: snp_id is 'snp', as on line 2; an allele has one reference: keep one of the lines",
        ),
        (ROWS, changed(PAIRS, 1, "snp_id", "wt"), "'wt' is both a wt_id and a snp_id"),
        (changed(ROWS, 8, "unique_id", "far"), PAIRS, r"line 10: unique_id is 'far', as on line \d+; rename or"),
        (changed(ROWS, 2, "start", "1e"), PAIRS, "line 4: start is '1e', expected a number"),
        (ROWS.drop(columns="K562_log2_mean"), PAIRS, "column 'K562_log2_mean' is missing"),
    ],
)
def test_mistakes_are_refused(tmp_path, rows, pairs, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, rows, pairs)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["chr1", "chr2", ""]), st.integers(0, 60), st.integers(1, 12)),
        min_size=1,
        max_size=12,
    )
)
def test_loci_are_the_connected_components_of_overlap(places):
    table = pd.DataFrame(places, columns=["chrom", "start", "width"])
    table["end"] = table["start"] + table["width"]
    names = mattioli.loci(table["chrom"], table["start"].astype("Int64"), table["end"].astype("Int64")).tolist()
    label = list(range(len(table)))  # brute force: merge labels of overlapping rows until nothing changes
    rows = list(table.itertuples(index=False))
    for _ in rows:
        for i, a in enumerate(rows):
            for j, b in enumerate(rows):
                if a.chrom and a.chrom == b.chrom and a.start < b.end and b.start < a.end:
                    label[i] = label[j] = min(label[i], label[j])
    for i, a in enumerate(rows):
        assert (names[i] == "") == (a.chrom == "")
        for j, b in enumerate(rows):
            if a.chrom and b.chrom:
                assert (names[i] == names[j]) == (label[i] == label[j])


@pytest.fixture(scope="module")
def real(shared):
    folder = shared / "data" / "mpra"
    files = {"rows": folder / "mattioli_pool1_pMPRA1_K562.tsv", "pairs": folder / "mattioli_snp_pairs.tsv"}
    return sources.read("mattioli", files, {})


def test_real_counts(real):
    rows, stages = real
    assert stages.counts == [("read", 7152), ("label measured", 6521)]
    assert rows["sequence"].is_unique
    assert rows["row_id"].str.contains(".scramble", regex=False).sum() == 707
    paired = rows[rows["pair_id"] != ""]
    assert paired["allele"].value_counts().to_dict() == {"alt": 1758, "ref": 990}
    assert rows["stderr"].isna().sum() == 623
    assert (rows["chrom"] == "").sum() == (rows["group"] == "").sum() == 1322


def test_real_split_by_chromosome_parts_no_locus_and_no_reverse_complement(real):
    rows, _ = real
    parts = dict.fromkeys(["chr19", "chr21", "chrX"], "val") | dict.fromkeys(["chr7", "chr13"], "test")
    part = rows["chrom"].map(parts).fillna("train")
    assert part.value_counts().to_dict() == {"train": 5799, "val": 376, "test": 346}
    either = [min(s, dna.reverse_complement_text(s)) for s in rows["sequence"]]
    assert part.groupby(either).nunique().max() == 1
    grouped = rows["group"] != ""
    assert part[grouped].groupby(rows["group"][grouped]).nunique().max() == 1
    # the two measured orientations of a locus lie in one group
    twice = pd.Series(either).duplicated(keep=False)
    assert twice.sum() == 1036
    assert rows["group"][twice].groupby(pd.Series(either)[twice]).nunique().max() == 1


def test_cells_with_gaps_keep_the_pairs_of_each(tmp_path):
    rows = ROWS.assign(HeLa_log2_mean=["1", "", "2", "", "", "", "3", "4", "5", ""])
    files = {"rows": tmp_path / "rows.tsv", "pairs": tmp_path / "pairs.tsv"}
    rows.to_csv(files["rows"], sep="\t", index=False)
    PAIRS.to_csv(files["pairs"], sep="\t", index=False)
    table, stages = sources.read("mattioli", files, {}, cells=["HeLa", "K562"])
    table = table.set_index("row_id")
    assert stages.counts == [("read", 10), ("label measured", 10)]
    assert np.isnan(table.loc["snp", "label"]) and table.loc["snp", "label.K562"] == 1.5
    assert (table["pair_id"] == "wt").sum() == 3  # the haplotype was measured in HeLa, the SNV in K562
    assert "stderr.HeLa" not in table and table.loc["wt", "stderr.K562"] == pytest.approx(0.2)
    assert table["stderr"].isna().all()
    PAIRS.assign(K562_alt=["9.0", ""]).to_csv(files["pairs"], sep="\t", index=False)
    with pytest.raises(InputError, match="line 2: snp_id 'snp' has another label in"):
        sources.read("mattioli", files, {}, cells=["HeLa", "K562"])


def test_real_rows_of_three_cells_have_the_gaps_that_are_known(shared, real):
    folder = shared / "data" / "mpra"
    files = {"rows": folder / "mattioli_pool1_pMPRA1_K562.tsv", "pairs": folder / "mattioli_snp_pairs.tsv"}
    rows, stages = sources.read("mattioli", files, {}, cells=["K562", "HepG2", "HeLa"])
    assert stages.counts == [("read", 7152), ("label measured", 7012)]
    assert dict(stages.parts) == {"label of K562": 6521, "label of HepG2": 6984, "label of HeLa": 5398}
    labels = rows[["label.K562", "label.HepG2", "label.HeLa"]]
    # 5,347 in the table of s2f.rows.samples: in this one, the scrambles of a locus share the labels of HepG2 and HeLa
    assert labels.notna().all(axis=1).sum() == 5270
    one, _ = real
    measured = rows[rows["label"].notna()].set_index("row_id")
    same = one.set_index("row_id")
    assert measured["label"].equals(same["label"]) and measured["stderr"].equals(same["stderr"])
    assert measured["group"].equals(same["group"])
