"""Downloads against a server on this machine: resume, checks, mirrors, and what a failure says."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from s2f.common.errors import InputError
from s2f.rows import downloads

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "table.txt"


class Server(ThreadingHTTPServer):
    """Serves `content` with Range, as `etag`; breaks the first `breaks` answers off after `after` bytes."""

    content, etag, last_modified, ranges = CONTENT, '"one"', None, True
    breaks, after, status, kind = 0, 300_000, 200, "text/plain"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    def handle_error(self, *_):
        """A client that has seen enough hangs up: no news."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/{NAME}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        start = 0
        if server.status != 200:
            return self.send_error(server.status)
        if wanted and server.ranges and self.headers.get("If-Range") in (server.etag, server.last_modified):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return None
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(server.content) - start))
        for name, value in (("ETag", server.etag), ("Last-Modified", server.last_modified)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        body = server.content[start:]
        if server.breaks:
            server.breaks -= 1
            body = body[: server.after]
        self.wfile.write(body)
        self.close_connection = True
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "resources" / NAME


def fetch(path, *urls, mirror="", **spec):
    lines = []
    downloads.fetch(NAME, {"urls": list(urls), **spec}, path, mirror, pause=0, report=lines.append)
    return "\n".join(lines)


def failure(path, *urls, **spec):
    with pytest.raises(InputError) as caught:
        fetch(path, *urls, **spec)
    assert not path.exists()
    return str(caught.value)


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_a_file_is_fetched_checked_and_recorded(server, path):
    md5 = hashlib.md5(CONTENT).hexdigest()
    fetch(path, server.url, sha256=SHA256.upper(), md5=md5, size=len(CONTENT))
    assert path.read_bytes() == CONTENT
    assert names(path) == [NAME, f"{NAME}.sha256"]
    assert (path.parent / f"{NAME}.sha256").read_text() == f"{SHA256}  {NAME}\n"


def test_the_record_is_what_sha256sum_reads(server, path):
    fetch(path, server.url)
    subprocess.run(["sha256sum", "--check", f"{NAME}.sha256"], cwd=path.parent, check=True, capture_output=True)


@pytest.mark.parametrize("validator", ["etag", "last_modified"])
def test_a_broken_connection_is_resumed_where_it_broke(server, path, validator):
    if validator == "last_modified":
        server.etag, server.last_modified = 'W/"weak"', "Fri, 16 Feb 2024 00:00:00 GMT"
    server.breaks = 2
    report = fetch(path, server.url, sha256=SHA256)
    assert server.asked == [None, "bytes=300000-", "bytes=600000-"]
    assert path.read_bytes() == CONTENT
    assert (
        "the connection broke (after 300,000 of 1,048,576 bytes); trying again with 300,000 bytes already here"
        in report
    )


def test_a_part_of_an_earlier_run_is_resumed(server, path):
    server.breaks, server.after = downloads.ATTEMPTS, 100_000
    assert "the connection broke (after 500,000 of 1,048,576 bytes), 5 times" in failure(path, server.url)
    server.asked.clear()
    fetch(path, server.url, sha256=SHA256)
    assert server.asked == ["bytes=500000-"] and path.read_bytes() == CONTENT
    assert names(path) == [NAME, f"{NAME}.sha256"]


def test_a_part_of_another_version_is_not_continued(server, path):
    server.breaks, server.after = downloads.ATTEMPTS, 100_000
    failure(path, server.url)
    server.content, server.etag = CONTENT[::-1], '"two"'
    fetch(path, server.url)
    assert path.read_bytes() == CONTENT[::-1]


def test_a_part_of_another_url_is_not_continued(server, path):
    server.breaks, server.after = downloads.ATTEMPTS, 100_000
    failure(path, server.url)
    server.content = CONTENT[::-1]
    server.asked.clear()
    fetch(path, server.url + "?copy")
    assert server.asked == [None] and path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("setting", [{"ranges": False}, {"etag": None}])
def test_a_server_that_cannot_resume_begins_anew(server, path, setting):
    vars(server).update(setting, breaks=1)
    fetch(path, server.url)
    assert path.read_bytes() == CONTENT and len(server.asked) == 2


def test_a_part_that_is_already_whole_needs_no_byte(server, path):
    path.parent.mkdir()
    (path.parent / f".{NAME}.part").write_bytes(CONTENT)
    (path.parent / f".{NAME}.part.json").write_text(json.dumps({"url": server.url, "version": '"one"'}))
    fetch(path, server.url, sha256=SHA256)
    assert server.asked == [f"bytes={len(CONTENT)}-"] and path.read_bytes() == CONTENT


def test_broken_notes_beside_a_part_are_ignored(server, path):
    path.parent.mkdir()
    (path.parent / f".{NAME}.part").write_bytes(b"xyz")
    (path.parent / f".{NAME}.part.json").write_text("{")
    fetch(path, server.url, sha256=SHA256)
    assert server.asked == [None] and path.read_bytes() == CONTENT


def test_the_next_url_is_tried_and_every_reason_named(server, path):
    with Server() as dead:
        closed = dead.url
    report = fetch(path, closed, server.url, sha256=SHA256)
    assert "no connection ([Errno 111] Connection refused), 5 times" in report
    path.unlink()
    server.status = 404
    message = failure(path, closed, server.url)
    assert f"download {NAME}: no source provided the file\n  {closed}: no connection ([Errno 111]" in message
    assert f"{server.url}: the server answered 404 Not Found\n" in message
    assert f"By hand: get the file from {closed} and save it as {path}, or give a folder" in message
    assert "--config mirror=FOLDER" in message


def test_an_unknown_host_is_no_network(path):
    assert "http://nowhere.invalid/x: no connection (" in failure(path, "http://nowhere.invalid/x")


def test_a_busy_server_is_asked_again_and_a_missing_file_not(server, path):
    server.status = 503
    assert "the server answered 503 Service Unavailable, 5 times" in failure(path, server.url)
    assert len(server.asked) == 5
    server.status = 404
    failure(path, server.url)
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"sha256": "0" * 64}, f"sha256 is {SHA256}, expected {'0' * 64} (as stated in the study)"),
        ({"md5": "0" * 32}, f"md5 is {hashlib.md5(CONTENT).hexdigest()}, expected {'0' * 32}"),
        ({"size": 7}, "the file has 1,048,576 bytes, expected 7"),
    ],
)
def test_a_file_with_another_checksum_or_size_is_not_kept(server, path, spec, message):
    assert message in failure(path, server.url, **spec)
    assert names(path) == []


def test_a_later_download_must_agree_with_the_first(server, path):
    assert "no SHA-256 is known: this one is recorded, and later downloads must agree" in fetch(path, server.url)
    path.unlink()
    server.content, server.etag = CONTENT[:-1], '"two"'
    message = failure(path, server.url)
    assert f"expected {SHA256} (recorded at an earlier download; delete {path}.sha256 if you trust the new" in message
    (path.parent / f"{NAME}.sha256").unlink()
    fetch(path, server.url)
    assert path.read_bytes() == CONTENT[:-1]


def test_the_study_overrules_the_record(server, path):
    path.parent.mkdir()
    (path.parent / f"{NAME}.sha256").write_text(f"{'0' * 64}  {NAME}\n")
    fetch(path, server.url, sha256=SHA256)
    assert (path.parent / f"{NAME}.sha256").read_text().startswith(SHA256)


@pytest.mark.parametrize("kind, content", [("text/html; charset=utf-8", CONTENT), ("text/plain", b"\n<!DOCTYPE HTML>")])
def test_a_web_page_is_not_the_file(server, path, kind, content):
    server.kind, server.content = kind, content
    assert "the answer is a web page and not the file" in failure(path, server.url)
    assert [name for name in names(path) if name.endswith(".part")] == []


def test_too_little_room_is_seen_before_the_download(server, path, monkeypatch):
    usage = shutil.disk_usage(path.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert f"the disk of {path.parent} has 1,000 bytes free, but 1,048,576 are needed" in failure(path, server.url)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named(server, path, monkeypatch):
    path.parent.mkdir()
    (path.parent / "full").symlink_to("/dev/full")  # writes to it fail as on a full disk
    write = downloads._write
    monkeypatch.setattr(downloads, "_write", lambda answer, part, *rest: write(answer, part.with_name("full"), *rest))
    assert f"the disk of {path.parent} is full; free some space and run again" in failure(path, server.url)


def test_a_copy_that_does_not_fit_is_not_begun(path, tmp_path, monkeypatch):
    (tmp_path / NAME).write_bytes(CONTENT)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    message = failure(path, (tmp_path / NAME).as_uri())
    assert f"the disk of {path.parent} has 1,000 bytes free, but 1,048,576 are needed" in message and names(path) == []


def test_a_wrong_file_is_not_said_to_be_recorded(server, path):
    lines = []
    with pytest.raises(InputError, match=r"md5 is .*, expected 0000"):
        downloads.fetch(NAME, {"urls": [server.url], "md5": "0" * 32}, path, pause=0, report=lines.append)
    assert "recorded" not in "".join(lines)


def test_a_mirror_folder_comes_first(server, path, tmp_path):
    folder = tmp_path / "a mirror"
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    for mirror in (str(folder), folder.as_uri(), folder.as_uri() + "/"):
        fetch(path, server.url, sha256=SHA256, mirror=mirror)
        assert path.read_bytes() == CONTENT and server.asked == []
    with pytest.raises(InputError, match="sha256 is"):
        fetch(path, server.url, sha256="0" * 64, mirror=str(folder))


def test_a_mirror_without_the_file_is_passed_over(server, path, tmp_path):
    assert f"not in the mirror {tmp_path}" in fetch(path, server.url, mirror=str(tmp_path))
    assert path.read_bytes() == CONTENT


def test_a_mirror_can_be_a_server_and_a_url_a_file(server, path, tmp_path):
    (tmp_path / "other.txt").write_bytes(CONTENT)
    fetch(path, "http://nowhere.invalid/x", mirror=server.url.removesuffix(f"/{NAME}"))
    assert path.read_bytes() == CONTENT
    path.unlink()
    fetch(path, (tmp_path / "none.txt").as_uri(), (tmp_path / "other.txt").as_uri(), sha256=SHA256)
    assert path.read_bytes() == CONTENT
    path.unlink()
    assert "none.txt: No such file or directory" in failure(path, (tmp_path / "none.txt").as_uri())


def test_the_program_fetches_one_of_the_section(server, path, root):
    section = json.dumps({NAME: {"urls": [server.url], "sha256": SHA256}})
    environment = dict(os.environ, PYTHONPATH=str(root / "workflow" / "scripts"))

    def run(name):
        command = [sys.executable, "-m", "download", "--name", name, "--downloads", section, "--out", str(path)]
        return subprocess.run(command, env=environment, text=True, capture_output=True)

    assert run(NAME).returncode == 0 and path.read_bytes() == CONTENT
    done = run("other.txt")
    assert done.returncode == 1 and "downloads: there is no file 'other.txt'; known: table.txt" in done.stderr
