"""What a file holds, judged by its bytes and never by its name: text, unpacked and as UTF-8, or an error that names
what else it is."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from s2f.common.errors import InputError


def _by_arrow(codec: str) -> Callable[[bytes], bytes]:
    def unpack(data: bytes) -> bytes:
        import pyarrow

        return pyarrow.input_stream(pyarrow.BufferReader(data), compression=codec).read()

    return unpack


PACKED: dict[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", gzip.decompress),
    **{b"BZh%d1AY&SY" % level: ("bzip2", bz2.decompress) for level in range(1, 10)},
    b"\xfd7zXZ\x00": ("xz", lzma.decompress),
    b"\x28\xb5\x2f\xfd": ("zstd", _by_arrow("zstd")),
    b"\x04\x22\x4d\x18": ("lz4", _by_arrow("lz4")),
}
# those that can also unpack a file piece by piece
OPEN = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
STREAMS: dict[bytes, Any] = {magic: OPEN[name] for magic, (name, _) in PACKED.items() if name in OPEN}
RATIO = 5  # assumed bytes of text per compressed byte
BLOCK = 2**22  # bytes per read
SAVE = "save the sheet as tab-separated text in UTF-8"
POINTER = b"version https://git-lfs.github.com"  # first bytes of the stand-in for a large file in a clone
ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")  # zip
# first bytes -> what the file is, and how to turn it into text
OTHER = {
    b"PAR1\x15": ("Parquet", "write it as text: pandas.read_parquet(...).to_csv(..., sep='\\t', index=False)"),
    b"ARROW1\0\0": ("Arrow or Feather", "write it as tab-separated text"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an old Excel workbook (xls)", SAVE),
    b"\x89HDF\r\n\x1a\n": ("HDF5", "write its table as tab-separated text"),
    b"\x93NUMPY": ("a NumPy array", "write it as tab-separated text"),
    b"%PDF": ("PDF", "get the table itself as text"),
    b"SQLite format 3\0": ("an SQLite database", "write its table as tab-separated text"),
    b"RDX2\n": ("an R workspace", "write the table with write.table(..., sep='\\t', quote=FALSE, row.names=FALSE)"),
    b"RDX3\n": ("an R workspace", "write the table with write.table(..., sep='\\t', quote=FALSE, row.names=FALSE)"),
    b"X\n\x00\x00\x00": ("an R object", "write it with write.table(..., sep='\\t', quote=FALSE, row.names=FALSE)"),
    b"BAM\x01": ("BAM", "expected text"),
    b"BCF\x02": ("BCF", "expected text"),
    b"CRAM\x02": ("CRAM", "expected text"),
    b"CRAM\x03": ("CRAM", "expected text"),
    b"\x43\x27\x41\x1a": ("a genome in 2bit", "convert it with twoBitToFa"),
    b"\x1a\x41\x27\x43": ("a genome in 2bit", "convert it with twoBitToFa"),
    b"\xeb\xf2\x89\x87": ("bigBed", "convert it with bigBedToBed"),
    b"\x87\x89\xf2\xeb": ("bigBed", "convert it with bigBedToBed"),
    b"\x26\xfc\x8f\x88": ("bigWig", "it holds a track; get the intervals as BED"),
    b"\x88\x8f\xfc\x26": ("bigWig", "it holds a track; get the intervals as BED"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it and name the file in it"),
    b"Rar!": ("a RAR archive", "unpack it and name the file in it"),
    POINTER: ("a pointer of Git LFS, not the file", "fetch the file with git lfs pull"),
}
# byte order marks at the start of Unicode text, longer ones first
MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}


def read_text(path: str | Path, text: str = "text") -> bytes:
    """The bytes of a text file: unpacked if it is gzip, bzip2, xz, zstd or lz4, converted to UTF-8 if it is UTF-16 or
    UTF-32, and without a byte order mark.

    Whether the bytes are valid UTF-8 is left to the caller. `text` says in messages what the file should be. Raises
    `InputError` for a missing file, a folder, broken compressed data, and a file that is not text (a workbook, an
    archive, Parquet, or bytes that no text contains); the message says what the file is and how to turn it into text.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, text, error) from None
    for _ in range(3):  # a file may be compressed twice; the limit is for files that unpack to themselves
        packed = next((value for magic, value in PACKED.items() if data.startswith(magic)), None)
        if packed is None:
            break
        name, unpack = packed
        try:
            data = unpack(data)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            raise _broken(path, name, error) from None
    what, fix = _other(data)
    if what:
        raise InputError(f"{path}: is {what}, expected {text}: {fix}")
    encoding = _encoding(data)
    if encoding:
        try:
            data = data.decode(encoding).encode() if encoding != "utf-8-sig" else data[3:]
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: byte {error.start}: not {encoding.upper()} text; the file may be cut off"
            ) from None
    position = data.find(b"\0")
    if position >= 0:
        line = data.count(b"\n", 0, position) + 1
        raise InputError(f"{path}: line {line}: holds a NUL byte, which text never does; expected {text}")
    return data


@contextlib.contextmanager
def opened(path: str | Path, text: str = "text") -> Iterator[IO[bytes]]:
    """What `read_text` gives, as a stream, for files larger than memory: plain, gzip, bzip2 and xz files in UTF-8.

    Raises `InputError` as `read_text` does; if compressed data break off, only once the stream gets there.
    """
    magic = b""
    try:
        with Path(path).open("rb") as raw:
            head = raw.read(12)
        magic = next((magic for magic in STREAMS if head.startswith(magic)), b"")
        unpack = STREAMS.get(magic)
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(unpack(path) if unpack else Path(path).open("rb"))
            head = stream.peek(1024)[:1024]
            if head.startswith(ARCHIVE):
                read_text(path, text)  # the error says what the archive holds, which is listed at its end
            what, fix = _other(head)
            if what:
                raise InputError(f"{path}: is {what}, expected {text}: {fix}")
            encoding = _encoding(head)
            if encoding not in ("", "utf-8-sig") or b"\0" in head or head.startswith(tuple(PACKED)):
                stream = io.BytesIO(read_text(path, text))
            elif encoding:
                stream.read(3)
            yield stream
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if magic:
            raise _broken(path, PACKED[magic][0], error) from None
        raise _unreadable(path, text, error) from None


def lines(path: str | Path, text: str = "text") -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line of a file, without its line end (\\n, \\r\\n or \\r). Raises
    `InputError` as `read_text` does, and with the line number for a line that is not UTF-8."""
    data = read_text(path, text)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    rows = data.split(b"\n")
    for number, row in enumerate(rows if rows[-1] else rows[:-1], 1):
        yield number, decoded(row, path, number)


def whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a file in blocks of about `BLOCK` bytes of whole lines; only the last line may lack its line end. Lines end
    with LF, even if the file has CRLF or CR."""
    rest = b""
    while block := stream.read(BLOCK):
        block, half = rest + block, b""
        if b"\r" in block:
            half = b"\r" if block.endswith(b"\r") else b""  # perhaps the first half of a CRLF
            block = block[: len(block) - len(half)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = block.rfind(b"\n") + 1
        yield block[:end]
        rest = block[end:] + half
    yield rest.replace(b"\r", b"\n")


def line_blocks(path: str | Path, text: str = "text") -> Iterator[tuple[int, list[str]]]:
    """Yield what `lines` gives, but in blocks, for files larger than memory: the number of the block's first line, from
    1, and its lines. Raises `InputError` as `opened` does, and with the line number for a line that is not UTF-8."""
    line = 1
    with opened(path, text) as stream:
        for block in whole_lines(stream):
            rows = decoded(block, path, line).split("\n")
            rows = rows if rows[-1] else rows[:-1]
            yield line, rows
            line += len(rows)


def is_packed(path: str | Path) -> bool:
    """Whether an existing file is compressed."""
    with Path(path).open("rb") as stream:
        return stream.read(12).startswith(tuple(PACKED))


def _unreadable(path: str | Path, text: str, error: Any) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file ({text})")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{path}: is a directory, expected a file ({text})")
    return InputError(f"{path}: cannot be read ({error.strerror or error})")


def _broken(path: str | Path, name: str, error: Exception) -> InputError:
    return InputError(f"{path}: {name} data are broken ({error}); fetch the file again")


def unpacked_size(path: str | Path) -> int:
    """Roughly how many bytes of text a file holds; for a compressed file, `RATIO` times its size."""
    return Path(path).stat().st_size * (RATIO if is_packed(path) else 1)


def unpacked_lines(path: str | Path) -> int:
    """Roughly how many lines of text a file holds, estimated from its first 64 kB."""
    with Path(path).open("rb") as raw:
        start = raw.read(12)
    unpack = next((unpack for magic, unpack in STREAMS.items() if start.startswith(magic)), Path.open)
    try:
        with unpack(Path(path), "rb") as stream:
            head = stream.read(2**16)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):  # the job that reads the file will say what is broken
        return 0
    ends = max(head.count(b"\n"), head.count(b"\r"))  # CR line ends, from an old Mac
    return unpacked_size(path) * ends // max(len(head), 1)


def breaks_off(path: str | Path) -> bool:
    """Whether the text of a file ends without a line end, as in a truncated file. Always False for compressed text,
    whose truncation shows when it is read, and for UTF-16."""
    with Path(path).open("rb") as stream:
        if stream.read(12).startswith((*PACKED, b"\xff\xfe", b"\xfe\xff")):
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read() not in b"\r\n"


def decoded(data: bytes, path: str | Path, first_line: int = 1) -> str:
    """Decode UTF-8 bytes; `InputError` names the line of an invalid byte, counted from `first_line`."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line, begin = data.count(b"\n", 0, error.start) + first_line, data.rfind(b"\n", 0, error.start) + 1
        around = (
            data[max(begin, error.start - 20) : error.start + 20].split(b"\n")[0].decode("cp1252", "replace").strip()
        )
        raise InputError(
            f"{path}: line {line}: byte 0x{data[error.start]:02x} is not UTF-8 ({around!r} if it is Windows-1252); "
            f"save the file as UTF-8, or convert it: {_conversion(Path(path))}"
        ) from None


def _conversion(path: Path) -> str:
    """The command that writes a file of Windows-1252 again, in UTF-8 and under another name."""
    with path.open("rb") as stream:
        start = stream.read(12)
    packed = next((name for magic, (name, _) in PACKED.items() if start.startswith(magic)), "")
    inner = path.with_suffix("") if packed else path  # mine.csv of mine.csv.gz
    source, result = (shlex.quote(str(name)) for name in (path, inner.with_name(f"{inner.stem}.utf8{inner.suffix}")))
    command = "iconv -f WINDOWS-1252 -t UTF-8"
    return f"{packed} -dc {source} | {command} > {result}" if packed else f"{command} {source} > {result}"


def _other(data: bytes) -> tuple[str, str]:
    """What kind of file this is, if not text, and how to get text from it; both are empty for what may be text."""
    if data.startswith(ARCHIVE):
        return _archive(data)
    if data[257:262] == b"ustar":
        return "a tar archive", "unpack it and name the file in it"
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page (HTML)", "the download went wrong; fetch the file again"
    if start.startswith(b"<?xml"):
        return "XML", SAVE
    return next((found for magic, found in OTHER.items() if data.startswith(magic)), ("", ""))


def _archive(data: bytes) -> tuple[str, str]:
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except zipfile.BadZipFile:
        return "a broken zip archive", "fetch the file again"
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook", SAVE
    if "content.xml" in names:
        return "an OpenDocument spreadsheet", SAVE
    held = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return f"a zip archive (of {held})" if names else "an empty zip archive", "unpack it and name the file in it"


def _encoding(data: bytes) -> str:
    """The encoding, if not plain UTF-8, judged by the byte order mark or by NUL bytes in every second position."""
    marked = next((name for mark, name in MARKS.items() if data.startswith(mark)), "")
    if marked:
        return marked
    even, odd = (data[:1000][start::2].count(0) for start in (0, 1))
    half = len(data[:1000]) // 2
    if odd > 0.5 * half and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.5 * half and not odd else ""
