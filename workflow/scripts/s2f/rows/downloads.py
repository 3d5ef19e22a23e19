"""Fetching published files: downloads resume after a broken connection, are checked, and appear only when complete.

A download is described by `urls` (tried in order), `sha256`, `md5` and `size` (bytes), the last three only if they are
published. If there is no published SHA-256, that of the first download is recorded beside the file ({name}.sha256, in
the format of sha256sum) and later downloads must agree with it. The part received so far is kept in .{name}.part;
.{name}.part.json says which URL and version it belongs to, so that nothing else is ever appended to it.
"""

import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from s2f.common.errors import InputError
from s2f.common.files import is_disk_full, read_json, sha256_file, write_json, write_text

CHUNK = 1 << 20
TIMEOUT = 60.0  # seconds without receiving a byte
ATTEMPTS = 5  # connections to each URL
WEB_PAGE = (b"<!doctype html", b"<html")


class DownloadError(Exception):
    """One source could not provide the file; the message says why."""


def fetch(
    name: str,
    download: dict[str, Any],
    path: str | Path,
    mirror: str = "",
    pause: float = 5.0,
    report: Callable[[str], object] = print,
    mirror_option: str = "--config mirror=FOLDER",
) -> None:
    """Put the file `name` of a download section at `path`, from the mirror or the first of its URLs that has it.

    `mirror` is a folder or a folder's URL (file:// or http): a file of the same name there is taken first, and checked
    like any other. There are `pause` seconds between two connections. Raises `InputError` that names every source with
    the reason for its failure, and says what to do by hand: `mirror_option` is how the caller's user gives a mirror.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{name}.part")
    reasons = []
    sources = _sources(name, download, mirror)
    if mirror and sources == download["urls"]:
        report(f"{name}: not in the mirror {mirror}")
    for url in sources:
        report(f"{name}: from {url}")
        try:
            if url.startswith("file:"):
                _copy(url, part)
            else:
                _receive(url, part, download.get("size"), pause, report)
            sha256 = _check(part, download, path, report)
        except DownloadError as reason:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()
            report(f"{name}: {reason}")
            reasons.append(f"  {url}: {reason}")
            continue
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
        _forget(part)
        write_text(_record(path), f"{sha256}  {name}\n")
        report(f"{name}: {path.stat().st_size:,} bytes, sha256 {sha256}")
        return
    raise InputError(
        f"download {name}: no source provided the file\n" + "\n".join(reasons) + f"\nBy hand: get the file from "
        f"{download['urls'][0]} and save it as {path}, or give a folder that holds it with {mirror_option}"
    )


def _sources(name: str, download: dict[str, Any], mirror: str) -> list[str]:
    """URLs in the order in which they are tried; a local mirror is included only if it has the file."""
    if not mirror:
        return download["urls"]
    if not urllib.parse.urlsplit(mirror).scheme:
        mirror = Path(mirror).resolve().as_uri()
    first = f"{mirror.rstrip('/')}/{urllib.parse.quote(name)}"
    local = first.startswith("file:")
    return download["urls"] if local and not _local(first).is_file() else [first, *download["urls"]]


def _local(url: str) -> Path:
    return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))


def _copy(url: str, part: Path) -> None:
    _forget(part)
    part.unlink(missing_ok=True)
    try:
        _check_room(part, _local(url).stat().st_size)
        shutil.copyfile(_local(url), part)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _disk(error, part) from None


def _receive(url: str, part: Path, size: int | None, pause: float, report: Callable[[str], object]) -> None:
    """Complete `part` from `url`, over several connections if one breaks."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause)
        try:
            _connect(url, part, size, report)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise DownloadError(f"the server answered {error.code} {error.reason}") from None
            reason = f"the server answered {error.code} {error.reason}"
        except urllib.error.URLError as error:
            reason = f"no connection ({error.reason})"
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = f"the connection broke ({error})"
        except OSError as error:
            raise _disk(error, part) from None
        if attempt + 1 < ATTEMPTS:
            report(f"  {reason}; trying again with {part.stat().st_size if part.exists() else 0:,} bytes already here")
    raise DownloadError(f"{reason}, {ATTEMPTS} times")


def _connect(url: str, part: Path, size: int | None, report: Callable[[str], object]) -> None:
    """Over one connection, append what is missing from `part`, or start it again."""
    version = _version_of(part, url)
    have = part.stat().st_size if version else 0
    headers = {"User-Agent": "s2f-adapters", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: nothing is missing, or the file has shrunk
            raise
        _forget(part)
        if have == size or error.headers.get("Content-Range") == f"bytes */{have}":
            return
        part.unlink()
        raise ConnectionError("the part no longer matches the file") from None
    with response:
        if response.status != 206:
            have = 0
            _forget(part)
            part.unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        _check_answer(response, size, total)
        _check_room(part, (total or size or 0) - have)
        version = response.headers.get("ETag", "W/")
        if version.startswith("W/"):  # a weak one may be shared by different bytes
            version = response.headers.get("Last-Modified")
        if version:
            write_json(_notes(part), {"url": url, "version": version})
        _write(response, part, have, total, report)
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"after {part.stat().st_size:,} of {total:,} bytes")


def _write(response: Any, part: Path, have: int, total: int | None, report: Callable[[str], object]) -> None:
    shown = time.monotonic()
    with part.open("ab") as stream:
        while chunk := response.read(CHUNK):
            if stream.tell() == 0 and chunk.lstrip().lower().startswith(WEB_PAGE):
                raise DownloadError("the answer is a web page and not the file (a login, a notice or an error)")
            stream.write(chunk)
            have += len(chunk)
            if time.monotonic() > shown + 10:
                shown = time.monotonic()
                report(f"  {have / 1e6:,.0f}" + (f" of {total / 1e6:,.0f}" if total else "") + " MB")


def _check_answer(response: Any, size: int | None, total: int | None) -> None:
    if response.headers.get_content_type() == "text/html":
        raise DownloadError("the answer is a web page and not the file (a login, a notice or an error)")
    if size and total and total != size:
        raise DownloadError(f"the file has {total:,} bytes, expected {size:,}")


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise DownloadError(f"the disk of {part.parent} has {free:,} bytes free, but {needed:,} are needed")


def _check(part: Path, download: dict[str, Any], path: Path, report: Callable[[str], object]) -> str:
    """SHA-256 of the completed part, after checking its size and checksums; a wrong part is removed."""
    size, sha256 = part.stat().st_size, sha256_file(part)
    expected, source = download.get("sha256"), "as stated in the study"
    if expected is None and _record(path).exists():
        expected = _record(path).read_text(encoding="utf-8").split()[0]
        source = f"recorded at an earlier download; delete {_record(path)} if you trust the new file"
    wrong = []
    if download.get("size") not in (None, size):
        wrong.append(f"the file has {size:,} bytes, expected {download['size']:,}")
    if expected is not None and sha256 != expected.lower():
        wrong.append(f"sha256 is {sha256}, expected {expected} ({source})")
    if "md5" in download:
        with part.open("rb") as stream:
            md5 = hashlib.file_digest(stream, "md5").hexdigest()
        if md5 != download["md5"].lower():
            wrong.append(f"md5 is {md5}, expected {download['md5']}")
    if wrong:
        part.unlink()
        _forget(part)
        raise DownloadError("; ".join(wrong))
    if expected is None:
        report("  no SHA-256 is known: this one is recorded, and later downloads must agree")
    return sha256


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _version_of(part: Path, url: str) -> str:
    """The version of `url` to which `part` belongs; empty if it belongs to another URL or the version is unknown."""
    try:
        notes = read_json(_notes(part)) if part.exists() and _notes(part).exists() else {}
    except InputError:
        return ""
    return notes["version"] if notes.get("url") == url else ""


def _forget(part: Path) -> None:
    _notes(part).unlink(missing_ok=True)


def _disk(error: OSError, part: Path) -> DownloadError:
    if is_disk_full(error):
        return DownloadError(f"the disk of {part.parent} is full; free some space and run again")
    return DownloadError(f"{error.strerror or error} ({error.filename or part})")
