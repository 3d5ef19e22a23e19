"""Text files of genomes and intervals: read alike however they are kept, and called by name where they are no text."""

import bz2
import gzip
import lzma

import pyarrow
import pytest

from s2f.common.contents import lines
from s2f.common.errors import InputError
from s2f.sequences.bed import read_bed
from s2f.sequences.genome import records

BED = "chr1\t5\t9\tfäden\nchr2\t7\t8\tb\n"
FASTA = ">chr1 fäden\nACGT\nAC\n>chr2\nGG\n"
WAYS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "two members": lambda text: gzip.compress(text[:9]) + gzip.compress(text[9:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "zstd": lambda text: pyarrow.compress(text, "zstd", asbytes=True),
    "mark in gzip": lambda text: gzip.compress(b"\xef\xbb\xbf" + text),
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("way", WAYS)
def test_lines_are_those_of_the_text_however_it_is_kept(tmp_path, way, end):
    (tmp_path / "a.bed").write_bytes(WAYS[way](BED.replace("\n", end).encode()))
    (tmp_path / "a.fa").write_bytes(WAYS[way](FASTA.replace("\n", end).encode()))
    assert [tuple(line) for line in read_bed(tmp_path / "a.bed")] == [
        (1, "chr1", 5, 9, ["chr1", "5", "9", "fäden"]),
        (2, "chr2", 7, 8, ["chr2", "7", "8", "b"]),
    ]
    assert list(records(tmp_path / "a.fa")) == [("chr1 fäden", 1, b"ACGTAC"), ("chr2", 4, b"GG")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "is a broken zip archive, expected text"),
        (gzip.compress(b"BAM\x01\0\0"), "is BAM, expected text"),
        (b"\xeb\xf2\x89\x87\x04\0", "is bigBed, expected text: convert it with bigBedToBed"),
        (b"\x43\x27\x41\x1a\0\0", "is a genome in 2bit, expected text: convert it with twoBitToFa"),
        (b"\x28\xb5\x2f\xfdrest", "zstd data are broken"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS, not the file"),
        (b"<!DOCTYPE html>\n<html>", "is a web page (HTML), expected text: the download went wrong; fetch"),
        (gzip.compress(b"chr1\t5\t9\n" * 99)[:-9], "gzip data are broken"),
        (bz2.compress(b"chr1\t5\t9\n" * 99)[:-9], "bzip2 data are broken"),
        (b"chr1\t5\t9\nchr1\t5\t9\tf\xe4den\n", "line 2: byte 0xe4 is not UTF-8"),
        (b"chr1\t5\t9\nchr1\t5\t9\0\n", "line 2: holds a NUL byte"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_called_by_name(tmp_path, content, message):
    (tmp_path / "a.bed").write_bytes(content)
    for read in (lines, records):
        with pytest.raises(InputError) as error:
            list(read(tmp_path / "a.bed"))
        said = str(error.value).replace("expected FASTA", "expected text")
        if "UTF-8" not in message and "NUL" not in message:  # these are found in a header alone
            assert said.startswith(f"{tmp_path / 'a.bed'}: {message}")
        if read is lines:
            assert said.startswith(f"{tmp_path / 'a.bed'}: {message}")


def test_headers_that_are_not_utf_8_are_named(tmp_path):
    (tmp_path / "a.fa").write_bytes(b">chr1\nAC\n>f\xe4den\nAC\n")
    with pytest.raises(InputError, match=r"a.fa: line 3: byte 0xe4 is not UTF-8"):
        list(records(tmp_path / "a.fa"))
