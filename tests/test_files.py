import errno
import hashlib
import math
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from s2f.common import files
from s2f.common.errors import InputError
from s2f.common.files import atomic, read_json, write_json, write_text
from s2f.common.tables import numbers, read_table, write_table

examples = settings(deadline=None, max_examples=30)  # no deadline: the machine may be busy


@pytest.fixture
def saved(tmp_path):
    """Function that writes text or bytes to a file and returns its path."""

    def save(content, name="table.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save


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
from s2f.files import atomic
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
    assert names(tmp_path) == []


def test_broken_json_is_named_with_its_line(saved, tmp_path):
    with pytest.raises(InputError, match=r"a.json: line 2: not JSON \(Expecting"):
        read_json(saved('{"a":\n}', "a.json"))
    with pytest.raises(InputError, match=r"a.json: byte 1: not UTF-8 text"):
        read_json(saved(b'"\xff"', "a.json"))
    with pytest.raises(InputError, match=r"absent.json: no such file"):
        read_json(tmp_path / "absent.json")


# --- tables


def test_every_cell_comes_back_as_the_text_it_is(saved):
    table = read_table(saved("chr\tid\tlabel\n7\t007\t1e5\nX\tNA\t\nnan\tTrue\t 1 \n"))
    assert table.to_dict("list") == {
        "chr": ["7", "X", "nan"], "id": ["007", "NA", "True"], "label": ["1e5", "", " 1 "],
    }  # fmt: skip


def test_column_names_that_look_like_numbers_are_text_too(saved):
    assert read_table(saved("1\t2\n007\t0.50\n")).to_dict("list") == {"1": ["007"], "2": ["0.50"]}


@pytest.mark.parametrize("content", ["a\tb\r\n1\t2\r\n", "\ufeffa\tb\n1\t2\n", "a\tb\n1\t2", "a\tb\n1\t2\n\n\n"])
def test_line_ends_byte_order_mark_and_blank_lines_at_the_end_do_not_matter(saved, content):
    assert read_table(saved(content), ["a", "b"]).to_dict("list") == {"a": ["1"], "b": ["2"]}


def test_separators_and_quotes(saved):
    assert read_table(saved('a,b\n"1,5","6"" tall"\n'), separator=",").to_dict("list") == {
        "a": ["1,5"],
        "b": ['6" tall'],
    }
    assert read_table(saved('a\tb\n6" tall\t2\n')).to_dict("list") == {"a": ['6" tall'], "b": ["2"]}


def test_a_header_alone_is_a_table_without_rows(saved):
    table = read_table(saved("a\tb\n"), ["a"])
    assert len(table) == 0 and list(table) == ["a", "b"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "not a table separated by '\\\\t': Empty CSV file"),
        ("a\tb\n1\t2\n3\n", r"line 3: 1 cell\(s\), expected 2 as in the header"),
        ("a\tb\n1\t2\n3\t4\t5\n", r"line 3: 3 cell\(s\), expected 2 as in the header"),
        ("a\tb\n1\t2\t3\n4\t5\t6\n", r"line 2: 3 cell\(s\), expected 2 as in the header"),  # no silent index column
        ("a\tb\n1\t2\n\n3\t4\n", "line 3 is blank"),
        ("a\tb\n1\t2\n\t\n3\t4\n", "line 3 is blank"),
        ('a\tb\n"1\t2\n3\t4\n', "line 2: 1 cell"),  # a quote that never ends
        ("a\tb\ta\n1\t2\t3\n", "column 'a' occurs 2 times"),
        ("b\tc\n1\t2\n", "column 'a' is missing; the file has: 'b', 'c'"),
        ("a,b\n1,2\n", "column 'a' is missing; the file has: 'a,b'"),  # another separator
        (b"a\tb\n1\t\xff\n", "invalid UTF8 data"),
    ],
)
def test_faults_are_named_with_file_and_line(saved, content, message):
    with pytest.raises(InputError, match=rf"table\.tsv: .*{message}"):
        read_table(saved(content), ["a"])


def test_a_missing_file_is_named_with_what_it_should_be(tmp_path):
    with pytest.raises(InputError, match=r"absent\.tsv: no such file \(Gosai sample\)"):
        read_table(tmp_path / "absent.tsv", text="Gosai sample")
    with pytest.raises(InputError, match="is a directory"):
        read_table(tmp_path)


def test_a_short_line_far_down_is_found(saved):
    with pytest.raises(InputError, match="line 200002: 1 cell"):
        read_table(saved("a\tb\n" + "123456\t654321\n" * 200_000 + "1\n"))


cells = st.text(st.characters(exclude_categories=["C"]), max_size=8)


@examples
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_a_written_table_is_read_back_cell_by_cell(tmp_path_factory, content):
    table = pd.DataFrame(content, columns=["a", "b"], dtype="str").assign(row=[f"r{i}" for i in range(len(content))])
    path = tmp_path_factory.mktemp("tables") / "t.tsv"
    write_table(path, table)
    assert_frame_equal(read_table(path), table)


@examples
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_numbers_survive_a_file_bit_by_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("tables") / "t.tsv"
    write_table(path, pd.DataFrame({"x": values, "y": "."}))
    np.testing.assert_array_equal(
        numbers(read_table(path), "x", path).to_numpy().view(np.int64), np.array(values).view(np.int64)
    )


def test_missing_values_are_written_empty(tmp_path):
    write_table(
        tmp_path / "t.tsv", pd.DataFrame({"a": ["x", None], "b": [np.nan, 0.1], "c": pd.array([1, None], "Int64")})
    )
    assert (tmp_path / "t.tsv").read_text() == "a\tb\tc\nx\t\t1\n\t0.1\t\n"


# --- numbers


def test_numbers_and_missing_cells(saved):
    table = read_table(saved("x\n1\n -2.5 \n1e-3\n+.5\nNA\nnan\nNaN\nNone\nnull\n"))
    values = numbers(table, "x", "t.tsv")
    assert values.dtype == np.float64 and values[:4].tolist() == [1, -2.5, 1e-3, 0.5] and values[4:].isna().all()
    empty = read_table(saved("x\ty\n\t1\n\t2\n"))
    assert numbers(empty, "x", "t.tsv").isna().all() and numbers(empty[:0], "y", "t.tsv").dtype == np.float64


@pytest.mark.parametrize(
    "cell", ["abc", "1,5", "1 2", "1_000", "0x10", "True", "inf", "-Infinity", "1e999", "--1", "N/A"]
)
def test_a_cell_that_is_no_number_is_named_with_its_line(saved, cell):
    table = read_table(saved(f"id\tx\na\t1\nb\tNA\nc\t{cell}\nd\tworse\n"))
    with pytest.raises(InputError) as error:
        numbers(table, "x", "t.tsv")
    assert str(error.value) == f"t.tsv: line 4: x is {cell!r}, expected a number"


def test_the_line_is_that_of_the_file_in_a_filtered_table_too(saved):
    table = read_table(saved("id\tx\na\t1\nb\t2\nc\tabc\n"))
    with pytest.raises(InputError, match="line 4: x is 'abc'"):
        numbers(table[table["id"] != "a"], "x", "t.tsv")


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

    with pytest.raises(InputError, match=f"t.tsv: the disk of {tmp_path} is full; make room and run it again"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_other_trouble_with_the_disk_stays_what_it_is(tmp_path):
    with pytest.raises(PermissionError), atomic(tmp_path / "t.tsv"):
        raise PermissionError(errno.EACCES, "Permission denied")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=4)


@examples
@given(st.lists(st.tuples(TEXT, st.integers(-9, 9) | st.none(), TEXT | st.none()), max_size=5), st.booleans())
def test_tables_of_text_and_whole_numbers_are_written_as_pandas_does(tmp_path_factory, content, one_column):
    """Quotes where they are needed, missing cells, awkward letters: the quick way must give the same bytes."""
    table = pd.DataFrame(content, columns=["a", "n", 'odd "name"'])
    table = table.assign(n=table["n"].astype("Int64"), a=table["a"].astype("str"))
    table = table[["a"]] if one_column else table
    path = tmp_path_factory.mktemp("tables") / "t.tsv"
    write_table(path, table)
    table.to_csv(path.with_name("pandas.tsv"), sep="\t", index=False, lineterminator="\n")
    assert path.read_bytes() == path.with_name("pandas.tsv").read_bytes()
    table = table.iloc[:, :2]
    write_table(path, table)
    table.to_csv(path.with_name("pandas.tsv"), sep="\t", index=False, lineterminator="\n")
    assert path.read_bytes() == path.with_name("pandas.tsv").read_bytes()
