"""Task-adaptive training: what it reads, that it learns, that a kill changes nothing, and what others can load."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
import transformers

from helpers import forked_programs
from s2f.common import files
from s2f.common.errors import InputError
from s2f.embeddings import encoders
from s2f.language_model import bpe, configuration, dnabert2, folder, loading, states, tapt, tokenizer
from s2f.language_model.lamar import FAMILY, TOKENS
from s2f.language_model.schedule import schedule
from s2f.rows import canonical

pytestmark = pytest.mark.usefixtures("toy_lamar")

SHORT = {"size": "toy", "steps": 6, "batch_size": 8, "micro_batch": 8, "validate_every": 4, "checkpoint_every": 2}


def settings(**more):
    return tapt.Settings.from_spec({**SHORT, **more})


def repeats(count, seed=0, length=40):
    """Sequences that repeat a word of three letters from a random phase on: easy to predict from their context."""
    random = np.random.Generator(np.random.PCG64(seed))
    return [("ACT" * length)[phase : phase + length] for phase in random.integers(0, 3, count)]


def train(tmp_path, seed=7, texts=None, report=lambda line: None, **more):
    texts = texts or [f"{'ACGT'[i % 4] * 5}{sequence}" for i, sequence in enumerate(repeats(30))]
    found = tapt.train(texts, repeats(5, 1), settings(**more), seed, tmp_path / "checkpoint", report)
    found.model.cpu()
    return found


def weights(trained):
    return states.fingerprint(trained.model)


# learning


def test_it_learns_what_can_be_predicted(tmp_path):
    found = train(tmp_path, texts=repeats(64), steps=90, learning_rate=1e-2, batch_size=8, validate_every=45)
    assert [entry["step"] for entry in found.history] == [0, 45, 90]
    assert found.history[0]["train_loss"] is None and found.history[0]["val_loss"] > 1.2
    assert found.history[-1]["val_loss"] < 0.7  # a letter at random costs ln 3 = 1.10
    assert found.record["history"] == found.history


def test_micro_batches_of_any_size_give_the_same_step(tmp_path):
    texts = [sequence[: 20 + 5 * (i % 4)] for i, sequence in enumerate(repeats(30))]  # padded where they differ
    whole = train(tmp_path, texts=texts, steps=2, checkpoint_every=9)
    parts = train(tmp_path, texts=texts, steps=2, checkpoint_every=9, micro_batch=3)
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(parts.model.state_dict()[name], tensor, rtol=0, atol=2e-5)


def test_loss_equals_that_of_transformers_on_padded_windows():
    model = loading.from_seed(configuration.make("toy"), 0, "masked_lm")
    ids = tokenizer.tokenize(["ACGTACGT", "ACGTNACGTTGCATT", "AC"])
    inputs, labels = tapt.mask(ids, 0.4, np.random.Generator(np.random.PCG64(0)), TOKENS)
    tensors = {"input_ids": torch.from_numpy(inputs).long(), "labels": torch.from_numpy(labels)}
    with torch.no_grad():
        expected = model(**tensors, attention_mask=torch.from_numpy(ids != tokenizer.PAD).long()).loss
        found = tapt.masked_loss(FAMILY, TOKENS, model, ids, inputs, labels) / (labels != -100).sum()
        half = tapt.masked_loss(FAMILY, TOKENS, model, ids, inputs, labels, "bfloat16") / (labels != -100).sum()
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    assert float(half) == pytest.approx(float(expected), abs=1e-2)


def test_every_window_is_seen_once_per_epoch():
    texts = np.array(["A" * n for n in range(1, 11)], object)
    choice = settings(batch_size=5)
    for epoch in range(2):
        seen = [tapt._batch(texts, step, TOKENS, choice, 3)[0] for step in (2 * epoch, 2 * epoch + 1)]
        lengths = sorted(int(n) - 2 for ids in seen for n in (ids != tokenizer.PAD).sum(1))
        assert lengths == list(range(1, 11))
    assert not np.array_equal(tapt._order(10, 0, 3), tapt._order(10, 1, 3))


def test_schedule_rises_over_the_warm_up_and_falls_to_nearly_nothing():
    choice = settings(steps=100, warmup=0.1)
    rates = [schedule(step, choice.steps, choice.warmup) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert max(rates) == pytest.approx(1) and rates[99] == pytest.approx(1 / 91)
    assert (np.diff(rates[9:]) < 0).all()
    assert all(0 < schedule(0, 1, w) <= 1 for w in (0, 0.05, 0.9))


def test_loss_of_letter_frequencies():
    labels = np.array([[tokenizer.VOCABULARY.index(letter) for letter in "AAC"] + [-100]])
    # one is added to each count: A 4, C 2, G 1, T 3
    found = tapt.frequencies_loss(["AAAC", "UtNN"], labels, TOKENS)
    assert found == pytest.approx(-(2 * np.log(0.4) + np.log(0.2)) / 3)


def test_seed_decides_and_nothing_else(tmp_path):
    torch.manual_seed(0)
    first = weights(train(tmp_path / "a"))
    torch.manual_seed(1)
    assert weights(train(tmp_path / "b")) == first
    assert weights(train(tmp_path / "c", seed=8)) != first


def test_what_is_never_called_keeps_its_weights(tmp_path):
    before = loading.from_seed(configuration.make("toy"), 0, "masked_lm").state_dict()
    after = train(tmp_path).model.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {
        "esm.contact_head.regression.weight", "esm.contact_head.regression.bias", "esm.rotary_embeddings.inv_freq"
    }  # fmt: skip
    assert not after["esm.embeddings.word_embeddings.weight"][tokenizer.PAD].any()


# kills


class Killed(BaseException):
    """What ends a run at a chosen step."""


@pytest.mark.parametrize("last", [2, 3, 5])
def test_a_killed_run_continues_to_the_same_bits(tmp_path, monkeypatch, last):
    expected = train(tmp_path / "whole")
    update = tapt._update

    def deadly(model, optimiser, batch, choice, step, loss):
        if step == last:
            raise Killed
        return update(model, optimiser, batch, choice, step, loss)

    monkeypatch.setattr(tapt, "_update", deadly)
    with pytest.raises(Killed):
        train(tmp_path)
    monkeypatch.setattr(tapt, "_update", update)
    lines = []
    found = train(tmp_path, report=lines.append)
    assert f"continues after step {last // 2 * 2} of 6" in lines[1]
    assert weights(found) == weights(expected)
    assert found.history == expected.history


def test_a_checkpoint_of_another_run_is_not_continued(tmp_path):
    for more in ({"learning_rate": 2e-4}, {"seed": 8}, {"texts": repeats(9)}, {"start": {"random": 1}}):
        train(tmp_path)
        lines = []
        found = train(tmp_path, report=lines.append, **more)
        assert lines and not any("continues" in line for line in lines)
    assert weights(found) == weights(train(tmp_path / "fresh", **more))


def test_a_broken_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint").write_bytes(b"x" * 99)
    with pytest.raises(InputError, match=r"checkpoint: is a broken checkpoint .*; delete it and run again"):
        train(tmp_path)


# what it writes


def saved(tmp_path, **more):
    trained = train(tmp_path, **more)
    folder.save(tmp_path / "out", trained.model, trained.tokens, trained.record)
    return trained, tmp_path / "out"


def test_transformers_loads_the_folder(tmp_path):
    trained, out = saved(tmp_path)
    model = transformers.AutoModelForMaskedLM.from_pretrained(out)
    probe = transformers.AutoTokenizer.from_pretrained(out)("ACGTNACGT", return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(model(**probe).logits, trained.model(**probe).logits, rtol=0, atol=1e-5)
    classifier = transformers.AutoModelForSequenceClassification.from_pretrained(out, num_labels=2)
    assert torch.equal(
        classifier.esm.encoder.layer[1].output.dense.weight, trained.model.esm.encoder.layer[1].output.dense.weight
    )
    names = {path.name for path in out.iterdir()}
    assert names == {
        "config.json", "model.safetensors", "model.json",
        "vocab.txt", "tokenizer_config.json", "special_tokens_map.json",
    }  # fmt: skip


def test_the_encoder_reads_the_folder_and_training_starts_from_it(tmp_path):
    trained, out = saved(tmp_path)
    encoder = encoders.build({"kind": "lamar", "size": "toy", "weights": {"tapt": str(out)}})
    told = r"task-adaptive training, 6 steps of 8 windows, validation loss \d\.\d{3} \(token frequencies only "
    told += r"\d\.\d{3}\), from random weights, seed 0(; learned less than the token frequencies)?, layer02"
    assert re.fullmatch(told, encoder.provenance)
    assert encoder.licence == "none (random weights)"
    direct = {"kind": "lamar", "size": "toy", "weights": {"path": str(out)}}
    assert encoder.fingerprint == encoders.build(direct).fingerprint
    model, origin, licence = tapt.start(settings(start={"path": str(out)}, licence="MIT"))
    assert states.fingerprint(model) == weights(trained) == trained.record["weights_sha256"]
    assert origin.startswith("task-adaptive training, 6 steps") and "so what it has seen was not held out" in origin
    assert licence == "MIT"


def test_the_encoder_refuses_other_sizes_and_weights_than_recorded(tmp_path):
    spec = {"kind": "lamar", "size": "toy", "weights": {"tapt": str(saved(tmp_path)[1])}}
    with pytest.raises(InputError, match=r"model.json: size is 'toy', expected 'lamar-mini'"):
        encoders.build({**spec, "size": "lamar-mini"})
    other = loading.from_seed(configuration.make("toy"), 0, "masked_lm").state_dict()
    safetensors.torch.save_file(other, tmp_path / "out" / "model.safetensors")
    with pytest.raises(
        InputError, match=r"model.safetensors: is not the file that training wrote; train this model again"
    ):
        encoders.build(spec)
    files.write_json(tmp_path / "out" / "model.json", {"kind": "head"})
    with pytest.raises(InputError, match=r"model.json: format is None, expected 's2f-tapt-1'"):
        encoders.build(spec)


def test_weights_without_a_language_model_head_are_no_start(tmp_path):
    state = loading.from_seed(configuration.make("toy"), 0).state_dict()
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"lm_head.bias is missing"):
        train(tmp_path, start={"path": str(tmp_path)})


# settings


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"epochs": 3}, "unknown key 'epochs'"),
        ({"size": "huge"}, "size is 'huge'"),
        ({"steps": 0}, "steps is 0, expected a whole number above 0"),
        ({"mask_share": 1.0}, r"mask_share is 1.0 and warmup is .*, expected shares between 0 and 1"),
        ({"precision": "half"}, "precision is 'half'"),
        ({"start": {"seed": 0}}, r"start: unknown key 'seed'; known: path, random"),
        ({"learning_rate": 1e30, "clip": 1e30}, "is not finite; lower learning_rate"),
    ],
)
def test_bad_settings(tmp_path, more, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, **more)


# the program


@pytest.mark.slow
def test_program_survives_a_kill(tmp_path, root):
    random = np.random.Generator(np.random.PCG64(0))
    words = ["".join("ACGT"[i] for i in random.integers(0, 4, 60)) for _ in range(300)]
    table = {"row_id": [f"r{i}" for i in range(300)], "sequence": words, "label": 1.0}
    frame = canonical.canonical(pd.DataFrame(table), "one")
    windows = {"train": frame[:200], "val": frame[200:250]}
    for part, rows in windows.items():
        canonical.write_rows(tmp_path / f"{part}.parquet", rows)
    spec = {"size": "lamar-mini", "steps": 12, "batch_size": 16, "validate_every": 4, "checkpoint_every": 5}

    def start(name, python):
        command = [python, "-P", "-m", "tapt"]
        command += [text for part in windows for text in (f"--{part}", tmp_path / f"{part}.parquet")]
        command += ["--datasets", "one", "--name", "toy", "--spec", json.dumps(spec), "--study-seed", "1"]
        command += ["--threads", "1", "--out", tmp_path / name]
        environment = {**os.environ, "PYTHONPATH": str(root / "workflow" / "scripts"), "JAX_PLATFORMS": "cpu"}
        return subprocess.Popen([*map(str, command), "--history", str(tmp_path / f"{name}.tsv")], env=environment)

    forked = forked_programs.command()
    assert start("whole", forked).wait() == 0
    checkpoint = tmp_path / ".killed.checkpoint"
    process = start("killed", forked)
    while not checkpoint.is_file() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    # in a process with other hashes of texts than the whole run had: no set's order may reach a result
    assert start("killed", sys.executable).wait() == 0
    assert not checkpoint.exists()
    for name in ("model.safetensors", "config.json", "vocab.txt"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    assert (tmp_path / "whole.tsv").read_text() == (tmp_path / "killed.tsv").read_text()
    record = json.loads((tmp_path / "killed" / "model.json").read_text())
    assert record["train_windows"] == 200 and record["seed"]
    for part, rows in windows.items():
        assert record[f"{part}_rows_sha256"] == canonical.rows_sha256(rows)
    assert record["seen"]["text"] == "windows of one (not those evaluated)" and record["seen"]["clean"]


# DNABERT-2


def of_pieces(**more):
    return {"size": "toy-pieces", "steps": 60, "validate_every": 30, "learning_rate": 3e-3, **more}


def test_dnabert2_learns_pieces_and_a_killed_run_continues_to_the_same_bits(tmp_path, toy_dnabert2, monkeypatch):
    """Units are dropped in training: what is dropped follows from the seed and the step."""
    whole = train(tmp_path / "whole", **of_pieces())
    assert whole.history[-1]["val_loss"] < whole.record["frequencies_loss"] < whole.history[0]["val_loss"]
    update = tapt._update

    def deadly(model, optimiser, batch, choice, step, loss):
        if step == 31:
            raise Killed
        return update(model, optimiser, batch, choice, step, loss)

    monkeypatch.setattr(tapt, "_update", deadly)
    with pytest.raises(Killed):
        train(tmp_path, **of_pieces(checkpoint_every=30))
    monkeypatch.setattr(tapt, "_update", update)
    torch.rand(1)
    assert weights(train(tmp_path, **of_pieces(checkpoint_every=30))) == weights(whole)


def test_dnabert2_folder_is_read_by_encoder_and_training(tmp_path, toy_dnabert2):
    trained = train(tmp_path, **of_pieces(steps=2, validate_every=2))
    folder.save(tmp_path / "out", trained.model, trained.tokens, trained.record)
    section = {"kind": "dnabert2", "size": "toy-pieces", "weights": {"tapt": str(tmp_path / "out")}}
    encoder = encoders.build(section)
    assert encoder.provenance.startswith("task-adaptive training, 2 steps of 8 windows, validation loss")
    assert encoder.licence == "none (random weights)"
    again, *_ = tapt.start(settings(**of_pieces(start={"path": str(tmp_path / "out")})))
    assert states.fingerprint(again) == trained.record["weights_sha256"]
    with pytest.raises(InputError, match="size is 'toy-pieces', expected 'dnabert2-mini'"):
        encoders.build({**section, "size": "dnabert2-mini"})


def test_pieces_alone_are_targets_and_replacements_of_dnabert2():
    tokens = dnabert2.tokens({"random": 0}, "", "dnabert2-mini")
    ids = tokens.tokenize(["ACGTNNGATTACA" * 9, "TTGACA" * 9] * 40)
    inputs, labels = tapt.mask(ids, 0.5, np.random.Generator(np.random.PCG64(0)), tokens)
    targets = labels != -100
    assert (ids[targets] >= 5).all() and 0.45 < targets[ids >= 5].mean() < 0.55
    replaced = targets & (inputs != ids) & (inputs != bpe.MASK)
    assert (inputs[replaced] >= 5).all() and len(set(inputs[replaced])) > 100 and inputs.max() > 255
    assert (inputs[~targets] == ids[~targets]).all()
