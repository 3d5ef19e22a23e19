"""The split `chromosome`: whole chromosomes, however they are spelt."""

from helpers.linked_rows import CHROMOSOMES, units_of, unlinked
from s2f.rows import sources
from s2f.splits.make import make_split


def test_whole_chromosomes():
    rows = unlinked(6, chrom=["1", "chr2", "Chr3", "x", "", "3"])
    split = make_split(rows, CHROMOSOMES, 0, units_of(rows))
    assert split["split"].tolist() == ["train", "val", "test", "train", "excluded", "test"]
    assert split["reason"].tolist() == ["", "", "", "", "no chromosome", ""]
    kept = make_split(rows, {**CHROMOSOMES, "without_chromosome": "train"}, 0, units_of(rows))
    assert kept["split"].iloc[4] == "train"


def test_7_and_chr7_are_one_chromosome_in_rows_and_spec():
    rows = unlinked(5, chrom=["7", "chr7", "7.0", "chr1", "x"])
    for spelling in ("7", "chr7", "Chr7"):
        split = make_split(rows, {"kind": "chromosome", "val": ["X"], "test": [spelling]}, 0, units_of(rows))
        assert split["split"].tolist() == ["test", "test", "test", "train", "val"]


def test_chromosome_split_of_the_mattioli_library(shared):
    mpra = shared / "data/mpra"
    files = {"rows": mpra / "mattioli_pool1_pMPRA1_K562.tsv", "pairs": mpra / "mattioli_snp_pairs.tsv"}
    rows = sources.read("mattioli", files, {})[0]
    split = make_split(
        rows, {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}, 0, units_of(rows)
    )
    assert split["split"].value_counts()[["val", "test"]].to_dict() == {"val": 376, "test": 346}
    assert set(rows["chrom"][split["split"] == "test"]) == {"chr7", "chr13"}
    assert set(split["reason"]) == {"", "no chromosome"}
