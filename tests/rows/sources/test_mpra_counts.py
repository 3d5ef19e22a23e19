"""Counts of an MPRA per oligo and replicate, as MPRAsnakeflow and IGVF write them."""

import gzip

import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.sequences.genome import records

OLIGOS = {"A [x] (chr1:5-9)": "ACGTACGT", "B": "TTTTGGGG", "C": "CCCCAAAA"}
COUNTS = pd.DataFrame(
    [
        ["1", "A__x__(chr1:5-9)", "5", "6", "1.0", "12"], ["1", "B", "5", "6", "0.5", "9"],
        ["1", "C", "5", "6", "2", "10"],
        ["2", "A__x__(chr1:5-9)", "5", "6", "3.0", "10"], ["2", "B", "5", "6", "0.7", "30"],
        ["3", "A__x__(chr1:5-9)", "5", "6", "2.5", "11"], ["3", "C", "5", "6", "", "40"],
    ],
    columns=["replicate", "oligo_name", "dna_counts", "rna_counts", "log2FoldChange", "n_bc"],
)  # fmt: skip
DESIGN = pd.DataFrame(
    [
        ["V 1", "ACGTACGT", "chr1", "100", "108", "+", '["NC_000001.11:103:T:C"]', '["ref"]'],
        ["V 2", "ACGCACGT", "chr1", "100", "108", "+", '["NC_000001.11:103:T:C"]', '["alt"]'],
        ["W 1", "GGGGAAAA", "chr2", "0", "8", "-", '["NC_000002.12:1:T:C", "NC_000002.12:3:T:G"]', '["ref", "alt"]'],
        ["N [1]", "CCCCCCCC", "NA", "NA", "NA", "NA", "NA", "NA"],
    ],
    columns=["name", "sequence", "chr", "start", "end", "strand", "SPDI", "allele"],
)
ELEMENTS = pd.DataFrame(
    [["V_1", "0.5"], ["V_2", "0.25"], ["W_1", "1"], ["N__1_", "-1"]], columns=["oligo_name", "log2FoldChange"]
)


def read(folder, counts=COUNTS, design=None, **spec):
    counts.to_csv(folder / "counts.tsv", sep="\t", index=False)
    if design is None:
        (folder / "design").write_text("".join(f">{name}\n{letters}\n" for name, letters in OLIGOS.items()))
    else:
        design.to_csv(folder / "design", sep="\t", index=False)
    files = {"rows": str(folder / "counts.tsv"), "design": str(folder / "design")}
    return sources.read("mpra_counts", files, spec)


def test_labels_are_means_over_replicates_with_enough_barcodes(tmp_path):
    rows, stages = read(tmp_path)
    assert rows[["row_id", "sequence"]].to_numpy().tolist() == [["A__x__(chr1:5-9)", "ACGTACGT"]]
    assert rows["label"].item() == pytest.approx(6.5 / 3)
    assert rows["stderr"].item() == pytest.approx(np.std([1, 3, 2.5], ddof=1) / np.sqrt(3))
    assert stages.counts == [("read", 3), ("10 barcodes in a replicate", 3), ("2 replicates or more", 1)]
    assert stages.parts == [("lines of replicates", 7), ("lines with log2FoldChange", 6),
                            ("lines with 10 barcodes or more", 6)]  # fmt: skip


def test_one_replicate_has_no_standard_error(tmp_path):
    rows, _ = read(tmp_path, min_replicates=1, min_barcodes=9)
    rows = rows.set_index("row_id")
    assert rows["label"].drop("A__x__(chr1:5-9)").to_dict() == pytest.approx({"B": 0.6, "C": 2.0})
    assert rows["stderr"].isna().to_dict() == {"A__x__(chr1:5-9)": False, "B": False, "C": True}
    assert rows["stderr"]["B"] == pytest.approx(0.1)


def test_alleles_of_a_variant_are_a_pair(tmp_path):
    rows, stages = read(tmp_path, ELEMENTS, DESIGN)
    rows = rows.set_index("row_id")
    assert rows["label"].to_dict() == {"V_1": 0.5, "V_2": 0.25, "W_1": 1.0, "N__1_": -1.0}
    assert rows["allele"].tolist() == ["ref", "alt", "", ""] and rows["stderr"].isna().all()
    assert rows["pair_id"].tolist() == ["NC_000001.11:103:T:C@100+"] * 2 + ["", ""]
    assert rows["variant"].tolist() == ["chr1:104:T:C"] * 2 + ["", ""]
    assert rows["chrom"].tolist() == ["chr1", "chr1", "chr2", ""] and rows["strand"].tolist() == ["+", "+", "-", ""]
    assert rows["start"].isna().tolist() == [False, False, False, True]
    assert stages.counts == [("read", 4), ("label measured", 4)]
    assert [note.partition(": ")[2][:30] for note in stages.notes] == [
        "has no replicates, so nothing ", "1 oligos have several variants",
    ]  # fmt: skip


def test_a_pair_that_lost_an_allele_is_none(tmp_path):
    rows, _ = read(tmp_path, ELEMENTS.iloc[1:], DESIGN)
    assert (rows["pair_id"] == "").all()


def test_an_oligo_that_is_not_as_long_as_its_interval_keeps_its_chromosome(tmp_path):
    rows, stages = read(tmp_path, ELEMENTS, with_cell(DESIGN, 2, "end", "9"))
    assert rows.loc[rows["row_id"] == "W_1", ["chrom", "strand"]].to_numpy().tolist() == [["chr2", "-"]]
    assert rows["start"].isna().tolist() == [False, False, True, True]
    assert stages.notes[-1].endswith("1 oligos do not have the length of their intervals, which are ignored")


def with_cell(table, row, column, value):
    table = table.copy()
    table.loc[row, column] = value
    return table


BAD = {
    "oligo": (with_cell(COUNTS, 1, "oligo_name", "Q"), None, r"counts.tsv: line 3: oligo_name is 'Q', expected a name"),
    "twice": (with_cell(COUNTS, 1, "oligo_name", "C"), None, r"line 4: replicate is '1' and oligo_name is 'C', as on "
    r"line 3; keep one line for each oligo of a replicate"),
    "barcodes": (with_cell(COUNTS, 2, "n_bc", "2.5"), None, r"line 4: n_bc is '2.5', expected a whole number of at "
    r"least 0"),
    "number": (with_cell(COUNTS, 2, "log2FoldChange", "x"), None, r"line 4: log2FoldChange is 'x', expected a number"),
    "column": (COUNTS.drop(columns="n_bc"), None, r"counts.tsv: column 'n_bc' is missing; counts of replicates need"),
    "other table": (COUNTS.drop(columns="oligo_name"), None, r"counts.tsv: column 'oligo_name' is missing"),
    "nothing left": (COUNTS.assign(n_bc="1"), None, r"counts.tsv: no rows remain: \d+ were read, and '10 barcodes"),
    "same names": (ELEMENTS, with_cell(DESIGN, 1, "name", "V_1"), r"design: line 3: name is 'V_1', which counts as the "
    r"same as where name is 'V 1', on line 2; rename one oligo or remove it"),
    "same elements": (pd.concat([ELEMENTS, ELEMENTS]), DESIGN, r"counts.tsv: line 6: oligo_name is 'V_1', as on line "
    r"2; keep one line for each oligo$"),
    "no list": (ELEMENTS, with_cell(DESIGN, 1, "allele", "alt"), r"line 3: allele is 'alt', expected a JSON list"),
    "lists": (ELEMENTS, with_cell(DESIGN, 1, "allele", '["alt", "ref"]'), r"line 3: SPDI has 1 entries but allele "
    r"has 2"),
    "spdi": (ELEMENTS, with_cell(DESIGN, 1, "SPDI", '["chr1-5-A-T"]'), r"line 3: SPDI is 'chr1-5-A-T' and allele"),
    "place": (ELEMENTS, with_cell(DESIGN, 0, "SPDI", '["NC_000001.11:104:T:C"]'), r"line 2: row 'V_1': .*chr1:105"),
    "ends": (ELEMENTS, DESIGN.assign(start=["101", "101", "1", "NA"]), r"line 2: row 'V_1': from start 101 to end 108"),
    "strand": (ELEMENTS, with_cell(DESIGN, 2, "strand", "x"), r"design: line 4: strand is 'x', expected"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named(tmp_path, name):
    counts, design, message = BAD[name]
    with pytest.raises(InputError, match=message):
        read(tmp_path, counts, design)


# --- Real tables


@pytest.fixture(scope="module")
def place(shared):
    return shared / "data" / "mpra_counts"


@pytest.fixture(scope="module")
def files(place):
    return {"rows": str(place / "reporter_experiment.oligo.HEPG2.fromFile.default.all.tsv.gz"),
            "design": str(place / "design.fa.gz")}  # fmt: skip


@pytest.fixture(scope="module")
def counts(files):
    return pd.read_csv(files["rows"], sep="\t")


def test_real_counts(files, counts):
    rows, stages = sources.read("mpra_counts", files, {})
    assert stages.counts == [("read", 2321), ("10 barcodes in a replicate", 1535), ("2 replicates or more", 1359)]
    assert stages.parts == [("lines of replicates", 6746), ("lines with 10 barcodes or more", 4065)]
    assert (rows["sequence"].str.len() == 171).all()
    kept = counts[counts["n_bc"] >= 10].groupby("oligo_name")["log2FoldChange"]
    expected = pd.DataFrame({"label": kept.mean(), "stderr": kept.sem(), "n": kept.count()}).query("n >= 2")
    rows = rows.set_index("row_id").loc[expected.index]
    np.testing.assert_allclose(rows[["label", "stderr"]], expected[["label", "stderr"]], atol=1e-12)
    assert rows["label"].mean() == pytest.approx(-0.0486, abs=1e-4)
    design = {header: letters.decode() for header, _, letters in records(files["design"])}
    assert len(design) == 2440 and rows["sequence"].tolist() == [design[name] for name in rows.index]


def test_real_counts_are_what_their_description_says(place, counts):
    """Facts of the data README: counts and n_bc are sums over barcodes, the normalisation is that of MPRAlib, and the
    replicates agree as it says."""
    barcodes = pd.read_csv(place / "reporter_experiment.barcode.HEPG2.fromFile.default.all.tsv.gz", sep="\t")
    for replicate, own in counts.groupby("replicate"):
        for of in ("dna", "rna"):
            column = own[f"{of}_counts"]
            per_million = (column + 1) / (column.sum() + len(own)) * 1e6
            np.testing.assert_allclose(own[f"{of}_normalized"], per_million, atol=6e-5)
        columns = [f"dna_count_{replicate}", f"rna_count_{replicate}"]
        there = barcodes.dropna(subset=columns, how="all").groupby("oligo_name")
        sums = there[columns].sum().assign(n_bc=there.size())
        own = own.set_index("oligo_name").loc[sums.index]
        np.testing.assert_array_equal(sums, own[["dna_counts", "rna_counts", "n_bc"]])
        ratio = np.log2(own["rna_normalized"] / own["dna_normalized"])
        np.testing.assert_allclose(own["log2FoldChange"], ratio, atol=1e-4)
    for least, low, high in ((1, 0.41, 0.44), (10, 0.59, 0.62)):
        kept = counts[counts["n_bc"] >= least].pivot(index="oligo_name", columns="replicate", values="log2FoldChange")
        agreement = kept.corr().to_numpy()[np.triu_indices(3, 1)]
        assert (agreement > low - 0.005).all() and (agreement < high + 0.005).all()


def test_real_results_of_igvf(place):
    files = {"rows": str(place / "igvf_reporter_element.tsv.gz"),
             "design": str(place / "igvf_reporter_sequence_design.tsv.gz")}  # fmt: skip
    rows, stages = sources.read("mpra_counts", files, {})
    assert stages.counts == [("read", 100), ("label measured", 100)] and (rows["chrom"] != "").all()
    with gzip.open(files["design"], "rt") as stream:
        design = pd.read_csv(stream, sep="\t", keep_default_na=False)
    sequence = design.set_index(design["name"].str.replace(" ", "_"))["sequence"]
    assert rows["sequence"].tolist() == sequence[rows["row_id"]].tolist()


def test_real_alleles_of_igvf(tmp_path, place):
    """All oligos of the design as if they had been measured: 92 variants with both alleles, of which the
    88 SNVs have the bases where SPDI says (checked as the rows are read)."""
    design = place / "igvf_reporter_sequence_design.tsv.gz"
    names = pd.read_csv(design, sep="\t")["name"].str.replace(" ", "_")
    pd.DataFrame({"oligo_name": names, "log2FoldChange": np.arange(500)}).to_csv(
        tmp_path / "all.tsv", sep="\t", index=False
    )
    rows, stages = sources.read("mpra_counts", {"rows": str(tmp_path / "all.tsv"), "design": str(design)}, {})
    assert stages.notes[-1].endswith("10 oligos do not have the length of their intervals, which are ignored")
    paired = rows[rows["pair_id"] != ""]
    assert len(rows) == 500 and paired["pair_id"].nunique() == 92 and len(paired) == 184
    assert paired["allele"].value_counts().to_dict() == {"ref": 92, "alt": 92}
