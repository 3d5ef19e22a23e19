"""Reading tables of embeddings: rows, blocks read ahead by threads, and several files as one array."""

import threading

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.embeddings import table as tables
from s2f.embeddings.table import Shards, blocks, read_ahead, take

TABLE = np.arange(40 * 3 * 4, dtype=np.float32).reshape(40, 3, 4).astype(ml_dtypes.bfloat16)


def mapped(folder, cuts=()):
    """`TABLE` in one file, or in several, each mapped."""
    parts = []
    for number, part in enumerate(np.split(TABLE, cuts)):
        path = folder / f"{number}.bin"
        path.write_bytes(part.tobytes())
        parts.append(np.memmap(path, "<u2", "r", 0, part.shape).view(TABLE.dtype))
    return parts


@given(
    st.lists(st.integers(0, len(TABLE) - 1), max_size=30),
    st.lists(st.integers(1, len(TABLE) - 1), max_size=4, unique=True).map(sorted),
)
@settings(max_examples=50, deadline=None)
def test_shards_are_read_as_one_array(rows, cuts):
    shards, rows = Shards(np.split(TABLE, cuts)), np.array(rows, int)
    assert (shards.shape, shards.dtype, len(shards)) == (TABLE.shape, TABLE.dtype, len(TABLE))
    np.testing.assert_array_equal(shards[rows], TABLE[rows])
    for part in (slice(None), slice(3, 17), slice(35, 90), slice(9, 9)):
        np.testing.assert_array_equal(shards[part], TABLE[part])
    out = np.zeros((len(rows), 3, 4), TABLE.dtype)
    assert take(shards, rows, out) is out
    np.testing.assert_array_equal(out, TABLE[rows])


@pytest.mark.parametrize("cuts", [(), (10, 25)])
def test_a_row_that_is_not_there_is_refused(cuts):
    table = Shards(np.split(TABLE, cuts)) if cuts else TABLE
    for rows in ([0, 40], [-1, 3]):
        with pytest.raises(IndexError, match="of a table of 40"):
            take(table, np.array(rows))


@pytest.mark.parametrize("readers", [1, 3])
def test_blocks_come_in_order_from_several_threads(tmp_path, monkeypatch, readers):
    monkeypatch.setattr(tables, "READERS", readers)
    monkeypatch.setattr(tables.os, "sched_getaffinity", lambda process: range(8))
    threads, read = set(), tables.take

    def watched(*given):
        threads.add(threading.current_thread().name)
        return read(*given)

    monkeypatch.setattr(tables, "take", watched)
    random = np.random.default_rng(0)
    wanted = [random.integers(0, 40, size) for size in (7, 7, 1, 7, 3, 7, 7, 5)]
    table = Shards(mapped(tmp_path, [11, 12]))
    for rows, block in zip(wanted, blocks(((table, rows) for rows in wanted), 7), strict=True):
        np.testing.assert_array_equal(block, TABLE[rows])
    assert len(threads) <= readers and threading.main_thread().name not in threads


def test_a_block_that_cannot_be_read_stops_the_reading():
    with pytest.raises(IndexError):
        list(blocks([(TABLE, np.array([1])), (TABLE, np.array([99])), (TABLE, np.array([2]))], 1))


def test_a_caller_who_stops_early_leaves_no_thread(tmp_path):
    reading = blocks(((TABLE, np.array([row])) for row in range(40)), 1)
    next(reading)
    reading.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


def test_shards_are_read_ahead_as_one_file_is(tmp_path):
    whole, parts = mapped(tmp_path)[0], mapped(tmp_path, [11, 12])
    assert read_ahead(whole, np.array([2, 5, 30])) == [(2, 6), (30, 31)]
    assert read_ahead(Shards(parts), np.array([2, 5, 30])) == [(2, 6), (30, 31)]
    assert read_ahead(Shards(parts), np.array([10, 11, 12])) == [(10, 11), (11, 12), (12, 13)]
    assert read_ahead(Shards(parts), np.array([], int)) == []
    assert read_ahead(TABLE, np.array([1])) == []
