"""Pictures: they are written, hold what they must, are the same bytes again, and refuse what they cannot show."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import plot_comparison
import plot_split
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.evaluation.comparison import COLUMNS
from s2f.models.predictions import prediction_table
from s2f.plots import comparison as comparison_picture
from s2f.plots import predictions as prediction_pictures
from s2f.rows.canonical import canonical, write_rows

LONG = "alphagenome/none/boda-flatten-512-512"


@pytest.fixture
def texts(monkeypatch):
    """All texts of the last figure that was saved."""
    found = []
    savefig = Figure.savefig

    def spy(figure, *arguments, **keys):
        found[:] = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")) if text.get_text()]
        return savefig(figure, *arguments, **keys)

    monkeypatch.setattr(Figure, "savefig", spy)
    return found


def run(monkeypatch, *arguments, program=plot_split):
    monkeypatch.setattr("sys.argv", [program.__name__, "--dataset", "toy", "--split", "chrom", *map(str, arguments)])
    program.main()


def is_png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def compare_table(task="regression", panel="id"):
    metrics = {"id": ["pearson", "mse"], "snv": ["pearson_abs", "pearson_delta"]}[panel]
    metrics = metrics if task == "regression" else ["auroc", "auprc", "prevalence"]
    lines = []
    for metric in metrics:
        for k in range(12):
            value = 0.25 if metric == "prevalence" else 0.5 + k / 40
            line = {
                "dataset": "toy",
                "split": "chrom",
                "panel": panel,
                "metric": metric,
                "model": f"encoder/none/head-{k}",
            }
            line |= {
                "value": value,
                "ci_low": value - 0.02,
                "ci_high": value + 0.02,
                "n": 62582,
                "note": "",
                "seeds": 3,
            }
            lines.append(line | {"provenance": "random weights, seed 0" if k == 3 else ""})
        nothing = dict.fromkeys(("value", "ci_low", "ci_high", "n"), np.nan)
        lines.append(lines[-1] | nothing | {"model": "flat", "note": "seed 0: constant predictions"})
    return pd.DataFrame(lines).reindex(columns=list(COLUMNS))


@pytest.mark.parametrize(("task", "panel"), [("regression", "id"), ("regression", "snv"), ("classification", "id")])
def test_comparison_names_every_model_and_its_reason(tmp_path, monkeypatch, texts, task, panel):
    write_table(tmp_path / "compare.tsv", compare_table(task, panel))
    arguments = ["--compare", tmp_path / "compare.tsv", "--names", panel]
    arguments += ["--baseline", "encoder/none/head-2", "--floors", "flat"]
    for name in ("a.png", "b.png"):
        run(monkeypatch, *arguments, "--out", tmp_path / name, program=plot_comparison)
    assert is_png(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    joined = "\n".join(texts)
    for k in range(12):
        assert f"encoder/none/head-{k}" in joined
    items = "pairs" if panel == "snv" else "rows"
    for words in ("head-2 (baseline)", "flat (floor)", f"n = 62,582 {items}", "hollow: random weights", "0.775"):
        assert words in joined
    assert "seed 0: constant predictions" in texts
    assert ("AUPRC (dashed: prevalence 0.250)" in texts) == (task == "classification")


def test_comparison_without_any_value_says_so(tmp_path, texts):
    table = compare_table()
    comparison_picture.comparison(tmp_path / "a.png", table[table["model"] == "flat"], "title")
    assert "title\nno model was scored" in texts


def test_comparison_of_an_unknown_panel_is_refused(tmp_path, monkeypatch):
    write_table(tmp_path / "compare.tsv", compare_table())
    arguments = ["--compare", tmp_path / "compare.tsv", "--names", "ood"]
    with pytest.raises(InputError, match="no line for panel 'ood'"):
        run(monkeypatch, *arguments, "--out", tmp_path / "a.png", program=plot_comparison)
    assert not (tmp_path / "a.png").exists()


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
    assert is_png(tmp_path / "a.png")
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


def histories(folder, **columns):
    paths = []
    for seed in range(3):
        table = {
            "epoch": np.arange(1, 6),
            "train_loss": np.exp(-np.arange(5.0)),
            "val_pearson": [0.1, 0.5, 0.7, 0.6, 0.6],
        }
        paths.append(folder / f"history{seed}.tsv")
        write_table(paths[-1], pd.DataFrame(table | columns))
    return paths


def test_training_curves(tmp_path, monkeypatch, texts):
    paths = histories(tmp_path)
    arguments = ["--histories", *paths, "--history-models", "A", "B", "B", "--history-seeds", 0, 0, 1]
    for name in ("a.png", "b.png"):
        run(monkeypatch, *arguments, "--training-picture", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert {"toy, split chrom", "A", "B", "seed 0", "seed 1", "training loss", "Pearson r", "epoch"} <= set(texts)


def test_training_curves_need_a_name_a_file_and_one_validation_column(tmp_path, monkeypatch):
    rest = ["--training-picture", tmp_path / "a.png"]
    for labels, seeds in ((["A", "A", "B"], [0, 0, 0]), (["A", "B"], [0, 1, 2])):
        names = ["--history-models", *labels, "--history-seeds", *seeds]
        with pytest.raises(InputError, match="expected another pair for each of 3 files"):
            run(monkeypatch, "--histories", *histories(tmp_path), *names, *rest)
    with pytest.raises(InputError, match=r"validation columns \['val_loss', 'val_pearson'\]"):
        names = ["--history-models", "A", "A", "A", "--history-seeds", 0, 1, 2]
        run(monkeypatch, "--histories", *histories(tmp_path, val_loss=1.0), *names, *rest)
