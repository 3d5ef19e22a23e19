import gzip

import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.sequences import dna, genome
from s2f.sequences.genome import Genome

CHROMOSOMES = {"chr1": "acgtNNNNACGGTCATTAGGCATTUUGRCCA" * 3, "2": "TTGACCA" * 9}


def fasta(records, width=10, end="\n"):
    text = ""
    for name, letters in records.items():
        text += f">{name} of a test{end}" + "".join(letters[i : i + width] + end for i in range(0, len(letters), width))
    return text


def windows(*rows):
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "strand"])


ASKED = windows(("chr2", 1, 9, "+"), ("chr1", 0, 12, "-"), ("chr1", 17, 31, "+"), ("chr1", 60, 93, "-"))
ANSWER = [
    "TGACCATT",
    "CCGTNNNNACGT",
    "AGGCATTTTGNCCA",
    dna.reverse_complement_text(("ACGTNNNNACGGTCATTAGGCATTTTGNCCA" * 3)[60:93]),
]


@pytest.mark.parametrize("block", [3, 17, 2**22])
@pytest.mark.parametrize("way", ["plain", "crlf", "one line", "gzip", "bgzip", "index"])
def test_windows_are_the_same_however_the_file_is_kept(tmp_path, monkeypatch, way, block):
    monkeypatch.setattr(genome, "_BLOCK", block)
    path = tmp_path / "hg.fa"
    text = fasta(CHROMOSOMES, width=1000 if way == "one line" else 10, end="\r\n" if way == "crlf" else "\n").encode()
    if way == "bgzip":  # several gzip members one behind the other
        path.write_bytes(gzip.compress(text[:50]) + gzip.compress(text[50:]))
    else:
        path.write_bytes(gzip.compress(text) if way == "gzip" else text)
    if way == "index":
        first = [len(">chr1 of a test\n"), len(fasta({"chr1": CHROMOSOMES["chr1"]})) + len(">2 of a test\n")]
        (tmp_path / "hg.fa.fai").write_text(f"chr1\t93\t{first[0]}\t10\t11\n2\t63\t{first[1]}\t10\t11\n")
    opened = Genome.open(path)
    assert opened.records[["chrom", "start", "end"]].to_numpy().tolist() == [["chr1", 0, 93], ["chr2", 0, 63]]
    assert opened.records["line"].tolist() == ([1, 2] if way == "index" else [1, 3 if way == "one line" else 12])
    assert opened.fetch(ASKED) == ANSWER


def test_pieces_answer_as_the_chromosomes_they_are_cut_from(tmp_path):
    pieces = {"chr1:0-40": CHROMOSOMES["chr1"][:40], "chr1:55-93": CHROMOSOMES["chr1"][55:], "2:1-9": "TGACCATT"}
    (tmp_path / "pieces.fa").write_text(fasta(pieces))
    opened = Genome.open(tmp_path / "pieces.fa")
    assert opened.fetch(ASKED) == ANSWER
    asked = windows(("chr1", 0, 40, "+"), ("chr1", 39, 41, "+"), ("chr1", 54, 60, "+"), ("chr3", 0, 4, "+"))
    assert opened.holds(asked).tolist() == [True, False, False, False]
    with pytest.raises(InputError, match=r"pieces.fa: no record holds chr1:39-41"):
        opened.fetch(asked)


def test_with_an_index_nothing_but_the_windows_is_read(tmp_path):
    # letters that would be refused stand everywhere else
    (tmp_path / "hg.fa").write_text(">chr1\n" + "!" * 20 + "ACGTA" + "!" * 20 + "\n")
    (tmp_path / "hg.fa.fai").write_text("chr1\t45\t6\t45\t46\n")
    assert Genome.open(tmp_path / "hg.fa").fetch(windows(("chr1", 20, 25, "-"))) == ["TACGT"]


def test_random_windows_are_those_of_a_plain_slice(tmp_path):
    rng = np.random.Generator(np.random.PCG64(0))
    letters = dna.decode(rng.integers(0, 4, 5000).astype(np.uint8))
    (tmp_path / "hg.fa").write_text(fasta({"chr5": letters}, width=60))
    start = rng.integers(0, 4900, 200)
    asked = pd.DataFrame({"chrom": "chr5", "start": start, "end": start + 100, "strand": np.where(start % 2, "+", "-")})
    plain = [letters[s : s + 100] if s % 2 else dna.reverse_complement_text(letters[s : s + 100]) for s in start]
    assert Genome.open(tmp_path / "hg.fa").fetch(asked) == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ACGT\n>chr1\nACGT\n", "hg.fa: line 1: expected a FASTA header"),
        ("", "hg.fa: no FASTA record"),
        (">chr1\nACGT\n>chr1 again\nACGT\n", "hg.fa: line 3: 'chr1' occurs for the second time"),
        (">chr1\nACGT\n>1\nACGT\n", "hg.fa: line 3: '1' occurs for the second time"),
        (">chr1:10-20\nACGT\n", "line 1: piece 'chr1:10-20' has 4 bases, expected 10: start counts from 0"),
        (">chr1:10-14(-)\nACGT\n", "line 1: piece .* is of the minus strand, expected the plus strand"),
        (">chr1\nACGT\n>\nACGT\n", "line 3: record has no name"),
    ],
)
def test_mistakes_in_a_fasta_name_the_line(tmp_path, text, message):
    (tmp_path / "hg.fa").write_text(text)
    with pytest.raises(InputError, match=message):
        Genome.open(tmp_path / "hg.fa")


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "hg.fa.gz"
    with pytest.raises(InputError, match=r"hg.fa.gz: no such file"):
        Genome.open(path)
    with pytest.raises(InputError, match="is a folder, expected a file"):
        Genome.open(tmp_path)
    path.write_bytes(gzip.compress(fasta(CHROMOSOMES).encode())[:-20])
    with pytest.raises(InputError, match=r"hg.fa.gz: compressed data are broken"):
        Genome.open(path)
    (tmp_path / "hg.fa").write_text(">chr1\nACGTXACGT\n")
    with pytest.raises(InputError, match=r"hg.fa: chr1:2-9: letter 'X' at position 2"):
        Genome.open(tmp_path / "hg.fa").fetch(windows(("chr1", 2, 9, "+")))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("chr1\t9\t6\n", "hg.fa.fai: line 1: expected a name and four numbers"),
        ("chr1\t9\t6\t0\t1\n", "hg.fa.fai: line 1: expected a name and four numbers"),
        ("chr1\t90\t6\t9\t10\n", "hg.fa.fai: line 1: 'chr1' ends beyond .*hg.fa; make the index again"),
        ("chr1\t9\t0\t9\t10\n", "hg.fa.fai: does not fit its FASTA"),
    ],
)
def test_an_index_of_another_file_is_noticed(tmp_path, index, message):
    (tmp_path / "hg.fa").write_text(">chr1\nACGTAACGT\n")
    (tmp_path / "hg.fa.fai").write_text(index)
    with pytest.raises(InputError, match=message):
        Genome.open(tmp_path / "hg.fa").fetch(windows(("chr1", 0, 9, "+")))
