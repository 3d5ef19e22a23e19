"""The search: which settings are drawn, which of them is kept, and what is left where trainings fail."""

import json

import numpy as np
import pytest

import train_baseline
from helpers.programs import call
from s2f.baselines import kmer_logistic
from s2f.common.errors import InputError
from s2f.common.files import read_json
from s2f.common.tables import read_table, write_table
from s2f.models.search import Outcome, Search, search
from s2f.models.validation import DivergedError, UnsolvedError
from s2f.rows import sources
from s2f.rows.canonical import write_rows

RATE = {"from": 0.0001, "to": 0.01, "scale": "log", "whole": False}
WIDTH = {"from": 8, "to": 64, "scale": "linear", "whole": True}
PENALTY = {"from": 10**-0.5, "to": 10**3.5, "scale": "log", "whole": False}  # 1, 10, 100 and 1000 in 4 trials
BATCHES = [64, 128, 256]
STATED = {"rate": 0.001, "width": 32, "batch": 128, "epochs": 5}


def silent(line):
    pass


def test_the_first_setting_is_the_stated_one_and_all_differ():
    wanted = Search(8, {"rate": RATE, "width": WIDTH, "batch": BATCHES})
    found = wanted.settings(STATED, 3)
    assert found[0] == {"rate": 0.001, "width": 32, "batch": 128}
    assert len({json.dumps(setting) for setting in found}) == len(found) == 8
    assert all(setting.keys() == {"rate", "width", "batch"} for setting in found)
    assert all(0.0001 <= setting["rate"] <= 0.01 and setting["batch"] in BATCHES for setting in found)
    assert all(isinstance(setting["width"], int) and 8 <= setting["width"] <= 64 for setting in found)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    wanted = Search(8, {"rate": RATE, "batch": BATCHES})
    assert wanted.settings(STATED, 3) == wanted.settings(STATED, 3)
    assert wanted.settings(STATED, 3)[1:] != wanted.settings(STATED, 4)[1:]


@pytest.mark.parametrize("seed", range(5))
def test_of_n_numbers_one_falls_into_each_nth_of_the_range(seed):
    rates = [setting["rate"] for setting in Search(11, {"rate": RATE, "batch": BATCHES}).settings(STATED, seed)[1:]]
    places = (np.log10(rates) + 4) / 2
    np.testing.assert_allclose(np.sort(places), (np.arange(10) + 0.5) / 10, atol=0.05 + 1e-3)


def test_a_range_of_few_values_is_used_up_without_repeats_or_refused():
    wanted = Search(3, {"batch": BATCHES})
    for seed in range(5):
        assert sorted(setting["batch"] for setting in wanted.settings(STATED, seed)) == BATCHES
    with pytest.raises(InputError, match=r"the ranges .* hold fewer than 4 settings"):
        Search(4, {"batch": BATCHES}).settings(STATED, 0)


def test_penalties_of_a_grid_are_spread_evenly_and_no_matter_of_chance():
    wanted = Search(4, {"alphas": PENALTY}, "alphas")
    for seed in (0, 1):
        assert [setting["alphas"] for setting in wanted.settings({"alphas": [5]}, seed)] == [1, 10, 100, 1000]
    assert not wanted.drawn
    both = Search(4, {"alphas": PENALTY, "k": [[3], [4], [5]]}, "alphas")
    settings = both.settings({"alphas": [5], "k": [3]}, 0)
    assert both.drawn and settings[0]["k"] == [3]
    assert sorted(setting["alphas"] for setting in settings) == [1, 10, 100, 1000]


@pytest.mark.parametrize(
    ("trials", "values"),
    [(2, [0.00316, 3.16]), (4, [0.000562, 0.0178, 0.562, 17.8]), (3, [0.001, 0.1, 10])],
)
def test_a_grid_holds_the_middles_of_equal_parts_of_its_range_and_not_the_ends(trials, values):
    """Two penalties at the ends of the range would be one that hardly penalises and one that leaves nothing."""
    wanted = Search(trials, {"C": {"from": 0.0001, "to": 100, "scale": "log", "whole": False}}, "C")
    assert [setting["C"] for setting in wanted.settings({"C": [1.0]}, 0)] == values


def test_a_grid_of_listed_values_is_used_up():
    wanted = Search(3, {"C": [0.1, 1, 10]}, "C")
    assert [setting["C"] for setting in wanted.settings({"C": [5]}, 0)] == [0.1, 1, 10]


def test_the_best_on_validation_is_kept_with_its_settings():
    seen = []

    def train(spec):
        seen.append(spec)
        return Outcome(f"model {len(seen)}", "pearson", -abs(np.log10(spec["rate"]) + 2.5), 4)

    found = search(Search(8, {"rate": RATE}), STATED, 1, train, silent)
    assert len(seen) == 8 and seen[0] == STATED and all(spec["epochs"] == 5 for spec in seen)
    best = min(range(8), key=lambda number: abs(np.log10(seen[number]["rate"]) + 2.5))
    assert found.model == f"model {best + 1}" and found.spec == seen[best]
    assert list(found.trials) == ["trial", "rate", "val_pearson", "epoch", "seconds", "chosen", "note"]
    assert list(found.trials["rate"]) == [spec["rate"] for spec in seen]
    assert list(np.flatnonzero(found.trials["chosen"])) == [best]
    assert found.trials["val_pearson"].idxmax() == best
    seconds = found.record.pop("seconds")
    assert found.record == {"trials": 8, "trial": best + 1, "chosen": {"rate": seen[best]["rate"]}, "drawn": True}
    assert seconds == pytest.approx(found.trials["seconds"].sum(), abs=0.01)


def test_of_equal_scores_the_first_is_kept():
    found = search(Search(3, {"rate": RATE}), STATED, 1, lambda spec: Outcome(spec, "auroc", 0.5, 1), silent)
    assert found.record["trial"] == 1 and found.spec == STATED


def test_a_setting_that_diverges_counts_as_tried():
    def train(spec):
        if spec["rate"] > 0.001:
            raise DivergedError("loss is nan")
        return Outcome("model", "pearson", 0.1, 2)

    found = search(Search(8, {"rate": RATE}), STATED, 1, train, silent)
    failed = found.trials["rate"] > 0.001
    assert 0 < failed.sum() < 8 and found.record["trials"] == 8
    assert list(found.trials["note"]) == ["loss is nan" if bad else "" for bad in failed]
    assert list(found.trials["val_pearson"].isna()) == list(failed)

    def never(spec):
        raise DivergedError("loss is nan")

    with pytest.raises(DivergedError, match=r"all 2 settings diverged:\ntrial 1: loss is nan\ntrial 2"):
        search(Search(2, {"rate": RATE}), STATED, 1, never, silent)


def test_a_penalty_without_a_solution_counts_as_tried_and_the_others_are_solved_without_it():
    seen = []

    def train(spec):
        seen.append(spec["alphas"])
        if max(spec["alphas"]) > limit:
            raise UnsolvedError("no solution for 1000", "take it out", max(spec["alphas"]))
        return Outcome(spec["alphas"], "auroc", 0.7, 0, [(alpha, 0.7 - 0.01 * alpha) for alpha in spec["alphas"]])

    limit, wanted = 500, Search(4, {"alphas": PENALTY}, "alphas")
    found = search(wanted, {"alphas": [5]}, 0, train, silent)
    assert seen == [[1, 10, 100, 1000], [1, 10, 100]]
    assert found.record["trials"] == 4 and found.spec == {"alphas": [1]}
    assert list(found.trials["note"]) == ["", "", "", "no solution for 1000"]  # a list that nobody wrote needs no fix
    assert list(found.trials["val_auroc"].isna()) == [False, False, False, True]
    limit = 0
    with pytest.raises(DivergedError, match=r"all 4 settings diverged:\n(trial \d: no solution .*\n?){4}"):
        search(wanted, {"alphas": [5]}, 0, train, silent)
    with pytest.raises(InputError, match=r"trial 1 of 2: rate .*no solution for 1000; take it out"):  # a stated list
        search(Search(2, {"rate": RATE}), STATED | {"alphas": [1000]}, 0, train, silent)


def test_an_impossible_setting_names_its_trial():
    def train(spec):
        raise InputError("warmup_epochs is 5, expected fewer than epochs")

    with pytest.raises(InputError, match=r"trial 1 of 2: rate 0.001: warmup_epochs is 5"):
        search(Search(2, {"rate": RATE}), STATED, 1, train, silent)


def test_settings_that_differ_in_the_grid_alone_are_one_training():
    seen = []

    def train(spec):
        seen.append(spec)
        tried = [(alpha, None if alpha == 1 else -abs(alpha - 10) - len(spec["k"])) for alpha in spec["alphas"]]
        return Outcome(spec["alphas"], "pearson", max(score for _, score in tried if score is not None), 0, tried)

    found = search(Search(4, {"alphas": PENALTY}, "alphas"), {"alphas": [5], "k": [3]}, 0, train, silent)
    assert seen == [{"alphas": [1, 10, 100, 1000], "k": [3]}]
    assert found.spec == {"alphas": [10], "k": [3]} and found.record["trial"] == 2
    assert list(found.trials["chosen"]) == [False, True, False, False]
    assert np.isnan(found.trials["val_pearson"][0]) and found.trials["val_pearson"][1] == -1


def test_with_nothing_to_choose_there_is_one_training_and_no_trial():
    found = search(Search(0, {}), STATED, 1, lambda spec: Outcome(spec, "pearson", None, 0), silent)
    assert (found.spec, found.record["trials"], len(found.trials)) == (STATED, 0, 0)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Function of a kind, its spec and search: trains on simulated rows and returns (record, table of trials)."""
    rows = sources.read("simulated", {}, {"rows": 120, "seed": 1}, "regression")[0]
    parts = np.where(rows["chrom"] == "chr7", "test", np.where(rows["chrom"] == "chr19", "val", "train"))
    write_table(tmp_path / "split.tsv", rows[["row_id"]].assign(split=parts))

    monkeypatch.setattr(
        train_baseline, "limit_to_job_resources", lambda threads, gpus: None
    )  # JAX is loaded by other tests

    def train(kind, spec, wanted, name="a", change=None):
        write_rows(tmp_path / "rows.parquet", rows if change is None else rows.assign(label=change(rows, parts)))
        folder = tmp_path / name
        asked = {
            "rows": tmp_path / "rows.parquet", "split": tmp_path / "split.tsv", "dataset": "d", "split-name": "s",
            "construct": json.dumps({"flanks": "gosai_episomal", "length": 600}), "baseline": name, "kind": kind,
            "task": "regression",
            "seed": 1, "study-seed": 0, "spec": json.dumps(spec), "strand-rule": "mean", "threads": 1, "gpus": 0,
            "model": folder / "best_model", "history": folder / "history.tsv", "search": json.dumps(wanted),
        }  # fmt: skip
        call(monkeypatch, train_baseline, *(word for key, value in asked.items() for word in (f"--{key}", value)))
        trials = read_table(folder / "best_model" / "trials.tsv") if wanted else None
        return read_json(folder / "best_model" / "model.json"), trials

    return train


RIDGE = {"k": [3], "alphas": [7.0], "scaling": "standard", "reverse_complement": True}
PENALTIES = {
    "trials": 4, "ranges": {"alphas": PENALTY}, "grid": "alphas",
}  # fmt: skip


def test_a_baseline_records_its_search_and_what_it_was_trained_by(trained):
    record, trials = trained("kmer_ridge", RIDGE, PENALTIES)
    scores = trials["val_pearson"].astype(float)
    best = int(scores.idxmax())
    assert record["spec"] == RIDGE | {"alphas": [10.0**best]} and record["validation"]["value"] == scores[best]
    assert record["search"]["trials"] == 4 and record["search"]["chosen"] == {"alphas": 10.0**best}
    assert "tried" not in record["validation"] and record["alpha"] == 10.0**best
    alone, _ = trained("kmer_ridge", record["spec"], None, "b")  # the settings kept give the model again
    assert alone["validation"] == record["validation"] and "search" not in alone


def test_settings_that_are_drawn_make_a_model_that_another_seed_changes(trained):
    assert not trained("kmer_ridge", RIDGE, PENALTIES)[0]["stochastic"]  # the same penalties for every seed
    wider = PENALTIES | {"ranges": PENALTIES["ranges"] | {"k": [[1], [2], [3], [4]]}}
    assert trained("kmer_ridge", RIDGE, wider, "b")[0]["stochastic"]


def test_labels_of_test_rows_change_nothing(trained):
    def other(rows, parts):
        return rows["label"].where(parts != "test", -rows["label"] + 3)

    first, trials = trained("kmer_ridge", RIDGE, PENALTIES)
    second, again = trained("kmer_ridge", RIDGE, PENALTIES, "b", other)
    assert trials.drop(columns="seconds").equals(again.drop(columns="seconds"))
    assert first["validation"] == second["validation"] and first["spec"] == second["spec"]


def test_a_floor_whose_weakest_penalty_has_no_solution_keeps_the_best_of_the_others(trained, monkeypatch):
    monkeypatch.setattr(kmer_logistic, "ITERATIONS", 5)
    spec = {"k": [1, 2, 3, 4], "C": [1.0], "scaling": "standard", "reverse_complement": False}
    wanted = {"trials": 4, "ranges": {"C": {"from": 0.001, "to": 1e9, "scale": "log", "whole": False}}, "grid": "C"}

    def classes(rows, parts):
        return np.arange(len(rows)) % 2.0

    with pytest.raises(InputError, match=r"kmer_logistic: no solution was found for C .* in 5 steps; remove it from C"):
        trained("kmer_logistic", spec | {"C": [0.01, 1e8]}, None, "stated", classes)
    record, trials = trained("kmer_logistic", spec, wanted, "searched", classes)
    unsolved = trials["note"].str.contains("kmer_logistic: no solution was found for C")
    assert 0 < unsolved.sum() < 4 and list(trials["val_auroc"] == "") == list(unsolved)
    assert (
        record["search"]["trials"] == 4
        and record["validation"]["value"] == trials["val_auroc"][~unsolved].astype(float).max()
    )


def test_a_baseline_with_nothing_to_choose_says_so(trained):
    record, trials = trained("mean", {}, {"trials": 0, "ranges": {}, "grid": ""})
    assert record["search"]["trials"] == 0 and len(trials) == 0
