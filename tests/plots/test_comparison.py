"""The picture of a comparison: every model and its reason, the same bytes again, and an unknown panel refused."""

import numpy as np
import pandas as pd
import pytest

import plot_comparison
from helpers.programs import PNG, call
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.evaluation.comparison import COMPARISON_COLUMNS
from s2f.plots import comparison as comparison_picture


def run(monkeypatch, *arguments):
    call(monkeypatch, plot_comparison, "--dataset", "toy", "--split", "chrom", *arguments)


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
    return pd.DataFrame(lines).reindex(columns=list(COMPARISON_COLUMNS))


@pytest.mark.parametrize(("task", "panel"), [("regression", "id"), ("regression", "snv"), ("classification", "id")])
def test_comparison_names_every_model_and_its_reason(tmp_path, monkeypatch, texts, task, panel):
    write_table(tmp_path / "compare.tsv", compare_table(task, panel))
    arguments = ["--compare", tmp_path / "compare.tsv", "--names", panel]
    arguments += ["--baseline", "encoder/none/head-2", "--floors", "flat"]
    for name in ("a.png", "b.png"):
        run(monkeypatch, *arguments, "--out", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
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
        run(monkeypatch, *arguments, "--out", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
