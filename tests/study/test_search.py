"""What a study may search, and that every kind of model gets the same number of settings."""

import copy

import pytest

from helpers.minimal_study import MINIMAL, changed
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.study import search, validate

KINDS = [(section, kind) for section in ("heads", "baselines") for kind in kinds.names(section)]
NOTHING = {"mean", "gc", "alphagenome_published", "malinois_published"}
FINETUNED = ("dnabert2_finetuned", "lamar_finetuned")
STATED = {kind: {"weights": {"path": "w"}} for kind in FINETUNED} | {
    "malinois_published": {"path": "x", "output": "K562"},
    "alphagenome_published": {"path": "x", "unseen": []},
}


def searching(ranges=None, trials=8, **baselines):
    """The minimal study with a search and more baselines."""
    config = changed(["search"], {"trials": trials} | ({} if ranges is None else {"ranges": ranges}))
    config["baselines"] |= baselines
    config["models"].append({"baselines": list(baselines)})
    return config


def on_one_strand(config):
    """Predict the dataset of a study on the given strand, on which language models are fine-tuned."""
    config["datasets"]["simulated_d"]["strand_rule"] = "forward"
    config["models"][0]["augmentations"] = ["none"]


@pytest.mark.parametrize(("section", "kind"), KINDS)
def test_every_kind_tries_the_same_number_of_settings_or_has_nothing_to_choose(section, kind):
    facts = kinds.facts("baselines", kind) if section == "baselines" else {"named": "", "one_label": True}
    baselines = {f"b{facts['named']}": {"kind": kind, **STATED.get(kind, {})}} if section == "baselines" else {}
    config = searching(**baselines)
    task = kinds.facts("baselines", kind)["task"] if section == "baselines" else ""
    config["datasets"]["simulated_d"]["task"] = task or ("classification" if kind in FINETUNED else "regression")
    if kind in FINETUNED:
        on_one_strand(config)
    if not facts["one_label"]:
        source = {"kind": "lentimpra", "files": {"rows": "joint.tsv"}}
        config["datasets"]["simulated_d"] |= {"source": source, "cells": ["K562", "HepG2"]}
    if section == "heads":
        slugs = {"boda": "boda-sum-16", "encoder_mlp": "encoder-8-dropout"}
        config["models"][0]["heads"] = [slugs.get(kind, kind.replace("_", "-"))]
    study = validate.validated(config)
    found = search.of_kind(study, section, kind, config["datasets"]["simulated_d"]["task"])
    assert found["trials"] == (0 if kind in NOTHING else 8)
    assert bool(found["ranges"]) == (kind not in NOTHING)


def test_a_job_does_as_many_trainings_as_trials_unless_penalties_are_solved_at_once():
    study = validate.validated(searching(ridge={"kind": "kmer_ridge"}))
    expected = {
        ("heads", "boda"): 8, ("heads", "linear_probe"): 1, ("baselines", "kmer_ridge"): 1, ("baselines", "mean"): 1,
        ("baselines", "malinois_1cell"): 8, ("baselines", "lamar_finetuned"): 8,
    }  # fmt: skip
    assert {of: search.trainings(study, *of, "regression") for of in expected} == expected
    study["search"]["ranges"] = {"kmer_ridge": {"k": [[3], [4]], "alphas": {"from": 1, "to": 100, "scale": "log"}}}
    assert search.trainings(study, "baselines", "kmer_ridge", "regression") == 8
    del study["search"]
    assert {search.trainings(study, *of, "regression") for of in expected} == {1}


def test_a_study_that_does_not_search_tells_its_jobs_nothing():
    study = validate.validated(MINIMAL)
    assert "search" not in study and search.of_kind(study, "heads", "boda", "regression") is None


def test_names_of_kinds_tell_heads_from_baselines():
    names = [kind for _, kind in KINDS] + [search.ALL_HEADS]
    assert len(set(names)) == len(names)


def test_ranges_of_a_study_replace_those_beside_the_kinds():
    ranges = {
        "heads": {"learning_rate": {"from": 0.001, "to": 0.1, "scale": "log"}, "epochs": {"from": 3, "to": 20}},
        "kmer_ridge": {"alphas": [1, 2, 3, 4, 5, 6, 7, 8], "k": [[3], [4]]},
    }
    config = searching(ranges, ridge={"kind": "kmer_ridge"}, **{"1cell": {"kind": "malinois_1cell"}})
    study = validate.validated(config)
    assert search.of_kind(study, "heads", "boda", "regression")["ranges"] == {
        "epochs": {"from": 3, "to": 20, "scale": "linear", "whole": True},
        "learning_rate": {"from": 0.001, "to": 0.1, "scale": "log", "whole": False},
    }
    assert search.of_kind(study, "baselines", "kmer_ridge", "regression") == {
        "trials": 8, "ranges": {"alphas": [1, 2, 3, 4, 5, 6, 7, 8], "k": [[3], [4]]}, "grid": "alphas",
    }  # fmt: skip
    assert "linear_dropout" in search.of_kind(study, "baselines", "malinois_1cell", "regression")["ranges"]
    study["search"]["ranges"]["boda"] = {"dropout": [0.0, 0.1]}
    assert search.of_kind(study, "heads", "boda", "regression")["ranges"] == {"dropout": [0.0, 0.1]}


def test_a_head_tries_what_has_a_meaning_for_it():
    study = validate.validated(searching())
    assert "dropout" in search.of_kind(study, "heads", "boda", "regression")["ranges"]
    assert "dropout" not in search.of_kind(study, "heads", "chip_cnn", "regression")["ranges"]
    assert "precision" not in search.of_kind(study, "heads", "boda", "regression")["ranges"]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (
            {"hedas": {"epochs": [1, 2]}},
            "search.ranges.hedas: there is no such kind of head or baseline; did you mean 'heads'?",
        ),
        ({"malinois": {"epochs": [1, 2]}}, "search.ranges.malinois: no model of the study is of this kind"),
        ({"heads": {"learning_rat": [1, 2]}}, "key 'learning_rat' is unknown; did you mean 'learning_rate'? known: ba"),
        ({"kmer_ridge": {"alpha": [1, 2]}}, "search.ranges.kmer_ridge: key 'alpha' is unknown; did you mean 'alphas'?"),
        ({"kmer_ridge": {"seeds": [1, 2]}}, "key 'seeds' is unknown"),
        ({"kmer_ridge": {"reverse_complement": [True, False]}}, "'reverse_complement' describes the data or the mach"),
        ({"chip_cnn": {"dropout": [0.1, 0.2]}}, "search.ranges.chip_cnn: 'dropout' has no effect on chip_cnn"),
        ({"heads": {"precision": ["float32", "bfloat16"]}}, "'precision' describes the data or the machine"),
        ({"heads": {"outputs": ["cells", "first"]}}, "'outputs' describes the data or the machine, so it cannot be"),
        ({"heads": {"dropout": [0.1, 1.5]}}, "search.ranges.heads.dropout.1: 1.5 is greater than or equal to the max"),
        (
            {"heads": {"epochs": {"from": 0, "to": 9}}},
            "search.ranges.heads.epochs.from: 0 is less than the minimum of 1",
        ),
        ({"heads": {"batch_size": [8, "many"]}}, "batch_size.1: 'many' is not of type 'integer'"),
        ({"heads": {"batch_size": {"from": 8, "to": 16.5}}}, "batch_size.to: 16.5 is not of type 'integer'"),
        ({"heads": {"learning_rate": {"from": 0.1, "to": 0.01}}}, "from is 0.1, expected less than to (0.01)"),
        (
            {"heads": {"dropout": {"from": 0, "to": 0.5, "scale": "log"}}},
            "from is 0, expected more than 0 on a logarithmic scale",
        ),
        ({"heads": {"dropout": {"from": 0}}}, "search.ranges.heads.dropout: key 'to' is missing (Highest value)"),
        ({"heads": {"dropout": {"from": 0, "to": 0.5, "scal": "log"}}}, "key 'scal' is unknown; did you mean 'scale'?"),
        ({"heads": {"dropout": [0.1]}}, "search.ranges.heads.dropout: [0.1] is too short"),
        ({"heads": {"dropout": [0.1, 0.1]}}, "search.ranges.heads.dropout: [0.1, 0.1] has non-unique elements"),
        ({"heads": {"dropout": 0.1}}, "search.ranges.heads.dropout: 0.1 is not of type 'array', 'object'"),
        ({"heads": {}}, "search.ranges.heads: {} "),
        (
            {"heads": {"dropout": [0.1, 0.2]}},
            "search.ranges.heads: allow 2 settings, expected at least the number of tria",
        ),
        ({"heads": {"epochs": {"from": 2, "to": 4}}}, "search.ranges.heads: allow 3 settings"),
        (
            {"heads": {"learning_rate": {"from": 0.001, "to": 0.00104, "scale": "log"}}},
            "search.ranges.heads: allow 5 settings, expected at least the number of trials, 8 (numbers are rounded",
        ),
        ({"kmer_ridge": {"alphas": {"from": 1, "to": 1.04}}}, "search.ranges.kmer_ridge: allow 5 settings"),
        ({"kmer_ridge": {"alphas": [1, 2, 3], "k": [[3], [4]]}}, "search.ranges.kmer_ridge: allow 6 settings"),
        ({"kmer_ridge": {"alphas": [1, -2]}}, "search.ranges.kmer_ridge.alphas.1: -2 is less than or equal to the min"),
        ({"kmer_ridge": {"k": {"from": 1, "to": 4}}}, "search.ranges.kmer_ridge.k: k is not a number; expected a list"),
        ({"kmer_ridge": {"scaling": {"from": 1, "to": 4}}}, "scaling is not a number; expected a list of values"),
    ],
)
def test_each_mistake_names_its_key(ranges, message):
    config = searching(ranges, ridge={"kind": "kmer_ridge"})
    config["constructs"]["c"]["length"] = 600
    config["models"][0]["heads"] = ["boda-mean-16", "chip-cnn"]
    with pytest.raises(InputError) as caught:
        validate.validated(config)
    assert message in str(caught.value)


@pytest.mark.parametrize(("task", "grid", "other"), [("regression", "alphas", "C"), ("classification", "C", "alphas")])
def test_a_head_that_is_solved_tries_penalties_of_its_task(task, grid, other):
    config = searching()
    config["datasets"]["simulated_d"]["task"] = task
    config["models"][0]["heads"] = ["linear-probe"]
    study = validate.validated(config)
    found = search.of_kind(study, "heads", "linear_probe", task)
    floor = "kmer_ridge" if task == "regression" else "kmer_logistic"
    assert found["trials"] == 8 and found["grid"] == grid and set(found["ranges"]) == {grid}
    assert found == search.of_kind(study, "baselines", floor, task)  # the floor has the same penalties
    config["search"]["ranges"] = {"linear_probe": {other: {"from": 1, "to": 10}}}
    with pytest.raises(InputError, match=rf"linear_probe: '{other}' is for a .*, but no dataset with such a model is"):
        validate.validated(config)


@pytest.mark.parametrize("trials", [1, 0, 2.5])
def test_a_search_has_two_trials_or_more(trials):
    with pytest.raises(InputError, match=r"search\.trials: "):
        validate.validated(searching(trials=trials))


def test_a_key_that_no_head_of_the_study_heeds_is_refused_and_else_left_to_those_that_do():
    config = searching({"heads": {"dropout": {"from": 0, "to": 0.5}}})
    config["models"][0]["heads"] = ["linear-probe"]
    with pytest.raises(InputError, match=r"search\.ranges\.heads: key 'dropout' is unknown; known: alphas"):
        validate.validated(copy.deepcopy(config))
    config["models"][0]["heads"] = ["chip-cnn"]
    with pytest.raises(InputError, match=r"search\.ranges\.heads: 'dropout' has no effect on chip_cnn"):
        validate.validated(copy.deepcopy(config))
    config["models"][0]["heads"] = ["linear-probe", "boda-mean-16"]
    study = validate.validated(config)
    assert set(search.of_kind(study, "heads", "boda", "regression")["ranges"]) == {"dropout"}
    assert set(search.of_kind(study, "heads", "linear_probe", "regression")["ranges"]) == {"alphas"}


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (
            {"warmup_epochs": [0, 1, 5], "epochs": {"from": 4, "to": 20}},
            "warmup_epochs is 5, expected fewer than epochs (4)",
        ),
        (
            {"warmup_epochs": [0, 10], "learning_rate": {"from": 0.001, "to": 0.01}},
            "warmup_epochs is 10, expected fewer than epochs (10)",
        ),
        ({"freeze": [True, False], "warmup_epochs": {"from": 0, "to": 3}}, "freeze and warmup_epochs (3) exclude"),
    ],
)
def test_values_that_a_trial_may_combine_go_together(ranges, message):
    baseline = {"kind": "lamar_finetuned", "weights": {"random": 0}}
    config = searching({"lamar_finetuned": ranges}, trials=2, tuned=baseline)
    config["datasets"]["simulated_d"]["task"] = "classification"
    on_one_strand(config)
    with pytest.raises(InputError) as caught:
        validate.validated(config)
    assert f"search.ranges.lamar_finetuned: {message}" in str(caught.value) and "may draw both" in str(caught.value)
    config["search"]["ranges"]["lamar_finetuned"] = {"warmup_epochs": [0, 3], "epochs": {"from": 4, "to": 20}}
    validate.validated(config)
