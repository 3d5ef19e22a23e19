"""Text of genomes and intervals, read alike whatever the file's name: compression, encoding and line ends by content.

gzip, bgzip, bzip2 and xz are unpacked; UTF-8 with or without a byte order mark is read, lines end with LF, CRLF or CR.
Whatever is no text is refused and called what it is.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from s2f.common.errors import InputError

MARK = b"\xef\xbb\xbf"  # byte order mark of UTF-8
COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
# first bytes of files that are no text -> what they are, and what to do
OTHERS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save the sheet as text separated by tabs",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as text separated by tabs",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it",
    b"\x43\x27\x41\x1a": "a genome in 2bit; convert it by twoBitToFa",
    b"\x1a\x41\x27\x43": "a genome in 2bit; convert it by twoBitToFa",
    b"\xeb\xf2\x89\x87": "a bigBed; convert it by bigBedToBed",
    b"\x87\x89\xf2\xeb": "a bigBed; convert it by bigBedToBed",
    b"\x26\xfc\x8f\x88": "a bigWig, which holds a track and no intervals",
    b"\x88\x8f\xfc\x26": "a bigWig, which holds a track and no intervals",
    b"BAM\x01": "a BAM, which holds reads",
    b"CRAM": "a CRAM, which holds reads",
    b"PAR1": "a Parquet table; save it as text separated by tabs",
    b"\x89HDF": "an HDF5 file",
    b"version https://git-lfs": "a pointer of git-lfs and not the file itself; fetch that by git lfs pull",
    b"<!DOCTYPE": "a web page; download the file itself",
    b"<!doctype": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes]]:
    """The bytes of a text file, unpacked, from behind its byte order mark on.

    Raises `InputError` when the file is missing, cannot be read, is no text (`OTHERS`, and bytes of 0 near its
    beginning) or its compressed data are broken.
    """
    try:
        with Path(path).open("rb") as raw:
            head = raw.read(8)
        unpack = next((unpack for first, unpack in COMPRESSED.items() if head.startswith(first)), None)
        with unpack(path) if unpack else Path(path).open("rb") as stream:
            head = stream.peek(1024)[:1024]
            kind = next((kind for first, kind in OTHERS.items() if head.startswith(first)), "")
            kind = kind or ("a binary file, or UTF-16 text; save it as UTF-8 text" if b"\0" in head else "")
            if kind:
                raise InputError(f"{path}: is {kind}")
            if head.startswith(MARK):
                stream.read(len(MARK))
            yield stream
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, expected a file") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read; ask for the right to") from None
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path}: compressed data are broken ({error}); fetch the file again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); fetch the file again") from None


def is_compressed(path: str | Path) -> bool:
    """Whether a file, which is there, is one of those that `opened` unpacks."""
    with Path(path).open("rb") as stream:
        head = stream.read(8)
    return any(head.startswith(first) for first in COMPRESSED)


def lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of each line of a file, without its end. Raises `InputError` as `opened`, and with
    the number for a line that is not UTF-8."""
    with opened(path) as stream:
        # the escaped bytes of a line tell that it is not UTF-8; a strict decoder does not say in which line it stopped
        for number, text in enumerate(io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline=None), 1):
            yield number, decoded(text.rstrip("\n").encode("utf-8", "surrogateescape"), path, number)


def decoded(text: bytes, path: str | Path, number: int) -> str:
    """The text of line `number` of a file. Raises `InputError` where its bytes are not UTF-8."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = text[error.start]
        raise InputError(
            f"{path}: line {number}: byte 0x{byte:02x} is not UTF-8 text; save the file as UTF-8"
        ) from None
