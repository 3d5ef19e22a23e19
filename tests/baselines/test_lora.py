"""Low-rank adapters of LAMAR and DNABERT-2: what learns, what is saved, what peft reads, and what is refused."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from peft import PeftModel

import measure_drift
import merge_adapters
from helpers import programs
from s2f.baselines import _finetuned, _finetuning, _lora, dnabert2_finetuned, lamar_finetuned, read_details
from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.language_model import configuration, dnabert2, folder, loading, states
from s2f.language_model.lamar import TOKENS
from s2f.models.checkpoint import write_record
from s2f.rows import canonical
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("toy_lamar", "toy_dnabert2")

CONSTRUCT = Construct(24, "", "")
SIZE = {"lamar_finetuned": "toy", "dnabert2_finetuned": "toy-pieces"}
MODULE = {"lamar_finetuned": lamar_finetuned, "dnabert2_finetuned": dnabert2_finetuned}
BOTH = pytest.mark.parametrize("kind", list(SIZE))


def settings(kind, lora=None, **more):
    spec = {"size": SIZE[kind], "weights": {"random": 0}, "lora": lora or {}, "learning_rate": 1e-2, "batch_size": 8}
    return _finetuning.Settings.from_spec({**spec, "epochs": 2, **more}, kind)


def start(kind, outputs=2):
    """The model of `settings` before it is adapted."""
    if kind == "lamar_finetuned":
        return loading.from_seed(configuration.make("toy", num_labels=outputs), 0, "classification")
    return dnabert2.from_seed(dnabert2.configure("toy-pieces", num_labels=outputs), 0, "classification")


def rows(count, seed=0):
    random = np.random.Generator(np.random.PCG64(seed))
    codes, labels = random.integers(0, 4, (count, 24), np.uint8), np.arange(count) % 2.0
    for row in np.flatnonzero(labels):
        codes[row, 4:8] = codes[row, 16:20] = dna.encode("TGAT")
    table = {"row_id": [f"r{i}" for i in range(count)], "sequence": [dna.decode(c) for c in codes], "label": labels}
    return canonical.canonical(pd.DataFrame(table), "synthetic", "classification")


def ids(kind, table):
    choice = settings(kind)
    return choice.family.tokens({"random": 0}, "", choice.size).of_codes(CONSTRUCT.assemble(list(table["sequence"])))


def trained(directory, kind, seed=3, **more):
    """A checkpoint, with its record."""
    directory.mkdir()
    options = {"kind": kind, "size": SIZE[kind], "weights": {"random": 0}, "epochs": 2, "batch_size": 8}
    options |= {"learning_rate": 5e-2, "lora": {"rank": 4}, **more}
    parts = {"train": rows(24), "val": rows(12, 1)}
    _, validation = MODULE[kind].train(parts["train"], parts["val"], CONSTRUCT, options, seed, directory)
    write_record(
        directory, parts, ("torch",), **read_details(directory), name="m", kind=kind, task="classification",
        dataset="d", split="s", model="m", seed=1, strand_rule="forward", construct=CONSTRUCT.spec(), spec=options,
        validation=validation,
    )  # fmt: skip
    return directory


def predictions(directory, kind):
    return MODULE[kind].load(directory, {"construct": CONSTRUCT.spec()})(list(rows(12, 5)["sequence"]))


# what learns


@BOTH
def test_targets_of_the_schema_are_the_linear_layers_of_a_block(kind):
    rule = kinds.schema("baselines", kind)["properties"]["lora"]["properties"]["targets"]
    names = [name for name, module in start(kind).named_modules() if isinstance(module, torch.nn.Linear)]
    own = [found[1] for name in names if (found := re.fullmatch(r"\w+\.encoder\.layer\.1\.(.+)", name))]
    assert rule["items"]["enum"] == own
    assert rule["default"] == [name for name in own if name.startswith("attention.self.")] != []
    adapted = _lora.add(start(kind), settings(kind, {"targets": own}).lora, 0)
    assert len([n for n in adapted.state_dict() if ".lora_A." in n]) == 2 * len(own)  # two blocks; no other layer


@BOTH
def test_training_starts_from_the_frozen_model_and_moves_adapters_and_head_alone(kind):
    choice, model, tokens = settings(kind, {"dropout": 0.1}), start(kind), ids(kind, rows(8))
    model.base_model.requires_grad_(False)  # torch multiplies a few rows in another order where weights learn
    expected, before = _finetuning.logits(model, tokens, choice), states.fingerprint(model.base_model)
    _lora.add(model, choice.lora, 1)
    np.testing.assert_array_equal(_finetuning.logits(model, tokens, choice), expected)

    def learning():
        return {name for name, parameter in model.named_parameters() if parameter.requires_grad}

    head = {name for name in learning() if name.startswith("classifier.modules_to_save.")}
    _finetuning._phase(model, True, (torch.from_numpy(tokens),), choice)
    assert learning() == head  # in a warm-up of the head
    forward, (x,) = _finetuning._phase(model, False, (torch.from_numpy(tokens),), choice)
    adapters = learning() - head
    assert len(head) == 4 and adapters and all(".lora_" in name for name in adapters)
    steps = _finetuning._Steps(model.train(), False, 2, choice, "cpu")
    for _ in range(2):  # A has a gradient when B is no longer 0
        steps.step(forward, x, torch.arange(8) % 2)
    named = dict(model.named_parameters())
    assert {name for name, parameter in named.items() if parameter.grad is not None} == adapters | head
    assert {name for name, parameter in named.items() if parameter in steps.optimiser.state} == adapters | head
    assert all(named[name].grad.abs().max() > 0 for name in adapters)
    assert states.fingerprint_of(_lora.without_adapters(model.base_model)) == before


# what is saved


@BOTH
def test_checkpoint_holds_adapters_and_head_which_peft_reads(tmp_path, kind, monkeypatch):
    kept, own = [], _finetuning.finetune
    monkeypatch.setattr(_finetuning, "finetune", lambda *arguments: kept.append(own(*arguments)) or kept[-1])
    trained(tmp_path / "m", kind)
    tokens = ids(kind, rows(12, 5))
    model = kept[0].model.to(torch_device())  # where a loaded one computes
    before = _finetuning.predict(model, tokens, settings(kind))
    np.testing.assert_array_equal(predictions(tmp_path / "m", kind), before)  # as before it was saved
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.mul_(0.0 if ".lora_B." in name else 1.0)
    assert np.abs(_finetuning.predict(model, tokens, settings(kind)) - before).max() > 1e-3

    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "config.json", "details.json"} < names
    assert "model.safetensors" not in names and (tmp_path / "m" / folder.ADAPTERS).stat().st_size < 40_000
    # to be trained: torch rounds a product of a few rows otherwise where nothing learns
    opened = PeftModel.from_pretrained(start(kind), tmp_path / "m", is_trainable=True).eval()
    found = _finetuning.predict(opened.get_base_model().to(torch_device()), tokens, settings(kind))
    np.testing.assert_array_equal(found, before)

    details = read_details(tmp_path / "m")
    width, layers = 32, {"lamar_finetuned": 3 * 2 * 32, "dnabert2_finetuned": 32 + 96}[kind]
    assert details["parameters"] == 2 * 4 * layers + width * width + width + 2 * width + 2
    assert details["encoder_before"] == states.fingerprint(start(kind).base_model) != details["encoder_after"]
    targets = ", ".join(sorted(settings(kind).lora["targets"]))
    assert details["provenance"] == (
        f"fine-tuned on 24 rows by LoRA of rank 4, alpha 16, on {targets}, from random weights, seed 0"
    )
    assert details["licence"] == "none (random weights)"

    trained(tmp_path / "again", kind)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "m" / name).read_bytes()


@BOTH
def test_merged_it_stands_alone_and_predicts_the_same(tmp_path, kind, root, monkeypatch):
    trained(tmp_path / "m", kind)
    (command,) = re.findall(r"```bash\n(.*)\n```", (root / "docs" / "stage2.md").read_text())
    program, arguments = command.split(" --model ")
    assert program == "python -P -m merge_adapters"
    assert arguments == "results/…/best_model --out merged"
    programs.call(monkeypatch, merge_adapters, "--model", tmp_path / "m", "--out", tmp_path / "merged")
    np.testing.assert_allclose(predictions(tmp_path / "merged", kind), predictions(tmp_path / "m", kind), atol=1e-5)
    assert not list((tmp_path / "merged").glob("adapter_*"))
    record = json.loads((tmp_path / "merged" / "model.json").read_text())
    assert record["provenance"].endswith("seed 0, adapters merged") and record["train_rows"] == 24
    assert "adapters_sha256" not in record and record["settings"]["lora"] is None
    if kind == "lamar_finetuned":
        opened = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged").eval()
        with torch.no_grad():
            logits = opened(torch.from_numpy(ids(kind, rows(12, 5))).long()).logits
        np.testing.assert_allclose(logits.softmax(1)[:, 1], predictions(tmp_path / "m", kind), atol=1e-5)
    with pytest.raises(InputError, match=r"a model of kind \w+ without adapters"):
        _finetuned.merge(tmp_path / "merged", tmp_path / "twice")
    with pytest.raises(InputError, match="merged: exists already"):
        _finetuned.merge(tmp_path / "m", tmp_path / "merged")


def test_drift_of_adapters_is_that_of_the_encoder_with_them(tmp_path):
    trained(tmp_path / "m", "lamar_finetuned", epochs=1, size="lamar-mini")
    record = json.loads((tmp_path / "m" / "model.json").read_text())
    names, learns, encode = measure_drift.of_language_model(tmp_path / "m", record)
    start_of, tuned = encode(CONSTRUCT.assemble(list(rows(6)["sequence"])))
    moved = [float(np.abs(a - b).max()) > 1e-6 for a, b in zip(start_of, tuned, strict=True)]
    assert len(names) == 5 and moved == learns == [False, True, True, True, True]  # the embeddings have no adapter


def test_adapters_stand_on_the_weights_of_their_start_wherever_these_are(tmp_path):
    base = loading.from_seed(configuration.make("toy"), 5, "masked_lm")
    record = {"settings": {"size": "toy"}, "provenance": "task-adaptive training", "licence": "MIT"}
    folder.save(tmp_path / "tapt", base, TOKENS, record)
    trained(tmp_path / "m", "lamar_finetuned", weights={"tapt": str(tmp_path / "tapt")}, epochs=1)
    details, expected = read_details(tmp_path / "m"), predictions(tmp_path / "m", "lamar_finetuned")
    assert details["licence"] == "MIT" and details["provenance"].endswith("from task-adaptive training")
    path = tmp_path / "m" / "adapter_config.json"
    config = json.loads(path.read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "tapt") and config["peft_type"] == "LORA"

    (tmp_path / "tapt").rename(tmp_path / "elsewhere")
    with pytest.raises(
        InputError,
        match=r"adapter_config.json: base_model_name_or_path is '.*tapt', which is not a folder on this machine",
    ):
        predictions(tmp_path / "m", "lamar_finetuned")
    path.write_text(json.dumps({**config, "base_model_name_or_path": str(tmp_path / "elsewhere"), "lora_alpha": 99}))
    np.testing.assert_array_equal(predictions(tmp_path / "m", "lamar_finetuned"), expected)
    folder.save(tmp_path / "other", loading.from_seed(configuration.make("toy"), 6, "masked_lm"), TOKENS, record)
    path.write_text(json.dumps({**config, "base_model_name_or_path": str(tmp_path / "other")}))
    with pytest.raises(InputError, match="the adapters were trained on other weights, not on"):
        predictions(tmp_path / "m", "lamar_finetuned")


# bad input


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"lora": {"targets": ["query"]}},
            r"target 'query' is not a linear layer of a block.*; known: attention.output.d",
        ),
        ({"lora": {"targets": []}}, "target None is not a linear layer"),
        ({"lora": {"rank": 0}}, "lora: rank is 0, expected a whole number above 0"),
        ({"lora": {"dropout": 1}}, "lora: dropout is 1, expected a share"),
        ({"lora": {"width": 3}}, "lora: unknown key 'width'"),
        ({"freeze": True}, "lora and freeze exclude each other"),
    ],
)
def test_bad_settings(more, message):
    with pytest.raises(InputError, match=message):
        settings("dnabert2_finetuned", **more)


def test_changed_files_are_refused(tmp_path):
    trained(tmp_path / "m", "lamar_finetuned", epochs=1)
    path = tmp_path / "m" / folder.ADAPTERS
    state = states.read_file(path)
    name = next(name for name in state if "lora_A" in name)
    states.write(path, {other: tensor for other, tensor in state.items() if other != name})
    with pytest.raises(InputError, match=r"adapter_model.safetensors: is not the file that training wrote"):
        predictions(tmp_path / "m", "lamar_finetuned")
    with pytest.raises(InputError, match=rf"{re.escape(name)} is missing"):
        _lora.load(tmp_path / "m", start("lamar_finetuned"), settings("lamar_finetuned", {"rank": 4}).lora)
