"""Pictures of predictions: against measured values and by class, the same bytes again, and what is refused."""

import numpy as np
import pandas as pd
import pytest

import plot_split
from helpers.programs import PNG, call
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.models.predictions import prediction_table
from s2f.plots import predictions as prediction_pictures
from s2f.rows.canonical import canonical, write_rows

LONG = "alphagenome/none/boda-flatten-512-512"


def run(monkeypatch, *arguments):
    call(monkeypatch, plot_split, "--dataset", "toy", "--split", "chrom", *arguments)


@pytest.fixture
def predictions(tmp_path):
    rng = np.random.default_rng(0)
    n = 300
    table = {"row_id": [f"r{i}" for i in range(n)], "sequence": "ACGT", "label": rng.normal(size=n)}
    table["allele"] = ["ref", "alt"] * (n // 2)
    return tmp_path, pd.DataFrame(table), rng


@pytest.mark.parametrize("kind", ["rows", "pairs"])
def test_predicted_against_measured(predictions, monkeypatch, texts, kind):
    folder, table, rng = predictions
    rows = canonical(table, "test")
    write_rows(folder / "rows.parquet", rows)
    predicted = rows["label"].to_numpy() + rng.normal(size=300)
    write_table(folder / "p.tsv", prediction_table(rows, {"forward": predicted}, "forward"))
    ids = rows["row_id"].to_numpy()
    panel = {"rows": {"row_id": ids}, "pairs": {"ref_row_id": ids[::2], "alt_row_id": ids[1::2]}}[kind]
    write_table(folder / "panel.tsv", pd.DataFrame(panel).assign(group="g"))
    arguments = ["--rows", folder / "rows.parquet", "--task", "regression", "--panels", folder / "panel.tsv"]
    write_table(folder / "flat.tsv", prediction_table(rows, {"forward": np.ones(300)}, "forward"))
    arguments += ["--kinds", kind, "--predictions", folder / "p.tsv", folder / "flat.tsv", "--models", LONG, "flat"]
    arguments += ["--names", "P"]
    for name in ("a.png", "b.png"):
        run(monkeypatch, *arguments, "--prediction-pictures", folder / name)
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    labels = rows["label"].to_numpy()
    x, y = (labels, predicted) if kind == "rows" else (np.diff(labels)[::2], np.diff(predicted)[::2])
    n, quantity = ("300 rows", "") if kind == "rows" else ("150 pairs", "effect (alt - ref), ")
    assert f"alphagenome/none/\nboda-flatten-512-512\nr = {np.corrcoef(x, y)[0, 1]:.3f}" in texts
    assert {
        f"toy, split chrom, panel P\nn = {n}",
        "flat\nr undefined: constant predictions",
        "predicted = measured",
    } <= set(texts)
    assert {f"measured {quantity}log2FC (RNA/DNA)", f"predicted {quantity}log2FC (RNA/DNA)"} <= set(texts)


@pytest.mark.parametrize("models", [["x", "x"], ["x"], ["x", "y", "z"]])
def test_predictions_need_one_model_a_file(tmp_path, monkeypatch, models):
    arguments = ["--rows", "r", "--panels", "p", "--kinds", "rows", "--names", "P", "--predictions", "a", "b"]
    with pytest.raises(InputError, match=r"for each of 1 panels as many --predictions as names, not 2"):
        run(monkeypatch, *arguments, "--models", *models, "--prediction-pictures", tmp_path / "a.png")


def test_constant_labels_are_drawn_too(tmp_path, texts):
    prediction_pictures.predicted_against_measured(
        tmp_path / "a.png", np.full(5, 2.0), {"flat": np.full(5, 2.0)}, "panel"
    )
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert "flat\nr undefined: constant labels" in texts


def test_probabilities_by_class(predictions, monkeypatch, texts):
    folder, table, rng = predictions
    rows = canonical(table.assign(label=(table["label"] > 1).astype(float)), "test", "classification")
    write_rows(folder / "rows.parquet", rows)
    write_table(folder / "p.tsv", prediction_table(rows, {"forward": rng.random(300)}, "forward"))
    write_table(folder / "panel.tsv", pd.DataFrame({"row_id": rows["row_id"], "group": "g"}))
    arguments = ["--rows", folder / "rows.parquet", "--task", "classification", "--panels", folder / "panel.tsv"]
    arguments += ["--kinds", "rows", "--predictions", folder / "p.tsv", "--models", "model A", "--names", "P"]
    run(monkeypatch, *arguments, "--prediction-pictures", folder / "a.png")
    positives = int(rows["label"].sum())
    assert f"positives (n = {positives})" in texts
    assert f"negatives (n = {300 - positives})" in texts
    assert f"toy, split chrom, panel P\nn = 300 rows, prevalence {positives / 300:.3f}" in texts
    assert any(text.startswith("model A\nAUROC = ") for text in texts)
