"""Fine-tuned LAMAR as a baseline: its folder, what others read, what it refuses, and that folds share nothing."""

import json

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
import transformers

import measure_drift
from helpers import programs
from s2f.baselines import lamar_finetuned, read_details
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.language_model import configuration, folder, loading
from s2f.language_model.lamar import TOKENS
from s2f.models.validation import auroc
from s2f.representation import drift
from s2f.rows import canonical
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("toy_lamar")

CONSTRUCT = Construct(24, "", "")
SHORT = {
    "kind": "lamar_finetuned", "size": "toy", "weights": {"random": 0}, "epochs": 2, "learning_rate": 1e-3,
    "batch_size": 8,
}  # fmt: skip


def random_rows(count, seed=0, length=24):
    """Rows whose label says whether a word was written into the sequence, twice."""
    random = np.random.Generator(np.random.PCG64(seed))
    codes = random.integers(0, 4, (count, length), np.uint8)
    labels = random.integers(0, 2, count).astype(np.float64)
    for row in np.flatnonzero(labels):
        for place in (random.integers(0, 8), random.integers(12, 20)):
            codes[row, place : place + 4] = dna.encode("TGAT")
    table = {"row_id": [f"r{i}" for i in range(count)], "sequence": [dna.decode(c) for c in codes], "label": labels}
    return canonical.canonical(pd.DataFrame(table), "synthetic", "classification")


def trained(directory, train=None, val=None, seed=3, construct=CONSTRUCT, **more):
    directory.mkdir(exist_ok=True)
    train, val = (random_rows(40) if train is None else train), (random_rows(20, 1) if val is None else val)
    return lamar_finetuned.train(train, val, construct, {**SHORT, **more}, seed, directory)


def predictions(directory, table, strand="forward"):
    return lamar_finetuned.load(directory, {"construct": CONSTRUCT.spec()})(list(table["sequence"]), strand)


def adapted(directory):
    """A folder as task-adaptive training writes it, of random weights."""
    record = {"settings": {"size": "toy"}, "provenance": "task-adaptive training", "licence": "MIT"}
    folder.save(directory, loading.from_seed(configuration.make("toy"), 5, "masked_lm"), TOKENS, record)
    return {"tapt": str(directory)}


def large_weights(directory):
    """A folder of random weights, so large that labels are quickly learned by heart."""
    model = loading.from_seed(configuration.make("toy", num_labels=2), 0, "classification")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8 if parameter.ndim > 1 else 1)
    folder.save_model(directory, model, TOKENS)
    return {"path": str(directory)}


# what it writes


def test_folder_holds_what_was_asked_found_and_made(tmp_path):
    history, validation = trained(tmp_path / "m", licence="MIT")
    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        "config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json",
        "training_args.json", "results.json", "details.json",
    }  # fmt: skip
    read = {name: json.loads((tmp_path / "m" / f"{name}.json").read_text()) for name in ("training_args", "results")}
    assert read["results"] == {"history": history, "validation": validation}
    assert read["training_args"]["learning_rate"] == 1e-3 and read["training_args"]["seed"] == 3
    details = read_details(tmp_path / "m")
    assert details["provenance"] == "fine-tuned on 40 rows, from random weights, seed 0"
    assert details["licence"] == "none (random weights)" and details["encoder_before"] != details["encoder_after"]
    model = loading.from_seed(configuration.make("toy", num_labels=2), 0, "classification")
    own = sum(parameter.numel() for parameter in model.parameters())
    assert details["parameters"] == own - sum(p.numel() for p in model.esm.contact_head.parameters())
    assert validation["metric"] == "auroc" and validation["value"] == history[validation["epoch"] - 1]["val_auroc"]


@pytest.mark.parametrize("labels", ["classification", "regression"])
def test_transformers_reads_the_folder_and_gives_the_same(tmp_path, labels):
    trained(tmp_path / "m", labels=labels)
    table = random_rows(6, 9)
    table.loc[0, "sequence"] = "N" + table.loc[0, "sequence"][1:]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    with torch.no_grad():
        logits = model(**tokenizer(list(table["sequence"]), return_tensors="pt")).logits.double()
    if labels == "classification":
        assert logits.shape == (6, 2) and model.config.problem_type == "single_label_classification"
        expected = logits.softmax(1)[:, 1]
    else:
        details = read_details(tmp_path / "m")
        assert logits.shape == (6, 1) and model.config.problem_type == "regression"
        assert details["centre"] == random_rows(40)["label"].mean()
        expected = details["centre"] + details["scale"] * logits[:, 0]
    np.testing.assert_allclose(predictions(tmp_path / "m", table), expected, atol=1e-5)


def test_predictions_of_both_strands(tmp_path):
    _, validation = trained(tmp_path / "m")
    table = random_rows(20, 1)
    forward, reverse = predictions(tmp_path / "m", table), predictions(tmp_path / "m", table, "reverse")
    assert forward.dtype == np.float64 and auroc(table["label"], forward) == pytest.approx(
        validation["value"], abs=0.02
    )
    turned = table.assign(sequence=[dna.reverse_complement_text(s) for s in table["sequence"]])
    np.testing.assert_allclose(reverse, predictions(tmp_path / "m", turned), atol=1e-6)
    assert predictions(tmp_path / "m", table[:0]).shape == (0,)
    with pytest.raises(InputError, match="strand is 'both'"):
        predictions(tmp_path / "m", table, "both")


def test_same_seed_same_bits(tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trained(tmp_path / name, seed=seed)
        found.append((tmp_path / name / "model.safetensors").read_bytes())
    assert found[0] == found[1] != found[2]


def test_head_and_order_come_from_the_job_and_the_encoder_from_the_section(tmp_path):
    encoders, heads = [], []
    for name, seed in (("a", 1), ("b", 2)):
        trained(tmp_path / name, seed=seed, learning_rate=1e-12, epochs=1)
        state = safetensors.torch.load_file(tmp_path / name / "model.safetensors")
        encoders.append(state["esm.encoder.layer.0.output.dense.weight"])
        heads.append(state["classifier.dense.weight"])
    torch.testing.assert_close(encoders[0], encoders[1], rtol=0, atol=1e-6)
    assert (heads[0] - heads[1]).abs().max() > 0.01


def test_adapted_and_own_weights_are_starts(tmp_path):
    start = adapted(tmp_path / "tapt")
    trained(tmp_path / "m", weights=start, freeze=True)
    details = read_details(tmp_path / "m")
    assert details["provenance"] == "fine-tuned on 40 rows, encoder frozen, from task-adaptive training"
    assert details["licence"] == "MIT" and details["encoder_before"] == details["encoder_after"]
    assert details["parameters"] == 32 * 32 + 32 + 2 * 32 + 2
    trained(tmp_path / "n", weights={"path": str(tmp_path / "m")}, licence="CC0")  # with its head
    assert read_details(tmp_path / "n")["licence"] == "CC0"
    assert read_details(tmp_path / "n")["provenance"] == "fine-tuned on 40 rows, from LAMAR, checkpoint m"
    assert read_details(tmp_path / "n")["encoder_before"] == details["encoder_after"]


# folds


@pytest.mark.slow
def test_on_shuffled_labels_no_fold_knows_another(tmp_path):
    """A model carried on from fold to fold, as a control, has seen what it is scored on."""
    table = random_rows(300, 3)
    table["label"] = np.random.Generator(np.random.PCG64(5)).permutation(table["label"])
    fold = np.arange(300) % 5
    spec = {"epochs": 12, "patience": 12, "learning_rate": 2e-3, "batch_size": 16}
    start = large_weights(tmp_path / "start")

    def score(number, weights, name):
        test, val = fold == number, fold == (number + 1) % 5
        trained(tmp_path / name, table[~(test | val)], table[val], number, weights=weights, **spec)
        return auroc(table["label"][test], predictions(tmp_path / name, table[test]))

    fresh = np.array([score(number, start, f"fresh{number}") for number in range(5)])
    # of 60 rows the standard error of one AUROC without information is .075, of the mean of five .034
    assert abs(fresh.mean() - 0.5) < 0.1 and np.abs(fresh - 0.5).max() < 0.23
    assert score(4, start, "alone") == fresh[4]  # whatever was trained before
    weights, carried = start, []
    for number in range(5):
        carried.append(score(number, weights, f"carried{number}"))
        weights = {"path": str(tmp_path / f"carried{number}")}
    print("fresh", fresh, "carried", carried)
    assert np.mean(carried[2:]) > 0.6


# bad input


def test_rows_and_windows_that_do_not_fit_are_named(tmp_path):
    table = random_rows(40)
    table.loc[7, "sequence"] = "ACGT" * 5
    with pytest.raises(InputError, match=r"training rows: row 'r7': a 20 bp insert .* needs 2 .* bp of flank"):
        trained(tmp_path / "m", table)
    with pytest.raises(InputError, match="validation rows: row 'r7': a 20 bp insert"):
        trained(tmp_path / "m", val=table)
    with pytest.raises(InputError, match="the construct's window is 1025 bp, but the model takes at most 1024"):
        trained(tmp_path / "m", random_rows(4, length=1025), construct=Construct(1025, "", ""))
    with pytest.raises(InputError, match="labels of the training rows are 1; a classification needs 0 and 1"):
        trained(tmp_path / "m", table[table["label"] == 1].drop(index=7, errors="ignore"))
    assert not list((tmp_path / "m").iterdir())


def test_inserts_of_several_lengths_between_real_flanks(tmp_path):
    table = random_rows(40)
    table.loc[7, "sequence"] = "ACGT" * 5
    trained(tmp_path / "m", table, construct=Construct(30, "ACGTACGT", "TTGCATGC"), epochs=1)
    assert read_details(tmp_path / "m")["length"] == 30


def test_bad_settings_and_weights(tmp_path):
    for more, message in (
        ({"freeze": True, "warmup_epochs": 1}, r"freeze and warmup_epochs \(1\) exclude each other"),
        ({"weights": {"seed": 0}}, "lamar_finetuned: weights: unknown key 'seed'; known: path, random, tapt"),
        ({"weights": {"path": str(tmp_path / "none")}}, "none: no such folder"),
        ({"weights": adapted(tmp_path / "lm"), "size": "lamar-mini"}, "size is 'toy', expected 'lamar-mini'"),
    ):
        with pytest.raises(InputError, match=message):
            trained(tmp_path / "m", **more)
    state = safetensors.torch.load_file(tmp_path / "lm" / "model.safetensors")
    (tmp_path / "odd").mkdir()
    safetensors.torch.save_file(state | {"esm.extra.weight": torch.zeros(2)}, tmp_path / "odd" / "model.safetensors")
    with pytest.raises(InputError, match=r"does not fit the model: esm.extra.weight is unexpected"):
        trained(tmp_path / "m", weights={"path": str(tmp_path / "odd")})
    trained(tmp_path / "regression", labels="regression")
    with pytest.raises(InputError, match=r"classifier.out_proj.weight is \(1, 32\), expected \(2, 32\)"):
        trained(tmp_path / "m", weights={"path": str(tmp_path / "regression")})


def test_loading_is_strict(tmp_path):
    trained(tmp_path / "m")
    with pytest.raises(InputError, match="trained on windows of 24 bp, but the construct has 25 bp"):
        lamar_finetuned.load(tmp_path / "m", {"construct": CONSTRUCT.spec() | {"length": 25}})
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {"token_dropout": True}))
    with pytest.raises(InputError, match="token_dropout is True, expected False as in LAMAR of size toy"):
        predictions(tmp_path / "m", random_rows(3))
    path = tmp_path / "m" / "model.safetensors"
    state = safetensors.torch.load_file(path)
    safetensors.torch.save_file(state | {"classifier.out_proj.bias": torch.ones(2)}, path)
    with pytest.raises(
        InputError, match=r"model.safetensors: is not the file that training wrote; train this model again"
    ):
        predictions(tmp_path / "m", random_rows(3))


# the programs


@pytest.mark.slow
def test_programs_train_and_predict(tmp_path, root):
    table = random_rows(60)
    canonical.write_rows(tmp_path / "rows.parquet", table)
    parts = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    write_table(tmp_path / "split.tsv", pd.DataFrame({"row_id": table["row_id"], "split": parts, "reason": ""}))
    panel = pd.DataFrame({"row_id": table["row_id"][50:], "group": table["row_id"][50:]})
    write_table(tmp_path / "panel.tsv", panel)
    spec = {**SHORT, "size": "lamar-mini", "epochs": 1, "precision": "bfloat16"}
    del spec["kind"]

    def run(program, **arguments):
        options = [text for name, value in arguments.items() for text in (f"--{name.replace('_', '-')}", value)]
        programs.run(root, program, *options, folder=tmp_path).check_returncode()

    run(
        "train_baseline", rows="rows.parquet", split="split.tsv", construct=json.dumps(CONSTRUCT.spec()), dataset="d",
        split_name="s", baseline="tuned", kind="lamar_finetuned", task="classification", seed=1, study_seed=0,
        spec=json.dumps(spec), strand_rule="forward", threads=1, model="best_model", history="history.tsv",
    )  # fmt: skip
    run(
        "evaluate_baseline", rows="rows.parquet", task="classification", models="best_model", names="id", kinds="rows",
        panels="panel.tsv", threads=1, predictions="p.tsv", metrics="metrics.tsv",
    )  # fmt: skip
    history = pd.read_csv(tmp_path / "history.tsv", sep="\t")
    assert list(history) == ["epoch", "train_loss", "val_auroc", "seconds", "rows_per_second"] and len(history) == 1
    record = json.loads((tmp_path / "best_model" / "model.json").read_text())
    assert record["kind"] == "lamar_finetuned" and set(record["versions"]) == set(lamar_finetuned.PACKAGES)
    assert record["seen"] == "train rows" and record["seen_before"]["text"] == "nothing"
    predicted = pd.read_csv(tmp_path / "p.tsv", sep="\t")
    assert len(predicted) == 10 and predicted["prediction"].between(0, 1).all()
    assert (predicted["strand_rule"] == "forward").all()
    metrics = pd.read_csv(tmp_path / "metrics.tsv", sep="\t")
    assert set(metrics["panel"]) == {"id"} and (metrics["n"] == 10).all()


def test_its_layers_move_from_those_that_it_began_with_unless_it_is_frozen(tmp_path, monkeypatch):
    layers = configuration.SIZES["toy"]["num_hidden_layers"]
    monkeypatch.setitem(kinds.facts("encoders", "lamar")["layers"], "toy", layers)
    codes = CONSTRUCT.assemble(list(random_rows(12, 5)["sequence"]))
    for name, options in (("moved", {"epochs": 1}), ("frozen", {"freeze": True, "epochs": 1})):
        trained(tmp_path / name, **options)
        record = {"kind": "lamar_finetuned", "model": "m", **read_details(tmp_path / name)}
        names, learns, encode = measure_drift.of_language_model(tmp_path / name, record)
        assert names[-1] == f"layer{layers:02d}" and learns == [name == "moved"] * (layers + 1)
        cka = [drift.cka(*pair)[0] for pair in zip(*encode(codes), strict=True)]
        assert (cka == [1.0] * (layers + 1)) == (name == "frozen")
        assert min(cka) > 0.5
