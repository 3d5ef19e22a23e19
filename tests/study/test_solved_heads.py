"""Heads that are solved instead of trained: their settings, their one seed, and what means nothing for them."""

import copy

import pytest

from helpers.minimal_study import MINIMAL
from s2f.common.errors import InputError
from s2f.study import runs, validate


def study(slugs, seeds=(1, 2), mode="no_shift", **more):
    config = copy.deepcopy(MINIMAL) | {"seeds": list(seeds)} | more
    config["models"][0] |= {"heads": slugs, "augmentations": [mode]}
    return config


def test_a_head_without_a_seed_runs_once_and_has_no_training_curve():
    checked = validate.validated(study(["linear-probe", "boda-mean-8"]))
    found = [(run.head, run.seed) for run in runs.runs(checked) if run.head]
    assert found == [("boda-mean-8", 1), ("boda-mean-8", 2), ("linear-probe", 1)]
    trained = [model for model in {run.model for run in runs.runs(checked)} if runs.trains(checked, model)]
    assert trained == ["onehot/no_shift/boda-mean-8"]


def test_its_settings_are_the_options_of_its_kind_alone():
    checked = validate.validated(study(["linear-probe", "boda-mean-8"], training={"epochs": 3}))
    assert set(runs.training_of(checked, "linear-probe")) == {"alphas", "C", "weighting", "tau"}
    assert runs.training_of(checked, "boda-mean-8")["epochs"] == 3
    checked = validate.validated(study(["linear-probe"], heads={"linear-probe": {"alphas": [5.0]}}))
    assert runs.training_of(checked, "linear-probe")["alphas"] == [5.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"heads": {"linear-probe": {"learning_rate": 0.01}}},
            "heads.linear-probe: key 'learning_rate' has no effect, because this head is solved, not trained in "
            "epochs; "
            "known: alphas, C, weighting, tau",
        ),
        ({"heads": {"linear-probe": {"alpha": [1]}}}, "heads.linear-probe: key 'alpha' is unknown; did you mean 'al"),
        ({"heads": {"linear-probe": {"alphas": [0]}}}, "heads.linear-probe.alphas.0: 0 is less than or equal to the"),
        ({"heads": {"linear-probe": {"C": [1.0]}}}, "heads.linear-probe.C: is for a classification, but no dataset"),
        ({"training": {"epochs": 3}}, "training.epochs: no head of this study is trained in epochs (linear-probe is"),
        ({"mode": "full", "encoders": {"onehot": {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}}}},
         "it encodes in training, but head 'linear-probe' is solved on cached views"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_by_name(changes, message):
    with pytest.raises(InputError) as caught:
        validate.validated(study(["linear-probe"], **changes))
    assert message in str(caught.value)


def test_keys_of_a_trained_head_are_checked_as_before():
    with pytest.raises(InputError, match=r"heads\.boda-mean-8: key 'epoch' is unknown; did you mean 'epochs'"):
        validate.validated(study(["boda-mean-8"], heads={"boda-mean-8": {"epoch": 3}}))
    config = study(["boda-mean-8"], training={"standardise_labels": True})
    assert runs.training_of(validate.validated(config), "boda-mean-8")["standardise_labels"] is True
    dataset = config["datasets"]["simulated_d"]
    dataset["task"] = "classification"
    dataset["source"] = {"kind": "simulated_rbp", "rows": 100}
    dataset["strand_rule"], config["models"][0]["augmentations"] = "forward", ["none"]
    with pytest.raises(
        InputError, match=r"training\.standardise_labels: is for a regression, but no dataset with such"
    ):
        validate.validated(config)
