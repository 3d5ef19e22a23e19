"""Means over the folds of a k-fold split: values and intervals by hand, what cannot be averaged, the text."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.tables import write_table
from s2f.evaluation.comparison import COMPARISON_COLUMNS, compare
from s2f.evaluation.estimates import Estimate
from s2f.evaluation.inference import Influence, Replicates
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measure import measure
from s2f.evaluation.measured_runs import Comparison
from s2f.models.predictions import prediction_table
from s2f.rows.canonical import canonical, rows_sha256, write_rows

FOLDS = ["cv-fold0", "cv-fold1", "cv-fold2"]


class Folds:
    """Sixty rows of two classes, each test in one of three folds, and models predicted on every fold."""

    def __init__(self, folder, shared_rows=0):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        labels = np.arange(60) % 2.0
        table = {"row_id": [f"r{i}" for i in range(60)], "sequence": ["ACGT"] * 60, "label": labels}
        self.rows = canonical(pd.DataFrame(table), "test", "classification")
        write_rows(folder / "rows.parquet", self.rows)
        self.places = {split: np.arange(20 * i, 20 * i + 20) for i, split in enumerate(FOLDS)}
        if shared_rows:
            self.places = dict.fromkeys(FOLDS, np.arange(shared_rows))
        panels = {}
        for split, places in self.places.items():
            path = folder / f"{split}.panel.tsv"
            ids = self.rows["row_id"].iloc[places]
            write_table(path, pd.DataFrame({"row_id": ids, "group": [f"g{i // 2}" for i in places]}))
            panels[split] = {"all": {"kind": "rows", "path": str(path)}}
        dataset = {
            "rows": str(folder / "rows.parquet"), "task": "classification", "panels": panels, "baseline": "A",
            "folds": {"cv": FOLDS},
        }  # fmt: skip
        self.spec = {"study": "folds", "datasets": {"toy": dataset}, "runs": [], "resamples": 200, "seed": 5}
        self.predicted = {}

    def add(self, model, seed, split, values, **keys):
        rows = self.rows.iloc[self.places[split]]
        stem = str(self.folder / f"{model}.{seed}.{split}")
        write_table(f"{stem}.tsv", prediction_table(rows, {"forward": values}, "forward"))
        spec = self.spec["datasets"]["toy"]["panels"][split]["all"]
        panels = {"all": {"kind": "rows", "panel": spec["path"], "predictions": f"{stem}.tsv"}}
        write_table(f"{stem}.metrics.tsv", measure(self.rows, panels, "classification"))
        run = {"dataset": "toy", "split": split, "model": model, "seed": seed, "metrics": f"{stem}.metrics.tsv"}
        run |= {"predictions": {"all": f"{stem}.tsv"}, "provenance": f"trained on {split}"}
        self.spec["runs"].append({**run, **keys})
        self.predicted[model, seed, split] = values

    def fill(self, seeds=(0, 1), baseline_seeds=(0,)):
        rng = np.random.default_rng(0)
        for scale, split in enumerate(FOLDS):  # each fold predicts on a scale of its own
            labels = self.rows["label"].to_numpy()[self.places[split]]
            for model, noise in (("A", 0.6), ("B", 0.9)):
                for seed in seeds if model == "B" else baseline_seeds:
                    raw = np.clip(0.5 + 0.2 * (labels - 0.5) + 0.1 * noise * rng.normal(size=len(labels)), 0, 1)
                    self.add(model, seed, split, raw / (1 + scale))
        return self

    def compare(self):
        comparison = Comparison.parse(self.spec, "spec.json")
        table, clusters = compare(comparison)
        return table, markdown(table, clusters, comparison)


@pytest.fixture
def toy(tmp_path):
    return Folds(tmp_path).fill()


def line(table, split, model, metric="auroc"):
    return table[(table["split"] == split) & (table["model"] == model) & (table["metric"] == metric)].iloc[0]


def test_the_mean_is_over_folds_of_the_mean_over_seeds_and_never_pooled(toy):
    table, _ = toy.compare()
    assert tuple(table.columns) == COMPARISON_COLUMNS
    assert list(dict.fromkeys(table["split"])) == [*FOLDS, "cv"]
    for metric in ("auroc", "auprc", "accuracy", "precision", "prevalence"):
        of_folds = [line(table, split, "B", metric)["value"] for split in FOLDS]
        mean = line(table, "cv", "B", metric)
        assert mean["value"] == pytest.approx(np.mean(of_folds))
        spreads = [line(table, split, "B", metric)["sd"] for split in FOLDS]
        assert mean["sd"] == pytest.approx(np.sqrt(np.sum(np.square(spreads))) / 3)  # of seeds, not of folds
    mean = line(table, "cv", "B")
    assert (mean["seeds"], mean["n"], mean["strand_rule"]) == (2, 60, "forward")
    assert mean["rows_sha256"] == rows_sha256(toy.rows)
    assert mean["delta_vs_baseline"] == pytest.approx(mean["value"] - line(table, "cv", "A")["value"])
    assert mean["note"].endswith("networks; mean over 3 folds, sd over seeds of that mean")
    assert mean["provenance"] == "trained on cv-fold0 (and likewise in the other 2 folds)"
    assert line(table, "cv", "A")["note"] == (
        "baseline; 1 replicate, but 3 are needed: holds only for these trained networks; "
        "mean over 3 folds, sd over seeds of that mean"
    )
    pooled = np.concatenate([toy.predicted["A", 0, split] for split in FOLDS])
    order = pooled[toy.rows["label"] == 1][:, None] - pooled[toy.rows["label"] == 0][None]
    assert abs((order > 0).mean() - line(table, "cv", "A")["value"]) > 0.05  # what pooling would have said


def test_intervals_draw_the_units_of_a_fold_alone_within_it(toy):
    """Recomputed with copied rows: two seeds in three folds have three degrees of freedom, the one of A has none.

    Each fold of ten clusters of both classes has five disjoint pairs of them.
    """
    table, _ = toy.compare()
    resampled = {key: np.zeros(200) for key in toy.predicted}
    for split in FOLDS:
        generator = np.random.default_rng(derived_seed(5, "bootstrap", "toy", split, "all"))
        labels = toy.rows["label"].to_numpy()[toy.places[split]]
        for b in range(200):
            rows = np.concatenate([[2 * g, 2 * g + 1] for g in generator.integers(10, size=10)])
            for model, seeds in (("A", (0,)), ("B", (0, 1))):
                for seed in seeds:
                    values, truth = toy.predicted[model, seed, split][rows], labels[rows]
                    pairs = values[truth == 1][:, None] - values[truth == 0][None]
                    resampled[model, seed, split][b] = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    means = {model: np.mean([draws for key, draws in resampled.items() if key[0] == model], axis=0) for model in "AB"}
    found = line(table, "cv", "B")
    alone = between = 0
    for split in FOLDS:
        draws = np.array([resampled["B", seed, split] for seed in (0, 1)])
        alone += (draws - draws.mean(axis=0)).var(axis=1, ddof=1).mean() / 9
        between += line(table, split, "B")["sd"] ** 2 / 2 / 9
    parts = [(max(0, means["B"].var(ddof=1) - alone) * 15 / 14, 14), (between, 3)]
    total = sum(v for v, _ in parts)
    half = stats.t.ppf(0.975, total**2 / sum(v**2 / f for v, f in parts)) * np.sqrt(total)
    value = found["value"]
    logits = np.log([found[end] / (1 - found[end]) for end in ("ci_low", "ci_high")])
    half = half / value / (1 - value)
    assert logits == pytest.approx(np.log(value / (1 - value)) + np.array([-half, half]))
    difference = means["B"] - means["A"]  # of the networks as they are, as A has one
    half = stats.t.ppf(0.975, 14) * difference.std(ddof=1) * np.sqrt(15 / 14)
    delta = found["delta_vs_baseline"]
    assert [found["delta_ci_low"], found["delta_ci_high"]] == pytest.approx([delta - half, delta + half])
    assert (found["inference"], np.isnan(found["p_value"])) == ("trained networks", True)


def test_units_of_all_folds_decide_the_degrees_of_freedom():
    """One large unit in each of two folds, with all of the variance: two that show their influence alone."""
    rng = np.random.default_rng(0)
    resamples = rng.normal(size=(2, 1, 4000))
    resamples /= resamples.std(axis=2, ddof=1, keepdims=True)
    resamples[1] -= resamples[0] * (resamples[0] * resamples[1]).mean()  # the draws of folds are independent
    folds = [
        Estimate.over_seeds(
            [0.5], draws, Influence(np.array(of), np.array([4, 5]), 50), 50, "forward", [], stochastic=False
        )
        for draws, of in zip(resamples, ([1.0, 0], [0, 1.0]), strict=True)
    ]
    assert [fold.error.df for fold in folds] == pytest.approx([1, 1], rel=0.02)
    mean = Estimate.over_folds(folds, 100, shared=False, common=False, notes=[])
    assert (mean.error.df, mean.units) == (pytest.approx(3, rel=0.02), 100)
    assert Estimate.over_folds(folds, 50, shared=False, common=False, notes=[]).units == 50  # the same in both


def test_what_a_seed_has_in_common_over_folds_is_no_replicate_of_its_own():
    """Encoder weights of seed i are those of all folds: three draws, whatever the number of folds."""
    of_seeds = np.array([0.02, -0.02, 0.01])
    values = 0.7 + of_seeds + np.array([[0.001], [0.002], [-0.001], [0], [0.003]])
    folds = [Replicates.of(of_fold, np.tile(of_fold[:, None], 50)) for of_fold in values]
    common, apart = (Replicates.mean_over_folds(folds, common) for common in (True, False))
    assert (common.variance, common.df) == (pytest.approx(of_seeds.var(ddof=1) / 3), 2)
    assert (apart.variance, apart.df) == (pytest.approx(of_seeds.var(ddof=1) / 3 / 5), 10)
    two = [Replicates.of(of_fold[:2], np.tile(of_fold[:2, None], 50)) for of_fold in values]
    assert Replicates.mean_over_folds(two).enough and not Replicates.mean_over_folds(two, common=True).enough
    fixed = [Replicates.of(np.full(3, 0.5), np.zeros((3, 50)), stochastic=False)] * 5
    assert Replicates.mean_over_folds(fixed, common=True).df == np.inf


def test_units_with_rows_in_several_folds_are_drawn_alike_in_all(tmp_path):
    """Folds that share their units say the same thing again: the mean over folds is known no better than one fold."""
    same, apart = (Folds(tmp_path / name) for name in ("same", "apart"))
    rng = np.random.default_rng(1)
    noise = rng.normal(size=20)
    for folds in (same, apart):
        for split in FOLDS:
            labels = folds.rows["label"].to_numpy()[folds.places[split]]
            folds.add("A", 0, split, np.clip(0.5 + 0.1 * (labels - 0.5) + 0.1 * noise, 0, 1), stochastic=False)
    for split, places in same.places.items():
        path = same.spec["datasets"]["toy"]["panels"][split]["all"]["path"]
        ids = same.rows["row_id"].iloc[places]
        write_table(path, pd.DataFrame({"row_id": ids, "group": [f"g{i // 2 % 10}" for i in places]}))
    widths = {}
    for name, folds in (("same", same), ("apart", apart)):
        table, text = folds.compare()
        mean, fold = line(table, "cv", "A"), line(table, FOLDS[0], "A")
        widths[name] = (mean["ci_high"] - mean["ci_low"]) / (fold["ci_high"] - fold["ci_low"])
        assert f"n = 60 rows in {10 if name == 'same' else 30} units" in text
    assert widths["same"] == pytest.approx(1, rel=0.05)
    assert widths["apart"] < 0.7


def test_two_seeds_in_each_of_two_folds_or_more_are_enough_for_a_p_value(tmp_path):
    table, _ = Folds(tmp_path).fill(seeds=(0, 1), baseline_seeds=(0, 1)).compare()
    mean, of_fold = line(table, "cv", "B"), line(table, FOLDS[0], "B")
    assert (mean["inference"], of_fold["inference"]) == ("procedures", "trained networks")
    assert 0 < mean["p_value"] <= 1 and mean["p_holm"] == mean["p_value"] and np.isnan(of_fold["p_value"])


def test_differences_of_seeds_are_averaged_over_folds(tmp_path):
    """B is A of the same seed and a little more; as models that have nothing in common, they differ by chance."""
    study, rng = Folds(tmp_path), np.random.default_rng(0)
    for split in FOLDS:
        labels = study.rows["label"].to_numpy()[study.places[split]]
        for seed in range(2):
            values = 0.5 + 0.1 * (labels - 0.5) + 0.1 * rng.normal(size=len(labels))
            study.add("A", seed, split, np.clip(values, 0, 1))
            study.add("B", seed, split, np.clip(values + 0.02 * (labels - 0.5), 0, 1), start="A")
    found = line(study.compare()[0], "cv", "B")
    for run in study.spec["runs"]:
        run["start"] = ""
    apart = line(study.compare()[0], "cv", "B")
    assert found["delta_vs_start"] == found["delta_vs_baseline"] == apart["delta_vs_baseline"] > 0
    assert found["start_p_value"] == found["p_value"] < 0.1 < 0.5 < apart["p_value"]
    assert found["start_ci_high"] - found["start_ci_low"] < (apart["delta_ci_high"] - apart["delta_ci_low"]) / 3


def test_the_text_has_one_section_for_all_folds(toy):
    _, text = toy.compare()
    assert "## toy, split cv\n" in text and "split cv-fold0" not in text
    assert "Values are means over 3 folds" in text and "n = 60 rows in 30 units" in text
    assert text.count("### Models") == 1


def test_rows_that_every_fold_evaluates_have_no_interval(tmp_path):
    table, _ = Folds(tmp_path, shared_rows=20).fill().compare()
    mean = line(table, "cv", "B")
    assert np.isfinite(mean["value"]) and mean["n"] == 20
    assert mean[["ci_low", "ci_high", "delta_ci_low", "p_value"]].isna().all()
    assert "no interval: some rows are evaluated in several folds" in mean["note"]
    assert np.isfinite(line(table, "cv-fold1", "B")["ci_low"])


def test_a_model_excluded_from_one_fold_has_no_mean(toy):
    for run in toy.spec["runs"]:
        if run["model"] == "B" and run["split"] == "cv-fold1":
            run.update(predictions={}, excluded={"all": "3 rows were trained on"})
    table, _ = toy.compare()
    mean = line(table, "cv", "B")
    assert np.isnan(mean["value"])
    assert mean["note"].startswith("not comparable: cv-fold1: 3 rows were trained on")
    assert np.isfinite(line(table, "cv-fold0", "B")["value"])


def test_an_undefined_fold_leaves_the_mean_undefined_and_is_named(toy):
    panel = toy.spec["datasets"]["toy"]["panels"]["cv-fold1"]["all"]
    toy.places["cv-fold1"] = np.array([21, 23, 25, 27])  # positives only
    ids = toy.rows["row_id"].iloc[toy.places["cv-fold1"]]
    write_table(panel["path"], pd.DataFrame({"row_id": ids, "group": ids}))
    toy.spec["runs"] = [run for run in toy.spec["runs"] if run["split"] != "cv-fold1"]
    for model in "AB":
        toy.add(model, 0, "cv-fold1", np.linspace(0.1, 0.4, 4))
    table, _ = toy.compare()
    assert np.isnan(line(table, "cv", "A")["value"])
    assert "cv-fold1: seed 0: one class: every label is 1" in line(table, "cv", "A")["note"]


def test_a_collapsed_fold_leaves_no_mean_and_is_named(toy):
    toy.spec["runs"] = [run for run in toy.spec["runs"] if (run["model"], run["split"]) != ("B", "cv-fold1")]
    for seed, value in ((0, 0.6), (1, None)):
        values = np.full(20, 0.3) if value is None else np.linspace(0.2, value, 20)
        toy.add("B", seed, "cv-fold1", values, ended="limit")
    table, text = toy.compare()
    mean = line(table, "cv", "B")
    assert (
        np.isnan(mean["value"])
        and mean["collapsed"] == "cv-fold1: 1"
        and mean["ended"] == "cv-fold1: limit: seeds 0, 1"
    )
    assert "cv-fold1: seed 1 is collapsed: constant predictions on the forward strand" in mean["note"]
    assert line(table, "cv-fold0", "B")["collapsed"] == "" and np.isfinite(line(table, "cv-fold0", "B")["value"])
    assert "`B` (not trained to the end, collapsed seeds: cv-fold1: 1)" in text


def test_a_mean_needs_the_same_models_in_every_fold(toy):
    toy.spec["runs"] = [run for run in toy.spec["runs"] if (run["model"], run["split"]) != ("B", "cv-fold2")]
    with pytest.raises(InputError, match="model 'B' was run in split 'cv-fold0', but not in 'cv-fold2'; a mean over"):
        toy.compare()
    toy.spec["runs"] = [run for run in toy.spec["runs"] if run["split"] != "cv-fold1"]
    with pytest.raises(InputError, match="toy: split 'cv' lacks the runs of its fold 'cv-fold1'"):
        toy.compare()
    toy.spec["datasets"]["toy"]["folds"] = {"cv": ["cv-fold9"]}
    with pytest.raises(InputError, match=r"datasets\.toy\.folds: the panels of 'cv-fold9' differ from those of"):
        toy.compare()
