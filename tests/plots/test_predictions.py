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
    arguments += ["--seeds", 1, 1, "--names", "P"]
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


def test_each_seed_has_a_field_of_its_own(predictions, monkeypatch, texts):
    """A collapsed second seed is seen beside the first."""
    folder, table, rng = predictions
    rows = canonical(table, "test")
    write_rows(folder / "rows.parquet", rows)
    write_table(folder / "panel.tsv", pd.DataFrame({"row_id": rows["row_id"], "group": "g"}))
    good = rows["label"].to_numpy() + rng.normal(size=300)
    for name, values in (("1", good), ("2", 1 + 0.01 * rng.normal(size=300)), ("ridge", good)):
        write_table(folder / f"{name}.tsv", prediction_table(rows, {"forward": values}, "forward"))
    arguments = ["--rows", folder / "rows.parquet", "--task", "regression", "--panels", folder / "panel.tsv"]
    arguments += ["--kinds", "rows", "--names", "P", "--models", "max", "max", "ridge", "--seeds", 1, 2, 1]
    arguments += ["--predictions", *(folder / f"{name}.tsv" for name in ("1", "2", "ridge"))]
    run(monkeypatch, *arguments, "--prediction-pictures", folder / "a.png")
    found = [text for text in texts if text.startswith(("max", "ridge"))]
    assert [text.split("\n")[0] for text in found] == ["max, seed 1", "max, seed 2", "ridge, seed 1"]
    r = [float(text.rpartition("r = ")[2]) for text in found]
    assert r[0] == r[2] > 0.5 and abs(r[1]) < 0.2


@pytest.mark.parametrize(
    ("seeds", "columns"),
    [
        ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, 3),
        ({"a": 2, "b": 2, "c": 1, "d": 2}, 6),
        ({"a": 3, "b": 3, "c": 3}, 6),
        ({"a": 4, "b": 1, "c": 4}, 4),
        ({"a": 9, "b": 1}, 6),
        ({"a": 2}, 2),
    ],
)
def test_seeds_of_a_model_stand_side_by_side(seeds, columns):
    runs = [(model, seed) for model, count in seeds.items() for seed in range(count)]
    places = prediction_pictures._places(runs)
    assert list(places) == runs and len(set(places.values())) == len(runs)
    assert max(column for _, column in places.values()) < columns
    for model, count in seeds.items():
        own = [place for (name, _), place in places.items() if name == model]
        assert own == sorted(own)
        if count <= columns:
            assert len({row for row, _ in own}) == 1


@pytest.mark.parametrize(
    ("models", "seeds"), [(["x", "x"], [1, 1]), (["x"], [1]), (["x", "y", "z"], [1, 1, 1]), (["x", "x"], [1])]
)
def test_predictions_need_one_run_a_file(tmp_path, monkeypatch, models, seeds):
    arguments = ["--rows", "r", "--panels", "p", "--kinds", "rows", "--names", "P", "--predictions", "a", "b"]
    with pytest.raises(InputError, match=r"as many --predictions as runs for each of 1 panels, not 2"):
        run(
            monkeypatch, *arguments, "--models", *models, "--seeds", *seeds,
            "--prediction-pictures", tmp_path / "a.png",
        )  # fmt: skip


def test_constant_labels_are_drawn_too(tmp_path, texts):
    prediction_pictures.predicted_against_measured(
        tmp_path / "a.png", np.full(5, 2.0), {("flat", 1): np.full(5, 2.0)}, "panel"
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
    arguments += ["--kinds", "rows", "--predictions", folder / "p.tsv", "--models", "model A", "--seeds", 1]
    arguments += ["--names", "P"]
    run(monkeypatch, *arguments, "--prediction-pictures", folder / "a.png")
    positives = int(rows["label"].sum())
    assert f"positives (n = {positives})" in texts
    assert f"negatives (n = {300 - positives})" in texts
    assert f"toy, split chrom, panel P\nn = 300 rows, prevalence {positives / 300:.3f}" in texts
    assert any(text.startswith("model A\nAUROC ") for text in texts)


def test_of_several_cells_the_first_that_is_measured_and_predicted_is_drawn(predictions, monkeypatch, texts):
    folder, table, rng = predictions
    cells = ["K562", "HepG2", "HeLa"]
    table = table.drop(columns="label").assign(**{f"label.{cell}": rng.normal(size=300) for cell in cells})
    table.loc[2:, "label.K562"] = np.nan
    rows = canonical(table, "test", cells=cells)
    write_rows(folder / "rows.parquet", rows)
    write_table(folder / "panel.tsv", pd.DataFrame({"row_id": rows["row_id"], "group": "g"}))
    values = rng.normal(size=(300, 3))
    for name, columns in (("all", [0, 1, 2]), ("last", [2]), ("first", [0])):
        given = values[:, columns] if len(columns) > 1 else values[:, columns[0]]
        of_model = prediction_table(rows, {"forward": given}, "forward", [cells[column] for column in columns])
        write_table(folder / f"{name}.tsv", of_model)
    arguments = ["--rows", folder / "rows.parquet", "--task", "regression", "--panels", folder / "panel.tsv"]
    arguments += ["--kinds", "rows", "--names", "P", "--seeds"]
    for models, shown in ((["all", "first"], "HepG2"), (["last", "first"], "HeLa"), (["first"], "")):
        texts.clear()
        files = [folder / f"{model}.tsv" for model in models]
        run(
            monkeypatch, *arguments, *[1] * len(models), "--models", *models, "--predictions", *files,
            "--prediction-pictures", folder / "a.png",
        )  # fmt: skip
        if shown:
            assert f"toy, split chrom, panel P, cell {shown}\nn = 300 rows" in texts
            assert [text.split("\n")[0] for text in texts if "\nr = " in text] == models[:1]
        else:
            assert "toy, split chrom, panel P\nno model predicts a cell that was measured in this panel" in texts
        assert (folder / "a.png").read_bytes().startswith(PNG)
