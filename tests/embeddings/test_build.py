"""Building caches: both strands in one pass, chunks of one insert length, memory. What is written: test_cache.py."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from helpers.cache_builds import CONSTRUCT, ROWS, build, encode, expected, fake, of
from s2f.common.seen import Seen
from s2f.embeddings import build as embedding
from s2f.embeddings import encoders
from s2f.embeddings.cache import open_cache
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM


def test_both_strands_in_one_pass_have_the_bytes_of_one_by_one(tmp_path):
    paths = {strand: tmp_path / f"{strand}.h5" for strand in ("forward", "reverse")}
    made = embedding.build_strands(paths, ROWS, fake(), "fake", CONSTRUCT, chunk_rows=5)
    for strand, path in paths.items():
        assert made[strand] == build(tmp_path / "alone.h5", strand=strand)
        assert path.read_bytes() == (tmp_path / "alone.h5").read_bytes()
        np.testing.assert_array_equal(of(ROWS, path), expected(ROWS, strand=strand))


def test_what_an_encoder_has_seen_stays_with_its_embeddings(tmp_path):
    fold_3 = Seen.of_value({"except": {"file": "folds.bed", "names": ["fold7"]}})
    made = build(tmp_path / "a.h5", seen=fold_3)
    with open_cache(tmp_path / "a.h5", made, verify="full") as cache:
        assert Seen.of_record(cache.manifest["seen"]) == fold_3
    assert Seen.of_record(build(tmp_path / "b.h5")["seen"]).text == "unknown"


@pytest.mark.usefixtures("compiled_quickly")  # the bits of a window as in use: test_flank_reuse
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_strands_of_a_network_have_the_bytes_of_one_by_one(tmp_path, precision):
    """Also where a chunk holds inserts of several lengths and where a batch is short."""
    construct = Construct(150, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(11)], "sequence": [*ROWS["sequence"][:5], *unlike(6, 40)]})
    spec = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "precision": precision, "batch_size": 4}
    encoder = encoders.build(spec)
    paths = {strand: tmp_path / f"{strand}.h5" for strand in ("forward", "reverse")}
    embedding.build_strands(paths, rows, encoder, "fake", construct, chunk_rows=4)
    for strand, path in paths.items():
        build(tmp_path / "alone.h5", rows, encoder, construct, 4, strand=strand)
        assert path.read_bytes() == (tmp_path / "alone.h5").read_bytes()
        codes = construct.assemble(rows["sequence"])
        codes = dna.reverse_complement(codes) if strand == "reverse" else codes
        wanted = encoder.encode(codes).astype(np.float32)
        assert np.sqrt(((of(rows, path) - wanted) ** 2).mean() / (wanted**2).mean()) < 0.03
    assert paths["forward"].read_bytes() != paths["reverse"].read_bytes()


def unlike(count, length):
    """Different inserts of one length."""
    random = np.random.default_rng(9)
    return [dna.decode(row) for row in random.integers(0, 4, (count, length), np.uint8)]


def test_inserts_of_one_length_share_chunks_and_the_encoder_learns_where_each_is(tmp_path):
    drawn = []

    def stream(chunks, strands):
        for codes, inserts in chunks:
            drawn.append((codes, inserts))
            yield [encode(codes) for _ in strands]

    rows = pd.DataFrame({"row_id": list("abcdefg"), "sequence": [*unlike(4, 12), *unlike(2, 8), "A" * 10]})
    build(tmp_path / "x.h5", rows, fake(stream=stream), chunk_rows=2)
    assert [inserts.tolist() for _, inserts in drawn] == [[[8, 16]] * 2, [[7, 17], [6, 18]], [[6, 18]] * 2, [[6, 18]]]
    for codes, inserts in drawn:
        for window, (first, end) in zip(codes, inserts, strict=True):
            assert dna.decode(window[first:end]) in rows["sequence"].tolist()
    np.testing.assert_array_equal(of(rows, tmp_path / "x.h5"), expected(rows))


@pytest.mark.usefixtures("compiled_quickly")  # as above
def test_an_embedding_in_a_cache_does_not_depend_on_the_other_rows(tmp_path):
    """A row alone, in all chunk sizes and orders, beside inserts of other lengths: the same bits, in bfloat16."""
    construct = Construct(150, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
    spec = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "batch_size": 4}
    encoder = encoders.build(spec)
    rows = pd.DataFrame(
        {"row_id": [f"r{i}" for i in range(9)], "sequence": [*unlike(3, 40), *unlike(3, 39), *unlike(3, 60)]}
    )
    build(tmp_path / "all.h5", rows, encoder, construct, 2, dtype="float32")
    wanted = of(rows, tmp_path / "all.h5")
    for number in (0, 4, 8):
        alone = rows.iloc[[number]]
        build(tmp_path / f"{number}.h5", alone, encoder, construct, 5, dtype="float32")
        np.testing.assert_array_equal(of(alone, tmp_path / f"{number}.h5"), wanted[[number]])
    shuffled = rows.sample(frac=1, random_state=1)
    build(tmp_path / "shuffled.h5", shuffled, encoder, construct, 9, dtype="float32")
    np.testing.assert_array_equal(of(rows, tmp_path / "shuffled.h5"), wanted)


def test_memory_of_a_build_does_not_grow_with_its_rows(tmp_path):
    """At most the five chunks that the docstring states, with a little room for the rows themselves."""
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(400)], "sequence": unlike(400, 12)})
    values = np.ones((20, 3, 4000), np.float32)  # 960 kB per chunk of 20 rows

    def encoding(codes):
        return values[: len(codes)] * (1 + codes[:, 10, None, None])

    tracemalloc.start()
    build(tmp_path / "x.h5", rows, fake(encoding, channels=4000), chunk_rows=20, dtype="float32")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 2 * values.nbytes < peak < 6 * values.nbytes
