"""The comparison: a table by hand, paired intervals, refusals, the text for people, and the programs."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import compare as compare_program
from helpers.programs import call
from helpers.toy_study import Study
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.seen import Seen
from s2f.common.tables import read_table, write_table
from s2f.evaluation.comparison import COMPARISON_COLUMNS, read_compare
from s2f.evaluation.measured_runs import measured_run
from s2f.models.checkpoint import write_record
from s2f.rows.canonical import rows_sha256, write_rows


@pytest.fixture
def toy(tmp_path):
    """Labels 1 2 3 4; A (baseline) is perfect, B has r 0.6 and 0.8 with two seeds, `flat` is constant."""
    study = Study(tmp_path, [1, 2, 3, 4])
    del study.spec["datasets"]["toy"]["panels"]["chrom"]["snv"]
    study.add("A", 0, [1, 2, 3, 4], stochastic=False, val_value=0.9)
    study.add("B", 1, [1, 2, 4, 3], encoder="e", augmentation="none", head="h", provenance="random weights, seed 0")
    study.add("B", 0, [2, 1, 4, 3], encoder="e", augmentation="none", head="h", provenance="random weights, seed 0")
    study.add("flat", 0, [2, 2, 2, 2], note="a floor")
    study.spec["datasets"]["toy"]["floors"] = ["flat"]
    return study


def line(table, model, metric, panel="id"):
    return table[(table["model"] == model) & (table["metric"] == metric) & (table["panel"] == panel)].iloc[0]


def test_table_by_hand(toy):
    table, _ = toy.compare()
    assert tuple(table.columns) == COMPARISON_COLUMNS
    assert len(table) == 3 * 3
    a, b = line(table, "A", "pearson"), line(table, "B", "pearson")
    assert (a["value"], a["seeds"], a["n"]) == (pytest.approx(1), 1, 4)
    assert a[["sd", "delta_vs_baseline", "delta_ci_low", "delta_ci_high", "p_value"]].isna().all()
    assert a[["ci_low", "ci_high"]].isna().all()  # of four rows on a line nobody can say how certain that is
    assert a["note"] == ("baseline; no interval: every resample gives 1; deterministic: its training adds no variance")
    assert (a["val_value"], a["inference"]) == (0.9, "procedures")
    assert (a["cell"], a["seen"], a["collapsed"], a["ended"]) == ("", "", "", "")
    assert b["value"] == pytest.approx(0.7)
    assert b["sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert b["delta_vs_baseline"] == pytest.approx(-0.3)
    assert b["ci_low"] <= b["value"] <= b["ci_high"] <= 1
    assert (b["encoder"], b["head"]) == ("e", "h")
    assert b["rows_sha256"] == rows_sha256(toy.rows)
    assert b["strand_rule"] == "mean"
    mse = line(table, "B", "mse")
    assert (mse["value"], mse["delta_vs_baseline"]) == (pytest.approx(0.75), pytest.approx(0.75))
    flat = line(table, "flat", "pearson")
    assert flat[["value", "ci_low", "delta_vs_baseline", "p_value"]].isna().all()
    assert flat["note"] == "seed 0: constant predictions; a floor"
    assert flat["inference"] == ""
    assert np.isnan(b["val_value"])
    assert line(table, "flat", "mse")["value"] == pytest.approx((1 + 0 + 1 + 4) / 4)


def noisy(folder, seeds, size=40, group=4, spread=0.3, **keys):
    """A study of A and B, whose seeds are the labels with noise, of which half is that of all seeds."""
    rng = np.random.default_rng(0)
    labels = rng.normal(size=size)
    study = Study(folder, labels, groups=[f"g{i // group:02d}" for i in range(size)])
    predictions = {}
    for model, count in zip("AB", seeds, strict=True):
        common = labels + rng.normal(size=size)
        for seed in range(count):
            predictions[model, seed] = common + spread * rng.normal(size=size)
            study.add(model, seed, predictions[model, seed], **keys.get(model, {}))
    return study, labels, predictions


def test_errors_are_those_of_rows_and_seeds(tmp_path):
    """Recomputed here with copied rows, numpy and scipy, of three seeds against four."""
    study, labels, predictions = noisy(tmp_path, (4, 3))
    table, _ = study.compare(resamples=300, confidence=0.9)
    generator = np.random.default_rng(derived_seed(5, "bootstrap", "toy", "chrom", "id"))
    resampled = {key: np.empty(300) for key in predictions}
    for b in range(300):
        rows = np.concatenate([np.arange(4 * g, 4 * g + 4) for g in generator.integers(10, size=10)])
        for key, values in resampled.items():
            values[b] = np.corrcoef(labels[rows], predictions[key][rows])[0, 1]
    sides = {}
    for model in "AB":
        values = np.array([np.corrcoef(labels, p)[0, 1] for key, p in predictions.items() if key[0] == model])
        draws = np.array([of_run for key, of_run in resampled.items() if key[0] == model])
        k = len(values)
        alone = (draws - draws.mean(axis=0)).var(axis=1, ddof=1).sum() / (k - 1) / k
        sides[model] = values.mean(), draws.mean(axis=0), values.var(ddof=1) / k, k - 1, alone
    (value, draws, variance, df, alone), (other, of_other, *second) = sides["B"], sides["A"]

    def error(statistic, *parts):
        rows = max(0, statistic.var(ddof=1) - sum(part[2] for part in parts)) * 10 / 9
        parts = [(rows, 9), *(part[:2] for part in parts)]  # ten units of one size
        total = sum(part[0] for part in parts)
        return np.sqrt(total), total**2 / sum(v**2 / f for v, f in parts)

    found = line(table, "B", "pearson")
    se, free = error(draws, (variance, df, alone))
    half = stats.t.ppf(0.95, free) * se / (1 - value**2)
    assert np.arctanh([found["ci_low"], found["ci_high"]]) == pytest.approx(np.arctanh(value) + np.array([-half, half]))
    se, free = error(draws - of_other, (variance, df, alone), second)
    half = stats.t.ppf(0.95, free) * se
    assert found["delta_vs_baseline"] == pytest.approx(value - other)
    assert [found["delta_ci_low"], found["delta_ci_high"]] == pytest.approx(
        [value - other - half, value - other + half]
    )
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(abs(value - other) / se, free))
    assert (found["inference"], found["note"]) == ("procedures", "")
    assert found["sd"] == pytest.approx(np.sqrt(variance * 3))


def test_a_stage_2_model_is_paired_with_its_start_whatever_the_baseline(tmp_path):
    study, _, _ = noisy(tmp_path, (4, 3), B={"start": "A"})
    table, text = study.compare(resamples=300)
    found, start = line(table, "B", "pearson"), line(table, "A", "pearson")
    of_start = ["delta_vs_start", "start_ci_low", "start_ci_high", "start_p_value"]
    of_baseline = ["delta_vs_baseline", "delta_ci_low", "delta_ci_high", "p_value"]
    assert found[of_start].tolist() == found[of_baseline].tolist() and np.isfinite(found[of_start].astype(float)).all()
    assert (found["start"], start["start"]) == ("A", "") and start[of_start].isna().all()
    assert "| Δ from its start | p (start) |" in text
    study.spec["datasets"]["toy"]["baseline"] = ""
    alone, text = study.compare(resamples=300)
    assert line(alone, "B", "pearson")[of_start].tolist() == found[of_start].tolist()
    assert line(alone, "B", "pearson")[of_baseline].isna().all()
    row = next(row for row in text.splitlines() if row.startswith(("| `B`", "| **`B`**")))
    assert row.split(" | ")[-2].startswith(f"{found['delta_vs_start']:+.4f} [")


@pytest.mark.parametrize("keys", [{"start": "A"}, {"members": ["A"]}])
def test_a_model_and_what_it_is_made_from_are_compared_seed_by_seed(tmp_path, keys):
    """Recomputed here as a paired t test with copied rows: B is A of the same seed and a little more."""
    study, labels, predictions = noisy(tmp_path, (3, 0), spread=1.0)
    rng = np.random.default_rng(1)
    for seed in (2, 0, 1):  # in any order
        predictions["B", seed] = predictions["A", seed] + 0.1 * labels + 0.05 * rng.normal(size=len(labels))
        study.add("B", seed, predictions["B", seed], **keys)
    found = line(study.compare(resamples=100)[0], "B", "pearson")

    def of_rows(rows):
        r = {key: np.corrcoef(labels[rows], values[rows])[0, 1] for key, values in predictions.items()}
        return [r["B", seed] - r["A", seed] for seed in range(3)]

    generator = np.random.default_rng(derived_seed(5, "bootstrap", "toy", "chrom", "id"))
    drawn = [np.concatenate([np.arange(4 * g, 4 * g + 4) for g in generator.integers(10, size=10)]) for _ in range(100)]
    of_seeds, draws = np.array(of_rows(slice(None))), np.array([of_rows(rows) for rows in drawn]).T
    alone = (draws - draws.mean(axis=0)).var(axis=1, ddof=1).sum() / 2 / 3
    parts = [(max(0, draws.mean(axis=0).var(ddof=1) - alone) * 10 / 9, 9), (of_seeds.var(ddof=1) / 3, 2)]
    total = sum(variance for variance, _ in parts)
    free = total**2 / sum(variance**2 / df for variance, df in parts)
    half = stats.t.ppf(0.975, free) * np.sqrt(total)
    for names in (["delta_vs_start", "start_ci_low", "start_ci_high", "start_p_value"][: 4 * ("start" in keys)],
                  ["delta_vs_baseline", "delta_ci_low", "delta_ci_high", "p_value"]):  # fmt: skip
        expected = [of_seeds.mean(), of_seeds.mean() - half, of_seeds.mean() + half]
        expected.append(2 * stats.t.sf(abs(of_seeds.mean()) / np.sqrt(total), free))
        assert found[names].tolist() == pytest.approx(expected[: len(names)])
    turned = study.compare(resamples=100, datasets={"toy": {**study.spec["datasets"]["toy"], "baseline": "B"}})[0]
    assert line(turned, "A", "pearson")["p_value"] == pytest.approx(found["p_value"])
    for run in study.spec["runs"]:
        run.update(dict.fromkeys(keys, "" if "start" in keys else []))
    apart = line(study.compare(resamples=100)[0], "B", "pearson")
    assert apart["delta_vs_baseline"] == found["delta_vs_baseline"]
    assert apart["delta_ci_high"] - apart["delta_ci_low"] > 3 * 2 * half


@pytest.mark.parametrize(
    ("seeds", "keys", "note"),
    [
        ((3, 2), {}, "2 replicates, but 3 are needed: holds only for these trained networks"),
        ((1, 3), {}, "no p value: baseline: 1 replicate, but 3 are needed: holds only for these trained networks"),
        (
            (3, 3),
            {"B": {"one_draw": "random weights"}},
            "one draw of random weights: holds only for this draw",
        ),
    ],
)
def test_without_replicates_there_is_no_p_value(tmp_path, seeds, keys, note):
    study, _, _ = noisy(tmp_path, seeds, **keys)
    table, text = study.compare()
    found = line(table, "B", "pearson")
    assert (found["inference"], found["note"]) == ("trained networks", note)
    assert found[["delta_ci_low", "delta_ci_high", "ci_low"]].notna().all()
    assert found[["p_value", "p_holm"]].isna().all()
    assert "| `B` † |" in text and ("| `A` (baseline) † |" in text) == (seeds[0] == 1)


def test_a_deterministic_training_needs_one_run(tmp_path):
    keys = {model: {"stochastic": False} for model in "AB"}
    found = line(noisy(tmp_path, (1, 1), **keys)[0].compare()[0], "B", "pearson")
    assert 0 < found["p_value"] <= 1
    assert (found["inference"], found["note"]) == ("procedures", "deterministic: its training adds no variance")


def test_trainings_that_differ_widen_what_is_said_of_procedures(tmp_path):
    """The same rows; the interval of networks as they are is that of rows alone."""
    widths = {}
    for name, count, spread in (("close", 3, 0.01), ("apart", 3, 1.5), ("networks", 2, 1.5)):
        (tmp_path / name).mkdir()
        found = line(noisy(tmp_path / name, (count, count), spread=spread)[0].compare()[0], "B", "mse")
        widths[name] = found["delta_ci_high"] - found["delta_ci_low"]
    assert widths["apart"] > 1.5 * widths["networks"] and widths["apart"] > 1.5 * widths["close"]


def test_p_values_are_corrected_for_the_models_of_a_panel(tmp_path):
    """Holm over the models with a p value, of the first metric alone; pairs have two families."""
    rng = np.random.default_rng(3)
    labels = rng.normal(size=60)
    study = Study(tmp_path, labels)
    for model, noise in (("A", 1), ("B", 0.5), ("C", 0.9), ("D", 2)):
        study.add(model, 0, labels + noise * rng.normal(size=60), stochastic=False)
    study.add("E", 0, labels)  # one replicate
    table, text = study.compare()
    for panel, metric in (("id", "pearson"), ("snv", "pearson_abs"), ("snv", "pearson_delta")):
        family = table[(table["panel"] == panel) & (table["metric"] == metric)].set_index("model")
        p = family["p_value"].dropna().sort_values()
        assert sorted(p.index) == ["B", "C", "D"]
        expected = np.minimum(1, np.maximum.accumulate(p * [3, 2, 1]))
        pd.testing.assert_series_equal(family["p_holm"].dropna().loc[p.index], expected, check_names=False)
    others = table[~table["metric"].str.startswith("pearson")]
    assert others["p_holm"].isna().all() and others["p_value"].notna().any()
    assert "| Δ Pearson r | p | p (Holm) |" in text


def test_pairs_panel_has_absolute_values_and_effects(tmp_path):
    labels = np.array([0, 1, 0, 2, 0, 4.0])
    study = Study(tmp_path, labels)
    study.add("A", 0, labels)
    study.add("B", 0, [99, 1, -7, 2, 5, 4])  # alternates perfect, references wild
    table, text = study.compare()
    assert line(table, "B", "pearson_abs", "snv")["value"] == pytest.approx(1)
    assert line(table, "B", "mse_abs", "snv")["value"] == 0
    effects = np.corrcoef([1, 2, 4], [1 - 99, 2 + 7, 4 - 5])[0, 1]
    assert line(table, "B", "pearson_delta", "snv")["value"] == pytest.approx(effects)
    assert line(table, "B", "pearson_delta", "snv")["n"] == 3
    assert "### Panel snv: effects, alternate minus reference" in text
    assert "n = 3 pairs in 3 units" in text


def test_equal_models_do_not_differ(toy):
    toy.add("twin", 0, [1, 2, 3, 4], stochastic=False)
    twin = line(toy.compare()[0], "twin", "mse")
    assert twin[["delta_vs_baseline", "delta_ci_low", "delta_ci_high"]].tolist() == [0, 0, 0]
    assert twin["p_value"] == 1


def test_one_unit_gives_values_without_intervals(tmp_path):
    study = Study(tmp_path, [1, 2, 3, 4], groups=["g"] * 4)
    del study.spec["datasets"]["toy"]["panels"]["chrom"]["snv"]
    study.add("A", 0, [1, 2, 3, 4])
    study.add("B", 0, [2, 1, 4, 3])
    found = line(study.compare()[0], "B", "pearson")
    assert found["value"] == pytest.approx(0.6)
    assert found[["ci_low", "delta_ci_low", "p_value"]].isna().all()
    assert "one unit: there is nothing to resample" in found["note"]


def test_without_a_baseline_there_are_no_differences(toy):
    toy.spec["datasets"]["toy"]["baseline"] = None
    table, text = toy.compare()
    assert table["delta_vs_baseline"].isna().all()
    assert table["ci_low"].notna().any()
    assert "Δ Pearson r" not in text


def test_excluded_panels_are_empty_with_the_reason(tmp_path):
    labels = np.array([0, 1, 0, 2, 0, 4.0])
    study = Study(tmp_path, labels)
    study.add("A", 0, [0, 2, 0, 2, 0, 4])
    study.add("B", 0, [0, 1, 0, 2, 1, 4], panels=["id"], excluded={"snv": "trained on its rows"})
    table, text = study.compare()
    missing = line(table, "B", "pearson_delta", "snv")
    assert missing[["value", "ci_low", "n", "rows_sha256", "strand_rule"]].isna().all()
    assert missing["note"] == "not comparable: trained on its rows"
    assert line(table, "B", "pearson")["value"] > 0
    assert "- `B`: not comparable: trained on its rows" in text
    study.spec["datasets"]["toy"]["baseline"] = "B"
    against_excluded = line(study.compare()[0], "A", "pearson_delta", "snv")
    assert np.isnan(against_excluded["delta_vs_baseline"])
    assert against_excluded["note"].endswith("no difference: the baseline is not comparable here")
    study.spec["runs"][0].update(predictions={"id": study.spec["runs"][0]["predictions"]["id"]}, excluded={"snv": "x"})
    assert "not comparable: x" in study.compare()[1]


def test_an_undefined_seed_leaves_the_mean_undefined(toy):
    toy.add("B", 2, [3, 3, 3, 3], encoder="e", augmentation="none", head="h", provenance="random weights, seed 0")
    found = line(toy.compare()[0], "B", "pearson")
    assert found[["value", "sd", "ci_low", "delta_vs_baseline", "p_value"]].isna().all()
    assert found["seeds"] == 3
    assert found["note"] == "seed 2 is collapsed: constant predictions on the forward strand"


def test_classification(tmp_path):
    labels = np.tile([0.0, 1, 0, 0], 10)
    study = Study(tmp_path, labels, "classification")
    study.add("A", 0, 0.2 + 0.5 * labels)
    study.add("B", 0, np.linspace(0, 1, 40))
    table, text = study.compare()
    assert line(table, "A", "auroc")["value"] == 1
    assert line(table, "B", "prevalence")["value"] == 0.25
    assert np.isnan(line(table, "B", "prevalence")["delta_vs_baseline"])
    assert line(table, "B", "auroc")["delta_ci_high"] < 0
    assert "prevalence 0.2500 (the AUPRC of a random guess)" in text
    header = next(row for row in text.splitlines() if row.startswith("| model") and "AUROC" in row)
    assert header.startswith("| model | seeds | AUROC | AUPRC | accuracy | F1 | precision | recall |")
    of_b = next(row for row in text.splitlines() if row.startswith("| `B`") and "[" in row).split(" | ")
    assert "[" in of_b[5] and "[" not in of_b[6] + of_b[7]  # the last two without intervals


def test_same_study_same_numbers(tmp_path):
    rng = np.random.default_rng(0)
    study = Study(tmp_path, rng.normal(size=30))
    for model in "AB":
        study.add(model, 0, study.rows["label"] + rng.normal(size=30))
    first, second, other = study.compare(), study.compare(), study.compare(seed=6)
    pd.testing.assert_frame_equal(first[0], second[0])
    assert first[1] == second[1]
    assert not first[0]["ci_low"].equals(other[0]["ci_low"])
    assert first[0]["value"].equals(other[0]["value"])


def test_settings_tried_and_seconds_spent_stand_in_the_table_and_unequal_budgets_are_named(toy):
    table, text = toy.compare()
    assert table["trials"].isna().all() and table["seconds"].isna().all() and "settings" not in text
    spent = {"A": [4.0], "B": [10.0, 20.0], "flat": [0.1]}
    for run in toy.spec["runs"]:
        trials = 0 if run["model"] == "flat" else 8
        run["search"] = {"trials": trials, "seconds": spent[run["model"]].pop()}
    table, text = toy.compare()
    assert [line(table, model, "mse")["trials"] for model in ("A", "B", "flat")] == [8, 8, 0]
    assert [line(table, model, "mse")["seconds"] for model in ("A", "B", "flat")] == [4, 15, 0.1]
    assert "Every model had 8 settings to try, of which the validation rows chose one for each seed." in text
    assert "`flat` had no settings to choose." in text
    toy.spec["runs"][0]["search"]["trials"] = 10
    assert "**Unequal budgets**: the number of settings tried is 8 for `B`; 10 for `A`." in toy.compare()[1]
    toy.spec["runs"][0].pop("search")
    assert "the number of settings tried is 1 for `A`; 8 for `B`" in toy.compare()[1]


# --- refusals ---------------------------------------------------------------------------------------------------


def test_another_strand_rule_is_refused(toy):
    toy.add("fwd", 0, [1, 2, 3, 4], rule="forward")
    message = (
        "toy/chrom/fwd/seed0 and toy/chrom/A/seed0 are not comparable on panel 'id': strand_rule is forward and mean"
    )
    with pytest.raises(InputError, match=message):
        toy.compare()


def test_other_rows_are_refused(toy):
    edit(toy.folder / "B.1.metrics.tsv", "rows_sha256", "0" * 64)
    message = f"toy/chrom/B/seed1 and toy/chrom/A/seed0 .* rows_sha256 is {'0' * 64} and {rows_sha256(toy.rows)}"
    with pytest.raises(InputError, match=message):
        toy.compare()


def test_a_split_without_its_baseline_is_refused(toy):
    panels = toy.spec["datasets"]["toy"]["panels"]
    panels["random"] = panels["chrom"]
    toy.spec["runs"].append({**toy.spec["runs"][1], "split": "random"})
    message = "toy/random/B/seed1 has split 'random', but its baseline 'A' was not run in it: toy/chrom/A/seed0 has "
    "split 'chrom'"
    with pytest.raises(InputError, match=message):
        toy.compare()
    toy.spec["datasets"]["toy"]["baseline"] = "Z"
    with pytest.raises(InputError, match="its baseline 'Z' was not run in it: no run of it is listed"):
        toy.compare()


def edit(path, column, value):
    table = read_table(path)
    table[column] = value
    write_table(path, table)


def test_stale_metrics_are_refused(toy):
    toy.rows["label"] = [1.0, 2, 3, 5]
    write_rows(toy.folder / "rows.parquet", toy.rows)
    with pytest.raises(InputError, match="the predictions are older than the rows"):
        toy.compare()
    for run in toy.spec["runs"]:
        edit(run["predictions"]["id"], "label", [1, 2, 3, 5])
    with pytest.raises(InputError, match=r"A\.0\.metrics\.tsv: panel 'id': pearson was .* measure the run again"):
        toy.compare()


def test_metrics_of_other_predictions_are_refused(toy):
    write_table(toy.folder / "B.0.metrics.tsv", read_table(toy.folder / "B.1.metrics.tsv"))
    with pytest.raises(InputError, match=r"B\.0\.metrics\.tsv.* pearson was 0\.8.* give 0\.6"):
        toy.compare()


def test_metrics_that_lack_a_panel_are_refused(toy):
    write_table(toy.folder / "B.0.metrics.tsv", read_table(toy.folder / "B.1.metrics.tsv").iloc[:2])
    with pytest.raises(InputError, match="has the metrics pearson, spearman, expected pearson, spearman, mse"):
        toy.compare()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["runs"][1].update(predictions={}), "'id' has neither predictions nor a reason"),
        (lambda s: s["runs"][0].update(excluded={"id": "x"}), "'id' has both predictions and a reason"),
        (lambda s: s["runs"][1]["predictions"].update(ood="x"), "panel 'ood' is not one of id"),
        (lambda s: s["runs"].append(s["runs"][1]), "toy/chrom/B/seed1: listed twice"),
        (lambda s: s["runs"][1].update(provenance="other"), "provenance is .* expected one value for all seeds of B"),
        (
            lambda s: s["runs"][1].update(dataset="other"),
            r"runs\[1\]: other/chrom/B/seed1: there are no panels for its dataset and split",
        ),
        (lambda s: s["runs"][1].update(colour="red"), r"spec.json: runs\[1\]: key 'colour' is unknown"),
        (lambda s: s["runs"][1].pop("model"), r"runs\[1\]: key 'model' is missing"),
        (lambda s: s["datasets"]["toy"].update(task="ranking"), "datasets.toy.task is 'ranking'"),
        (lambda s: s.update(resamples=10), "resamples is 10"),
        (lambda s: s.update(confidence=95), "confidence 95"),
        (lambda s: s.update(runs=[]), "runs is empty"),
    ],
)
def test_bad_lists_of_runs_are_refused(toy, change, message):
    change(toy.spec)
    with pytest.raises(InputError, match=message):
        toy.compare()


def test_models_trained_on_other_rows_of_one_split_are_refused(toy):
    toy.spec["runs"][0]["trained_on"] = "x"
    for run in toy.spec["runs"][1:3]:
        run["trained_on"] = "y"
    with pytest.raises(InputError, match="toy/chrom/B/seed0 and toy/chrom/A/seed0 were trained on different rows"):
        toy.compare()


# --- programs ---------------------------------------------------------------------------------------------------


def finish(toy, run, **record):
    """Lay out a run as the workflow does: metrics.tsv, predictions/{panel}.tsv and best_model/model.json."""
    folder = toy.folder / "results" / f"{run['model']}.{run['seed']}"
    for name, path in run["predictions"].items():
        write_table(folder / "predictions" / f"{name}.tsv", read_table(path))
    write_table(folder / "metrics.tsv", read_table(run["metrics"]))
    about = {key: run.get(key, "") for key in ("dataset", "split", "model", "seed", "encoder", "augmentation", "head")}
    about |= {key: run[key] for key in ("stochastic", "one_draw") if key in run}
    about |= {"provenance": run.get("provenance", ""), "note": run.get("note", ""), "name": "n", "kind": "head"}
    about["task"] = "regression"
    about |= {
        "strand_rule": "mean",
        "construct": {},
        "spec": {},
        "validation": {"metric": "pearson", "value": run.get("val_value")},
        "parameters": 1,
        "licence": "",
    }
    write_record(folder / "best_model", {"train": toy.rows, "val": toy.rows}, ["numpy"], **{**about, **record})
    return folder


def test_program_compare(toy, monkeypatch):
    folders = [finish(toy, run) for run in toy.spec["runs"]]
    study = {key: value for key, value in toy.spec.items() if key != "runs"}
    for name in "ab":
        out = ["--out", str(toy.folder / f"{name}.tsv"), "--text", str(toy.folder / f"{name}.md")]
        paths = [str(folder / "metrics.tsv") for folder in folders]
        call(monkeypatch, compare_program, "--study", json.dumps(study), "--metrics", *paths, *out)
    assert (toy.folder / "a.tsv").read_bytes() == (toy.folder / "b.tsv").read_bytes()
    table, text = toy.compare()
    assert (toy.folder / "a.md").read_text() == text
    found = read_compare(toy.folder / "a.tsv")
    for column in COMPARISON_COLUMNS[COMPARISON_COLUMNS.index("value") : COMPARISON_COLUMNS.index("n") + 1]:
        assert np.allclose(found[column], table[column].astype(float), rtol=1e-14, equal_nan=True)
    flat = dict(zip(COMPARISON_COLUMNS, (toy.folder / "a.tsv").read_text().splitlines()[3].split("\t"), strict=True))
    assert (flat["value"], flat["ci_low"], flat["n"]) == ("", "", "4")
    assert flat["note"] == "seed 0: constant predictions; a floor"


@pytest.mark.parametrize(
    ("validation", "val_value", "ended"),
    [
        ({"metric": "pearson", "value": 0.5, "epoch": 3, "ended": "limit"}, 0.5, "limit"),
        ({"metric": "auroc", "value": 0.5, "epoch": 0, "ended": "solved"}, 0.5, "solved"),
        (
            {"metric": "entropy_spearman", "value": 0.5, "epoch": 3, "ended": "patience"},
            None,
            "patience",
        ),  # another scale
        ({"metric": "pearson", "value": None, "epoch": 0}, None, ""),
    ],
)
def test_a_run_says_its_validation_score_and_how_its_training_ended(toy, validation, val_value, ended):
    task = "classification" if validation["metric"] == "auroc" else "regression"
    datasets = {"toy": toy.spec["datasets"]["toy"] | {"task": task}}
    found = measured_run(finish(toy, toy.spec["runs"][0], validation=validation), datasets)
    assert (found["val_value"], found["ended"]) == (val_value, ended)


def test_validation_scores_are_averaged_and_seeds_named_whose_epochs_ran_out(toy):
    for run, ended, value in zip(
        toy.spec["runs"], ("solved", "limit", "patience", ""), (0.9, 0.4, 0.6, None), strict=True
    ):
        run |= {"ended": ended, "val_value": value}
    table, _ = toy.compare()
    assert table.groupby("model")["ended"].first().to_dict() == {"A": "solved", "B": "limit: seed 1", "flat": ""}
    assert line(table, "B", "pearson")["val_value"] == pytest.approx(0.5)
    toy.spec["runs"][2]["ended"] = "limit"
    assert line(toy.compare()[0], "B", "pearson")["ended"] == "limit: seeds 0, 1"


def test_published_weights_are_kept_off_rows_they_may_know(toy):
    toy.rows["chrom"] = ["chr7", "chr13", "chr7", "chr1"]
    write_rows(toy.folder / "rows.parquet", toy.rows)
    datasets = toy.spec["datasets"]
    clean = ["chr7", "chr13"]
    published = measured_run(finish(toy, toy.spec["runs"][1], clean_chromosomes=clean), datasets)
    assert published["predictions"] == {}
    assert published["excluded"]["id"].startswith("1 of 4 rows are not on chr7, chr13")
    assert measured_run(finish(toy, toy.spec["runs"][2]), datasets)["excluded"] == {}
    everywhere = measured_run(finish(toy, toy.spec["runs"][1], clean_chromosomes=[*clean, "chr1"]), datasets)
    assert (everywhere["excluded"], list(everywhere["predictions"])) == ({}, ["id"])


@pytest.mark.parametrize(
    ("chrom", "published", "seen"),
    [
        ("", ["ood:AdaLead"] * 4, 0),  # designed: on no chromosome, and of a part that the record calls clean
        ("", ["ood:CRE", "ood:AdaLead", "ood:CRE", "ood:CRE"], 3),  # only evaluated here, but natural: maybe seen there
        ("", ["ood:AdaLead", "", "test", "ood:AdaLead"], 2),  # rows without a chromosome that nobody designed
        ("chr1", ["ood:AdaLead"] * 4, 4),  # a sequence with a place in the genome
    ],
)
def test_published_weights_are_scored_on_designed_sequences(toy, chrom, published, seen):
    toy.rows["chrom"], toy.rows["published"] = chrom, published
    write_rows(toy.folder / "rows.parquet", toy.rows)
    clean = {"clean_chromosomes": ["chr7", "chr13"], "clean_published": ["ood:AdaLead"]}
    run = measured_run(finish(toy, toy.spec["runs"][1], **clean), toy.spec["datasets"])
    assert list(run["predictions"]) == ([] if seen else ["id"])
    assert [reason.split(" are ")[0] for reason in run["excluded"].values()] == [f"{seen} of 4 rows"] * bool(seen)


def test_a_study_can_ask_for_contaminated_panels_and_the_table_says_so(toy):
    toy.rows["chrom"] = ["chr7", "chr13", "chr7", "chr1"]
    write_rows(toy.folder / "rows.parquet", toy.rows)
    asked = {"clean_chromosomes": ["chr7", "chr13"], "spec": {"use_contaminated_panels": True}}
    run = measured_run(finish(toy, toy.spec["runs"][1], **asked), toy.spec["datasets"])
    assert (list(run["predictions"]), run["excluded"], run["trained_on"]) == (["id"], {}, "")
    assert "panel id: 1 of 4 rows are not on chr7, chr13" in run["note"]


def test_what_a_model_has_seen_stands_in_its_line_and_beside_it(toy):
    toy.rows["chrom"] = ["chr7", "chr13", "chr7", "chr1"]
    write_rows(toy.folder / "rows.parquet", toy.rows)
    stated = {
        "A": {"seen": "train rows", "seen_before": Seen.of_value("nothing").record()},
        "B": {"seen": "train rows; encoder: all chromosomes", "seen_before": Seen.of_value("all").record()},
        "flat": {"seen": "all chromosomes but chr7", "seen_before": Seen.of_value({"except": ["chr7"]}).record()},
    }
    for run in toy.spec["runs"]:
        run["seen"] = measured_run(finish(toy, run, **stated[run["model"]]), toy.spec["datasets"])["seen"]
    table, text = toy.compare()
    words = {
        "A": "train rows",
        "B": "train rows; encoder: all chromosomes (these rows included)",
        "flat": "all chromosomes but chr7 (2 of these 4 rows included)",
    }
    for model, expected in words.items():
        assert set(table.loc[table["model"] == model, "seen"]) == {expected}
        assert (f"- `{model}`: {expected}" in text) == (model != "A")
    assert "Has seen more than the training rows:" in text


def test_a_panel_within_what_an_encoder_has_not_seen_says_so(toy):
    held_out = {"file": "folds.bed", "names": ["fold7"]}
    seen = Seen.of_value({"except": {"names": ["fold7"]}})
    panels = toy.spec["datasets"]["toy"]["panels"]["chrom"]
    toy.rows["chrom"] = "chr7"
    write_rows(toy.folder / "rows.parquet", toy.rows)
    record = {"seen": "train rows; encoder: all but fold7", "seen_before": seen.record()}
    folder = finish(toy, toy.spec["runs"][1], **record)
    words = "these rows included where they lie elsewhere"
    assert measured_run(folder, toy.spec["datasets"])["seen"] == {"id": f"{record['seen']} ({words})"}
    panels["id"]["within"] = held_out
    assert measured_run(folder, toy.spec["datasets"])["seen"] == {"id": f"{record['seen']} (none of these rows)"}


def test_designed_sequences_are_new_to_published_weights(toy):
    toy.rows["chrom"], toy.rows["published"] = "", "ood:AdaLead"
    write_rows(toy.folder / "rows.parquet", toy.rows)
    stated = {"seen": "all but chr7", "seen_before": Seen.of_value({"except": ["chr7"]}).record()}
    clean = {"clean_chromosomes": ["chr7"], "clean_published": ["ood:AdaLead"]}
    run = measured_run(finish(toy, toy.spec["runs"][1], **clean, **stated), toy.spec["datasets"])
    assert run["seen"] == {"id": "all but chr7 (none of these rows)"}


def test_a_study_without_pretrained_weights_has_no_list_of_what_was_seen(toy):
    assert "Has seen more" not in toy.compare()[1]


def test_a_split_can_have_a_baseline_of_its_own(toy):
    toy.spec["datasets"]["toy"]["baselines"] = {"chrom": "B"}
    table, text = toy.compare()
    lines = table[(table["panel"] == "id") & (table["metric"] == "pearson")].set_index("model")
    assert "baseline" in lines.loc["B", "note"] and np.isnan(lines.loc["B", "delta_vs_baseline"])
    assert lines.loc["A", "delta_vs_baseline"] == pytest.approx(lines.loc["A", "value"] - lines.loc["B", "value"])
    assert "`B` (baseline" in text and "`A` (baseline" not in text


def test_a_run_says_what_its_replicates_are(toy):
    """Records of before say nothing: their trainings count as stochastic."""
    said = finish(
        toy,
        toy.spec["runs"][1],
        stochastic=False,
        one_draw="adaptation",
        validation={"metric": "pearson", "value": 0.5},
    )
    run = measured_run(said, toy.spec["datasets"])
    assert (run["stochastic"], run["one_draw"], run["val_value"]) == (False, "adaptation", 0.5)
    run = measured_run(finish(toy, toy.spec["runs"][2]), toy.spec["datasets"])
    assert (run["stochastic"], run["one_draw"], run["val_value"]) == (True, "", None)


@pytest.mark.parametrize(
    ("record", "note"),
    [
        ({"cells": {"K562": 0.4, "HepG2": 0.6}}, "n; chosen by the mean over cells of the validation score"),
        ({"cells": {"K562": 0.4, "HepG2": 0.6}, "metric": "entropy_spearman"}, "n"),
        ({}, "n"),
    ],
)
def test_a_run_of_several_cells_says_that_it_was_chosen_by_their_mean(toy, record, note):
    validation = {"metric": "pearson", "value": 0.5, "epoch": 3, "ended": "limit"} | record
    found = measured_run(finish(toy, toy.spec["runs"][0], validation=validation, note="n"), toy.spec["datasets"])
    assert found["note"] == note
