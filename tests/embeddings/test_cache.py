"""Embedding caches: what is written and what a reader refuses. Kills, locks and full disks: test_writer.py."""

import json
import os
from dataclasses import replace

import h5py
import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cache_builds import (
    CHANNELS,
    CONSTRUCT,
    ROWS,
    TOKENS,
    build,
    encode,
    expected,
    fake,
    flip,
    of,
    offset_of,
)
from s2f.common.errors import InputError
from s2f.common.files import write_json
from s2f.embeddings import build as embedding
from s2f.embeddings.cache import check, open_cache
from s2f.embeddings.table import read_ahead
from s2f.rows.canonical import sequences_sha256


@pytest.fixture
def built(tmp_path):
    path = tmp_path / "+00.forward.h5"
    build(path)
    return path


# what is written


@pytest.mark.parametrize("strand", ["forward", "reverse"])
@pytest.mark.parametrize("shift", [0, -3])
def test_each_row_gets_the_embedding_of_its_window(tmp_path, strand, shift):
    manifest = build(tmp_path / "x.h5", strand=strand, shift=shift)
    np.testing.assert_array_equal(of(ROWS, tmp_path / "x.h5"), expected(ROWS, shift, strand))
    assert (manifest["rows"], manifest["unique"], manifest["tokens"], manifest["channels"]) == (30, 20, 3, 4)
    assert manifest["sequences_sha256"] == sequences_sha256(ROWS["row_id"], ROWS["sequence"])
    assert json.loads((tmp_path / "x.json").read_text()) == manifest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.h5", "x.json"]


@given(st.permutations(range(len(ROWS))))
@settings(max_examples=10, deadline=None)
def test_order_of_rows_changes_no_byte(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    build(folder / "a.h5")
    build(folder / "b.h5", ROWS.iloc[order].reset_index(drop=True))
    assert (folder / "a.h5").read_bytes() == (folder / "b.h5").read_bytes()
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


def test_each_unique_insert_is_encoded_once(tmp_path):
    seen = []

    def recording(codes):
        seen.append(codes)
        return encode(codes)

    build(tmp_path / "x.h5", encoder=fake(recording), chunk_rows=7)
    assert [len(codes) for codes in seen] == [7, 7, 6]
    windows = {codes.tobytes() for codes in np.concatenate(seen)}
    assert windows == {codes.tobytes() for codes in CONSTRUCT.assemble(list(set(ROWS["sequence"])))}


@pytest.mark.parametrize(("batch", "chunk"), [(4, 4), (100, 20)])
def test_default_chunks_are_whole_batches(tmp_path, batch, chunk):
    manifest = build(tmp_path / "x.h5", encoder=fake(batch_size=batch), chunk_rows=None)
    assert manifest["chunk_rows"] == chunk
    np.testing.assert_array_equal(of(ROWS, tmp_path / "x.h5"), expected(ROWS))


@given(st.lists(st.integers(0, 0xFFFF), min_size=12, max_size=12))
def test_bfloat16_bits_survive(bits):
    bits = np.array(bits, np.uint16)
    bits[(bits & 0x7F80) == 0x7F80] = 1  # neither infinite nor NaN, smallest subnormal instead
    bits[0] |= 0x4000
    bits[0] &= 0xC0FF
    given_values = bits.view(ml_dtypes.bfloat16).reshape(1, 3, 4)
    stored, errors = embedding.convert(given_values, "bfloat16")
    np.testing.assert_array_equal(stored.view(np.uint16).ravel(), bits)
    assert errors == [0.0, 0.0]


def test_bfloat16_bits_survive_the_file(tmp_path):
    def rough(codes):
        return (encode(codes) * 1e-30).astype(ml_dtypes.bfloat16)

    build(tmp_path / "x.h5", encoder=fake(rough))
    windows = CONSTRUCT.assemble(list(ROWS["sequence"]))
    with open_cache(tmp_path / "x.h5") as cache:
        assert cache.embedding.dtype == ml_dtypes.bfloat16
        assert isinstance(cache.embedding, np.memmap)
        back = cache.embedding[cache.indices(ROWS["row_id"])]
    assert np.asarray(back).tobytes() == rough(windows).tobytes()


def test_float32_is_exact_and_others_measure_their_error(tmp_path):
    manifest = build(tmp_path / "a.h5", dtype="float32")
    np.testing.assert_array_equal(of(ROWS, tmp_path / "a.h5"), expected(ROWS, dtype=np.float32))
    assert (manifest["round_trip_token_error"], manifest["round_trip_bad_share"]) == (0, 0)
    for dtype, bound in (("bfloat16", 2.0**-8), ("float16", 2.0**-11)):
        manifest = build(tmp_path / f"{dtype}.h5", dtype=dtype)
        assert 0 < manifest["round_trip_token_error"] < bound
        check(tmp_path / f"{dtype}.h5")


def test_float16_refuses_underflow(tmp_path):
    rows = pd.DataFrame({"row_id": ["fine", "tiny"], "sequence": ["CCCCCCCC", "ACCCCCCC"]})  # in their sorted order

    def small_for_one(codes):
        return encode(codes) * np.where(codes[:, 8] == 0, 1e-9, 1).astype(np.float32)[:, None, None]

    message = r"row 'tiny': as float16, 50.*% of the values .* 50.*% become zero.* choose bfloat16"
    with pytest.raises(InputError, match=message):
        build(tmp_path / "x.h5", rows, fake(small_for_one), dtype="float16")
    build(tmp_path / "x.h5", rows, fake(small_for_one))


def test_float16_refuses_overflow(tmp_path):
    with pytest.raises(InputError, match=r"x.h5: row '.*': value .*e\+05 overflows float16; choose bfloat16"):
        build(tmp_path / "x.h5", encoder=fake(lambda codes: encode(codes) * 30_000), dtype="float16")


def test_a_weak_token_cannot_hide_among_strong_ones():
    values = np.full((1000, 3, 4), 5.0, np.float32)
    values[700, 1] = 1e-9
    with pytest.raises(embedding.RefusedError, match=r"worst token is off by 100.00%") as refused:
        embedding.convert(values, "float16")
    assert refused.value.index == 700


def test_a_few_values_may_underflow_and_many_may_not():
    values = np.full((1000, 3, 4), 5.0, np.float32)
    values[700, 1, 2] = 1e-9
    assert embedding.convert(values, "float16")[1][1] == 1 / 12_000
    values[:5, :, 2] = 1e-9
    with pytest.raises(embedding.RefusedError, match=r"as float16, 0.13% of the values .* \(allowed: 0.1% of them\)"):
        embedding.convert(values, "float16")


@pytest.mark.parametrize(
    ("value", "what"),
    [(0.0, "all zero"), (-0.0, "all zero"), (np.nan, "not finite"), (np.inf, "not finite"), (-np.inf, "not finite")],
)
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_all_zero_and_non_finite_embeddings_are_refused(tmp_path, value, what, dtype):
    wanted = ROWS.iloc[-1]
    window = CONSTRUCT.assemble([wanted["sequence"]])[0]

    def broken(codes):
        out = encode(codes).astype(dtype)
        bad = (codes == window).all(axis=1)
        if what == "all zero":
            out[bad] = value
        else:
            out[bad, 1, 2] = value
        return out

    same = ROWS["row_id"][ROWS["sequence"] == wanted["sequence"]]
    with pytest.raises(InputError, match=f"row '({'|'.join(same)})': the encoder's embedding is {what}"):
        build(tmp_path / "x.h5", encoder=fake(broken))
    assert not (tmp_path / "x.h5").exists()


def test_an_encoder_that_breaks_its_promise_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"encoder fake gave float64 \(5, 3, 4\), expected float32 or bfloat16 \(5, 3, 4\)"
    ):
        build(tmp_path / "x.h5", encoder=fake(lambda codes: encode(codes).astype(float)))
    with pytest.raises(ValueError, match=r"gave float32 \(5, 2, 4\), expected .* \(5, 3, 4\)"):
        build(tmp_path / "x.h5", encoder=fake(lambda codes: encode(codes)[:, 1:]))


def test_inserts_that_do_not_fit_are_refused_before_work(tmp_path):
    rows = pd.concat([ROWS, pd.DataFrame({"row_id": ["long"], "sequence": ["A" * 25]})], ignore_index=True)
    with pytest.raises(InputError, match=r"row 'long': insert of 25 bp is longer than the window of 24 bp"):
        build(tmp_path / "x.h5", rows, fake(None))
    with pytest.raises(InputError, match=r"dtype is 'int8', expected one of: bfloat16"):
        build(tmp_path / "x.h5", dtype="int8")
    with pytest.raises(InputError, match=r"strand is '\+', expected one of: forward"):
        build(tmp_path / "x.h5", strand="+")


# what a reader refuses


def test_indices_join_by_id(built):
    with open_cache(built) as cache:
        places = cache.indices(ROWS["row_id"])
        assert places.dtype == np.int32
        assert (pd.Series(places).groupby(ROWS["sequence"]).nunique() == 1).all()
        np.testing.assert_array_equal(cache.indices(ROWS["row_id"][::-1]), places[::-1])
        with pytest.raises(InputError, match=r"row_id 'row' is not among its 30 rows \(2 of 3 are missing\)"):
            cache.indices(["row3", "row", "zzz-longer-than-any-id"])


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("encoder_fingerprint", "e" * 64, '"fff.*expected "eee'),
        ("construct", replace(CONSTRUCT, upstream="ACGTTGCAACGTTGCT").spec(), "GCA.*expected .*GCT"),
        ("shift", 15, "0, expected 15"),
        ("strand", "reverse", '"forward", expected "reverse"'),
        ("dtype", "float16", '"bfloat16", expected "float16"'),
        ("colour", "red", 'null, expected "red"'),
    ],
)
def test_foreign_settings_are_refused(built, key, value, shown):
    with open_cache(built) as cache:
        assert cache.manifest.get(key) != value
    with pytest.raises(InputError, match=rf"forward.h5: {key} is .*{shown}.*delete it and run again"):
        open_cache(built, {key: value})


def test_reordered_and_foreign_rows_are_refused(built):
    good = sequences_sha256(ROWS["row_id"], ROWS["sequence"])
    open_cache(built, {"sequences_sha256": good, "construct": CONSTRUCT.spec(), "shift": 0, "strand": "forward"})
    for rows in (ROWS.assign(sequence=ROWS["sequence"].to_numpy()[::-1]), ROWS[1:]):
        other = sequences_sha256(rows["row_id"], rows["sequence"])
        with pytest.raises(InputError, match=f'sequences_sha256 is "{good}", expected "{other}"'):
            open_cache(built, {"sequences_sha256": other})


@pytest.mark.parametrize("kept", [0, 100, 0.5, -1])
def test_truncation_is_found_at_once(built, kept):
    size = built.stat().st_size
    os.truncate(built, int(size * kept) if isinstance(kept, float) else kept if kept >= 0 else size + kept)
    with pytest.raises(InputError, match=r"forward.h5: the file is truncated.*delete it and run again"):
        open_cache(built)


def test_no_file_no_cache_and_another_format(tmp_path, built):
    with pytest.raises(InputError, match=r"none.h5: no such file"):
        open_cache(tmp_path / "none.h5")
    with h5py.File(built, "r+") as file:
        file.attrs["format"] = "s2f-embeddings-0"
    with pytest.raises(InputError, match=r"format is 's2f-embeddings-0', expected 's2f-embeddings-2'"):
        open_cache(built)
    with h5py.File(built, "w") as file:
        file["embedding"] = np.ones(3)
    with pytest.raises(InputError, match=r"format is None"):
        open_cache(built)


def test_an_incomplete_file_is_refused(built):
    with h5py.File(built, "r+") as file:
        file.attrs.modify("complete", np.uint8(0))
    with pytest.raises(InputError, match=r"the file is not complete; delete it and run again"):
        open_cache(built)


@pytest.mark.parametrize("dataset", ["row_id", "row_to_embedding", "chunk_sha256"])
def test_a_flipped_byte_of_the_index_is_found_at_once(built, dataset):
    start, size = offset_of(built, dataset)
    flip(built, start + size - 1)
    with pytest.raises(InputError, match=r"do(es)? not match (its|their) checksum"):
        open_cache(built)


def test_a_flipped_attribute_is_found_at_once(built):
    flip(built, built.read_bytes().index(b"made up"))
    with pytest.raises(InputError, match=r"the attributes or the chunk checksums do not match their checksum"):
        open_cache(built)


def test_a_flipped_byte_of_the_embeddings_is_found_by_full_verification(built):
    start, _ = offset_of(built, "embedding")
    flip(built, start + 11 * TOKENS * CHANNELS * 2)
    open_cache(built)
    with pytest.raises(InputError, match=r"chunk 2 \(embeddings 10 to 14\) does not match its checksum"):
        open_cache(built, verify="full")


def test_the_full_check_looks_for_zero_rows_even_under_right_checksums(built, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "fault", lambda bits, dtype: None)
    row = ROWS["row_id"].iloc[1]
    window = CONSTRUCT.assemble([ROWS["sequence"].iloc[1]])[0]

    def zero(codes):
        return encode(codes) * (codes != window).any(1).astype(np.float32)[:, None, None]

    build(tmp_path / "y.h5", encoder=fake(zero))
    with pytest.raises(InputError, match=f"row '{row}': the embedding is all zero"):
        open_cache(tmp_path / "y.h5", verify="full")


def test_check_compares_the_manifest(built):
    manifest = check(built)
    for change in ({"shift": 3}, {"content_sha256": "0" * 64}):
        write_json(built.with_suffix(".json"), {**manifest, **change})
        with pytest.raises(InputError, match=f"{next(iter(change))} is .*, expected .*{next(iter(change.values()))}"):
            check(built)
    write_json(built.with_suffix(".json"), {key: value for key, value in manifest.items() if key != "licence"})
    with pytest.raises(InputError, match=r"forward.json: key 'licence' is missing"):
        check(built)


def test_stretches_of_which_much_is_wanted_are_read_ahead(built):
    with open_cache(built) as cache:
        assert read_ahead(cache.embedding, np.array([7, 0, 5, 0])) == [(0, 8)]
        last = len(cache.embedding) - 1
        assert last > 15
        assert read_ahead(cache.embedding, np.array([last, 2])) == [(2, 3), (last, last + 1)]
        assert read_ahead(cache.embedding, np.array([], int)) == []
        assert read_ahead(np.asarray(cache.embedding).copy(), np.array([1])) == []
