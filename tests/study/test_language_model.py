"""Adapted language models in a study: layers by name, and no use of weights that saw what a model is tested on."""

import copy
from functools import partial

import pytest

from helpers.changed_study import changed_study
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.language_model import configuration
from s2f.study import runs, validate

STUDY = {
    "study": "t",
    "datasets": {
        name: {
            "source": {"kind": "simulated_rbp"}, "task": "classification", "strand_rule": "forward", "construct": "w",
            "splits": ["chromosome", "random"], "panels": {"id": {"kind": "rows"}},
        } for name in ("simulated_a", "simulated_b")
    },
    "constructs": {"w": {"flanks": "none", "length": 101}},
    "splits": {"chromosome": {"kind": "chromosome"}, "random": {"kind": "random"}},
    "tapt": {"adapted": {"size": "lamar-mini", "datasets": {"simulated_a": ["chromosome", "random"]}}},
    "encoders": {"lamar.layer04": {"kind": "lamar", "size": "lamar-mini", "weights": {"tapt": "adapted"}}},
    "models": [
        {
            "datasets": ["simulated_a"], "encoders": ["lamar.layer04"], "augmentations": ["none"],
            "heads": ["linear-probe"],
        }
    ],
}  # fmt: skip


changed = partial(changed_study, STUDY)


def test_a_study_with_adapted_weights_is_valid():
    valid = validate.validated(STUDY)
    assert valid["tapt"]["adapted"]["start"] == {"random": 0}
    assert not valid["tapt"]["adapted"]["transductive"]


def test_layers_are_those_of_the_configuration():
    layers = kinds.facts("encoders", "lamar")["layers"]
    assert layers == {size: configuration.SIZES[size]["num_hidden_layers"] for size in layers}
    assert set(kinds.schema("encoders", "lamar")["properties"]["size"]["enum"]) == set(layers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("models", 0, "datasets", ["simulated_b"]), "tapt.adapted does not hold out what this split evaluates"),
        (
            ("tapt", "adapted", "datasets", {"simulated_a": ["chromosome"]}),
            "split 'random': tapt.adapted does not hold",
        ),
        (("tapt", "adapted", "datasets", {"simulated_c": ["chromosome"]}), "did you mean 'simulated_"),
        (("tapt", "adapted", "datasets", {"simulated_a": ["chromsome"]}), "did you mean 'chromosome'"),
        (("tapt", "adapted", "size", "lamar"), "size is lamar-mini, but tapt.adapted has size lamar"),
        (("encoders", "lamar.layer04", "weights", {"tapt": "adopted"}), "did you mean 'adapted'"),
        (("encoders", "lamar.layer04", "layer", 2), r"the name must end in \.layer02"),
        (("encoders", "lamar.layer04", "layer", 12), "layer is 12, expected 0 to 4, the layers of lamar-mini"),
        (("tapt", "adapted", "steps", 0), "0 is less than the minimum"),
        (("tapt", "adapted", "stpes", 5), "did you mean 'steps'"),
        (("tapt", "adapted", "start", {"random": 0, "path": "x"}), "too many properties|maxProperties|expected"),
    ],
)
def test_what_would_leak_or_mislead_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        validate.validated(changed(*change))


DNABERT2, TOY = {"kind": "dnabert2"}, {"size": "dnabert2-mini"}
FINETUNED = {"kind": "dnabert2_finetuned"}


@pytest.mark.parametrize(
    ("section", "entry", "message"),
    [
        ("encoders", DNABERT2, "encoders.x.layer12: random weights of size dnabert2 need the key tokenizer"),
        ("encoders", {**DNABERT2, "weights": {"random": "per_seed"}}, "need the key tokenizer"),
        ("encoders", {**DNABERT2, "tokenizer": "here"}, ""),
        ("encoders", {**DNABERT2, "weights": {"path": "w"}}, ""),
        ("encoders", {**DNABERT2, "weights": {"path": "w"}, "tokenizer": "t"}, "x.layer12.tokenizer: weights in a"),
        ("baselines", FINETUNED, "baselines.x.layer12: random weights of size dnabert2 need the key tokenizer"),
        ("baselines", {**FINETUNED, **TOY}, ""),
        ("tapt", {"size": "dnabert2"}, "tapt.x: random weights of size dnabert2 need the key tokenizer"),
        ("tapt", {"size": "lamar", "tokenizer": "t"}, "tapt.x.tokenizer: lamar has its own tokens"),
    ],
)
def test_a_tokenizer_is_named_where_it_is_read_and_only_there(section, entry, message):
    weights = {"datasets": {"simulated_a": ["random"]}} if section == "tapt" else {"weights": {"random": 0}}
    name = "x" if section == "tapt" else "x.layer12"
    study = changed(section, {**STUDY.get(section, {}), name: {**weights, **entry}})
    if not message:
        validate.validated(study)
        return
    with pytest.raises(InputError, match=message):
        validate.validated(study)


def test_transductive_use_is_allowed_when_it_is_said():
    other = changed("models", 0, "datasets", ["simulated_b"])
    other["tapt"]["adapted"]["transductive"] = True
    assert {run.dataset for run in runs.runs(validate.validated(other))} == {"simulated_b"}


def test_no_dataset_may_take_the_place_of_other_results():
    reserved = copy.deepcopy(STUDY)
    reserved["datasets"]["tapt"] = {
        **reserved["datasets"]["simulated_a"],
        "source": {"kind": "table", "files": {"rows": "x"}, "columns": {"sequence": "s", "label": "l"}},
    }
    with pytest.raises(InputError, match=r"datasets\.tapt: other results are called"):
        validate.validated(reserved)
