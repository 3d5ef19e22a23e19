"""The picture of a comparison: every model and its reason, the same bytes again, and an unknown panel refused."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import plot_comparison
from helpers.programs import PNG, call
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.evaluation.comparison import COMPARISON_COLUMNS
from s2f.evaluation.measure import METRIC_COLUMNS
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
    texts = dict.fromkeys(("cell", "collapsed"), "")
    return pd.DataFrame(lines).reindex(columns=list(COMPARISON_COLUMNS)).assign(**texts)


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


def seeds_file(path, values, collapsed=""):
    """A metrics.tsv with these values of Pearson r on the panel id, and others that are not to be drawn."""
    lines = [("id", "pearson", values, collapsed), ("id", "mse", 0.1, collapsed), ("other", "pearson", 0.3, "")]
    table = pd.DataFrame(lines, columns=["panel", "metric", "value", "collapsed"])
    write_table(path, table.reindex(columns=list(METRIC_COLUMNS)))


def test_seeds_are_dots_and_collapsed_ones_crosses(tmp_path, monkeypatch, texts):
    table = compare_table()
    bad = (table["model"] == "encoder/none/head-5").to_numpy()
    table.loc[bad, ["value", "ci_low", "ci_high"]] = np.nan
    table.loc[bad, ["collapsed", "note"]] = ["2", "seed 2 is collapsed: whatever"]
    odd = (table["model"] == "encoder/none/head-6").to_numpy()  # of which a run says nothing, but the comparison does
    table.loc[odd, ["value", "ci_low", "ci_high"]] = np.nan
    table.loc[odd, "collapsed"] = "7"
    write_table(tmp_path / "compare.tsv", table)
    runs = [("head-5", 1, 0.72, ""), ("head-5", 2, 0.01, "nearly constant"), ("head-6", 7, 0.02, ""),
            ("head-6", 8, 0.7, ""), ("head-7", 1, 0.66, ""), ("head-7", 2, 0.69, ""), ("head-7", 3, 0.68, ""),
            ("head-8", 1, 0.7, "")]  # fmt: skip
    drawn = []
    monkeypatch.setattr(comparison_picture, "_dots", lambda axes, index, key, seeds, colour: drawn.append((key, seeds)))
    arguments = ["--compare", tmp_path / "compare.tsv", "--names", "id", "--out", tmp_path / "a.png"]
    arguments += [
        "--models",
        *(f"encoder/none/{model}" for model, *_ in runs),
        "--seeds",
        *(seed for _, seed, *_ in runs),
    ]
    for place, (_, _, value, collapsed) in enumerate(runs):
        seeds_file(tmp_path / f"{place}.tsv", value, collapsed)
    run(monkeypatch, *arguments, "--metrics", *(tmp_path / f"{place}.tsv" for place in range(len(runs))))
    shown = {
        tuple((seed.values["", "pearson"], seed.collapsed) for seed in seeds) for key, seeds in drawn if len(seeds) > 0
    }
    assert shown == {
        ((0.72, False), (0.01, True)), ((0.02, True), (0.7, False)), ((0.66, False), (0.69, False), (0.68, False)),
    }  # fmt: skip
    joined = "\n".join(texts)
    assert "encoder/none/head-5 (collapsed seeds: 2)" in joined and "whatever" not in joined
    assert "small dots: 2 to 3 seeds; crosses: collapsed seeds" in joined


def test_of_several_cells_the_seeds_of_the_first_are_shown(tmp_path, monkeypatch, texts):
    table = compare_table().query("model == 'encoder/none/head-5'")
    table = pd.concat([table.assign(cell=cell) for cell in ("K562", "HepG2")], ignore_index=True)
    table.loc[table["cell"] == "HepG2", "collapsed"] = "2"
    write_table(tmp_path / "compare.tsv", table)
    drawn = []
    monkeypatch.setattr(comparison_picture, "_dots", lambda axes, index, key, seeds, colour: drawn.append((key, seeds)))
    for seed, value in ((1, 0.72), (2, 0.7)):
        lines = [("id", "K562", "pearson", value, ""), ("id", "HepG2", "pearson", 0.1, "constant")]
        metrics = pd.DataFrame(lines, columns=["panel", "cell", "metric", "value", "collapsed"])
        write_table(tmp_path / f"{seed}.tsv", metrics.reindex(columns=[*METRIC_COLUMNS, "cell"]))
    arguments = ["--compare", tmp_path / "compare.tsv", "--names", "id", "--out", tmp_path / "a.png"]
    arguments += ["--models", *["encoder/none/head-5"] * 2, "--seeds", 1, 2]
    run(monkeypatch, *arguments, "--metrics", tmp_path / "1.tsv", tmp_path / "2.tsv")
    ((key, seeds),) = [found for found in drawn if found[0][1] == "pearson"]
    assert [(seed.values[key], seed.collapsed) for seed in seeds] == [(0.72, False), (0.7, False)]
    assert "panel id, cell K562" in "\n".join(texts)
    table.loc[table["cell"] == "K562", ["value", "n"]] = np.nan  # too few items are measured in it
    write_table(tmp_path / "compare.tsv", table)
    run(monkeypatch, *arguments, "--metrics", tmp_path / "1.tsv", tmp_path / "2.tsv")
    assert "panel id, cell HepG2" in "\n".join(texts)


def test_dots_stand_where_the_values_are(tmp_path):
    axes = Figure().subplots()
    seeds = [comparison_picture.Seed({("", "pearson"): 0.7}), comparison_picture.Seed({("", "pearson"): 0.1}, True)]
    comparison_picture._dots(axes, 3, ("", "pearson"), [*seeds, comparison_picture.Seed({})], "#0072B2")
    found = [(line.get_xdata()[0], line.get_marker()) for line in axes.lines]
    assert found == [(0.7, "o"), (0.1, "x")]
    assert all(2.5 < line.get_ydata()[0] < 3 for line in axes.lines)


def test_cells_have_a_column_each(tmp_path, texts):
    table = pd.concat([compare_table().assign(cell=cell) for cell in ("K562", "HepG2")], ignore_index=True)
    comparison_picture.comparison(tmp_path / "a.png", table, "title")
    assert {"K562: Pearson r", "HepG2: Pearson r"} <= set(texts)


def test_comparison_of_an_unknown_panel_is_refused(tmp_path, monkeypatch):
    write_table(tmp_path / "compare.tsv", compare_table())
    arguments = ["--compare", tmp_path / "compare.tsv", "--names", "ood"]
    with pytest.raises(InputError, match="no line for panel 'ood'"):
        run(monkeypatch, *arguments, "--out", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
