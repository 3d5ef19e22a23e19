"""BED files: what all have in common is read, and any mistake named by file and line."""

import gzip

import pytest

from s2f.common.errors import InputError
from s2f.sequences.bed import read_bed

GOOD = "chr4\t100\t146\tfold7"


def test_names_are_canonical_and_headers_passed_over(tmp_path):
    text = f"track name=x\nbrowser position chr1\n# note\n{GOOD}\n\nX\t0\t9\tfold1\r\n"
    for path, content in ((tmp_path / "a.bed", text.encode()), (tmp_path / "b.bed.gz", gzip.compress(text.encode()))):
        path.write_bytes(content)
        assert [tuple(line) for line in read_bed(path)] == [
            (4, "chr4", 100, 146, ["chr4", "100", "146", "fold7"]),
            (6, "chrX", 0, 9, ["X", "0", "9", "fold1"]),
        ]


def test_three_columns_are_enough_unless_more_are_asked_for(tmp_path):
    (tmp_path / "a.bed").write_text("chr1\t5\t9\n")
    assert len(list(read_bed(tmp_path / "a.bed"))) == 1
    with pytest.raises(
        InputError, match=r"a.bed: line 1: 3 columns separated by tabs, expected at least 4 \(with a name"
    ):
        list(read_bed(tmp_path / "a.bed", 4, "4 (with a name)"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t5", r"line 2: 2 columns separated by tabs, expected at least 3 \(chrom, start, end\)"),
        (
            "chr1 5 9 fold7",
            r"line 2: 1 columns separated by tabs, expected at least 3 \(chrom, start, end\); the cells are "
            "separated by spaces: write tabs instead",
        ),
        ("chr1\t5\t9", "line 2: 3 columns, expected 4 as in the lines before"),
        ("chr1\t-5\t9\tx", "line 2: start is '-5', expected a whole number of at least 0"),
        ("chr1\t5\t1e3\tx", "line 2: end is '1e3', expected a whole number"),
        ("chr1\t5\t999999999999999\tx", "line 2: end is 999999999999999, beyond the end of any chromosome"),
        ("track1\t5\t5\tx", "line 2: end is 5, expected a number above start, 5"),
        ("chr1:100-250\t5\t9\tx", "line 2: chromosome is 'chr1:100-250', expected a name"),
        ("chr1\t9\t9\tx", "line 2: end is 9, expected a number above start, 9"),
        ("chr1\t9\t5\tx", "line 2: end is 5, expected a number above start, 9"),
        (".\t5\t9\tx", r"line 2: chromosome is '\.', expected a name such as chr7"),
        ("chr 0\t5\t9\tx", "line 2: chromosome is 'chr 0', expected a name"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, line, message):
    (tmp_path / "a.bed").write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(InputError, match=f"a.bed: {message}"):
        list(read_bed(tmp_path / "a.bed"))


def test_a_line_of_names_of_columns_is_named(tmp_path):
    (tmp_path / "a.bed").write_text(f"chrom\tstart\tend\tname\n{GOOD}\n")
    with pytest.raises(InputError, match=r"line 1: start is 'start', .*; put # before the line of column names"):
        list(read_bed(tmp_path / "a.bed"))


def test_contigs_have_names_as_genomes_give_them(tmp_path):
    names = ["HLA-A*01:01:01:01", "HLA-DRB1*15:01:01:02", "gi|568336023|gb|CM000663.2|", "chrUn_KI270302v1"]
    (tmp_path / "a.bed").write_text("".join(f"{name}\t5\t9\n" for name in names))
    found = [line.chrom for line in read_bed(tmp_path / "a.bed")]
    assert found == [f"chr{name}" for name in names[:3]] + names[3:]


@pytest.mark.parametrize(
    "line, hint",
    [
        ("chr1\tsrc\tgene\t5\t9\t.\t+\t.\tid", "this is a line of GFF or GTF, with positions in columns 4 and 5"),
        ("chr1\t500\t.\tA\tG\t.\tPASS\t.", "this is a line of VCF"),
        ("chr1\t5e+02\t600", r"to write whole numbers, set options\(scipen=999\) in R"),
    ],
)
def test_lines_of_other_formats_are_told(tmp_path, line, hint):
    (tmp_path / "a.bed").write_text(line + "\n")
    with pytest.raises(InputError, match=f"a.bed: line 1: .*{hint}"):
        list(read_bed(tmp_path / "a.bed"))
