"""DNABERT-2: equality with the published code, strict loading, and that nothing is lost between saving and loading."""

import json
import math

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers

from helpers.golden_dnabert2 import COMMON, DECODER, SIZES, WORDS, Golden
from helpers.toy_language_models import TOY
from s2f.common.errors import InputError
from s2f.language_model import configuration, dnabert2, families, folder, lamar, masking, states, tapt

pytestmark = pytest.mark.usefixtures("toy_dnabert2")


@pytest.fixture(autouse=True)
def sizes(monkeypatch):
    monkeypatch.setitem(configuration.SIZES, "toy", TOY)
    for name, size in SIZES.items():
        monkeypatch.setitem(dnabert2.SIZES, f"golden-{name}", {**COMMON, **size})


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "dnabert2")


def written(folder, state, name="pytorch_model.bin"):
    """A folder with these weights."""
    folder.mkdir(exist_ok=True)
    if name.endswith("bin"):
        torch.save(state, folder / name)
    else:  # which refuses two names of one tensor
        safetensors.torch.save_file({n: t.clone() for n, t in state.items()}, folder / name)
    return folder


def toy(head="masked_lm", seed=3):
    return dnabert2.from_seed(dnabert2.configure("toy-pieces"), seed, head)


# equality with the published code


@pytest.mark.parametrize("name", states.FILES)
def test_every_layer_the_logits_and_the_loss_equal_the_published_code(golden, tmp_path, name):
    weights = written(tmp_path / "w", golden.state("small"), name)
    model = dnabert2.from_folder(weights, dnabert2.configure("golden-small"), "masked_lm")
    hidden = []
    for block in model.bert.encoder.layer:
        block.register_forward_hook(lambda *found: hidden.append(found[2]))
    model.bert.embeddings.LayerNorm.register_forward_hook(lambda *found: hidden.append(found[2]))
    tokens = dnabert2.tokens({"path": str(golden.folder)}, "", "golden-small")
    with torch.inference_mode():
        last = dnabert2.hidden(model, golden.ids, golden.padding)
        logits = model.lm_head(last)
        inputs, labels = golden.numbers["mlm_input_ids"], golden.numbers["mlm_labels"]
        counted = np.where(labels > 0, labels, masking.IGNORED)  # as the published code: [UNK] is no target
        arrays = golden.numbers["input_ids"], inputs, counted
        loss = float(tapt.masked_loss(dnabert2.FAMILY, tokens, model, *arrays)) / (counted > 0).sum()
    real = ~golden.padding.numpy()
    assert len(hidden) == 10 and (labels == 0).sum() == 3  # the loss is a pass of its own
    for layer, found in enumerate(hidden[:5]):
        assert np.abs(found.numpy() - golden.numbers[f"small__hidden_{layer}"])[real].max() < 1e-5
    assert (last.numpy()[~real] == 0).all()
    assert np.abs(golden.rows(logits, "logit_rows") - golden.numbers["small__logits_rows"]).max() < 2e-5
    assert loss == pytest.approx(float(golden.numbers["small__mlm_loss"]), abs=1e-5)


def test_a_row_alone_and_its_first_token_alone(golden, tmp_path):
    model = dnabert2.from_folder(written(tmp_path / "w", golden.state("small")), dnabert2.configure("golden-small"))
    with torch.inference_mode():
        whole = model(golden.ids, golden.padding)
        first = dnabert2.first(model, golden.ids)
        for row, length in enumerate(golden.notes["slices"]["lengths"]):
            torch.testing.assert_close(
                model(golden.ids[row : row + 1, :length])[0], whole[row, :length], rtol=0, atol=1e-5
            )
    torch.testing.assert_close(first, whole[:, :1], rtol=0, atol=1e-5)
    assert first.shape == (4, 1, 96)


def test_bfloat16_is_as_far_as_measured(golden, tmp_path):
    model = dnabert2.from_folder(written(tmp_path / "w", golden.state("small")), dnabert2.configure("golden-small"))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = model(golden.ids, golden.padding).float().numpy()
    expected = golden.numbers["small__hidden_4"]
    assert 0.002 < np.sqrt(((found - expected) ** 2).sum() / (expected**2).sum()) < 0.02


@pytest.mark.slow
def test_the_published_size_equals_the_published_code(golden, tmp_path):
    state = golden.state("full")
    assert len(state) == 142
    model = dnabert2.from_folder(written(tmp_path / "w", state), dnabert2.configure("golden-full"), "masked_lm")
    (tmp_path / "w" / "pytorch_model.bin").unlink()
    assert sum(parameter.numel() for parameter in model.bert.parameters()) == 116_477_952
    assert sum(parameter.numel() for parameter in model.parameters()) == 117_074_176
    with torch.inference_mode():
        hidden = model(golden.ids, golden.padding)
        logits = model.lm_head(hidden)
    assert np.abs(golden.rows(hidden) - golden.numbers["full__last_hidden_rows"]).max() < 5e-5
    assert np.abs(golden.rows(logits, "logit_rows") - golden.numbers["full__logits_rows"]).max() < 2e-4


def test_slopes_are_the_published_ones(golden):
    np.testing.assert_allclose(dnabert2.slopes(12), golden.notes["slopes"], rtol=1e-7)
    assert dnabert2.slopes(4) == [2**-2, 2**-4, 2**-6, 2**-8]
    bias = dnabert2.bias(2, 3, torch.tensor([[False, False, True]]), torch.device("cpu"))
    assert bias[0, 0].tolist() == [[0, -(2**-4), -math.inf], [-(2**-4), 0, -math.inf], [-(2**-3), -(2**-4), -math.inf]]


# what a file may hold


def test_names_that_are_missing_unexpected_or_of_other_shapes_are_refused(tmp_path):
    config, state = dnabert2.configure("toy-pieces"), toy().state_dict()
    qkv = "bert.encoder.layer.1.attention.self.Wqkv.bias"
    for change, message in (
        ({qkv: None}, f"{qkv} is missing"),
        ({"bert.encoder.layer.2.mlp.wo.bias": torch.zeros(32)}, r"layer.2.mlp.wo.bias is unexpected"),
        ({qkv: torch.zeros(32)}, r"Wqkv.bias is \(32,\), expected \(96,\)"),
        ({qkv: torch.full((96,), math.nan)}, "not all finite numbers"),
        ({"esm.embeddings.word_embeddings.weight": torch.zeros(2)}, "is unexpected"),
        ({DECODER: state[WORDS] + 1}, f"{DECODER} differs from {WORDS}, but in DNABERT-2 they are one tensor"),
    ):
        changed = {name: tensor for name, tensor in {**state, **change}.items() if tensor is not None}
        with pytest.raises(InputError, match=message):
            dnabert2.from_folder(written(tmp_path / "w", changed), config, "masked_lm")
    bare = {name: tensor for name, tensor in state.items() if not name.startswith("cls.")}
    with pytest.raises(InputError, match=r"cls.predictions.transform.dense.weight is missing"):
        dnabert2.from_folder(written(tmp_path / "w", bare), config, "masked_lm")
    with pytest.raises(InputError, match=r"classifier.dense.weight is missing"):
        dnabert2.from_folder(tmp_path / "w", config, "classification")
    with pytest.raises(InputError, match="size is 'huge', expected one of: dnabert2, dnabert2-mini"):
        dnabert2.configure("huge")


def test_pickled_code_is_refused(tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % bytes(ran))
    with pytest.raises(InputError, match="holds more than tensors and is refused"):
        dnabert2.from_folder(tmp_path, dnabert2.configure("toy-pieces"))
    assert not ran.exists()


def test_allowed_differences_load(tmp_path):
    """Without the doubled tensor or the prefix, with a pooler that nothing reads, and the published classifier."""
    config, state = dnabert2.configure("toy-pieces"), dict(toy().state_dict())
    expected = states.fingerprint(dnabert2.from_folder(written(tmp_path / "a", state), config, "masked_lm"))
    del state[DECODER]
    pooler = {"bert.pooler.dense.weight": torch.ones(32, 32), "bert.pooler.dense.bias": torch.ones(32)}
    found = dnabert2.from_folder(written(tmp_path / "b", state | pooler), config, "masked_lm")
    assert states.fingerprint(found) == expected
    bare = {n.removeprefix("bert."): t for n, t in state.items() if n.startswith("bert.")}
    encoder = dnabert2.from_folder(written(tmp_path / "c", bare), config)
    assert states.fingerprint(encoder) == states.fingerprint(toy("none"))
    head = {"classifier.weight": torch.ones(2, 32), "classifier.bias": torch.zeros(2)}
    tuned = dnabert2.from_folder(written(tmp_path / "d", state | pooler | head), config, "classification")
    assert (tuned.classifier.dense.weight == 1).all() and (tuned.classifier.out_proj.weight == 1).all()


def test_configuration_beside_the_weights_is_checked(tmp_path, golden):
    dnabert2.check_folder(tmp_path, "dnabert2")  # the weights decide where there is none
    stored = {**golden.notes["config"]["common"], **golden.notes["config"]["full"]}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    dnabert2.check_folder(tmp_path, "dnabert2")
    with pytest.raises(InputError, match="hidden_size is 768, expected 128 as in DNABERT-2 of size dnabert2-mini"):
        dnabert2.check_folder(tmp_path, "dnabert2-mini")
    (tmp_path / "config.json").write_text(json.dumps({**stored, "layer_norm_eps": 1e-5}))
    with pytest.raises(InputError, match="layer_norm_eps is 1e-05, expected 1e-12 as in DNABERT-2 of size dnabert2"):
        dnabert2.check_folder(tmp_path, "dnabert2")


# seeds


def test_random_weights_of_a_seed():
    model, other = toy(), toy(seed=4)
    assert states.fingerprint(model) != states.fingerprint(other)
    assert states.fingerprint(toy("none").bert) == states.fingerprint(model.bert)  # the same under every head
    words = model.bert.embeddings.word_embeddings.weight
    assert (words[dnabert2.bpe.PAD] == 0).all() and 0.015 < float(words.detach().std()) < 0.025
    assert model.lm_head.predictions.decoder.weight is words
    assert not any(parameter.is_meta for parameter in model.parameters()) and not list(model.buffers())


# nothing is lost on the way to a file and back


@pytest.mark.parametrize(("size", "family"), [("toy", lamar.FAMILY), ("toy-pieces", dnabert2.FAMILY)])
def test_logits_after_loading_equal_those_before_saving(tmp_path, size, family):
    """Libraries that build a model without memory leave empty what no file holds, such as frequencies of positions."""
    assert families.of_size(size) is family
    model = family.from_seed(family.configure(size), 5, "masked_lm")
    with torch.no_grad():  # far from the start, so that positions count
        for parameter in model.parameters():
            parameter.mul_(5 if parameter.ndim > 1 else 1)
    tokens = family.tokens({"random": 5}, "", size)
    folder.save_model(tmp_path, model, tokens)
    ids = torch.from_numpy(tokens.tokenize(["ACGTNACGGTCATTAGC", "GATTACAGATTACAGGC"])).long()
    ids = ids[:, : int((ids != tokens.pad).sum(1).min())]
    readers = [lambda: family.from_folder(tmp_path, family.configure(size), "masked_lm")]
    if family is lamar.FAMILY:
        readers.append(lambda: transformers.AutoModelForMaskedLM.from_pretrained(tmp_path).eval())
    with torch.inference_mode():
        expected = model.lm_head(family.hidden(model, ids, None))
        moved = model.lm_head(family.hidden(model, ids.roll(3, 1), None)).roll(-3, 1)
        assert (moved - expected).abs().max() > 1e-3  # positions do count
        for read in readers:
            found = read()
            torch.testing.assert_close(found.lm_head(family.hidden(found, ids, None)), expected, rtol=0, atol=1e-6)
            for name, buffer in found.named_buffers():
                formulas = {
                    "inv_freq": 10000.0 ** (-torch.arange(0, 16, 2) / 16), "position_ids": torch.arange(1026)[None],
                }  # fmt: skip
                torch.testing.assert_close(buffer, formulas[name.rpartition(".")[2]], rtol=1e-6, atol=0)


def test_transformers_builds_no_model_of_its_own_from_the_folder(tmp_path):
    """A BERT of its own would get random weights without a word."""
    tokens = dnabert2.tokens({"random": 0}, "", "toy-pieces")
    folder.save_model(tmp_path, toy(), tokens)
    dnabert2.check_folder(tmp_path, "toy-pieces")
    with pytest.raises(ValueError, match="model"):
        transformers.AutoModel.from_pretrained(tmp_path)


# tokens that a study names


def test_tokenizer_of_weights(tmp_path):
    made = dnabert2.pieces({"random": 0}, "", "dnabert2-mini")
    made.save(tmp_path)
    assert dnabert2.pieces({"tapt": str(tmp_path)}, "", "dnabert2-mini").text() == made.text()
    assert dnabert2.pieces({"random": 0}, str(tmp_path / "tokenizer.json"), "dnabert2-mini").text() == made.text()
    for weights, own, size, message in (
        ({"random": 0}, "", "dnabert2", "size dnabert2 need a tokenizer of 4096 entries: give a folder"),
        ({"random": 0}, str(tmp_path), "dnabert2", "the vocabulary has 281 entries, expected 4096"),
        ({"path": str(tmp_path)}, "x", "dnabert2-mini", "in a folder use the tokenizer in that folder; omit the key"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            dnabert2.pieces(weights, own, size)
    with pytest.raises(InputError, match="LAMAR reads letter by letter; omit the key"):
        lamar.tokens({"random": 0}, "x", "lamar")
