import numpy as np
import pytest

from helpers.variants import genome_of, judged
from s2f.common.errors import InputError
from s2f.sequences.variant_judge import Judge
from s2f.sequences.variant_tables import read_variants
from s2f.sequences.variants import Variant, Variants


def rows_of(variants):
    return [variants[row] for row in range(len(variants))]


def test_a_table_of_columns_and_one_of_keys_give_the_variants_of_a_vcf(tmp_path):
    columns, keys = tmp_path / "columns.tsv", tmp_path / "keys.csv"
    columns.write_text("# ours\nid\tchrom\tpos\tref\talt\tnote\nNA\t7\t70038969\tG\tT\t#1\n\tchrX\t5\tgt\tG\t\n")
    keys.write_text("score,variant\n1,7:70038969:G:T\n2,chrX-5-gt-G\n")
    assert rows_of(read_variants(columns)) == [
        Variant("7", 70038969, "G", "T", "NA", line=3),
        Variant("chrX", 5, "gt", "G", ".", line=4),
    ]
    assert rows_of(read_variants(keys, ",")) == [
        Variant("7", 70038969, "G", "T", "7:70038969:G:T", line=2),
        Variant("chrX", 5, "gt", "G", "chrX-5-gt-G", line=3),
    ]
    assert read_variants(columns).record.tolist() == [0, 1]


def test_strands_and_a_header_behind_a_hash(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("#chrom\tpos\tref\talt\tstrand\n1\t2\tA\tC\t-\n1\t2\tA\tC\t+\n1\t2\tA\tC\t\n1\t2\tA\tC\t.\n")
    variants = read_variants(path)
    assert variants.strand.tolist() == ["-", "+", "", ""] and variants.line.tolist() == [2, 3, 4, 5]
    genome = genome_of(tmp_path, {"chr1": "GATTACA"})
    assert Judge(genome, path, 5).judged(variants).reason.tolist() == ["ok", "ok", "ok", "duplicate"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom\tpos\tref\n1\t5\tA\n", "column 'alt' is missing; the file has: 'chrom', 'pos', 'ref'"),
        (
            "chrom,pos,ref,alt\n1,5,A,C\n",
            "column 'chrom' is missing; the file has: 'chrom,pos,ref,alt'; its cells are separated by commas, not by "
            "tabs: save it with tabs, or write separator: ",
        ),
        ("chrom\tpos\tref\talt\n1\t5\tA\tC\n1\t6.0\tA\tC\n", "line 3: pos is '6.0', expected a whole number, counted "),
        ("chrom\tpos\tref\talt\n1\t-5\tA\tC\n", "line 2: pos is '-5', expected a whole number, counted from 1"),
        ("chrom\tpos\tref\talt\n1\t9999999999\tA\tC\n", "line 2: pos is '9999999999', expected at most 2,147,483,647"),
        ("chrom\tpos\tref\talt\n1\t5\t\tC\n", "line 2: ref is '', expected a value"),
        ("chrom\tpos\tref\talt\n1\t5\tA\t \n", "line 2: alt is ' ', expected a value"),
        ("chrom\tpos\tref\talt\n1\t5\tA\tC,G\n", "line 2: alt is 'C,G', expected one allele; write a row for each"),
        ("chrom\tpos\tref\talt\tstrand\n1\t5\tA\tC\t1\n", "line 2: strand is '1', expected + or -, or nothing if "),
        ("variant\nchr7:5:A:C\nrs12\n", "line 3: variant is 'rs12', expected contig, position, REF and ALT such as "),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\n", "is VCF, expected a table of variants; give it with --vcf"),
    ],
)
def test_tables_that_hold_no_variants(tmp_path, text, message):
    path = tmp_path / "t.tsv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_variants(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_variants_of_a_table_are_judged_as_those_given_one_by_one(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("chrom\tpos\tref\talt\n1\t3\tTT\tT\n1\t2\tA\tAC\n1\t2\tC\tA\n")
    genome = genome_of(tmp_path, {"chr1": "GATTACA"})
    given = [Variant("1", 3, "TT", "T"), Variant("1", 2, "A", "AC"), Variant("1", 2, "C", "A")]
    tables = [judged(genome, given).table(), Judge(genome, path, 50).judged(read_variants(path)).table()]
    assert tables[0].equals(tables[1]) and tables[0]["reason"].tolist() == ["ok", "ok", "ref_mismatch"]
    assert isinstance(read_variants(path), Variants) and np.array_equal(tables[0]["norm_pos"], [2, 2, 0])
