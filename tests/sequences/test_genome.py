import errno
import gzip
import os
import re
import shutil
import tempfile

import numpy as np
import pandas as pd
import pytest

from s2f.common import contents
from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.sequences.genome import Genome, records

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
@pytest.mark.parametrize("way", ["plain", "crlf", "cr", "one line", "gzip", "bgzip", "index"])
def test_windows_are_the_same_however_the_file_is_kept(tmp_path, monkeypatch, way, block):
    monkeypatch.setattr(contents, "BLOCK", block)
    path = tmp_path / "hg.fa"
    text = fasta(
        CHROMOSOMES, width=1000 if way == "one line" else 10, end={"crlf": "\r\n", "cr": "\r"}.get(way, "\n")
    ).encode()
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
    records, places = np.array([1, 0, 0]), np.array([[1, 8, 62], [0, 9, 4], [92, 30, 10]])
    codes = opened.codes(records, places)
    whole = [opened.fetch(windows(("chr2", 0, 63, "+")))[0], opened.fetch(windows(("chr1", 0, 93, "+")))[0]]
    assert dna.decode(codes.ravel()) == "".join(
        whole[1 - record][place] for record, row in zip(records, places, strict=True) for place in row
    )
    assert opened.codes(records, places[:, 1]).tolist() == codes[:, 1].tolist()
    assert opened.codes(records[:0], places[:0]).shape == (0, 3)


def test_bases_of_pieces_are_asked_by_their_place_on_the_chromosome(tmp_path):
    (tmp_path / "pieces.fa").write_text(fasta({"chr1:40-60": "ACGTNRacgtuACGTACGTG", "2:5-9": "TTGA"}))
    opened = Genome.open(tmp_path / "pieces.fa")
    found = opened.codes(np.array([1, 0, 0]), np.array([[5, 6, 8], [40, 45, 50], [59, 44, 46]]))
    assert found.tolist() == [[3, 3, 0], [0, 4, 3], [2, 4, 0]]


def test_bases_by_an_index_that_does_not_fit_are_refused(tmp_path):
    """The fourth line is a base shorter and the sixth one longer, so that the record ends where the index says."""
    lines = ["ACGTA", "CGTAC", "GTACG", "TACG", "TACGT", "ACGTAC"]
    path = tmp_path / "hg.fa"
    path.write_text(">chr1\n" + "".join(f"{line}\n" for line in lines))
    (tmp_path / "hg.fa.fai").write_text("chr1\t30\t6\t5\t6\n")
    opened = Genome.open(path)
    assert not opened.notes and opened.codes(np.array([0]), np.arange(15)[None]).shape == (1, 15)
    with pytest.raises(InputError) as error:
        opened.codes(np.array([0, 0]), np.array([[3, 4, 5], [18, 19, 20]]))
    assert str(error.value) == (
        f"{path}: chr1 has a letter that is not a base at position 19 or after it; its lines do not match the "
        "FASTA: make the "
        "index again with samtools faidx, or remove it"
    )
    (tmp_path / "odd.fa").write_text(">chr1\nACGTEACGT\n")
    with pytest.raises(InputError, match=r"odd.fa: chr1 has a letter that is not a base at position 4 or after it$"):
        Genome.open(tmp_path / "odd.fa").codes(np.array([0]), np.array([[3, 4]]))


def test_a_disk_too_small_for_an_unpacked_genome(tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *args):
            return None

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "hg.fa").write_text(fasta(CHROMOSOMES))
    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    opened = Genome.open(tmp_path / "hg.fa")
    with pytest.raises(InputError, match=r"hg.fa: .* is too small for its 156 bases, .*; set TMPDIR to a larger disk"):
        opened.codes(np.array([0]), np.array([[3, 4]]))


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
        ("", "hg.fa: holds no FASTA record"),
        (">chr1\nACGT\n>chr1 again\nACGT\n", "hg.fa: line 3: 'chr1' occurs a second time"),
        (">chr1:0-4\nACGT\n>1:0-4\nACGT\n", "hg.fa: line 3: '1:0-4' occurs a second time"),
        (">chr1:10-20\nACGT\n", "line 1: piece 'chr1:10-20' has 4 bases, expected 10: start counts from 0"),
        (">chr1:10-14(-)\nACGT\n", "line 1: piece .* is on the minus strand, expected the plus strand"),
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
    with pytest.raises(InputError, match="is a directory, expected a file"):
        Genome.open(tmp_path)
    path.write_bytes(gzip.compress(fasta(CHROMOSOMES).encode())[:-20])
    with pytest.raises(InputError, match=r"hg.fa.gz: gzip data are broken"):
        Genome.open(path)
    (tmp_path / "hg.fa").write_text(">chr1\nACGTXACGT\n")
    with pytest.raises(InputError, match=r"hg.fa: chr1:2-9: base 3 is 'X'"):
        Genome.open(tmp_path / "hg.fa").fetch(windows(("chr1", 2, 9, "+")))


INDEXED = ">chr1 one\nACGTA\nACGTC\nAC\n>chr2\nGGGGA\nCC\n"
INDEX = "chr1\t12\t10\t5\t6\nchr2\t7\t31\t5\t6\n"
OF_INDEXED = windows(("chr1", 3, 11, "+"), ("chr2", 4, 7, "-"))


def with_index(folder, text=INDEXED, index=INDEX, older=False):
    for name, content in (("hg.fa", text), ("hg.fa.fai", index)):
        (folder / name).write_text(content)
        os.utime(folder / name, (1000, 1000 - (older and name.endswith("fai"))))
    return folder / "hg.fa"


def test_an_index_that_fits_is_used(tmp_path):
    found = Genome.open(with_index(tmp_path))
    assert found.notes == () and (found.records["bases"] == 5).all()
    assert found.fetch(OF_INDEXED) == ["TAACGTCA", "GGT"]


@pytest.mark.parametrize(
    ("index", "why"),
    [
        ("", "is empty"),
        ("chr1\t12\t10\t5\n", "line 1 is not a name and four numbers"),
        ("chr1\t12\t10\t0\t1\n", "line 1 is not a name and four numbers"),
        ("chr1\t12\t10\t5\t6\n", "the FASTA ends before the last record in the index, or continues after it"),
        ("chr2\t7\t31\t5\t6\n", "the record 'chr2' on its line 1 is not at the stated place in the FASTA"),
        (INDEX.replace("chr1", "chr2", 1).replace("\nchr2", "\nchr1"), "the record 'chr2' on its line 1 is not"),
        (INDEX.replace("\t12", "\t11"), "the record 'chr2' on its line 2 is not at the stated place in the FASTA"),
        (INDEX.replace("\t10", "\t6"), "the record 'chr1' on its line 1 is not at the stated place in the FASTA"),
        (INDEX.replace("\t7", "\t90"), "the FASTA ends before the last record in the index, or continues after it"),
        (INDEX.replace("\t31", "\t3100"), "the record 'chr2' on its line 2 is not at the stated place in the FASTA"),
    ],
)
def test_an_index_that_disagrees_is_not_used(tmp_path, index, why):
    path = with_index(tmp_path, index=index)
    found = Genome.open(path)
    assert found.fetch(OF_INDEXED) == ["TAACGTCA", "GGT"]
    (note,) = found.notes
    assert note.startswith(f"{path}.fai: {why}")
    assert note.endswith(", so it is not used; make the index again with samtools faidx, or remove it")


def test_an_index_that_is_older_is_not_used_even_where_it_would_fit(tmp_path):
    path = with_index(tmp_path, older=True)
    assert Genome.open(path).notes == (
        f"{path}.fai: is older than the FASTA, so it is not used; make the index again with samtools faidx, or remove "
        "it",
    )
    assert Genome.open(path).fetch(OF_INDEXED) == ["TAACGTCA", "GGT"]


def test_other_line_breaks_within_a_record_are_noticed_where_they_are_read(tmp_path):
    path = with_index(tmp_path, INDEXED.replace("ACGTA\nACGTC\nAC", "ACGTAA\nCGT\nCAC"))
    found = Genome.open(path)
    assert found.notes == ()  # from header to header all is as the index says
    assert found.fetch(OF_INDEXED[1:]) == ["GGT"]
    with pytest.raises(InputError, match=r"hg.fa.fai: its lines do not match the FASTA at chr1; make the index"):
        found.fetch(OF_INDEXED)


@pytest.mark.parametrize(("name", "why"), [("swapped", "the record 'chr1'"), ("emptyfai", "is"), ("miss", "")])
def test_windows_of_files_whose_index_is_wrong(shared, tmp_path, name, why):
    faults = shared / "cases" / "faults" / "index"
    truth = Genome.open(faults / "truth.fa")
    for ending in ("fa", "fa.fai"):
        shutil.copy(faults / f"{name}.{ending}", tmp_path / f"{name}.{ending}")
    os.utime(tmp_path / f"{name}.fa", (1000, 1000))
    asked = windows(("chr1", 500, 530, "+"), ("chr2", 490, 520, "-"))
    found = Genome.open(tmp_path / f"{name}.fa")
    assert found.fetch(asked) == truth.fetch(asked)
    (note,) = found.notes
    assert note.startswith(f"{tmp_path / name}.fa.fai: {why}")


def test_contigs_that_nobody_asks_for_are_passed_over(shared, tmp_path):
    faults = shared / "cases" / "faults" / "genomes"
    peaks = pd.DataFrame({"chrom": ["chr1", "chr2"], "start": [500, 490], "end": [530, 520], "line": [1, 2]})
    for name in ("hla", "both_m"):
        found = Genome.open(faults / f"{name}.fa")
        found.check(peaks, "p.bed")
        assert len(found.fetch(peaks.assign(strand="+"))[0]) == 30
    text = ">gi|568|gb|CM0.2|\nACGT\n>lcl:7/8\nACGT\n>chr3\nACGTA\n>chrchr1:0-3\nACG\n>chrchr2:0-3\nACG\n"
    (tmp_path / "odd.fa").write_text(text)
    assert Genome.open(tmp_path / "odd.fa").fetch(windows(("chr3", 1, 4, "+"))) == ["CGT"]
    (tmp_path / "odd.fa").write_text(">lcl:7/8\nACGT\n")
    message = "odd.fa: line 1: no record has a usable name, the first one is 'lcl:7/8'; expected chr7 or"
    with pytest.raises(InputError, match=message):
        Genome.open(tmp_path / "odd.fa")


def test_a_chromosome_of_two_records_is_refused_where_it_is_asked_for(shared):
    path = shared / "cases" / "faults" / "genomes" / "both_m.fa"
    found, asked = Genome.open(path), windows(("chrM", 5, 9, "+"))
    assert not found.holds(asked).any()
    two = f"is 2 records of {path}, 'chrM' (line 95) and 'chrMT' (line 100); expected one: remove the others"
    with pytest.raises(InputError) as error:
        found.check(asked.assign(line=7), "p.bed")
    assert str(error.value) == f"p.bed: line 7: chromosome 'chrM' {two}"
    with pytest.raises(InputError) as error:
        found.fetch(asked)
    assert str(error.value) == f"{path}: no record holds chrM:5-9; chrM {two}"


def test_a_genome_whose_only_chromosome_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "hg.fa"
    path.write_text(">chr1\nACGT\n>1\nACGA\n")
    with pytest.raises(InputError) as error:
        Genome.open(path)
    assert str(error.value) == (
        f"{path}: chr1 is 2 records of {path}, 'chr1' (line 1) and '1' (line 3); expected one: remove the others"
    )


@pytest.mark.parametrize("odd", ["; masked by hand", "# note", "481 ACGT", "AC7GT", " >chr2"])
def test_what_is_no_sequence_is_refused_by_line_as_it_would_shift_bases(tmp_path, odd):
    path = tmp_path / "g.fa"
    path.write_text(f">chr1 first\nACGT\n{odd}\nACGT\n>chr3\nAC\n")
    with pytest.raises(
        InputError, match=rf"g.fa: line 3: '{re.escape(odd)}' is not a sequence, in record 'chr1 first'"
    ):
        list(records(path))
