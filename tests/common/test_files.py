"""Files written whole or not at all, JSON, and what a full disk says."""

import errno
import hashlib
import math
import os
import signal
import subprocess
import sys

import pytest

from s2f.common import files
from s2f.common.errors import InputError
from s2f.common.files import atomic, check_writable, read_json, write_json, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- atomic


def test_atomic_leaves_the_file_and_nothing_else(tmp_path):
    with atomic(tmp_path / "new" / "out.txt") as temporary:
        temporary.write_text("whole")
        assert names(tmp_path / "new") == [".out.txt.tmp"]
    assert names(tmp_path / "new") == ["out.txt"] and (tmp_path / "new" / "out.txt").read_text() == "whole"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error), atomic(tmp_path / "out.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == []


def test_an_error_leaves_the_old_file_whole(tmp_path):
    write_text(tmp_path / "out.txt", "old")
    with pytest.raises(RuntimeError), atomic(tmp_path / "out.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert names(tmp_path) == ["out.txt"] and (tmp_path / "out.txt").read_text() == "old"


def test_a_folder_is_written_whole_and_replaces_an_older_one(tmp_path):
    for content in ("old", "new"):
        with atomic(tmp_path / "best_model") as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert names(tmp_path) == ["best_model"] and names(tmp_path / "best_model") == ["new"]
    with pytest.raises(RuntimeError), atomic(tmp_path / "best_model") as temporary:
        (temporary / "deep").mkdir(parents=True)
        raise RuntimeError
    assert names(tmp_path) == ["best_model"] and names(tmp_path / "best_model") == ["new"]


@pytest.mark.parametrize("folder", [False, True])
def test_leftovers_of_a_kill_are_replaced(tmp_path, folder):
    leftover = tmp_path / ".out.tmp"
    if folder:
        (leftover / "deep").mkdir(parents=True)
    else:
        leftover.write_text("half of something much longer")
    with atomic(tmp_path / "out") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == ["out"] and (tmp_path / "out").read_text() == "whole"


def test_a_body_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "out"):
        pass
    assert names(tmp_path) == []


def test_content_reaches_the_disk_before_the_name(tmp_path, monkeypatch):
    flushed = []

    def fsync(descriptor):
        assert not (tmp_path / "out").exists()
        flushed.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    with atomic(tmp_path / "out") as temporary:
        (temporary / "deep").mkdir(parents=True)
        for name in ("a", "deep/b"):
            (temporary / name).write_text(name)
    assert sorted(flushed) == sorted((tmp_path / "out" / name).stat().st_ino for name in ("a", "deep/b"))


KILLED = """
import sys, time
from s2f.common.files import atomic
with atomic(sys.argv[1]) as temporary:
    with temporary.open("w") as stream:
        stream.write("half")
        stream.flush()
        print("writing", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("before", [None, "old"])
def test_a_kill_leaves_no_partial_file(tmp_path, root, before):
    path = tmp_path / "out.txt"
    if before:
        write_text(path, before)
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow" / "scripts")}
    job = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, env=environment)
    with job:
        assert job.stdout.readline() == b"writing\n"
        job.send_signal(signal.SIGKILL)
    assert job.returncode == -signal.SIGKILL
    assert (path.read_text() if path.exists() else None) == before
    write_text(path, "whole")
    assert names(tmp_path) == ["out.txt"] and path.read_text() == "whole"


def test_remove_takes_files_folders_links_and_nothing(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for name in ("link", "folder", "absent"):
        files.remove(tmp_path / name)
    assert names(tmp_path) == ["kept"] and names(tmp_path / "kept") == ["file"]


# --- JSON


def test_equal_values_give_equal_bytes(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [0.1, None, "é"]})
    write_json(tmp_path / "b.json", {"a": [0.1, None, "é"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": [0.1, None, "é"], "b": 1}


def test_nan_is_refused_in_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": math.nan})
    with pytest.raises(InputError) as error:
        write_json(tmp_path / "a.json", {"validation": [{"mse": 1.0}, {"mse": math.inf}]})
    assert str(error.value) == (
        f"{tmp_path}/a.json: validation.1.mse is inf, but JSON holds finite numbers only; are labels or predictions "
        "very "
        "large?"
    )
    assert names(tmp_path) == []


def test_broken_json_is_named_with_its_line(saved, tmp_path):
    with pytest.raises(InputError, match=r"a.json: line 2: is not JSON \(Expecting"):
        read_json(saved('{"a":\n}', "a.json"))
    with pytest.raises(InputError, match=r"a.json: byte 1: is not UTF-8 text"):
        read_json(saved(b'"\xff"', "a.json"))
    with pytest.raises(InputError, match=r"absent.json: no such file"):
        read_json(tmp_path / "absent.json")


# --- checksums and full disks


def test_sha256_of_a_file(saved):
    assert files.sha256_file(saved("abc")) == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("RESOURCE_EXHAUSTED: ... No space left on device"),  # as Orbax says it
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("Can't write data (errno = 28, error message = 'No space left on device')"),  # as HDF5 puts it
    ],
)
def test_a_full_disk_is_named_and_nothing_is_left(tmp_path, error):
    def write():
        with atomic(tmp_path / "t.tsv") as temporary:
            temporary.write_text("half a ta")
            raise error

    with pytest.raises(InputError, match=f"t.tsv: the disk of {tmp_path} is full; free some space and run it again"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_path_below_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "t.tsv", tmp_path / "file" / "new" / "t.tsv"):
        for write in (lambda path=path: write_text(path, "text"), lambda path=path: check_writable(path)):
            with pytest.raises(
                InputError, match=rf"{path}: no file can be written in {path.parent} \(Not a directory\)"
            ):
                write()
    check_writable(tmp_path / "new" / "t.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_other_trouble_with_the_disk_stays_what_it_is(tmp_path):
    with pytest.raises(PermissionError), atomic(tmp_path / "t.tsv"):
        raise PermissionError(errno.EACCES, "Permission denied")
