"""Baselines are trained on the strands from which their dataset is predicted, as heads are."""

import copy

import pytest

from helpers.minimal_study import MINIMAL
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.study import jobs
from s2f.study.schema import Validator
from s2f.study.strands import with_strands
from s2f.study.validate import validated

RULES = ("mean", "forward")
BY_OPTION = {  # kind: the option that decides, its values for both strands and for the given one
    "kmer_logistic": ("reverse_complement", True, False),
    "kmer_ridge": ("reverse_complement", True, False),
    "legnet": ("reverse_complement", True, False),
    "malinois": ("reverse_complement", True, False),
    "malinois_1cell": ("reverse_complement", True, False),
    "dream_rnn": ("strands", "both", "forward"),
}
TUNED = {"lamar_finetuned": {"weights": {"random": 0}}, "dnabert2_finetuned": {"weights": {"path": "w"}}}


def name_of(kind):
    return kind.replace("_", "-")


def study(rule, kind, **options):
    """A study of one baseline and a head that suits the strand rule."""
    config = copy.deepcopy(MINIMAL)
    dataset = config["datasets"]["simulated_d"]
    dataset["strand_rule"] = rule
    dataset["task"] = kinds.facts("baselines", kind)["task"] or "classification"
    labels = ["label"]
    if not kinds.facts("baselines", kind)["one_label"]:
        dataset["cells"] = ["K562", "HepG2"]
        labels = [f"label.{cell}" for cell in dataset["cells"]]
    columns = {name: name for name in ("sequence", *labels)}
    dataset["source"] = {"kind": "table", "files": {"rows": "t.tsv"}, "columns": columns}
    config["splits"]["chromosome"] = {"kind": "random"}
    config["baselines"] = {name_of(kind): {"kind": kind, **TUNED.get(kind, {}), **options}}
    config["models"][0]["augmentations"] = ["no_shift" if rule == "mean" else "none"]
    config["models"][1]["baselines"] = [name_of(kind)]
    return config


def of_job(config, dataset="simulated_d"):
    """The options with which a job trains the baseline."""
    checked = validated(config)
    (entry,) = checked["baselines"].values()
    entry = with_strands(entry, checked["datasets"][dataset]["strand_rule"])
    return kinds.settings("baselines", entry["kind"], jobs.options("baselines", entry))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", BY_OPTION)
def test_an_option_that_is_not_given_follows_the_strand_rule(kind, rule):
    key, both, given = BY_OPTION[kind]
    fitting, other = (both, given) if rule == "mean" else (given, both)
    assert of_job(study(rule, kind))[key] == fitting
    assert of_job(study(rule, kind, **{key: fitting}))[key] == fitting
    with pytest.raises(InputError) as refused:
        validated(study(rule, kind, **{key: other}))
    shown = {True: "true", False: "false"}
    assert str(refused.value) == (
        f"baselines.{name_of(kind)}.{key}: is {shown.get(other, other)}, but dataset 'simulated_d' (strand_rule: "
        f"{rule}) is predicted from {'both strands' if rule == 'mean' else 'the given strand'}, expected "
        f"{shown.get(fitting, fitting)}; omit the key, and it follows the strand rule of each dataset"
    )


def test_one_baseline_follows_the_rules_of_two_datasets():
    config = study("mean", "kmer_ridge")
    config["datasets"]["simulated_rna"] = config["datasets"]["simulated_d"] | {"strand_rule": "forward"}
    config["models"][0]["datasets"] = ["simulated_d"]
    assert of_job(config)["reverse_complement"] and not of_job(config, "simulated_rna")["reverse_complement"]
    config["baselines"]["kmer-ridge"]["reverse_complement"] = True
    with pytest.raises(InputError, match=r"reverse_complement: is true, but dataset 'simulated_rna' .*omit the key"):
        validated(config)


@pytest.mark.parametrize("kind", ["legnet", "malinois", "malinois_1cell", "dream_rnn"])
def test_epochs_are_not_compared_on_a_strand_that_is_not_predicted(kind):
    assert of_job(study("mean", kind, validation_strand="mean"))["validation_strand"] == "mean"
    with pytest.raises(
        InputError, match=rf"baselines.{name_of(kind)}.validation_strand: is mean, but .*; omit the key"
    ):
        validated(study("forward", kind, validation_strand="mean"))


@pytest.mark.parametrize("kind", TUNED)
def test_a_language_model_that_is_fine_tuned_on_one_strand_needs_a_dataset_of_one_strand(kind):
    validated(study("forward", kind))
    with pytest.raises(
        InputError,
        match=rf"baselines.{name_of(kind)}: kind {kind} is trained on the given strand, .*write strand_rule: forward",
    ):
        validated(study("mean", kind))


@pytest.mark.parametrize("kind", ["mean", "gc"])
@pytest.mark.parametrize("rule", RULES)
def test_a_baseline_that_predicts_the_same_for_both_strands_suits_both_rules(kind, rule):
    validated(study(rule, kind))


def test_every_kind_that_is_trained_says_on_which_strands():
    """Either in an option, with a valid value for each rule, or as a fact; for published weights there is no choice."""
    for kind in kinds.names("baselines"):
        rules = kinds.schema("baselines", kind)
        by_rule = {key: rule for key, rule in rules["properties"].items() if "x-strands" in rule}
        assert set(by_rule) == ({BY_OPTION[kind][0]} if kind in BY_OPTION else set()), kind
        for rule in by_rule.values():
            assert set(rule["x-strands"]) == set(RULES) and rule["x-search"] is False
            assert rule["default"] in rule["x-strands"].values()
            assert all(Validator(rule).is_valid(value) for value in rule["x-strands"].values())
        if not by_rule and not kinds.facts("baselines", kind)["published"]:
            assert rules["x-kind"]["strands"] in ("any", "given", "both"), kind
