"""Caches in shards: the same embeddings, in the same order, as one cache of all rows; and what joining refuses."""

import json
import shutil

import numpy as np
import pytest

from helpers import programs
from helpers.cache_builds import CONSTRUCT, ROWS, build, encode, expected, fake, flip, of, offset_of
from helpers.programs import parser_of
from s2f.common.errors import InputError
from s2f.common.files import read_json, write_json
from s2f.common.provenance import SCRIPTS
from s2f.embeddings import build as embedding
from s2f.embeddings import shards
from s2f.embeddings.cache import check, open_cache
from s2f.heads.examples import Examples, open_views
from s2f.rows.canonical import write_rows

COUNT = 3


def build_shard(path, shard, rows=ROWS, count=COUNT, **options):
    build(path, shards.rows_of(rows, shard, count), **options)
    return path


def paths_of(folder, strand="forward", count=COUNT):
    return [folder / f"+00.{strand}.shards" / f"{shard}-of-{count}.h5" for shard in range(1, count + 1)]


def join(path, paths, rows=ROWS):
    manifest = shards.join(path, paths, rows)
    write_json(path.with_suffix(".json"), manifest)
    return manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both strands of `ROWS`, each in three shards and joined; forward.whole.h5 is made in one piece."""
    folder = tmp_path_factory.mktemp("shards")
    for strand in ("forward", "reverse"):
        paths = paths_of(folder, strand)
        for shard, path in enumerate(paths, 1):
            build_shard(path, shard, strand=strand)
        join(folder / f"+00.{strand}.h5", paths)
    build(folder / "whole.h5")
    return folder


@pytest.fixture
def copied(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "+00.forward.h5"


def test_shards_hold_what_one_cache_holds(made):
    joined, whole = made / "+00.forward.h5", made / "whole.h5"
    np.testing.assert_array_equal(of(ROWS, joined), expected(ROWS))
    with open_cache(joined) as shared, open_cache(whole) as one:
        np.testing.assert_array_equal(shared.row_ids, one.row_ids)
        np.testing.assert_array_equal(shared.row_to_embedding, one.row_to_embedding)
        assert shared.embedding[:].tobytes() == one.embedding[:].tobytes()
        assert one.manifest.keys() - shared.manifest.keys() == {"chunk_rows"}
        differing = {
            key for key in shared.manifest.keys() & one.manifest.keys() if shared.manifest[key] != one.manifest[key]
        }
    assert differing <= {"content_sha256", "round_trip_token_error", "round_trip_bad_share"}
    assert [shard["unique"] for shard in read_json(joined.with_suffix(".json"))["shards"]] == [6, 7, 7]
    assert check(joined) == read_json(joined.with_suffix(".json"))


def test_each_insert_is_in_one_shard_and_in_order():
    parts = [shards.rows_of(ROWS, shard, COUNT) for shard in (1, 2, 3)]
    assert sorted(row for part in parts for row in part["row_id"]) == sorted(ROWS["row_id"])
    inserts = [sorted(set(part["sequence"]), key=lambda insert: (len(insert), insert)) for part in parts]
    assert [*inserts[0], *inserts[1], *inserts[2]] == sorted(set(ROWS["sequence"]), key=lambda i: (len(i), i))


def test_an_epoch_and_a_prediction_read_shards_as_one_table(made):
    with open_views([made / "+00.forward.h5", made / "+00.reverse.h5"]) as caches:
        rows = ROWS.assign(label=np.arange(len(ROWS), dtype=float))[::2]
        examples = Examples.of(caches, [(0, "forward"), (0, "reverse")], rows)
        table, index = examples.on_device()
    found = np.asarray(table.astype(np.float32))
    np.testing.assert_array_equal(found[np.asarray(index)], expected(rows))
    np.testing.assert_array_equal(found[np.asarray(index) + len(found) // 2], expected(rows, strand="reverse"))


def test_two_strands_and_other_orders_of_rows_give_the_same_bytes(tmp_path, made):
    other = ROWS.iloc[::-1].reset_index(drop=True)
    paths = {strand: paths_of(tmp_path, strand) for strand in ("forward", "reverse")}
    for shard in range(COUNT):
        both = {strand: own[shard] for strand, own in paths.items()}
        own_rows = shards.rows_of(other, shard + 1, COUNT)
        embedding.build_strands(both, own_rows, fake(), "fake", CONSTRUCT, chunk_rows=5)
    for strand, own in paths.items():
        join(tmp_path / f"+00.{strand}.h5", own, other)
        assert (tmp_path / f"+00.{strand}.h5").read_bytes() == (made / f"+00.{strand}.h5").read_bytes()


def test_more_shards_than_inserts_are_refused():
    with pytest.raises(
        InputError, match=r"cache\.shards is 21, but the dataset has 20 unique inserts: write 20 or less"
    ):
        shards.rows_of(ROWS, 1, 21)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0-of-3", "1-of-3 to 3-of-3, such as 2-of-3"), ("4-of-3", "1-of-3 to 3-of-3"), ("5/4", "1-of-4 to 4-of-4"),
        ("2", "1-of-8 to 8-of-8, such as 4-of-8"), ("a-of-b", "1-of-8 to 8-of-8"), ("3-of-0", "1-of-8 to 8-of-8"),
    ],
)  # fmt: skip
def test_a_shard_has_a_number(text, told, capsys):
    assert shards.parse("3-of-8") == (3, 8) and shards.parse("1-of-1") == (1, 1)
    with pytest.raises(SystemExit):
        parser_of("embed").parse_args(["--shard", text])
    assert f"error: argument --shard: is {text!r}, expected {told}" in capsys.readouterr().err


# what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"encoder": fake(fingerprint="e" * 64)},
            "2-of-3.h5: encoder_fingerprint is eeee.*, but in .*1-of-3.h5 it is ffff",
        ),
        ({"shift": 1}, "2-of-3.h5: shift is 1, but in .*1-of-3.h5 it is 0"),
        ({"dtype": "float32"}, "2-of-3.h5: dtype is float32"),
        ({"rows": ROWS.assign(sequence=ROWS["sequence"].str[:-1] + "A")}, "2-of-3.h5: made from other rows"),
    ],
)
def test_shards_that_do_not_belong_together_are_refused(tmp_path, changes, message):
    paths = paths_of(tmp_path)
    for shard, path in enumerate(paths, 1):
        build_shard(path, shard, **(changes if shard == 2 else {}))
    with pytest.raises(InputError, match=message):
        shards.join(tmp_path / "+00.forward.h5", paths, ROWS)
    assert not (tmp_path / "+00.forward.h5").exists()


def test_machines_may_differ_and_are_all_recorded(tmp_path):
    paths = paths_of(tmp_path)
    for shard, path in enumerate(paths, 1):
        build_shard(path, shard, encoder=fake(backend={"device": "A100" if shard == 2 else "H100"}))
    assert join(tmp_path / "+00.forward.h5", paths)["backend"] == [{"device": "H100"}, {"device": "A100"}]
    check(tmp_path / "+00.forward.h5")


def test_shards_that_overlap_are_refused(tmp_path):
    build(tmp_path / "shards" / "all.h5")
    paths = [build_shard(tmp_path / "shards" / "1-of-3.h5", 1), tmp_path / "shards" / "all.h5"]
    with pytest.raises(InputError, match=r"an insert is in several of its 2 shards; delete these and run again"):
        shards.join(tmp_path / "+00.forward.h5", paths, ROWS)


def test_a_missing_shard_is_named(copied):
    paths = paths_of(copied.parent)
    with pytest.raises(InputError, match=r"row '.*' is in none of its 2 shards"):
        shards.join(copied, [paths[0], paths[2]], ROWS)
    paths[1].unlink()
    with pytest.raises(
        InputError,
        match=r"2-of-3.h5: no such file, but .*\+00.forward.h5 was joined from it; ask for it: snakemake .*2-of-3.h5",
    ):
        open_cache(copied)


def test_a_shard_made_again_with_other_content_is_refused(copied):
    changed = fake(lambda codes: encode(codes) + 1)
    build_shard(paths_of(copied.parent)[1], 2, encoder=changed)
    with pytest.raises(
        InputError, match=r"2-of-3.h5: does not have the content from which .*\+00.forward.h5 was joined: delete both"
    ):
        open_cache(copied)


def test_a_flipped_byte_in_a_shard_is_found(copied):
    shard = paths_of(copied.parent)[1]
    flip(shard, offset_of(shard, "embedding")[0] + 3)
    open_cache(copied)
    with pytest.raises(InputError, match=r"2-of-3.h5: chunk 0 .* does not match its checksum"):
        open_cache(copied, verify="full")


def test_a_flipped_name_of_a_shard_is_found(copied):
    flip(copied, copied.read_bytes().index(b"2-of-3.h5"))
    with pytest.raises(InputError, match="do not match their checksum"):
        open_cache(copied)


# the programs


def test_programs_make_and_join_shards(tmp_path):
    write_rows(tmp_path / "rows.parquet", ROWS)
    common = (
        "--rows", tmp_path / "rows.parquet", "--encoder", "bases", "--encoder-spec", '{"kind": "onehot"}',
        "--construct", '{"flanks": "gosai_episomal", "length": 40}', "--threads", 1,
    )  # fmt: skip
    paths, whole = paths_of(tmp_path, count=2), tmp_path / "whole.h5"
    for shard, path in enumerate(paths, 1):
        made = programs.run(
            SCRIPTS.parents[1], "embed", *common, "--shard", f"{shard}-of-2", "--out", path,
            "--manifests", path.with_suffix(".json"),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
    out = tmp_path / "+00.forward.h5"
    made = programs.run(
        SCRIPTS.parents[1], "join_shards", "--rows", tmp_path / "rows.parquet", "--shards", *paths, "--out", out,
        "--manifest", out.with_suffix(".json"),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    made = programs.run(SCRIPTS.parents[1], "embed", *common, "--out", whole, "--manifests", whole.with_suffix(".json"))
    assert made.returncode == 0, made.stderr
    np.testing.assert_array_equal(of(ROWS, out), of(ROWS, whole))
    assert json.loads(out.with_suffix(".json").read_text())["unique"] == 20
    checked = programs.run(SCRIPTS.parents[1], "s2f.embeddings.check", out)
    assert (checked.returncode, checked.stdout.count("intact")) == (0, 1)
