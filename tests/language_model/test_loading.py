"""Configuration and strict loading, against numbers of LAMAR's own code."""

import importlib.util
import json
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from transformers import EsmConfig, EsmForMaskedLM, EsmModel

from helpers.golden_lamar import SIZE, Golden
from helpers.toy_language_models import TOY
from s2f.common.errors import InputError
from s2f.language_model import configuration, loading, states
from s2f.language_model.lamar import FAMILY, TOKENS
from s2f.language_model.masking import IGNORED
from s2f.language_model.tapt import masked_loss


@pytest.fixture(autouse=True)
def sizes(monkeypatch):
    monkeypatch.setitem(configuration.SIZES, "golden", SIZE)
    monkeypatch.setitem(configuration.SIZES, "toy", TOY)


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "lamar")


def written(folder, state, name="model.safetensors"):
    """A folder with these weights."""
    folder.mkdir(exist_ok=True)
    if name.endswith("bin"):
        torch.save(state, folder / name)
    else:
        safetensors.torch.save_file(state, folder / name)
    return folder


def toy_state(head="masked_lm", seed=3):
    """Names and tensors of a toy model."""
    return dict(loading.from_seed(configuration.make("toy"), seed, head).state_dict())


# equality with LAMAR


@pytest.mark.parametrize("name", states.FILES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_and_hidden_states_equal_lamars(golden, tmp_path, name, attention):
    folder = written(tmp_path / "w", golden.state, name)
    model = loading.from_folder(folder, configuration.make("golden", attention), "masked_lm")
    with torch.no_grad():
        out = model(**golden.inputs(), output_hidden_states=True)
    assert golden.difference(out.logits, "logits") < 1e-5
    assert len(out.hidden_states) == 3
    for layer, hidden in enumerate(out.hidden_states):
        assert golden.difference(hidden, f"hidden_states_{layer}") < 1e-5
    assert golden.difference(out.hidden_states[-1], "last_hidden_state") < 1e-5


def test_double_precision_equals_lamars(golden, tmp_path):
    model = loading.from_folder(written(tmp_path / "w", golden.state), configuration.make("golden"), "masked_lm")
    with torch.no_grad():
        logits = model.double()(**golden.inputs()).logits
    real = golden.numbers["attention_mask"] == 1
    assert np.abs(logits.numpy() - golden.numbers["logits_f64"])[real].max() < 1e-6


def test_loss_equals_lamars(golden, tmp_path):
    model = loading.from_folder(written(tmp_path / "w", golden.state), configuration.make("golden"), "masked_lm")
    ids, labels = golden.numbers["input_ids"], golden.numbers["mlm_labels"]
    with torch.no_grad():
        stock = model(**golden.inputs(), labels=torch.from_numpy(labels)).loss
        inputs = ids.astype(np.uint8)
        ours = masked_loss(FAMILY, TOKENS, model, inputs, inputs, labels) / (labels != IGNORED).sum()
    assert float(stock) == pytest.approx(float(golden.numbers["mlm_loss"]), abs=1e-5)
    assert float(ours) == pytest.approx(float(golden.numbers["mlm_loss"]), abs=1e-5)


def test_classification_equals_lamars_linear_head(golden, tmp_path):
    folder = written(tmp_path / "w", golden.classifier())
    model = loading.from_folder(folder, configuration.make("golden", num_labels=2), "classification")
    with torch.no_grad():
        logits = model(**golden.inputs()).logits
    assert np.abs(logits.numpy() - golden.numbers["clf_Linear_logits"]).max() < 1e-4


def test_parameter_counts():
    expected = {"lamar": 85_663_643, "lamar-mini": 812_699}
    for size, count in expected.items():
        with torch.device("meta"):
            model = EsmForMaskedLM(configuration.make(size))
        assert sum(p.numel() for p in model.parameters()) == count


# traps


def test_misspelt_rotary_key_is_refused_where_transformers_ignores_it():
    assert EsmConfig(positional_embedding_type="rotary").position_embedding_type == "absolute"  # the trap
    with pytest.raises(InputError, match="'positional_embedding_type' is unknown"):
        configuration.make("toy", positional_embedding_type="rotary")
    assert loading.from_seed(configuration.make("toy"), 0).rotary_embeddings is not None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "position_embedding_type",
            "absolute",
            "position_embedding_type is 'absolute', expected 'rotary' as in LAMAR of size toy",
        ),
        ("layer_norm_eps", 1e-12, "layer_norm_eps is 1e-12"),
        ("token_dropout", True, "token_dropout is True"),
        ("tie_word_embeddings", True, "tie_word_embeddings is True"),
        ("hidden_size", 64, "hidden_size is 64, expected 32 as in LAMAR of size toy"),
    ],
)
def test_a_configuration_of_another_model_is_refused(tmp_path, key, value, message):
    configuration.make("toy").save_pretrained(tmp_path)
    configuration.check_folder(tmp_path, "toy")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match=message):
        configuration.check_folder(tmp_path, "toy")
    with pytest.raises(InputError, match=message):
        configuration.make("toy", **{key: value})


def test_original_configuration_file_is_refused(tmp_path):
    text = {"model_type": "esm", "positional_embedding_type": "rotary", "vocab_size": 10, "pad_token_id": 1}
    (tmp_path / "config.json").write_text(json.dumps(text | TOY))
    with pytest.raises(InputError, match=r"config.json: .* as in LAMAR of size toy"):
        configuration.check_folder(tmp_path, "toy")


def test_input_and_output_embeddings_are_not_tied(golden, tmp_path):
    model = loading.from_folder(written(tmp_path / "w", golden.state), configuration.make("golden"), "masked_lm")
    for name in ("esm.embeddings.word_embeddings.weight", "lm_head.decoder.weight"):
        assert torch.equal(model.state_dict()[name], golden.state[name]), name
    # the trap: what stock loading makes of these weights
    tied = EsmForMaskedLM(EsmConfig(**{**configuration.COMMON, **SIZE, "tie_word_embeddings": True}))
    tied.load_state_dict(golden.state, strict=False)
    with torch.no_grad():
        hidden = tied.eval()(**golden.inputs(), output_hidden_states=True).hidden_states[-1]
    assert golden.difference(hidden, "last_hidden_state") > 1


def test_renamed_head_is_refused_by_name(golden, tmp_path):
    state = dict(golden.state)
    state["esm.lm_head.dense.weight"] = state.pop("lm_head.dense.weight")
    with pytest.raises(InputError, match=r"lm_head.dense.weight is missing; esm.lm_head.dense.weight is unexpected"):
        loading.from_folder(written(tmp_path / "w", state), configuration.make("golden"), "masked_lm")


# strict loading


@pytest.mark.parametrize("name", ["lm_head.bias", "esm.encoder.layer.1.output.dense.weight", "lm_head.decoder.weight"])
def test_a_missing_tensor_is_named(tmp_path, name):
    state = toy_state()
    del state[name]
    with pytest.raises(InputError, match=rf"model.safetensors: does not fit the model: {name} is missing$"):
        loading.from_folder(written(tmp_path / "w", state), configuration.make("toy"), "masked_lm")


def test_unexpected_shape_dtype_and_values_are_named(tmp_path):
    config = configuration.make("toy")
    for name, value, message in [
        ("esm.encoder.layer.2.output.dense.bias", torch.zeros(32), "layer.2.output.dense.bias is unexpected"),
        ("lm_head.bias", torch.zeros(33), r"lm_head.bias is \(33,\), expected \(10,\)"),
        ("lm_head.bias", torch.zeros(10, dtype=torch.int64), "lm_head.bias holds torch.int64 values"),
        ("lm_head.bias", torch.full((10,), torch.nan), "lm_head.bias holds torch.float32 values that are not all fin"),
    ]:
        with pytest.raises(InputError, match=message):
            loading.from_folder(written(tmp_path / "w", toy_state() | {name: value}), config, "masked_lm")


def test_allowed_differences_load(tmp_path):
    config = configuration.make("toy")
    state = toy_state()
    expected = states.fingerprint(loading.from_folder(written(tmp_path / "a", state), config))
    # the encoder alone, as a bare encoder saves it; without what is constant or never called
    bare = {name.removeprefix("esm."): value for name, value in state.items() if name.startswith("esm.")}
    assert states.fingerprint(loading.from_folder(written(tmp_path / "b", bare), config)) == expected
    del bare["rotary_embeddings.inv_freq"], bare["contact_head.regression.weight"], bare["contact_head.regression.bias"]
    # what no result reads is drawn alike for every seed, so that equal weights have equal fingerprints
    written(tmp_path / "c", bare)
    found = [loading.from_folder(tmp_path / "c", config, "classification", seed).base_model for seed in (3, 4)]
    assert states.fingerprint(found[0]) == states.fingerprint(found[1])
    for name, value in bare.items():
        assert torch.equal(found[0].state_dict()[name], value), name
    with pytest.raises(InputError, match=r"lm_head.bias is missing"):
        loading.from_folder(tmp_path / "b", config, "masked_lm")


def test_a_classification_head_is_drawn_only_on_request(tmp_path):
    folder, config = written(tmp_path / "w", toy_state()), configuration.make("toy", num_labels=2)
    with pytest.raises(InputError, match=r"classifier.dense.weight is missing"):
        loading.from_folder(folder, config, "classification")
    models = [loading.from_folder(folder, config, "classification", seed) for seed in (1, 1, 2)]
    heads = [model.classifier.dense.weight for model in models]
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    assert torch.equal(
        models[2].esm.embeddings.word_embeddings.weight, toy_state()["esm.embeddings.word_embeddings.weight"]
    )


def test_rotary_frequencies_of_old_checkpoints(golden, tmp_path):
    config = configuration.make("golden")
    name = "esm.encoder.layer.{}.attention.self.rotary_embeddings.inv_freq"
    half = golden.state | {name.format(i): golden.state[name.format(i)].half() for i in range(2)}
    model = loading.from_folder(written(tmp_path / "a", half), config)
    assert torch.equal(model.rotary_embeddings.inv_freq, half[name.format(0)].float())  # kept as they were trained with
    with pytest.raises(InputError, match="the rotary frequencies of its layers differ"):
        state = golden.state | {name.format(1): golden.state[name.format(1)] * 2}
        loading.from_folder(written(tmp_path / "b", state), config)
    with pytest.raises(InputError, match="inv_freq does not hold the frequencies of rotary positions with base 10000"):
        state = golden.state | {name.format(i): golden.state[name.format(i)] * 2 for i in range(2)}
        loading.from_folder(written(tmp_path / "c", state), config)


def test_a_model_of_absolute_positions_is_refused(tmp_path):
    config = EsmConfig(**{**configuration.COMMON, **TOY}, positional_embedding_type="rotary")  # the trap
    config.position_embedding_type = "absolute"
    state = {name: value.clone() for name, value in EsmForMaskedLM(config).state_dict().items()}
    with pytest.raises(InputError, match=r"no rotary frequencies: this is a model with absolute positions, not LAMAR"):
        loading.from_folder(written(tmp_path / "w", state), configuration.make("toy"), "masked_lm")


class Trap:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_a_file_is_executed(tmp_path):
    config, target = configuration.make("toy"), tmp_path / "executed"
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))):
        folder = tmp_path / "w"
        folder.mkdir(exist_ok=True)
        write({"a": Trap(target)}, folder / "pytorch_model.bin")
        with pytest.raises(InputError, match="holds more than tensors and is refused"):
            loading.from_folder(folder, config)
        assert not target.exists()


def test_folders_without_weights(tmp_path):
    config = configuration.make("toy")
    with pytest.raises(
        InputError, match=r"nowhere: no such folder; expected a folder with model.safetensors or pytorch"
    ):
        loading.from_folder(tmp_path / "nowhere", config)
    with pytest.raises(InputError, match=r"holds no weights \(nothing\); expected"):
        loading.from_folder(tmp_path, config)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"model.safetensors: is broken"):
        loading.from_folder(tmp_path, config)


def test_shards_with_an_index_are_one_checkpoint(tmp_path):
    """As transformers writes what is larger than it puts into one file."""
    config = configuration.make("toy")
    expected = loading.from_seed(config, 3, "masked_lm")
    for name in states.FILES:
        folder = tmp_path / name
        expected.save_pretrained(folder, max_shard_size="20KB")
        if name.endswith("bin"):  # which today's transformers only reads
            index = json.loads((folder / "model.safetensors.index.json").read_text())
            for path in list(folder.glob("*.safetensors")):
                torch.save(safetensors.torch.load_file(path), path.with_suffix(".bin"))
                path.unlink()
            index["weight_map"] = {
                key: shard.replace("safetensors", "bin") for key, shard in index["weight_map"].items()
            }
            (folder / f"{name}.index.json").write_text(json.dumps(index))
            (folder / "model.safetensors.index.json").unlink()
        shards = sorted(folder.glob(f"*-of-*.{name.rpartition('.')[2]}"))
        assert len(shards) > 2
        assert states.fingerprint(loading.from_folder(folder, config, "masked_lm")) == states.fingerprint(expected)
    shards[1].unlink()
    with pytest.raises(InputError) as error:
        loading.from_folder(folder, config, "masked_lm")
    index = f"{name}.index.json"
    assert str(error.value) == f"{shards[1]}: no such file, but {index} names it as one of its shards"
    torch.save({}, shards[1])
    with pytest.raises(InputError, match=rf"{index}: esm\S+ is not in {shards[1].name}, which should hold it"):
        loading.from_folder(folder, config, "masked_lm")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
@pytest.mark.parametrize("bare", [False, True])
def test_names_with_the_prefix_of_a_wrapper(tmp_path, prefix, bare):
    config, state = configuration.make("toy"), toy_state("none" if bare else "masked_lm")
    expected = states.fingerprint(loading.from_folder(written(tmp_path / "a", state), config))
    wrapped = {prefix + name: tensor for name, tensor in state.items()}
    assert states.fingerprint(loading.from_folder(written(tmp_path / "b", wrapped), config)) == expected
    inside = written(tmp_path / "c", {"state_dict": wrapped, "epoch": 3}, "pytorch_model.bin")
    assert states.fingerprint(loading.from_folder(inside, config)) == expected


def test_names_of_another_model_are_shown_beside_those_that_are_missing(tmp_path):
    state = {f"bert.{name}": tensor for name, tensor in toy_state().items()}
    with pytest.raises(
        InputError, match=r"(esm\.\S+ is missing; ){3}(esm\.bert\.esm\.\S+ is unexpected; ){2}and \d+ more"
    ):
        loading.from_folder(written(tmp_path / "w", state), configuration.make("toy"))


def test_a_pointer_of_git_lfs_is_called_one(tmp_path):
    config = configuration.make("toy")
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 343210000\n"
    for name in (*states.FILES, "shards"):
        folder = written(tmp_path / name, toy_state())
        path = folder / ("model-00001-of-00001.safetensors" if name == "shards" else name)
        (folder / "model.safetensors").unlink()
        path.write_text(text)
        if name == "shards":
            index = {"weight_map": {"esm.contact_head.regression.bias": path.name}}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(InputError) as error:
            loading.from_folder(folder, config)
        assert str(error.value) == (
            f"{path}: is a pointer of git-lfs, not the weights themselves; fetch them with `git lfs pull` in its clone"
        )
    path = tmp_path / "link" / "model.safetensors"
    path.parent.mkdir()
    path.symlink_to("../blobs/4d7a2146")
    with pytest.raises(
        InputError, match=r"model.safetensors: is a link to ../blobs/4d7a2146, which does not exist; fetch"
    ):
        loading.from_folder(path.parent, config)


# weights from a seed


def test_random_weights(tmp_path):
    config = configuration.make("lamar-mini")
    model = loading.from_seed(config, 0, "masked_lm")
    weights = model.esm.embeddings.word_embeddings.weight
    assert (weights[1] == 0).all() and (weights[[0, *range(2, 10)]] != 0).all()
    dense = model.esm.encoder.layer[0].intermediate.dense
    assert abs(float(dense.weight.detach().std()) - 0.02) < 2e-4 and abs(float(dense.weight.detach().mean())) < 2e-4
    assert not dense.bias.any() and (model.esm.encoder.emb_layer_norm_after.weight == 1).all()
    bare = {f"esm.{name}": value for name, value in loading.from_seed(config, 0).state_dict().items()}
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in bare.items())
    assert states.fingerprint(loading.from_seed(config, 0, "masked_lm")) == states.fingerprint(model)
    assert states.fingerprint(loading.from_seed(config, 1, "masked_lm")) != states.fingerprint(model)


def test_unknown_size_and_attention():
    with pytest.raises(InputError, match="size is 'huge', expected one of: lamar, lamar-mini"):
        configuration.make("huge")
    with pytest.raises(InputError, match="attention is 'fast', expected one of: sdpa, eager, flash_attention_2"):
        configuration.make("toy", "fast")


@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is not None, reason="flash-attn is installed")
def test_flash_attention_without_its_package_is_an_error_of_the_user():
    with pytest.raises(InputError, match=r"attention flash_attention_2: .*package"):
        loading.from_seed(configuration.make("toy", "flash_attention_2"), 0)


def test_stock_class_of_the_encoder():
    assert isinstance(loading.from_seed(configuration.make("toy"), 0), EsmModel)
