"""Runs of a study: what the models ask for, and which of them train together."""

import copy

from helpers.minimal_study import MINIMAL, changed
from s2f.study import runs, validate


def together(study):
    return runs.together(study, runs.runs(study))


def test_runs_are_the_product_of_the_models_and_seeds():
    config = copy.deepcopy(MINIMAL) | {"seeds": [1, 2], "baselines": {"mean": {"kind": "mean", "seeds": 1}}}
    folders = [run.folder for run in runs.runs(validate.validated(config))]
    assert folders == [
        "simulated_d/chromosome/mean/seed1",
        "simulated_d/chromosome/onehot/no_shift/boda-mean-512-512/seed1",
        "simulated_d/chromosome/onehot/no_shift/boda-mean-512-512/seed2",
    ]


def test_jobs_that_train_together_share_all_but_seed_and_last_step():
    config = changed(["seeds"], [1, 2])
    config["models"][0]["heads"] = ["boda-sum-16", "boda-max-16", "boda-center-16", "boda-sum-32"]
    config["heads"] = {"boda-max-16": {"epochs": 3}}
    groups = [{(run.head, run.seed) for run in group} for group in together(validate.validated(config))]
    assert all({seed for _, seed in group} == {1, 2} for group in groups)
    heads = sorted(tuple(sorted({head for head, _ in group})) for group in groups)
    assert heads == [("boda-center-16",), ("boda-max-16",), ("boda-sum-16",), ("boda-sum-32",)]
    del config["heads"]
    groups = [{run.head for run in group} for group in together(validate.validated(config))]
    assert {"boda-sum-16", "boda-max-16"} in groups


def test_runs_that_search_settings_of_their_own_do_not_share_jobs():
    assert runs.trains_together(validate.validated(changed(["train_together"], True)))
    assert not runs.trains_together(validate.validated(MINIMAL))
    searching = changed(["train_together"], True) | {"search": {"trials": 2}}
    assert not runs.trains_together(validate.validated(searching))


def test_a_job_holds_all_runs_on_the_caches_of_an_encoder():
    """Of two datasets, in two augmentations that read caches; a head that is solved, one whose augmentation encodes and
    one that learns other labels do not belong to it."""
    config = changed(["seeds"], [1, 2]) | {"train_together": "caches", "augmentations": {"near": {"kind": "full"}}}
    config["datasets"]["simulated_e"] = config["datasets"]["simulated_d"]
    heads = ["boda-sum-16", "boda-flatten-16", "linear-probe"]
    config["models"] = [
        {"encoders": ["onehot"], "augmentations": ["no_shift", "random_rc"], "heads": heads},
        {"encoders": ["kmers"], "augmentations": ["near"], "heads": ["boda-sum-16"]},
        {"encoders": ["onehot"], "heads": ["boda-max-16"]},
        {"baselines": ["mean"]},
    ]
    config["heads"], config["encoders"]["kmers"] = {"boda-max-16": {"outputs": "first"}}, {"kind": "kmer"}
    study = validate.validated(config)
    rules = runs.rules_together(study, runs.runs(study))
    found = {
        name: [{(run.augmentation, run.head, run.seed) for run in group} for group in groups]
        for name, groups in rules.items()
    }
    wanted = {(mode, head, seed) for mode in ("no_shift", "random_rc") for head in heads[:2] for seed in (1, 2)}
    assert found.pop("train_caches") == [wanted] * 2  # one job for each dataset
    assert found == {
        "train_caches_2": [{("no_shift", "boda-max-16", 1), ("no_shift", "boda-max-16", 2)}] * 2,
        "train_together_boda_sum_16": [{("near", "boda-sum-16", 1), ("near", "boda-sum-16", 2)}] * 2,
        "train_together_linear_probe": [{(mode, "linear-probe", 1)} for mode in ("no_shift", "random_rc")] * 2,
    }
    assert runs.rules_together(study | {"train_together": "apart"}, runs.runs(study)) == rules
    assert runs.trains_apart(study | {"train_together": "apart"}) and not runs.trains_apart(study)


def test_rules_that_train_together_have_names_of_their_heads_and_know_their_places():
    config = changed(["seeds"], [1, 2])
    config["models"][0]["heads"] = ["boda-sum-16", "boda-max-16", "boda-center-16"]
    checked = validate.validated(config)
    rules = runs.rules_together(checked, runs.runs(checked))
    assert set(rules) == {"train_together_boda_max_16_and_boda_sum_16", "train_together_boda_center_16"}
    assert sorted(run.folder for groups in rules.values() for group in groups for run in group) == sorted(
        run.folder for run in runs.runs(checked) if run.head
    )
