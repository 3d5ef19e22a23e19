"""Building a cache through kills, rival writers and full disks."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from helpers import programs
from helpers.cache_builds import CONSTRUCT, ROWS, build, encode, fake, flip, offset_of
from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json
from s2f.common.provenance import SCRIPTS
from s2f.embeddings import build as embedding
from s2f.embeddings import writer
from s2f.rows.canonical import write_rows

# 20 unique inserts in chunks of 5: 4 calls of the encoder
HANGS_IN_CHUNK_3 = """
import sys, time
from pathlib import Path
from helpers import cache_builds
count = 0
def encode(codes):
    global count
    count += 1
    if count == 4:
        time.sleep(600)
    return cache_builds.encode(codes)
cache_builds.build(Path(sys.argv[1]), encoder=cache_builds.fake(encode))
"""


@contextlib.contextmanager
def hanging_build(path):
    """A build in another process that has 3 of its 4 chunks done and hangs in its encoder; SIGKILLed at the end."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HANGS_IN_CHUNK_3, str(path)]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            journal = path.with_name(f".{path.name}.journal")
            while not journal.exists() or journal.read_text().count("\n") < 4:
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Folder with what a SIGKILL left of the build of x.h5, and the bytes of an uninterrupted build."""
    folder = tmp_path_factory.mktemp("killed")
    with hanging_build(folder / "x.h5"):
        pass
    whole = tmp_path_factory.mktemp("whole") / "x.h5"
    build(whole)
    return folder, whole.read_bytes()


@pytest.fixture
def after_kill(killed, tmp_path):
    """A copy of what is left."""
    shutil.copytree(killed[0], tmp_path, dirs_exist_ok=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".x.h5.journal", ".x.h5.partial"]
    return tmp_path / "x.h5"


def build_counting(path, **options):
    """Build and return how many chunks were encoded."""
    chunks = []

    def counting(codes):
        chunks.append(codes)
        return encode(codes)

    changes = options.pop("changes", {})
    build(path, encoder=fake(counting, **changes), **options)
    assert sorted(file.name for file in path.parent.iterdir()) == ["x.h5", "x.json"]
    return len(chunks)


def test_a_killed_build_goes_on_where_it_stopped(after_kill, killed, capsys):
    assert build_counting(after_kill) == 1
    assert after_kill.read_bytes() == killed[1]
    log = capsys.readouterr().err
    assert "continuing, 3 chunks are done" in log
    assert "30 rows, 20 unique inserts" in log
    assert "20 of 20 windows" in log


@pytest.mark.parametrize(
    "options",
    [{"changes": {"fingerprint": "e" * 64}}, {"changes": {"backend": {"name": "other"}}}, {"shift": 1},
     {"strand": "reverse"}, {"dtype": "float32"}, {"rows": ROWS[:29]}, {"chunk_rows": 4}],
)  # fmt: skip
def test_a_kill_of_another_build_is_not_continued(after_kill, options):
    assert build_counting(after_kill, **options) >= 4
    fresh = after_kill.parent / "fresh" / "x.h5"
    build_counting(fresh, **options)
    assert fresh.read_bytes() == after_kill.read_bytes()


def test_changed_code_starts_anew(after_kill, killed, monkeypatch):
    monkeypatch.setattr(embedding.provenance, "code_fingerprint", lambda *modules: "other")
    assert build_counting(after_kill) == 4
    assert after_kill.read_bytes() == killed[1]


def test_a_damaged_chunk_is_encoded_again(after_kill, killed):
    left = after_kill.with_name(".x.h5.partial")
    flip(left, offset_of(left, "embedding")[0] + 5 * 24 + 3)
    assert build_counting(after_kill) == 2
    assert after_kill.read_bytes() == killed[1]


@pytest.mark.parametrize("tail", [b'{"chunk": 3, "sha2', b'{"chunk": 3}', b"\0\0\0\n"])
def test_a_torn_journal_line_is_dropped(after_kill, killed, tail):
    with after_kill.with_name(".x.h5.journal").open("ab") as journal:
        journal.write(tail)
    assert build_counting(after_kill) == 1
    assert after_kill.read_bytes() == killed[1]


@pytest.mark.parametrize("size", [None, 0, 3000])
def test_a_missing_or_cut_partial_file_starts_anew(after_kill, killed, size, capsys):
    left = after_kill.with_name(".x.h5.partial")
    left.unlink() if size is None else os.truncate(left, size)
    assert build_counting(after_kill) == 4
    assert after_kill.read_bytes() == killed[1]
    assert "cannot be continued, starting anew" in capsys.readouterr().err


def test_a_second_kill_before_the_last_check_costs_no_encoding(after_kill, killed, monkeypatch):
    def kill(*arguments, **options):
        raise KeyboardInterrupt

    with after_kill.with_name(".x.h5.journal").open("ab") as journal:
        journal.write(b'{"chunk": 3, "sha2')
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writer, "open_cache", kill)
        build(after_kill)
    assert not after_kill.exists()
    assert build_counting(after_kill) == 0
    assert after_kill.read_bytes() == killed[1]


def test_a_failing_encoder_keeps_what_is_done(tmp_path):
    count = iter(range(100))

    def failing(codes):
        if next(count) == 3:
            raise MemoryError("device is out of memory")
        return encode(codes)

    with pytest.raises(MemoryError, match="device is out of memory"):
        build(tmp_path / "x.h5", encoder=fake(failing))
    assert build_counting(tmp_path / "x.h5") == 1


def test_a_kill_of_both_strands_encodes_only_what_each_lacks(tmp_path):
    """After it each strand has other chunks: reverse all four, forward three."""
    paths = {strand: tmp_path / f"{strand}.h5" for strand in ("forward", "reverse")}
    encoded = []

    def counting(codes):
        encoded.append(codes)
        return encode(codes)

    def both(count):
        encoded.clear()
        embedding.build_strands(paths, ROWS, fake(counting), "fake", CONSTRUCT, chunk_rows=5)
        assert len(encoded) == count
        return [path.read_bytes() for path in paths.values()]

    def kill(*arguments, **options):
        raise KeyboardInterrupt

    whole = both(8)
    for path in paths.values():
        path.unlink()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writer, "open_cache", kill)
        both(8)
    left = tmp_path / ".forward.h5.partial"
    flip(left, offset_of(left, "embedding")[0] + 5 * 24 + 3)
    assert both(1) == whole
    assert sorted(file.name for file in tmp_path.iterdir()) == ["forward.h5", "reverse.h5"]


def test_a_disk_with_room_for_one_strand_of_two_is_refused(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda path: usage._replace(free=20_000_000))
    build(tmp_path / "alone" / "x.h5")
    paths = {strand: tmp_path / "both" / f"{strand}.h5" for strand in ("forward", "reverse")}
    with pytest.raises(InputError, match=r"0\.020 GB are free, the caches need 0\.034 GB"):
        embedding.build_strands(paths, ROWS, fake(None), "fake", CONSTRUCT)
    assert list((tmp_path / "both").iterdir()) == []


def test_two_writers_are_refused(tmp_path, killed):
    path = tmp_path / "x.h5"
    with hanging_build(path):
        with pytest.raises(InputError, match=r"\.x\.h5\.journal: another process is writing this cache"):
            build(path)
        assert not path.exists()
    assert build_counting(path) == 1
    assert path.read_bytes() == killed[1]


def test_a_rebuilt_cache_replaces_the_old_one(tmp_path, killed):
    build(tmp_path / "x.h5", shift=2)
    build(tmp_path / "x.h5")
    assert (tmp_path / "x.h5").read_bytes() == killed[1]


def test_a_small_disk_is_refused_before_work_and_leaves_nothing(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(InputError, match=r"0\.001 GB are free, the cache needs 0\.017 GB; free some space"):
        build(tmp_path / "new" / "x.h5", encoder=fake(None))
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_is_named_and_loses_no_chunk(tmp_path, killed, monkeypatch, code):
    pwrite, count = os.pwrite, iter(range(100))

    def full(*arguments):
        if next(count) >= 2:  # chunks are written side by side
            raise OSError(code, os.strerror(code))
        return pwrite(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(writer.os, "pwrite", full)
        with pytest.raises(InputError, match=rf"x\.h5: {os.strerror(code)}; free some space and run again"):
            build(tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()
    assert build_counting(tmp_path / "x.h5") == 2
    assert (tmp_path / "x.h5").read_bytes() == killed[1]


def test_short_writes_are_continued(tmp_path, killed, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(writer.os, "pwrite", lambda file, view, place: pwrite(file, view[:7], place))
    build(tmp_path / "x.h5")
    assert (tmp_path / "x.h5").read_bytes() == killed[1]


def test_a_disk_that_returns_other_bytes_is_named(tmp_path, monkeypatch):
    pwrite, count = os.pwrite, iter(range(100))

    def flipped(file, view, place):
        changed = bytearray(view)
        changed[5] ^= next(count) >= 2  # chunks are written side by side
        return pwrite(file, changed, place)

    with monkeypatch.context() as patch:
        patch.setattr(writer.os, "pwrite", flipped)
        with pytest.raises(
            InputError, match=r"\.x\.h5\.partial: chunk \d does not read back as it was written; check the disk"
        ):
            build(tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()
    assert build_counting(tmp_path / "x.h5") == 2


# the programs


def run(name, *arguments):
    return programs.run(SCRIPTS.parents[1], name, *arguments)


def test_programs_make_and_check_caches(tmp_path):
    write_rows(tmp_path / "rows.parquet", ROWS)
    caches = []
    for strand in ("forward", "reverse"):
        out = tmp_path / f"-03.{strand}.h5"
        made = run(
            "embed", "--rows", tmp_path / "rows.parquet", "--encoder", "bases", "--encoder-spec", '{"kind": "onehot"}',
            "--construct", '{"flanks": "gosai_episomal", "length": 40}', "--shift", "-3", "--strands", strand,
            "--threads", 1, "--out", out, "--manifests", out.with_suffix(".json"),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        command, report = made.stdout.splitlines()
        assert command.startswith("python -P -m embed --rows ") and json.loads(report)["threads"] == "1"
        assert "\r" not in made.stderr
        assert "20 unique inserts" in made.stderr
        caches.append(out)
    together = [tmp_path / f"both.{strand}.h5" for strand in ("forward", "reverse")]
    made = run(
        "embed", "--rows", tmp_path / "rows.parquet", "--encoder", "bases", "--encoder-spec", '{"kind": "onehot"}',
        "--construct", '{"flanks": "gosai_episomal", "length": 40}', "--shift", "-3", "--strands", "forward", "reverse",
        "--threads", 1, "--out", *together, "--manifests", *(path.with_suffix(".json") for path in together),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert [path.read_bytes() for path in together] == [path.read_bytes() for path in caches]
    checked = run("s2f.embeddings.check", *caches)
    assert (checked.returncode, checked.stdout.count("intact")) == (0, 2)

    flip(caches[0], offset_of(caches[0], "embedding")[0])
    write_json(caches[1].with_suffix(".json"), {**read_json(caches[1].with_suffix(".json")), "rows": 1})
    checked = run("s2f.embeddings.check", *caches, tmp_path / "none.h5")
    assert checked.returncode == 1
    assert [line.split(":")[0] for line in checked.stderr.splitlines()] == [
        f"BROKEN {caches[0]}", f"BROKEN {caches[1]}", f"BROKEN {tmp_path / 'none.json'}"
    ]  # fmt: skip
