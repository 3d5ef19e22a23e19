"""Comparison over datasets: means, the exact signed-rank test, what is not compared, text, picture, program."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.stats import rankdata

import compare_across
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.evaluation.across_datasets import ACROSS_COLUMNS, across, markdown, signed_rank
from s2f.evaluation.estimates import COMPARISON_COLUMNS
from s2f.plots.across_datasets import values_by_dataset

DATASETS = ["d1", "d2", "d3", "d4"]
SERIES = {
    "flank": {
        "datasets": DATASETS, "proteins": {name: name for name in DATASETS}, "splits": ["chromosome"],
        "baseline": "gc", "simulated": False,
    }
}  # fmt: skip


def compared(values, metric="auroc", **columns):
    """Lines of compare.tsv from {model: values by dataset}."""
    lines = [
        {"dataset": dataset, "split": "chromosome", "panel": "all", "metric": metric, "model": model, "value": value}
        for model, of_model in values.items()
        for dataset, value in zip(DATASETS, of_model, strict=False)
    ]
    return pd.DataFrame(lines).assign(**{"seen": "", **columns}).reindex(columns=list(COMPARISON_COLUMNS))


@pytest.fixture
def table():
    return compared({"gc": [0.5, 0.6, 0.7, 0.8], "kmer": [0.6, 0.8, 0.9, 0.9], "cnn": [0.7, 0.5, 0.95, 0.9]})


def line(found, model, metric="auroc"):
    return found[(found["model"] == model) & (found["metric"] == metric)].iloc[0]


def test_means_and_differences_by_hand(table):
    found = across(table, SERIES)
    assert tuple(found.columns) == ACROSS_COLUMNS
    kmer = line(found, "kmer")
    assert (kmer["datasets"], kmer["better"], kmer["of_datasets"]) == (4, 4, "d1, d2, d3, d4")
    assert kmer["value"] == pytest.approx(0.8) and kmer["sd"] == pytest.approx(np.std([0.6, 0.8, 0.9, 0.9], ddof=1))
    assert kmer["delta_vs_baseline"] == pytest.approx(0.15)
    assert kmer["p_value"] == pytest.approx(0.125)  # all four signs equal: 2 of 16
    assert kmer["note"] == "4 datasets: p is at least 0.125"
    assert line(found, "cnn")["better"] == 3
    gc = line(found, "gc")
    assert gc["note"] == "baseline" and gc[["delta_vs_baseline", "p_value"]].isna().all() and gc["better"] is pd.NA


def exact(differences):
    """The definition: the share of all signs whose rank sum lies as far from its mean, two-sided."""
    ranks = rankdata(np.abs(differences))
    sums = np.array([np.dot(ranks, signs) for signs in itertools.product((0, 1), repeat=len(ranks))])
    seen = ranks[np.asarray(differences) > 0].sum()
    return min(1.0, 2 * min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean()))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([-3, -2, -1, 1, 2, 3, 4.5, -0.5]), min_size=1, max_size=10))
def test_the_test_is_exact_also_with_ties(differences):
    assert signed_rank(differences)[0] == pytest.approx(exact(differences))


def test_zeros_are_left_out_and_said():
    p, note = signed_rank([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert p == pytest.approx(2 / 32) and note == "1 differences of zero dropped"
    p, note = signed_rank([0.0, 0.0])
    assert np.isnan(p) and note == "no test: no difference in any of 2 datasets"
    assert signed_rank([0.1, 0.2, 0.3]) == (pytest.approx(0.25), "3 datasets: p is at least 0.25")


def test_datasets_of_one_protein_count_once(table):
    """PTBP1 in two cells: their mean takes their place, in means, in the count and in the test."""
    proteins = {"d1": "QKI", "d2": "PTBP1", "d3": "PUM2", "d4": "PTBP1"}
    series = {"flank": {**SERIES["flank"], "proteins": proteins}}
    found = across(table, series)
    kmer, cnn = line(found, "kmer"), line(found, "cnn")
    assert (kmer["datasets"], kmer["proteins"], kmer["better"]) == (4, 3, 3)
    assert kmer["value"] == pytest.approx(np.mean([0.6, 0.85, 0.9]))
    assert kmer["sd"] == pytest.approx(np.std([0.6, 0.85, 0.9], ddof=1))
    assert kmer["delta_vs_baseline"] == pytest.approx(np.mean([0.1, 0.15, 0.2]))
    assert (kmer["p_value"], kmer["note"]) == (0.25, "3 proteins: p is at least 0.25")
    assert cnn["better"] == 2  # of PTBP1 worse by .1 and better by .1: no difference, left out
    assert cnn["note"] == "1 differences of zero dropped; 2 proteins: p is at least 0.5"
    text = markdown(found, {"study": "rbp", "series": series})
    assert "n = 3 proteins in 4 datasets, counted once: PTBP1 (d2, d4): d1, d2, d3, d4." in text


def test_less_is_better_for_errors():
    found = across(compared({"gc": [1, 1, 1, 1], "m": [0.5, 0.6, 0.7, 2.0]}, metric="mse"), SERIES)
    assert line(found, "m", "mse")["better"] == 3


def test_a_model_that_lacks_a_dataset_is_not_compared(table):
    table.loc[(table["model"] == "cnn") & (table["dataset"] == "d2"), "value"] = np.nan
    table = table[~((table["model"] == "kmer") & table["dataset"].isin(["d1", "d4"]))]
    found = across(table, SERIES)
    for model, lacking, count in (("cnn", "d2", 3), ("kmer", "d1, d4", 2)):
        one = line(found, model)
        assert one[["value", "delta_vs_baseline", "p_value"]].isna().all() and one["datasets"] == count
        assert one["note"] == f"not compared: no value in {lacking}"


def test_without_the_baseline_somewhere_there_are_means_but_no_differences(table):
    found = across(table[~((table["model"] == "gc") & (table["dataset"] == "d3"))], SERIES)
    assert line(found, "kmer")["note"] == "no difference: the baseline has no value in d3"
    assert np.isfinite(line(found, "kmer")["value"])
    none = {"flank": {**SERIES["flank"], "baseline": ""}}
    assert across(table, none)["delta_vs_baseline"].isna().all()


def test_other_datasets_and_single_folds_stay_out(table):
    other = pd.concat([table, table.assign(dataset="other"), table.assign(split="cv-fold0", value=0)])
    pd.testing.assert_frame_equal(across(other, SERIES), across(table, SERIES))
    with pytest.raises(InputError, match="series 'flank': dataset 'd4' has no line in the comparison"):
        across(table[table["dataset"] != "d4"], SERIES)


def test_prevalence_is_not_tested(table):
    both = pd.concat([table, table.assign(metric="prevalence", value=0.5)])
    assert np.isnan(line(across(both, SERIES), "kmer", "prevalence")["p_value"])
    assert "prevalence" not in markdown(across(both, SERIES), {"study": "s", "series": SERIES}).split("## ")[1]


def test_text(table):
    text = markdown(across(table, SERIES), {"study": "rbp", "series": SERIES})
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    assert [row.split(" | ")[0] for row in rows] == ["| `kmer`", "| `cnn`", "| `gc` (baseline)"]
    assert rows[0] == "| `kmer` | 4 | 4 | 0.8000 ± 0.1414 | +0.1500 | 4 | 0.125 |"
    assert "## flank, split chromosome, panel all" in text and "n = 4 datasets: d1, d2, d3, d4. Baseline: gc." in text
    assert "- `kmer`, `cnn`: 4 datasets: p is at least 0.125" in text
    simulated = {"flank": {**SERIES["flank"], "simulated": True}}
    assert "Some of the datasets are simulated" in markdown(
        across(table, simulated), {"study": "rbp", "series": simulated}
    )


def test_what_a_model_has_seen_stands_in_its_line_and_below_the_table(table):
    """The same words for all datasets, those of each where they differ; nothing of models that saw no more."""
    table["seen"] = "train rows"
    table.loc[table["model"] == "cnn", "seen"] = "train rows; encoder: all chromosomes (these rows included)"
    few = "chr1 (3 of these 9 rows included)"
    table.loc[table["model"] == "gc", "seen"] = ["chr1 (none of these rows)", few, "chr1 (none of these rows)", few]
    found = across(table, SERIES)
    assert line(found, "kmer")["seen"] == "train rows"
    of_cnn, of_gc = line(found, "cnn")["seen"], line(found, "gc")["seen"]
    assert of_cnn == "train rows; encoder: all chromosomes (these rows included)"
    assert of_gc == f"d1, d3: chr1 (none of these rows) | d2, d4: {few}"
    text = markdown(found, {"study": "rbp", "series": SERIES})
    rows = [row.split(" | ")[0] for row in text.splitlines() if row.startswith("| `")]
    assert rows == ["| `kmer`", "| `cnn` ‡", "| `gc` (baseline) ‡"]
    assert f"‡ Has seen more than the training rows:\n\n- `cnn`: {of_cnn}\n- `gc`: {of_gc}\n" in text


def test_a_dataset_that_does_not_say_what_was_seen_is_named(table):
    table["seen"] = ["" if dataset == "d2" else "train rows" for dataset in table["dataset"]]
    assert line(across(table, SERIES), "kmer")["seen"] == "d1, d3, d4: train rows | d2: not stated"
    assert "‡" not in markdown(across(table.assign(seen=""), SERIES), {"study": "rbp", "series": SERIES})


def test_program_writes_table_text_and_picture(table, tmp_path, monkeypatch):
    both = pd.concat([table, table.assign(metric="auprc", value=table["value"] ** 2)])
    write_table(tmp_path / "compare.tsv", both)
    drawn = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (drawn.append(f), savefig(f, *a, **k))[1])
    study = json.dumps({"study": "rbp", "series": SERIES})
    for name in "ab":
        arguments = ["--compare", tmp_path / "compare.tsv", "--study", study, "--out", tmp_path / f"{name}.tsv"]
        arguments += ["--text", tmp_path / f"{name}.md", "--plot", tmp_path / f"{name}.png"]
        call(monkeypatch, compare_across, *arguments)
    for ending in ("tsv", "md", "png"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    assert list(read_table(tmp_path / "a.tsv")) == list(ACROSS_COLUMNS)
    fields = drawn[0].axes
    assert [axes.get_xlabel() for axes in fields] == ["AUROC", "AUPRC"]
    dots = {drawing.get_label(): drawing for drawing in fields[0].lines}
    assert list(dots["d2"].get_xdata()) == pytest.approx([0.6, 0.5, 0.8])  # gc, cnn, kmer from below
    assert [text.get_text() for text in fields[0].get_yticklabels()] == ["gc (baseline)", "cnn", "kmer"]


def test_two_series_of_two_tasks_in_one_picture(table, tmp_path, monkeypatch):
    other = compared({"mean": [0.1] * 4, "ridge": [0.3, 0.4, 0.5, 0.6]}, metric="pearson")
    other["dataset"] = "r" + other["dataset"]
    datasets = [f"r{name}" for name in DATASETS]
    mpra = {"datasets": datasets, "proteins": dict(zip(datasets, datasets, strict=True)), "baseline": "mean"}
    series = {**SERIES, "mpra": SERIES["flank"] | mpra}
    both = pd.concat([table, other])
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: drawn.append(f))
    values_by_dataset(tmp_path / "a.png", both, across(both, series), series)
    fields = {axes.get_title(loc="left"): axes for axes in drawn[0].axes}
    assert len(fields) == 2
    assert fields["flank, split chromosome, panel all: 4 datasets"].get_xlabel() == "AUROC"
    of_mpra = fields["mpra, split chromosome, panel all: 4 datasets"]
    assert of_mpra.get_xlabel() == "Pearson r"
    assert [text.get_text() for text in of_mpra.get_yticklabels()] == ["mean (baseline)", "ridge"]
    assert len(of_mpra.get_legend().get_texts()) == 4
