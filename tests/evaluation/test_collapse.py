"""Collapsed runs: the one of the review, each strand, floors and weak models that are none, and seeds beside others."""

import numpy as np
import pytest

from helpers.toy_study import Study
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.evaluation.collapse import collapsed, errors_above_chance, learned, learned_by_cell, odd_seeds
from s2f.evaluation.measure import measure

N = 374  # rows of the panel of the embedded study


@pytest.fixture
def labels():
    return np.random.default_rng(0).normal(size=N)


def scaled(labels, r, spread, seed=1):
    """Predictions with exactly this correlation to the labels, whose spread is this share of that of the labels."""
    noise = np.random.default_rng(seed).normal(size=len(labels))
    y = (labels - labels.mean()) / labels.std()
    noise -= noise.mean() + y * (noise @ y) / (y @ y)
    return spread * labels.std() * (r * y + np.sqrt(1 - r**2) * noise / noise.std())


def both(values):
    return {"forward": values, "reverse": values}


# spread and r of both strands in the review's run: boda-max with seed 2, whose reverse strand has two values in all
def test_the_run_of_the_review_is_collapsed_and_its_other_seed_is_not(labels):
    reverse = np.zeros(N)
    reverse[[5, 77]] = 1e-7
    second = {"forward": scaled(labels, 0.012, 0.042), "reverse": reverse}
    reason = collapsed("regression", labels, second, N, False)
    assert reason.startswith("nearly constant predictions on the reverse strand")
    forward = collapsed("regression", labels, {"forward": second["forward"]}, N, False)
    assert forward == (
        "nearly constant predictions on the forward strand: standard deviation 0.042 times that of the labels, "
        "pearson 0.012"
    )
    first = {"forward": scaled(labels, 0.688, 0.636), "reverse": scaled(labels, 0.662, 0.618)}
    assert collapsed("regression", labels, first, N, True) == ""


def test_a_strand_that_is_constant_is_not_hidden_by_the_other(labels):
    good = scaled(labels, 0.7, 0.6)
    for strand in ("forward", "reverse"):
        by_strand = both(good) | {strand: np.full(N, 0.3)}
        assert collapsed("regression", labels, by_strand, N, True) == f"constant predictions on the {strand} strand"
    tiny = both(good) | {"reverse": scaled(labels, 0.9, 0.009)}  # whatever it correlates with, and whatever it learned
    assert "standard deviation 0.009" in collapsed("regression", labels, tiny, N, True)
    assert collapsed("regression", labels, both(scaled(labels, 0.9, 0.011)), N, False) == ""


# (validation r of 355 rows, r and spread on the panel): what honest weak models of the studies have
@pytest.mark.parametrize(
    ("validation", "r", "spread"),
    [
        (0.142, 0.007, 0.028),  # alphagenome-tiny of the embedded study, untrained: as flat as least squares makes it
        (0.322, 0.292, 0.183),  # the same on real rows
        (0.449, 0.508, 0.09),  # Malinois after too few epochs of an L1 loss
        (0.05, 0.0, 0.5),  # found nothing, and is not flat: a number about 0
    ],
)
def test_a_weak_model_is_not_collapsed(labels, validation, r, spread):
    has_learned = learned("regression", {"metric": "pearson", "value": validation}, 355)
    assert collapsed("regression", labels, both(scaled(labels, r, spread)), N, has_learned) == ""


def test_flat_predictions_must_show_that_they_rank_rows(labels):
    flat = both(scaled(labels, 0.15, 0.05))
    assert collapsed("regression", labels, flat, N, False) == ""
    assert collapsed("regression", labels, flat, 40, False) != ""  # 0.15 is no sign among 40 independent units
    rows = np.random.default_rng(3).normal(size=60_000)
    many = both(scaled(rows, 0.03, 0.05))  # far above 0 by its error, and less than a thousandth of the variance
    assert errors_above_chance("regression", 0.03, 60_000) > 7
    assert "pearson 0.030" in collapsed("regression", rows, many, 60_000, False)


def test_classification_is_judged_by_log_odds_and_auroc():
    labels = np.tile([0.0, 1.0], 150)

    def probabilities(noise, spread, about=0.0):
        """`noise` 0 ranks perfectly."""
        raw = (labels - 0.5) + noise * np.random.default_rng(2).normal(size=300)
        return 1 / (1 + np.exp(-(about + spread * (raw - raw.mean()) / raw.std())))

    assert collapsed("classification", labels, {"forward": probabilities(50, 0.05)}, 300, False).startswith(
        "nearly constant predictions on the forward strand: standard deviation 0.05 in log odds, auroc 0."
    )
    for noise, spread, about in ((1, 0.05, 0.0), (50, 0.15, 0.0), (1, 0.08, -5.0)):  # ranks; not flat; rare class
        by_strand = {"forward": probabilities(noise, spread, about)}
        assert collapsed("classification", labels, by_strand, 300, False) == ""
    constant = collapsed("classification", labels, {"forward": np.full(300, 0.5)}, 300, False)
    assert constant == "constant predictions on the forward strand"


def test_labels_without_spread_judge_nothing():
    assert collapsed("regression", np.ones(9), both(np.ones(9)), 9, False) == ""
    assert collapsed("classification", np.ones(9), {"forward": np.full(9, 0.5)}, 9, False) == ""
    assert collapsed("regression", np.arange(2.0), both(np.ones(2)), 2, False) == ""


def test_errors_above_chance_by_hand():
    assert errors_above_chance("regression", 0.5, 103) == pytest.approx(10 * np.arctanh(0.5))
    assert errors_above_chance("regression", 1.0, 4) > 10 and errors_above_chance("regression", 0.9, 2) == 0
    # ten positives and ten negatives: standard deviation of the AUROC without any effect sqrt(21 / 1200)
    assert errors_above_chance("classification", 0.7, 20) == pytest.approx(0.2 / np.sqrt(21 / 1200))
    assert errors_above_chance("classification", 0.7, 20, 0.1) < errors_above_chance("classification", 0.7, 20)
    assert errors_above_chance("regression", np.nan, 100) == 0


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        ({"metric": "pearson", "value": 0.142}, True),
        ({"metric": "pearson", "value": 0.094}, False),  # the review's collapsed run, best of three epochs
        ({"metric": "pearson", "value": None}, False),
        ({"metric": "entropy_spearman", "value": 0.9}, False),
    ],
)
def test_learned_is_read_from_validation(validation, expected):
    assert learned("regression", validation, 355) is expected


def test_of_several_cells_each_must_have_learned_by_its_own_labels():
    validation = {"metric": "pearson", "value": 0.5, "cells": {"K562": 0.9, "HepG2": 0.1, "HeLa": 0.5, "WTC11": None}}
    found = learned_by_cell("regression", validation, {"K562": 300, "HepG2": 100, "HeLa": 12, "WTC11": 300})
    assert found == {"K562": True, "HepG2": False, "HeLa": False, "WTC11": False}
    assert learned_by_cell("regression", validation, {"HeLa": 300}) == {"HeLa": True}
    assert learned_by_cell("regression", {"metric": "pearson", "value": None}, {"K562": 300}) == {"K562": False}
    chosen = {"metric": "entropy_spearman", "value": 0.9, "pearson": 0.4, "cells": {"K562": 0.4}}
    assert learned_by_cell("regression", chosen, {"K562": 300}) == {"K562": True}


def test_a_seed_beside_others():
    labels = np.zeros(N)
    reasons = odd_seeds("regression", [0.721, 0.012, 0.70], labels, N)
    assert reasons == [
        "",
        "pearson 0.012 is less than 2 standard errors above chance, but another seed has 0.721",
        "",
    ]
    for values in ([0.04, 0.09], [0.72, 0.60], [0.02, -0.01], [0.12, 0.03], [0.3], [np.nan, np.nan]):
        assert odd_seeds("regression", values, labels, N) == [""] * len(values)
    assert odd_seeds("regression", [0.6, 0.0], labels, 12) == ["", ""]  # 12 units tell nothing apart
    assert odd_seeds("regression", [0.7, np.nan], labels, N)[1].startswith(
        "pearson nan is less than 2 standard errors above chance"
    )
    classes = np.tile([0.0, 1.0], 150)
    assert [bool(reason) for reason in odd_seeds("classification", [0.8, 0.5], classes, 300)] == [False, True]


# --- in the tables


@pytest.fixture
def study(tmp_path, labels):
    """A good baseline, `two` with a good seed and a collapsed one, `weak` twice, and a floor."""
    study = Study(tmp_path, labels)
    study.add("A", 1, scaled(labels, 0.5, 0.5))
    study.add("two", 1, scaled(labels, 0.72, 0.6, seed=2), val_value=0.58)
    study.add("two", 2, scaled(labels, 0.012, 0.042, seed=3), val_value=0.09)
    for seed in (1, 2):
        study.add("weak", seed, scaled(labels, 0.06, 0.2, seed=4 + seed))
    study.add("mean", 1, np.full(N, 0.1))
    study.spec["datasets"]["toy"]["floors"] = ["mean"]
    return study


def test_metrics_say_why_on_every_line_of_the_panel(study):
    table = read_table(study.folder / "two.2.metrics.tsv")
    assert set(table.loc[table["panel"] == "id", "metric"]) == {"pearson", "spearman", "mse"}
    assert table["collapsed"].str.startswith("nearly constant predictions on the forward strand").all()
    assert float(table["value"][0]) == pytest.approx(0.012)  # what was measured stays
    assert (read_table(study.folder / "two.1.metrics.tsv")["collapsed"] == "").all()


def test_a_mean_over_seeds_that_holds_a_collapsed_run_is_no_value(study):
    table, text = study.compare()
    of_two = table[table["model"] == "two"]
    numbers = ["value", "sd", "ci_low", "ci_high", "delta_vs_baseline", "delta_ci_low", "delta_ci_high", "p_value"]
    numbers.append("val_value")
    assert of_two[numbers].isna().all(axis=None)
    assert set(of_two["collapsed"]) == {"2"} and set(of_two["seeds"]) == {2}
    assert of_two["note"].str.startswith("seed 2 is collapsed: nearly constant predictions on the forward").all()
    weak = table[(table["model"] == "weak") & (table["metric"] == "pearson")].iloc[0]
    assert weak["value"] == pytest.approx(0.06) and weak["collapsed"] == ""
    assert np.isfinite(weak["delta_ci_low"])
    floor = table[(table["model"] == "mean") & (table["panel"] == "id")].set_index("metric")
    assert (floor["collapsed"] == "").all() and floor["note"]["pearson"] == "seed 1: constant predictions"
    assert np.isfinite(floor["value"]["mse"])
    assert "0.36" not in "".join(line for line in text.splitlines() if line.startswith("| `two`"))


def test_a_seed_that_only_its_others_betray_is_named_too(study, labels):
    study.add("odd", 1, scaled(labels, 0.7, 0.6, seed=8))
    study.add("odd", 2, scaled(labels, 0.0, 0.6, seed=9))
    table, _ = study.compare()
    odd = table[(table["model"] == "odd") & (table["panel"] == "id")]
    assert set(odd["collapsed"]) == {"2"} and odd["value"].isna().all()
    assert "another seed has 0.700" in odd["note"].iloc[0]


def test_solved_models_are_not_asked_as_nothing_of_them_can_have_failed(study, labels):
    """A head on random weights drawn anew: one draw may hold nothing."""
    study.add("probe", 1, scaled(labels, 0.7, 0.6, seed=8), ended="solved")
    study.add("probe", 2, scaled(labels, 0.0, 0.6, seed=9), ended="solved")
    table, _ = study.compare()
    probe = table[(table["model"] == "probe") & (table["metric"] == "pearson")].iloc[0]
    assert probe["collapsed"] == "" and probe["value"] == pytest.approx(0.35)


def test_against_a_collapsed_baseline_there_is_no_difference(study, labels):
    study.add("A", 2, np.full(N, 1.0))
    table, _ = study.compare()
    weak = table[(table["model"] == "weak") & (table["metric"] == "pearson")].iloc[0]
    assert np.isfinite(weak["value"]) and np.isnan(weak["delta_vs_baseline"])
    assert weak["note"].endswith("no difference: the baseline is undefined here")


def test_pairs_are_judged_by_values_and_not_by_effects(study, labels):
    """Effects that are all alike are a weak point of a model, not a failed training."""
    same = scaled(labels, 0.5, 0.5)
    same[::2] = same[1::2]  # no allele changes anything
    study.add("deaf", 1, same)
    table = read_table(study.folder / "deaf.1.metrics.tsv").set_index("metric")
    assert table.loc["pearson_delta", "note"] == "constant predictions"
    assert (table["collapsed"] == "").all()


def test_units_count_and_not_rows(tmp_path, labels):
    """The same flat predictions: a sign of learning among 374 rows, none where these are 20 families."""
    found = []
    for name, groups in (("rows", None), ("families", [f"g{i % 20}" for i in range(N)])):
        (tmp_path / name).mkdir()
        study = Study(tmp_path / name, labels, groups=groups)
        del study.spec["datasets"]["toy"]["panels"]["chrom"]["snv"]
        study.add("A", 1, scaled(labels, 0.2, 0.05))
        found.append(read_table(study.folder / "A.1.metrics.tsv")["collapsed"][0])
    assert found[0] == "" and found[1].startswith("nearly constant")


def test_metrics_without_the_column_are_refused(study):
    path = study.folder / "A.1.metrics.tsv"
    write_table(path, read_table(path).drop(columns="collapsed"))
    with pytest.raises(InputError, match="column 'collapsed' is missing"):
        study.compare()


def test_a_floor_is_measured_and_never_judged(study):
    panels = {"id": {"kind": "rows", "panel": study.folder / "id.tsv", "predictions": study.folder / "mean.1.tsv"}}
    assert measure(study.rows, panels, "regression")["collapsed"][0] == "constant predictions on the forward strand"
    assert measure(study.rows, panels, "regression", never_collapsed=True)["collapsed"][0] == ""
