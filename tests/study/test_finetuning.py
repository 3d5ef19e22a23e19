"""Fine-tuning in a study: contradictions and another task than the dataset's are refused at the door."""

import copy

import pytest

from s2f.baselines._finetuning import Settings
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.study import jobs, validate

STUDY = {
    "study": "t",
    "datasets": {
        "simulated": {
            "source": {"kind": "simulated_rbp"}, "task": "classification", "strand_rule": "forward", "construct": "w",
            "splits": ["random"], "panels": {"id": {"kind": "rows"}},
        },
    },
    "constructs": {"w": {"flanks": "none", "length": 101}},
    "splits": {"random": {"kind": "random"}},
    "baselines": {"tuned": {"kind": "lamar_finetuned", "weights": {"random": 0}}},
    "models": [{"baselines": ["tuned"]}],
}  # fmt: skip


def changed(**more):
    out = copy.deepcopy(STUDY)
    out["baselines"]["tuned"] |= more
    return out


@pytest.mark.parametrize(
    ("kind", "not_of_it"), [("lamar_finetuned", {"kind", "tokenizer"}), ("dnabert2_finetuned", {"kind"})]
)
def test_options_of_the_schema_are_the_settings_of_the_library(kind, not_of_it):
    filled = jobs.options(
        "baselines", validate.validated(changed(kind=kind, weights={"path": "w"}))["baselines"]["tuned"]
    )
    assert set(filled) == set(Settings.__dataclass_fields__) - not_of_it
    expected = Settings(kind, **filled)
    assert Settings.from_spec(filled, kind) == expected == Settings.from_spec({"weights": {"path": "w"}}, kind)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"freeze": True, "warmup_epochs": 2}, r"baselines.tuned: freeze and warmup_epochs \(2\) exclude each other"),
        ({"warmup_epochs": 10}, "baselines.tuned: warmup_epochs is 10, expected fewer than epochs .10."),
        (
            {"labels": "regression"},
            "baselines.tuned: labels is regression, but dataset 'simulated' is a classification",
        ),
        ({"weights": {"random": 0, "path": "x"}}, r"baselines.tuned.weights: .*exactly one of path"),
        ({"precision": "half"}, "baselines.tuned.precision: 'half'"),
        ({"lora": {}}, "baselines.tuned: it is fine-tuned with lora: its name must contain 'lora'"),
        ({"lora": {}, "freeze": True}, "baselines.tuned: lora and freeze exclude each other"),
        ({"lora": {"targets": ["attention.self.Wqkv"]}}, r"baselines.tuned.lora.targets.0: .*attention.self.query"),
        ({"lora": {"rank": 0}}, "baselines.tuned.lora.rank: 0"),
        ({"epoch": 3}, "key 'epoch' is unknown; did you mean 'epochs'"),
    ],
)
def test_what_is_refused(more, message):
    with pytest.raises(InputError, match=message):
        validate.validated(changed(**more))


def test_names_tell_adapters_from_fine_tuning_of_all_weights():
    study = changed(lora={"rank": 4})
    study["baselines"] = {"tuned-lora": study["baselines"]["tuned"]}
    study["models"] = [{"baselines": ["tuned-lora"]}]
    found = jobs.options("baselines", validate.validated(study)["baselines"]["tuned-lora"])["lora"]
    assert (found["rank"], found["alpha"], found["dropout"], len(found["targets"])) == (4, 16, 0.0, 3)
    study["baselines"]["tuned-lora"]["lora"] = None
    with pytest.raises(InputError, match="it is fine-tuned without lora: its name must not contain 'lora'"):
        validate.validated(study)


def test_every_key_has_a_description():
    properties = kinds.schema("baselines", "lamar_finetuned")["properties"]
    assert all("description" in rule for name, rule in properties.items() if name != "kind")
