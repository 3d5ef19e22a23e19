import gzip

import numpy as np
import pytest

from s2f.common import contents
from s2f.common.errors import InputError
from s2f.sequences.genes import read_genes

# as GENCODE and RefSeq write them
GTF = """\
##description: evidence-based annotation
chr17\tHAVANA\tgene\t7661779\t7687550\t.\t-\t.\tgene_id "ENSG00000141510.19"; gene_name "TP53"; note "a#b";
chr17\tHAVANA\ttranscript\t7661000\t7687550\t.\t-\t.\tgene_id "ENSG00000141510.19"; gene_name "TP53";
chr17\tHAVANA\tgene\t7686000\t7709999\t.\t+\t.\tgene_id "ENSG00000141499.17"; gene_name "WRAP53";

MT\tinsdc\tgene\t3307\t4262\t.\t+\t.\tgene_id "ENSG00000198888"; gene_name "MT-ND1";
chr17\tHAVANA\tgene\t9000000\t9000010\t.\t.\t.\tgene_id "none";
"""


def strands(genes, chrom, *places):
    """Strands of bases given from 1."""
    pos = np.array(places)
    return genes.strands([chrom] * len(pos), pos - 1, pos).tolist()


@pytest.mark.parametrize("block", [50, 2**22])
@pytest.mark.parametrize("packed", [False, True])
def test_strands_of_the_genes_over_a_place(tmp_path, monkeypatch, packed, block):
    monkeypatch.setattr(contents, "BLOCK", block)
    path = tmp_path / "genes.gtf"
    path.write_bytes(gzip.compress(GTF.encode()) if packed else GTF.encode())
    genes = read_genes(path)
    assert genes.count == 3
    assert strands(genes, "chr17", 7661778, 7661779, 7685999, 7686000, 7687550, 7687551, 7709999, 7710000) == [
        *["none", "-", "-", "both", "both", "+", "+", "none"]
    ]
    assert strands(genes, "chrM", 3307, 4263) == ["+", "none"]
    assert strands(genes, "chr17", 9000005) == ["none"] == strands(genes, "chr1", 7661800)
    # an interval over the end of one and the beginning of the other
    assert genes.strands(["chr17"], [7685990], [7686001]).tolist() == ["both"]


def test_transcripts_or_exons_serve_where_a_file_has_no_genes(tmp_path):
    path = tmp_path / "genes.gtf"
    rows = [("exon", 10, 20, "+"), ("CDS", 12, 18, "+"), ("exon", 30, 40, "+")]
    path.write_text("".join(f"1\tx\t{what}\t{a}\t{b}\t.\t{strand}\t.\tt\n" for what, a, b, strand in rows))
    assert strands(read_genes(path), "chr1", 9, 10, 25, 40) == ["none", "+", "none", "+"]
    path.write_text(path.read_text() + "1\tx\tmRNA\t10\t40\t.\t+\t.\tID=t\n##FASTA\n>1\nACGT\n")
    assert strands(read_genes(path), "chr1", 9, 10, 25, 40) == ["none", "+", "+", "+"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\tx\tgene\t10", "line 3: 4 columns, expected 9 as in a GTF"),
        (
            "chr1 x gene 10 20 . + . gene_id",
            "line 3: 1 columns, expected 9 as in a GTF; they are separated by spaces: write tabs instead",
        ),
        ("chr1\tx\tgene\t0\t20\t.\t+\t.\tt", "line 3: start is '0', expected a whole number of at least 1"),
        ("chr1\tx\tgene\t5\t1e3\t.\t+\t.\tt", "line 3: end is '1e3', expected a whole number of at least 1"),
        ("chr1\tx\tgene\t50\t20\t.\t+\t.\tt", "line 3: end is 20, expected at least start (50)"),
        ("chr1\tx\tgene\t5\t20\t.\t1\t.\tt", "line 3: strand is '1', expected +, - or ."),
        (
            "chr1:5\tx\tgene\t5\t20\t.\t+\t.\tt",
            "line 3: chromosome is 'chr1:5', expected a name such as chr7, 7, chrX, or the name of a contig",
        ),
        (
            "chr1\tx\tregion\t5\t20\t.\t+\t.\tt",
            "has no gene with a strand, expected lines whose third column is one of gene, ncRNA_gene, pseudogene, "
            "transcript, mRNA, exon, CDS",
        ),
    ],
)
def test_lines_that_are_no_genes(tmp_path, line, message):
    path = tmp_path / "genes.gtf"
    path.write_text(f"#!genome-build x\n\n{line}\n")
    with pytest.raises(InputError) as error:
        read_genes(path)
    assert str(error.value) == f"{path}: {message}"
