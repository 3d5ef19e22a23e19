import gzip

import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import sources

POSITIVES = ">chr7:100-104(-)\nACgu\n>gene::chr2:5-9\nGG\nGG\n>free text of any kind\nUUUU\n"
NEGATIVES = ">1\nTTTTA\n>chr2:5-9(+) more\nCCCC\n"


def read(folder, positives=POSITIVES, negatives=NEGATIVES, **spec):
    files = {"positives": folder / "p.fa", "negatives": folder / "n.fa.gz"}
    files["positives"].write_text(positives)
    files["negatives"].write_bytes(gzip.compress(negatives.encode()))
    return sources.read("fasta_pairs", files, spec, "classification")


def test_headers_give_places_where_they_can(tmp_path):
    rows, stages = read(tmp_path)
    columns = ["row_id", "sequence", "label", "chrom", "strand"]
    assert rows[columns].to_numpy().tolist() == [
        ["positive|chr7:100-104(-)", "ACGT", 1, "chr7", "-"],
        ["positive|gene::chr2:5-9", "GGGG", 1, "chr2", ""],
        ["positive|free text of any kind", "TTTT", 1, "", ""],
        ["negative|1", "TTTTA", 0, "", ""],
        ["negative|chr2:5-9(+) more", "CCCC", 0, "chr2", "+"],
    ]
    assert rows["start"].fillna(-1).tolist() == [100, 5, -1, -1, 5]
    assert rows["end"].fillna(-1).tolist() == [104, 9, -1, -1, 9]
    assert stages.parts == [("positives", 3), ("negatives", 2)]


def test_a_sequence_counts_once_and_in_both_classes_not_at_all(tmp_path):
    rows, stages = read(tmp_path, ">a\nACGT\n>b\nacgu\n>c\nGGGG\n", ">a\nGGGG\n>b\nCCCC\n")
    assert rows["row_id"].tolist() == ["positive|a", "negative|b"]
    assert stages.counts == [("read", 5), ("once in its class", 4), ("in one class", 2)]


def test_the_two_strands_of_dna_are_one_sequence_and_those_of_rna_are_two(tmp_path):
    given = ">a\nAACG\n>b\nCGTT\n>c\nTTTC\n", ">d\nGAAA\n>e\nCCAC\n"
    rows, _ = read(tmp_path, *given, molecule="DNA")
    assert rows["row_id"].tolist() == ["positive|a", "negative|e"]
    rows, _ = read(tmp_path, *given, molecule="RNA")
    assert len(rows) == 5


def test_coordinates_that_count_from_one(tmp_path):
    rows, _ = read(tmp_path, ">chr7:101-104\nACGT\n", ">x\nGGGG\n", first_base=1)
    assert rows[["start", "end"]].iloc[0].tolist() == [100, 104]


@pytest.mark.parametrize(
    ("positives", "spec", "message"),
    [
        (">a\nACXT\n", {}, "p.fa: line 1: record 'a': base 3 is 'X'"),
        (">a\nAC\n>b\n", {}, "p.fa: line 3: record 'b' has no sequence"),
        (">a\nAC\n>\nAC\n", {}, "p.fa: line 3: header is empty, expected a name"),
        (">a\nAC\n>a\nGG\n", {}, "p.fa: line 3: 'a' is also the header of line 1"),
        ("ACGT\n", {}, "p.fa: line 1: expected a FASTA header"),
        (">chr1:5-9\nACGTA\n", {}, "has 5 bases, expected 4 from its coordinates with first_base: 0; try 1"),
        (
            ">chr1:5-9\nACGT\n",
            {"first_base": 1},
            "has 4 bases, expected 5 from its coordinates with first_base: 1; try 0",
        ),
        (">chr1:5-9\nACGTACGT\n", {}, "has 8 bases, expected 4 from its coordinates with first_base: 0$"),
        (">a\nTTTTA\n>b\nCCCC\n", {}, "p.fa: every sequence is in the other file too"),
        (POSITIVES, {"first_base": 2}, "first_base is 2, expected 0 or 1"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, positives, spec, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, positives, **spec)


def test_real_parclip_sequences_of_rna_letters(shared):
    folder = shared / "data" / "eclip"
    files = {name: folder / f"PUM2_PARCLIP.{name}.fa" for name in ("positives", "negatives")}
    rows, stages = sources.read("fasta_pairs", files, {}, "classification")
    assert stages.counts[0] == ("read", 6000)
    assert not rows["sequence"].str.contains("U").any() and (rows["sequence"].str.len() == 81).all()
    share = rows["sequence"].str.contains("TGTA.ATA").groupby(rows["label"]).mean()
    assert share[1.0] > 5 * share[0.0]


def test_real_windows_with_strands(shared):
    folder = shared / "data" / "eclip" / "fasta_w51"
    files = {name: folder / f"QKI_K562_IDR.{name}.fa" for name in ("positives", "negatives")}
    rows, stages = sources.read("fasta_pairs", files, {}, "classification")
    assert stages.counts[0] == ("read", 2 * 1666)
    assert set(rows["strand"]) == {"+", "-"} and (rows["end"] - rows["start"] == 51).all()


def test_dna_has_no_u(tmp_path):
    with pytest.raises(
        InputError, match=r"p.fa: line 1: record 'chr7:100-104\(-\)' has the letter U, but molecule is DNA"
    ):
        read(tmp_path, molecule="DNA")
    others = NEGATIVES.replace("CCCC", "CACC")  # not the other strand of a positive
    rows, _ = read(tmp_path, POSITIVES.replace("u", "t").replace("U", "T"), others, molecule="DNA")
    pd.testing.assert_frame_equal(rows, read(tmp_path, negatives=others)[0])


def test_a_tab_in_a_header_is_named_with_file_and_line(tmp_path):
    with pytest.raises(InputError) as error:
        read(tmp_path, ">a\nAC\n>b\tc\nGG\n")
    assert str(error.value) == (
        f"{tmp_path / 'p.fa'}: line 3: header 'b\\tc' holds a tab, expected none, because the header becomes a cell "
        "of tables; "
        "write a space instead"
    )


def test_headers_are_utf_8(tmp_path):
    rows, _ = read(tmp_path, ">Fäden α\nACGT\n")
    assert rows["row_id"].iloc[0] == "positive|Fäden α"


def test_a_place_in_another_form_is_a_name_and_said_to_be_one(tmp_path):
    rows, stages = read(tmp_path, ">chr7:100-104(.)\nACGT\n>chr7:1,100-1,104\nGGGG\n>hg38 range=chr7:5-9\nTTTA\n")
    assert rows["chrom"].tolist()[:3] == ["chr7", "", ""] and rows["strand"].tolist()[:3] == ["", "", ""]
    assert len(stages.notes) == 1
    assert (
        "p.fa: line 3: 'chr7:1,100-1,104' may hold coordinates" in stages.notes[0] and "2 such rows" in stages.notes[0]
    )
