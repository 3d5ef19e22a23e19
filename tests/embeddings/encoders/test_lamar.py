"""The encoder `lamar`: layers, pooling, weights and its contract."""

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from s2f.common.errors import InputError
from s2f.embeddings import build as embedding
from s2f.embeddings import encoders
from s2f.embeddings.cache import open_cache
from s2f.embeddings.encoders import _hidden_states
from s2f.language_model import configuration, loading, tokenizer
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

TOY = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}


@pytest.fixture(autouse=True)
def toy(monkeypatch, one_torch_thread):
    monkeypatch.setitem(configuration.SIZES, "toy", TOY)


def spec(**more):
    return {"kind": "lamar", "size": "toy", "weights": {"random": 0}, **more}


def windows(count=5, length=37, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 5, (count, length), np.uint8)


def hidden_states(codes, **more):
    """All hidden states of the stock model at the letters: list of float32 (B, L, D)."""
    model = loading.from_seed(configuration.make("toy", **more), 0)
    with torch.no_grad():
        ids = torch.from_numpy(tokenizer.ids_of_codes(codes)).long()
        return [h[:, 1:-1].numpy() for h in model(ids, output_hidden_states=True).hidden_states]


# layers: the name says the hidden state


@pytest.mark.parametrize("layer", range(4))
def test_layer_is_the_hidden_state_of_that_number(layer):
    codes = windows()
    encoder = encoders.build(spec(layer=layer))
    expected = hidden_states(codes)
    np.testing.assert_allclose(encoder.encode(codes), expected[layer], rtol=0, atol=1e-5)
    others = [h for number, h in enumerate(expected) if number != layer]
    assert all(np.abs(encoder.encode(codes) - other).max() > 1e-3 for other in others)
    assert f"layer0{layer}" in encoder.provenance


def test_names_and_default_of_layers():
    assert [_hidden_states.layer_name(layer) for layer in (0, 6, 12)] == ["layer00", "layer06", "layer12"]
    assert encoders.build(spec()).fingerprint == encoders.build(spec(layer=3)).fingerprint
    with pytest.raises(InputError, match="layer is 4, toy has layers 0 to 3"):
        encoders.build(spec(layer=4))
    with pytest.raises(InputError, match="layer is 13, lamar has layers 0 to 12"):
        encoders.build({"kind": "lamar", "weights": {"random": 0}, "layer": 13})


@pytest.mark.slow
def test_layers_of_the_published_size():
    codes = windows(2, 21)
    model = loading.from_seed(configuration.make("lamar"), 0)
    with torch.no_grad():
        ids = torch.from_numpy(tokenizer.ids_of_codes(codes)).long()
        expected = model(ids, output_hidden_states=True).hidden_states
    assert len(expected) == 13
    for layer in (6, 12):
        encoder = encoders.build({"kind": "lamar", "weights": {"random": 0}, "layer": layer})
        assert encoder.channels == 768
        np.testing.assert_allclose(encoder.encode(codes), expected[layer][:, 1:-1].numpy(), rtol=0, atol=1e-4)


# what it returns


def test_mean_is_over_the_letters_without_specials():
    codes = windows()
    encoder = encoders.build(spec(pooling="mean"))
    assert (encoder.tokens(37), encoders.build(spec()).tokens(37)) == (1, 37)
    expected = hidden_states(codes)[3].mean(1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(codes), expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(encoder.encode(codes).shape, (5, 1, 32))


def test_batches_do_not_change_the_result_and_one_sequence_equals_many():
    codes = windows(7)
    whole = encoders.build(spec()).encode(codes)
    np.testing.assert_allclose(encoders.build(spec(batch_size=2)).encode(codes), whole, rtol=0, atol=1e-5)
    np.testing.assert_allclose(encoders.build(spec()).encode(codes[3:4]), whole[3:4], rtol=0, atol=1e-5)
    assert encoders.build(spec()).encode(codes[:0]).shape == (0, 37, 32)


def test_result_equals_the_padded_one_of_the_stock_model():
    """What the usual padding to one length gives at the letters, where it is computed right."""
    codes = windows(4, 30)
    ids = np.full((4, 60), tokenizer.PAD)
    ids[:, :32] = tokenizer.ids_of_codes(codes)
    model = loading.from_seed(configuration.make("toy", "eager"), 0)
    with torch.no_grad():
        ids = torch.from_numpy(ids).long()
        expected = model(ids, attention_mask=(ids != tokenizer.PAD).long()).last_hidden_state[:, 1:31].numpy()
    np.testing.assert_allclose(encoders.build(spec()).encode(codes), expected, rtol=0, atol=1e-5)


def test_bfloat16_is_near_and_of_its_dtype():
    codes = windows()
    encoder = encoders.build(spec(precision="bfloat16"))
    found = encoder.encode(codes)
    assert found.dtype == ml_dtypes.bfloat16
    assert 0 < np.abs(found.astype(np.float32) - hidden_states(codes)[3]).max() < 0.1
    assert encoder.fingerprint != encoders.build(spec()).fingerprint


def test_fingerprint_covers_all_that_changes_a_value():
    variants = [{}, {"layer": 2}, {"pooling": "mean"}, {"precision": "bfloat16"}, {"weights": {"random": 1}}]
    assert len({encoders.build(spec(**more)).fingerprint for more in variants}) == len(variants)
    assert encoders.build(spec(batch_size=3)).fingerprint == encoders.build(spec()).fingerprint


def test_cache_of_a_layer(tmp_path):
    codes = windows(6, 25, seed=3)
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(6)], "sequence": [dna.decode(row) for row in codes]})
    construct, encoder = Construct(25, "", ""), encoders.build(spec(layer=2))
    embedding.build(tmp_path / "a.h5", rows, encoder, "lamar.layer02", construct, dtype="float32")
    with open_cache(tmp_path / "a.h5", verify="full") as cache:
        found = cache.embedding[cache.indices(rows["row_id"])]
        assert (cache.manifest["tokens"], cache.manifest["channels"]) == (25, 32)
    np.testing.assert_allclose(found, hidden_states(codes)[2], rtol=0, atol=1e-5)


def test_windows_of_two_lengths_are_refused_before_anything_is_encoded(tmp_path):
    rows = pd.DataFrame({"row_id": ["a", "b"], "sequence": ["ACGT" * 5, "ACGT" * 4]})
    with pytest.raises(
        InputError, match=r"row 'b': a 16 bp insert .* needs 2 \+ 2 bp of flank, but there are 0 \+ 0 bp"
    ):
        embedding.build(tmp_path / "a.h5", rows, encoders.build(spec()), "lamar", Construct(20, "", ""))


# weights


def test_weights_of_a_folder(tmp_path):
    model = loading.from_seed(configuration.make("toy"), 5, "masked_lm")
    safetensors.torch.save_file(model.state_dict(), tmp_path / "model.safetensors")
    direct = encoders.build(spec(weights={"random": 5}))
    path = encoders.build(spec(weights={"path": str(tmp_path)}, licence="MIT"))
    assert path.fingerprint == direct.fingerprint
    assert (path.licence, direct.licence) == ("MIT", "none (random weights)")
    assert "licence of the weights is not known" in encoders.build(spec(weights={"path": str(tmp_path)})).licence


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"weights": {}}, r"weights is {}, expected one of {path: FOLDER}"),
        ({"weights": {"random": 0, "path": "x"}}, "expected one of"),
        ({"weights": {"path": "nowhere"}}, "nowhere: no such folder; expected a folder with model.safetensors"),
        ({"weights": {"tapt": "nowhere"}}, "model.json: no such file"),
        ({"size": "huge"}, "size is 'huge', expected one of: lamar, lamar-mini"),
        ({"pooling": "max"}, "pooling is 'max', expected one of: tokens, mean"),
        ({"precision": "half"}, "precision is 'half'"),
        ({"attention": "fast"}, "attention is 'fast'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"layers": 3}, "unknown key 'layers'"),
    ],
)
def test_bad_sections(more, message):
    with pytest.raises(InputError, match=message):
        encoders.build(spec(**more))


@pytest.mark.cpu("what is refused without CUDA is there")
def test_flash_attention_needs_cuda():
    with pytest.raises(InputError, match="flash_attention_2 needs a CUDA device and precision bfloat16"):
        encoders.build(spec(attention="flash_attention_2", precision="bfloat16"))
