"""Fine-tuned DNABERT-2 as a baseline; what it shares with LAMAR is tested there."""

import json

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from s2f.baselines import _finetuning, dnabert2_finetuned, read_details
from s2f.common.errors import InputError
from s2f.language_model import bpe, dnabert2
from s2f.models.validation import auroc
from s2f.rows import canonical
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("toy_dnabert2")

CONSTRUCT = Construct(30, "", "")
SHORT = {
    "kind": "dnabert2_finetuned", "size": "toy-pieces", "weights": {"random": 0}, "epochs": 2, "learning_rate": 2e-3,
    "batch_size": 8,
}  # fmt: skip


def random_rows(count, seed=0):
    """Rows whose label says whether a word was written into the sequence, three times."""
    random = np.random.Generator(np.random.PCG64(seed))
    codes = random.integers(0, 4, (count, 30), np.uint8)
    labels = random.integers(0, 2, count).astype(np.float64)
    for row in np.flatnonzero(labels):
        for place in (0, 10, 20):
            codes[row, place + random.integers(0, 4) :][:4] = dna.encode("TGAT")
    table = {"row_id": [f"r{i}" for i in range(count)], "sequence": [dna.decode(c) for c in codes], "label": labels}
    return canonical.canonical(pd.DataFrame(table), "synthetic", "classification")


def trained(directory, train=None, val=None, seed=3, **more):
    directory.mkdir(exist_ok=True)
    train, val = (random_rows(40) if train is None else train), (random_rows(20, 1) if val is None else val)
    return dnabert2_finetuned.train(train, val, CONSTRUCT, {**SHORT, **more}, seed, directory)


def predictions(directory, table, strand="forward"):
    return dnabert2_finetuned.load(directory, {"construct": CONSTRUCT.spec()})(list(table["sequence"]), strand)


def test_it_learns_and_its_folder_gives_the_same(tmp_path):
    train, val = random_rows(240), random_rows(80, 1)
    history, validation = trained(tmp_path / "m", train, val, epochs=8, batch_size=16)
    assert validation["value"] > 0.85 and history[-1]["train_loss"] < history[0]["train_loss"]
    assert auroc(val["label"], predictions(tmp_path / "m", val)) == pytest.approx(validation["value"], abs=1e-6)
    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "training_args.json", "results.json", "details.json",
    }  # fmt: skip
    arguments = json.loads((tmp_path / "m" / "training_args.json").read_text())
    assert arguments["seed"] == 3 and arguments["batch_size"] == 16 and "kind" not in arguments
    logits = dnabert2_finetuned.logits(tmp_path / "m", {"construct": CONSTRUCT.spec()})
    found = 1 / (1 + np.exp(-logits(list(val["sequence"]), "forward")))
    np.testing.assert_allclose(found, predictions(tmp_path / "m", val), atol=1e-6)
    turned = val.assign(sequence=[dna.reverse_complement_text(s) for s in val["sequence"]])
    np.testing.assert_allclose(predictions(tmp_path / "m", val, "reverse"), predictions(tmp_path / "m", turned))


def test_a_row_has_the_same_prediction_in_any_company(tmp_path):
    trained(tmp_path / "m", epochs=1)
    table = random_rows(12, 7)
    table.loc[0, "sequence"] = "N" * 29 + "A"  # a token per letter, more than any other has
    together = predictions(tmp_path / "m", table)
    alone = [predictions(tmp_path / "m", table[i : i + 1])[0] for i in range(12)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_nor_does_company_change_how_bfloat16_rounds():
    """Beside a row with more tokens, by padding, it did, by 2 % of the spread of the logits."""
    model = dnabert2.from_seed(dnabert2.configure("dnabert2-mini"), 0, "classification")
    settings = _finetuning.Settings.from_spec(
        {"size": "dnabert2-mini", "weights": {"random": 0}, "precision": "bfloat16"}, "dnabert2_finetuned"
    )
    model.classifier.out_proj.weight.data *= 100
    codes = np.random.Generator(np.random.PCG64(1)).integers(0, 4, (16, 200), np.uint8)
    codes[0] = dna.N_CODE
    read = dnabert2.tokens({"random": 0}, "", "dnabert2-mini").of_codes
    together, others = (_finetuning.logits(model, read(some), settings) for some in (codes, codes[1:]))
    assert together[1:].std(0).min() > 0.01
    np.testing.assert_allclose(together[1:], others, rtol=0, atol=1e-5)


def test_same_seed_same_bits_with_units_dropped(tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(seed)  # whatever was drawn before
        trained(tmp_path / name, seed=seed, epochs=1)
        found.append((tmp_path / name / "model.safetensors").read_bytes())
    assert found[0] == found[1] != found[2]


def test_units_are_dropped_in_training_alone(tmp_path):
    model = dnabert2.from_seed(dnabert2.configure("toy-pieces"), 0, "classification")
    ids = torch.from_numpy(bpe.padded(bpe.made_here().ids(["ACGTTGCATGAC", "TTTTACG"])))
    with torch.no_grad():
        kept = [model.classifier(dnabert2.first(model, ids)) for _ in range(2)]
        dropped = [model.train().classifier(dnabert2.first(model, ids)) for _ in range(2)]
    assert torch.equal(*kept) and not torch.equal(*dropped)


def test_frozen_encoder_and_adapted_start(tmp_path):
    trained(tmp_path / "m", freeze=True)
    details = read_details(tmp_path / "m")
    assert details["encoder_before"] == details["encoder_after"]
    assert details["parameters"] == 32 * 32 + 32 + 2 * 32 + 2
    trained(tmp_path / "n", weights={"path": str(tmp_path / "m")}, epochs=1, learning_rate=1e-12)  # with its head
    before, after = (safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in "mn")
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    assert read_details(tmp_path / "n")["provenance"] == "fine-tuned on 40 rows, from DNABERT-2, checkpoint m"
    assert "Apache License 2.0" in read_details(tmp_path / "n")["licence"]


def test_checkpointed_activations_give_the_same(tmp_path):
    for name, more in (("a", {}), ("b", {"checkpoint_activations": True})):
        trained(tmp_path / name, epochs=1, **more)
    first, second = (safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in "ab")
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


def test_what_is_refused(tmp_path):
    for more, message in (
        ({"size": "toy"}, "baseline dnabert2_finetuned: size is 'toy', expected one of: dnabert2, dnabert2-mini"),
        ({"freeze": True, "warmup_epochs": 1}, r"baseline dnabert2_finetuned: freeze and warmup_epochs \(1\) exclude"),
        ({"weights": {"path": str(tmp_path / "none")}}, "none"),
        ({"tokenizer": str(tmp_path)}, "tokenizer.json: no such file"),
    ):
        with pytest.raises(InputError, match=message):
            trained(tmp_path / "m", **more)
    trained(tmp_path / "m", epochs=1)
    pieces = bpe.made_here()
    bpe.Pieces(pieces.vocabulary, pieces.merges[::-1]).save(tmp_path / "m")
    with pytest.raises(
        InputError, match=r"tokenizer.json: is not the file that training wrote; train this model again"
    ):
        predictions(tmp_path / "m", random_rows(3))
    (tmp_path / "m" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer.json: is not the file that training wrote"):
        predictions(tmp_path / "m", random_rows(3))
    assert _finetuning.Settings.from_spec(SHORT, "dnabert2_finetuned").where == "baseline dnabert2_finetuned"
