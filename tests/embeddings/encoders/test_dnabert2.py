"""The encoder `dnabert2`: layers, pooling, bases, weights and its contract."""

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.golden_dnabert2 import COMMON, SIZES, Golden
from s2f.common.errors import InputError
from s2f.embeddings import build as embedding
from s2f.embeddings import encoders
from s2f.embeddings.cache import open_cache
from s2f.embeddings.encoders import dnabert2 as encoder_module
from s2f.language_model import bpe, dnabert2, folder
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("toy_dnabert2")
PIECES = bpe.made_here()


def spec(**more):
    return {"kind": "dnabert2", "size": "toy-pieces", "weights": {"random": 0}, **more}


def windows(count=6, length=37, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 5, (count, length), np.uint8)


def hidden_states(codes, layer=2):
    """[(ids, float32 (T, D))] of each window alone."""
    model = dnabert2.from_seed(dnabert2.configure("toy-pieces"), 0)
    model.bert.encoder["layer"] = model.bert.encoder["layer"][:layer]
    rows = PIECES.ids_of_codes(codes)
    with torch.inference_mode():
        return [(ids, model(torch.from_numpy(ids[None]).long())[0].numpy()) for ids in rows]


# what it returns


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_mean_is_over_the_pieces_of_a_window(layer):
    codes = windows()
    encoder = encoders.build(spec(layer=layer))
    found = encoder.encode(codes)
    assert found.shape == (6, 1, 32) and encoder.tokens(37) == 1
    assert f"layer0{layer}" in encoder.provenance
    for row, (ids, states) in zip(found[:, 0], hidden_states(codes, layer), strict=True):
        assert (ids == bpe.UNK).any()  # Ns are there, and do not count
        np.testing.assert_allclose(row, states[ids >= len(bpe.SPECIAL)].mean(0), rtol=0, atol=1e-5)


def test_window_of_n_alone_has_the_mean_of_its_n():
    codes = np.full((1, 9), dna.N_CODE, np.uint8)
    ((_, states),) = hidden_states(codes)
    np.testing.assert_allclose(encoders.build(spec()).encode(codes)[0, 0], states[1:-1].mean(0), rtol=0, atol=1e-5)


def test_each_base_has_the_state_of_its_piece():
    codes = windows()
    encoder = encoders.build(spec(pooling="bases"))
    found = encoder.encode(codes)
    assert found.shape == (6, 37, 32) and encoder.tokens(37) == 37
    names = {number: piece for piece, number in PIECES.vocabulary.items()}
    for row, (ids, states) in zip(found, hidden_states(codes), strict=True):
        at = 0
        for number, state in zip(ids[1:-1], states[1:-1], strict=True):
            covered = 1 if number == bpe.UNK else len(names[number])
            np.testing.assert_allclose(row[at : at + covered], np.tile(state, (covered, 1)), rtol=0, atol=1e-5)
            at += covered
        assert at == 37


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ACGTN", min_size=24, max_size=24), min_size=1, max_size=4))
def test_bases_and_mean_are_made_of_the_same_tokens(texts):
    """States that name their token are found at the bases of that token, and averaged over the pieces."""
    for text in texts:
        (ids,) = PIECES.ids([text])
        numbers = torch.arange(len(ids), dtype=torch.float32)[None, :, None]
        bases = encoder_module.of_bases(numbers, PIECES.spans[ids[None]])[0, :, 0].numpy()
        assert len(bases) == 24 and (np.diff(bases) >= 0).all()  # in order, nothing of [CLS] and [SEP]
        np.testing.assert_array_equal(np.bincount(bases.astype(int), minlength=len(ids)), PIECES.spans[ids])
        counted = ids >= 5 if (ids >= 5).any() else ids == bpe.UNK
        mean = encoder_module.of_windows(numbers, ids[None])
        assert float(mean) == pytest.approx(np.flatnonzero(counted).mean(), rel=1e-5)


def test_a_window_has_the_same_embedding_in_any_company():
    codes = windows(9, 50)
    for pooling in ("mean", "bases"):
        whole = encoders.build(spec(pooling=pooling)).encode(codes)
        np.testing.assert_allclose(encoders.build(spec(pooling=pooling, batch_size=2)).encode(codes), whole, atol=1e-5)
        np.testing.assert_allclose(encoders.build(spec(pooling=pooling)).encode(codes[3:4]), whole[3:4], atol=1e-5)
        np.testing.assert_allclose(encoders.build(spec(pooling=pooling)).encode(codes[::-1]), whole[::-1], atol=1e-5)
    assert encoders.build(spec()).encode(codes[:0]).shape == (0, 1, 32)


def test_batches_are_of_one_number_of_tokens(monkeypatch):
    shapes = []
    monkeypatch.setattr(
        dnabert2.DNABERT2, "forward", lambda model, ids: shapes.append(tuple(ids.shape)) or model.bert(ids)
    )
    codes = windows(40, 60)
    encoders.build(spec(batch_size=8)).encode(codes)
    counts = np.array([len(ids) for ids in PIECES.ids_of_codes(codes)])
    assert sum(rows * tokens for rows, tokens in shapes) == counts.sum()  # nothing is padded
    assert all(rows <= 8 for rows, _ in shapes) and len(shapes) < 40


def test_bfloat16_is_near_and_of_its_dtype():
    codes = windows()
    encoder, exact = encoders.build(spec(precision="bfloat16")), encoders.build(spec())
    found = encoder.encode(codes)
    assert found.dtype == ml_dtypes.bfloat16
    assert 0 < np.abs(found.astype(np.float32) - exact.encode(codes)).max() < 0.1


def test_pooled_vectors_equal_those_of_the_published_code(shared, tmp_path, monkeypatch):
    golden = Golden(shared / "golden" / "dnabert2")
    monkeypatch.setitem(dnabert2.SIZES, "golden", {**COMMON, **SIZES["small"]})
    torch.save(golden.state("small"), tmp_path / "pytorch_model.bin")
    (tmp_path / "tokenizer.json").write_bytes((golden.folder / "tokenizer.json").read_bytes())
    encoder = encoders.build({"kind": "dnabert2", "size": "golden", "weights": {"path": str(tmp_path)}})
    expected = golden.numbers["small__mean_without_special_and_unk"]
    for text, vector in zip(golden.notes["sequences"].values(), expected, strict=True):
        np.testing.assert_allclose(encoder.encode(dna.encode(text)[None])[0, 0], vector, rtol=0, atol=1e-5)
    assert "Apache License 2.0" in encoder.licence


# records


def test_fingerprint_covers_all_that_changes_a_value(tmp_path):
    other = bpe.Pieces(PIECES.vocabulary, PIECES.merges[::-1])
    other.save(tmp_path)
    variants = [
        {}, {"layer": 1}, {"pooling": "bases"}, {"precision": "bfloat16"}, {"weights": {"random": 1}},
        {"tokenizer": str(tmp_path)},
    ]  # fmt: skip
    assert len({encoders.build(spec(**more)).fingerprint for more in variants}) == len(variants)
    same = [{}, {"batch_size": 3}, {"layer": 2}]
    assert len({encoders.build(spec(**more)).fingerprint for more in same}) == 1


def test_weights_of_a_folder_bring_their_tokenizer(tmp_path):
    model = dnabert2.from_seed(dnabert2.configure("toy-pieces"), 5, "masked_lm")
    folder.save_model(tmp_path, model, dnabert2.tokens({"random": 5}, "", "toy-pieces"))
    direct = encoders.build(spec(weights={"random": 5}))
    path = encoders.build(spec(weights={"path": str(tmp_path)}))
    assert path.fingerprint == direct.fingerprint
    assert direct.licence == "none (random weights)" and "Apache License 2.0" in path.licence
    assert encoders.build(spec(weights={"path": str(tmp_path)}, licence="own")).licence == "own"
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer.json: no such file; DNABERT-2 needs the tokenizer"):
        encoders.build(spec(weights={"path": str(tmp_path)}))


def test_cache_of_bases(tmp_path):
    codes = windows(6, 25, seed=3)
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(6)], "sequence": [dna.decode(row) for row in codes]})
    encoder = encoders.build(spec(pooling="bases", layer=1))
    embedding.build(tmp_path / "a.h5", rows, encoder, "dnabert2.layer01", Construct(25, "", ""), dtype="float32")
    with open_cache(tmp_path / "a.h5", verify="full") as cache:
        found = cache.embedding[cache.indices(rows["row_id"])]
    np.testing.assert_allclose(found, encoder.encode(codes), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"weights": {}},
            r"encoder dnabert2: weights is {}, expected one of {path: FOLDER}.*DNABERT-2-117M",
        ),
        ({"weights": {"path": "nowhere"}}, "nowhere: no such folder; get the weights of DNABERT-2, zhihan1996"),
        ({"weights": {"path": __file__}}, "is a file, expected the folder that holds it"),
        ({"size": "huge"}, "size is 'huge', expected one of: dnabert2, dnabert2-mini"),
        ({"size": "dnabert2"}, "random weights of size dnabert2 need a tokenizer of 4096 entries"),
        ({"pooling": "tokens"}, "pooling is 'tokens', expected one of: mean, bases"),
        ({"precision": "half"}, "precision is 'half'"),
        ({"layer": 3}, "layer is 3, toy-pieces has layers 0 to 2"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"attention": "eager"}, "unknown key 'attention'"),
    ],
)
def test_bad_sections(more, message):
    with pytest.raises(InputError, match=message):
        encoders.build(spec(**more))
