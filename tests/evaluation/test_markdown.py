"""The text for people: marks, what validation chose in bold, and what a reader must know of a line in that line."""

import re

import numpy as np
import pandas as pd
import pytest

from helpers.toy_study import Study
from s2f.evaluation.markdown import chosen, markdown
from s2f.evaluation.measured_runs import Comparison
from s2f.evaluation.metrics import METRICS
from s2f.evaluation.words import WORDS

OTHERS = {"augmentation": "none", "provenance": "head trained here; encoder random weights, seed 0"}


@pytest.fixture
def toy(tmp_path):
    """Sixty rows. Of encoder e, on test rows head-1 is best and in validation head-2; A is the baseline."""
    labels = np.random.default_rng(0).normal(size=60)
    study = Study(tmp_path, labels)
    del study.spec["datasets"]["toy"]["panels"]["chrom"]["snv"]

    def add(model, seed, noise, val_value, **keys):
        values = labels + noise * np.random.default_rng(1 + len(study.spec["runs"])).normal(size=60)
        study.add(model, seed, values, val_value=val_value, **keys)

    add("A", 1, 1.0, 0.55, ended="limit", stochastic=False)
    for seed, ended in ((1, "limit"), (2, "patience"), (3, "limit")):
        add("e/none/head-1", seed, 0.1, 0.6, encoder="e", head="head-1", ended=ended, **OTHERS)
        add("e/none/head-2", seed, 0.5, 0.7, encoder="e", head="head-2", ended="patience", **OTHERS)
    add("f/none/head-1", 1, 0.05, 0.65, encoder="f", augmentation="none", head="head-1", stochastic=False)
    study.add("mean", 1, np.full(60, 0.2), ended="solved", stochastic=False)
    study.spec["datasets"]["toy"] |= {"floors": ["mean"], "constants": ["mean"]}
    return study


def rows_of(text, heading="| model | seeds | validation Pearson r |"):
    """{model: cells} of the first table that begins so."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(heading))
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = line.strip("| ").split(" | ")
        found[cells[0].split("`")[1]] = cells
    return found


def test_bold_is_what_validation_chose_and_not_the_best_of_the_test_rows(toy):
    table, text = toy.compare()
    rows = rows_of(text)
    assert next(iter(rows)) == "f/none/head-1"  # in the order of the test rows
    assert rows["e/none/head-2"][0].startswith("**`e/none/head-2`") and rows["e/none/head-2"][2] == "**0.7000**"
    others = " ".join(cell for model, cells in rows.items() if model != "e/none/head-2" for cell in cells)
    assert "**" not in others and text.count("**0.7000**") == 1
    assert rows["mean"][2] == "–" and rows["A"][2] == "0.5500"
    first = table[table["metric"] == "pearson"].set_index("model")
    assert first["value"].idxmax() == "f/none/head-1"
    assert chosen(first) == ("e/none/head-2", ("e/none/head-2",))


def test_a_head_is_chosen_per_encoder_and_collapsed_models_are_not():
    lines = pd.DataFrame(
        [
            *(("a", "e", 0.5, 0.1), ("b", "e", 0.4, 0.9), ("c", "f", np.nan, 0.95), ("d", "f", 0.3, 0.2)),
            *(("g", "f", 0.2, 0.3), ("alone", "h", 0.9, 0.92), ("baseline", "", 0.1, 0.5), ("floor", "", 0.1, 0.4)),
        ],
        columns=["model", "encoder", "value", "val_value"],
    ).set_index("model")
    assert chosen(lines) == ("alone", ("b", "g"))
    assert chosen(lines.loc[["alone"]]) == ("", ())
    assert chosen(lines.assign(val_value=np.nan)) == ("", ())


def test_what_a_reader_must_know_stands_in_the_line(toy):
    toy.spec["datasets"]["toy"]["simulated"] = True
    toy.add("bad", 1, toy.rows["label"], ended="patience", val_value=0.9)
    toy.add("bad", 2, np.full(60, 3.0), ended="patience", val_value=0.9)
    _, text = toy.compare()
    rows = rows_of(text)
    assert rows["A"][0] == "`A` (baseline, not trained to the end)"
    assert rows["e/none/head-1"][0] == "`e/none/head-1` (random weights, not trained to the end)"
    assert rows["mean"][0] == "`mean` (floor)"
    assert rows["bad"][0] == "`bad` (collapsed seeds: 2)" and set(rows["bad"][2:]) == {"–"}
    assert "- `bad`: seed 2 is collapsed: constant predictions on the forward strand" in text
    assert "- `mean`, Pearson r, Spearman ρ: seed 1: constant predictions" in text
    for words in ("# Comparison: by hand", "Simulated data", "n = 60 rows in 60 units", "200 bootstrap resamples",
                  "so more epochs might improve them: `A` (seed 1), `e/none/head-1` (seeds 1, 3).", "random "
                  "weights, seed 0"):  # fmt: skip
        assert words in text
    toy.spec["datasets"]["toy"]["simulated"] = False
    assert "Measured data." in toy.compare()[1]


def test_columns_of_other_parts_are_shown_where_they_are_filled(toy):
    comparison = Comparison.parse(toy.spec, "spec.json")
    table, text = toy.compare()
    assert "† Holds" not in text and "‡" not in text
    is_first = table["model"] == "e/none/head-1"
    filled = table.assign(
        inference=np.where(table["model"] == "A", "trained networks", "procedures"),
        seen=np.where(is_first, "train rows; encoder: all chromosomes", "train rows"),
        p_holm=np.where(is_first & (table["metric"] == "pearson"), 0.04, np.nan),
    )
    text = markdown(filled, {("toy", "chrom", "id", ""): 60}, comparison)
    rows = rows_of(text)
    assert rows["A"][0] == "`A` (baseline, not trained to the end) †"
    assert text.count("† Holds only for the trained networks") == 1
    assert rows["e/none/head-1"][0] == "`e/none/head-1` (random weights, not trained to the end) ‡"
    assert "‡ Has seen more than the training rows:\n\n- `e/none/head-1`: train rows; encoder: all chromosomes" in text
    assert rows["e/none/head-1"][-1] == "0.04" and rows["e/none/head-2"][-1] == "–"
    without = markdown(table.assign(p_holm=np.nan), {("toy", "chrom", "id", ""): 60}, comparison)
    assert "| p (Holm) |" in text and "| p (Holm) |" not in without
    assert "| model | seeds | encoder | augmentation | head | provenance |" in text


def test_each_cell_has_a_table_of_its_own(toy):
    comparison = Comparison.parse(toy.spec, "spec.json")
    table, _ = toy.compare()
    cells = pd.concat([table.assign(cell="K562"), table.assign(cell="HepG2")], ignore_index=True)
    text = markdown(cells, {("toy", "chrom", "id", cell): 60 for cell in ("K562", "HepG2")}, comparison)
    assert "### Panel id, cell K562\n" in text and "### Panel id, cell HepG2\n" in text
    assert text.count("| model | seeds | validation Pearson r |") == 2


def test_without_validation_scores_there_is_no_column_of_them(tmp_path):
    study = Study(tmp_path, [1, 2, 3, 4])
    study.add("A", 0, [1, 2, 3, 4])
    study.add("B", 0, [2, 1, 4, 3])
    text = study.compare()[1]
    assert "| model | seeds | Pearson r |" in text and not re.search(r"^\|.*\*\*", text, re.MULTILINE)


def test_the_outcome_stands_in_words_above_the_table(toy):
    """What is better, what cannot be told, and what has a larger error than a constant."""
    noisy = np.random.default_rng(99).normal(size=60)
    for seed in (1, 2, 3):
        toy.add("noise", seed, 3 * noisy + 0.01 * seed, val_value=0.1)
    table, text = toy.compare()
    (line,) = [line for line in text.splitlines() if line.startswith("**In short**")]
    assert " better than `A` (p (Holm) < 0.05)" in line
    first = table[table["metric"] == "pearson"].set_index("model")
    better = [model for model in first.index if first["p_holm"][model] < 0.05 and first["delta_vs_baseline"][model] > 0]
    assert better and all(f"`{model}`" in line.split(" better than `A`")[0].split("; ")[-1] for model in better)
    noise = first.loc["noise"]
    difference = f"{noise['delta_vs_baseline']:+.3f} [{noise['delta_ci_low']:+.3f}, {noise['delta_ci_high']:+.3f}]"
    assert f"`noise` (Δ {difference}) is worse than `A` (p (Holm) < 0.05)" in line
    assert line.endswith("; `noise` is no better than a constant by mean squared error.")
    del toy.spec["datasets"]["toy"]["constants"]
    assert "than a constant" not in toy.compare()[1]


def test_without_p_values_the_order_of_the_models_stands_in_words_with_the_reason(tmp_path):
    """After one training of each model, of which only the baseline is deterministic."""
    labels = np.random.default_rng(0).normal(size=40)
    study = Study(tmp_path, labels)
    study.add("A", 1, labels + 0.5 * np.roll(labels, 1), stochastic=False)
    study.add("net", 1, labels + np.roll(labels, 1))
    study.add("mean", 1, np.full(40, 0.2), stochastic=False)
    table, text = study.compare()
    lines = [line for line in text.splitlines() if line.startswith("**In short**: from the best by Pearson r: ")]
    value = table[(table["metric"] == "pearson") & (table["model"] == "A")].iloc[0]
    named = f"`A` {value['value']:.3f} [{value['ci_low']:.3f}, {value['ci_high']:.3f}], `net` "
    assert len(lines) == 3 and lines[0].startswith(
        f"**In short**: from the best by Pearson r: {named}"
    )  # id, snv twice
    why = "; whether this order is more than chance is not tested: p values need 3 seeds (`seeds: [1, 2, 3]`)."
    assert all(line.endswith(why) and "`mean`" not in line for line in lines)
    assert "**Δ**" in text and "**p (Holm)**" not in text and "| p |" not in text
    for seed in (1, 2, 3):
        study.add("B", seed, labels + seed * np.roll(labels, 1))
    study.spec["datasets"]["toy"]["baseline"] = "net"
    assert "not tested: p values need 3 seeds of the baseline `net`." in study.compare()[1]
    study.spec["datasets"]["toy"]["baseline"] = ""
    assert "not tested: p values need a baseline (`comparison: {against: MODEL}`)." in study.compare()[1]


def test_only_what_the_tables_show_is_explained(toy):
    def explained(text):
        return text.partition("How to read the tables:")[2].partition("\n## ")[0]

    words = {"± is", "**Brackets**", "**Δ**", "**p (Holm)**", "**Validation**", "A **floor**", "docs/statistics.md"}
    table, text = toy.compare()
    assert all(item in explained(text) for item in words) and "**collapsed**" not in explained(text)
    assert "Published weights" not in explained(text)
    comparison = Comparison.parse(toy.spec, "spec.json")
    bare = table[table["model"] != "mean"].assign(
        sd=np.nan, ci_low=np.nan, ci_high=np.nan, delta_vs_baseline=np.nan, p_value=np.nan, p_holm=np.nan,
        val_value=np.nan,
    )  # fmt: skip
    text = explained(markdown(bare, {("toy", "chrom", "id", ""): 60}, comparison))
    assert not any(item in text for item in words - {"docs/statistics.md"}) and "docs/statistics.md" in text
    unscored = table.assign(val_value=table["val_value"].where(table["model"] != "f/none/head-1"))
    assert "Published weights" in explained(markdown(unscored, {("toy", "chrom", "id", ""): 60}, comparison))
    toy.add("bad", 1, toy.rows["label"], val_value=0.9)
    toy.add("bad", 2, np.full(60, 3.0), val_value=0.9)
    assert "A run is **collapsed**" in explained(toy.compare()[1])


def test_every_metric_has_its_words_and_the_page_on_results_lists_them(root):
    metrics = {name for names in METRICS.values() for name in names}
    assert set(WORDS) == metrics
    page = (root / "docs" / "results.md").read_text()
    assert all(f"| `{name}` | {words} |" in page for name, words in WORDS.items())
