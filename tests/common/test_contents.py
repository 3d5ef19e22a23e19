"""Containers and encodings, told by content: read, or named with the way to a table of text."""

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow
import pyarrow.parquet
import pytest

from s2f.common import contents
from s2f.common.contents import breaks_off, read_text, unpacked_size
from s2f.common.errors import InputError
from s2f.common.tables import read_table

TABLE = "name\tlabel\nr1\t0.5\nr2 µ\t1\n"
CELLS = {"name": ["r1", "r2 µ"], "label": ["0.5", "1"]}


def arrow(codec):
    def pack(data):
        out = pyarrow.BufferOutputStream()
        with pyarrow.output_stream(out, compression=codec) as stream:
            stream.write(data)
        return out.getvalue().to_pybytes()

    return pack


@pytest.mark.parametrize("name", ["t.tsv", "t.gz", "t.zip"])
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, bz2.compress, lzma.compress, arrow("zstd"), arrow("lz4")],
    ids=["plain", "gzip", "bzip2", "xz", "zstd", "lz4"],
)  # fmt: skip
def test_compressed_tables_are_read_whatever_their_name(saved, pack, name):
    assert read_table(saved(pack(TABLE.encode()), name)).to_dict("list") == CELLS


def test_gzip_of_several_members_and_within_gzip(saved):
    halves = TABLE.encode()[:14], TABLE.encode()[14:]
    assert read_table(saved(b"".join(map(gzip.compress, halves)))).to_dict("list") == CELLS
    assert read_table(saved(gzip.compress(gzip.compress(TABLE.encode())))).to_dict("list") == CELLS


@pytest.mark.parametrize("cut", [1, 12, 20])
def test_a_compressed_table_that_breaks_off_is_refused(saved, cut):
    path = saved(gzip.compress(TABLE.encode())[:-cut])
    with pytest.raises(InputError, match=r"table\.tsv: gzip data are broken \(.*\); fetch the file again"):
        read_table(path)


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]  # -le and -be have no byte order mark
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_of_spreadsheets_are_read(saved, encoding, end):
    assert read_table(saved(TABLE.replace("\n", end).encode(encoding))).to_dict("list") == CELLS


def test_big_endian_text_with_a_mark(saved):
    assert read_table(saved(b"\xfe\xff" + TABLE.encode("utf-16-be"))).to_dict("list") == CELLS


def test_utf_16_that_breaks_off_is_refused(saved):
    path = saved(TABLE.encode("utf-16")[:-1])
    with pytest.raises(InputError, match="not UTF-16 text; the file may be cut off"):
        read_table(path)


def test_eight_bit_text_is_named_with_line_and_mend_where_it_is_read(saved):
    path = saved(TABLE.encode("latin-1"))
    with pytest.raises(InputError) as error:
        read_table(path)
    assert str(error.value) == (
        f"{path}: line 3: byte 0xb5 is not UTF-8 ('r2 µ\\t1' if it is Windows-1252); save the file as UTF-8, or "
        f"convert it: iconv -f WINDOWS-1252 -t UTF-8 {path} > {path.with_name('table.utf8.tsv')}"
    )
    packed = saved(gzip.compress(TABLE.encode("latin-1")), "my t.csv.gz")
    with pytest.raises(InputError) as error:
        read_table(packed)
    result = packed.with_name("my t.utf8.csv")
    assert str(error.value).endswith(f"it: gzip -dc '{packed}' | iconv -f WINDOWS-1252 -t UTF-8 > '{result}'")
    assert read_table(path, ["label"], only=True)["label"].tolist() == ["0.5", "1"]  # in a column that nobody needs


def workbook(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


def parquet():
    out = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"name": ["r1"]}), out)
    return out.getvalue().to_pybytes()


SHEET = "save the sheet as tab-separated text in UTF-8"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (workbook("[Content_Types].xml", "xl/workbook.xml"), f"is an Excel workbook, expected table: {SHEET}"),
        (workbook("content.xml"), f"is an OpenDocument spreadsheet, expected table: {SHEET}"),
        (workbook("a.tsv", "b.tsv"), "is a zip archive (of a.tsv, b.tsv), expected table: unpack it and name the file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), f"is an old Excel workbook (xls), expected table: {SHEET}"),
        (parquet(), "is Parquet, expected table: write it as text: pandas.read_parquet(...).to_csv("),
        (gzip.compress(parquet()), "is Parquet, expected table"),
        (gzip.compress(b"a.tsv" + bytes(252) + b"ustar\x0000"), "is a tar archive, expected table: unpack it"),
        (b"RDX3\nX\n\x00", "is an R workspace, expected table: write the table with write.table("),
        (b"\n<!DOCTYPE html><html>", "is a web page (HTML), expected table: the download went wrong"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a pointer of Git LFS, not the file, expected table: fetch",
        ),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", "is VCF, expected table: variants have no measured sequences; give"),
        (b">chr1\nACGT\n", "is FASTA, expected table: give a table with a header"),
        (b'[{"name": "r1"}]', "is JSON, expected table: write it as tab-separated text"),
    ],
)
def test_what_is_no_table_of_text_is_named_with_the_mend(saved, data, message):
    path = saved(data)
    with pytest.raises(InputError) as error:
        read_table(path, ["name"])
    assert str(error.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"a\n", False), (b"a\r", False), (b"a\nb", True), (gzip.compress(b"a"), False), ("a\n".encode("utf-16"), False)],
)
def test_text_that_may_be_cut_off(saved, data, expected):
    assert breaks_off(saved(data)) == expected


def test_the_size_of_compressed_text_is_estimated(saved):
    assert unpacked_size(saved(b"x" * 1000)) == 1000
    packed = gzip.compress(TABLE.encode())
    assert unpacked_size(saved(packed)) == 5 * len(packed)
    assert read_text(saved(packed)) == TABLE.encode()


@pytest.mark.parametrize(("end", "unpacked"), [("\n", True), ("\r\n", True), ("\r", True), ("\n", False)])
def test_lines_are_counted_by_the_first_ones(tmp_path, end, unpacked):
    data = "".join(f"r{row:07d}\tACGTACGT\t0.5{end}" for row in range(20_000)).encode()
    (tmp_path / "t.tsv").write_bytes(data if unpacked else gzip.compress(data))
    found = contents.unpacked_lines(tmp_path / "t.tsv")
    # of compressed text it is taken that it is `RATIO` times as long
    expected = 20_000 if unpacked else 20_000 * contents.RATIO * len(gzip.compress(data)) / len(data)
    assert abs(found - expected) < 0.01 * expected
    (tmp_path / "t.tsv").write_bytes(b"")
    assert contents.unpacked_lines(tmp_path / "t.tsv") == 0
    (tmp_path / "t.tsv").write_bytes(b"\x1f\x8bbroken")
    assert contents.unpacked_lines(tmp_path / "t.tsv") == 0
