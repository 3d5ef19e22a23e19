"""Random weights and adaptations drawn anew for each seed: which are, what all seeds share, what is refused."""

import copy
from functools import partial

import pytest

from helpers.changed_study import changed_study
from helpers.minimal_study import MINIMAL
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.study import draws, runs, validate

MINI = {"kind": "lamar", "size": "lamar-mini", "layer": 1, "pooling": "mean"}
ADAPTED = {"size": "lamar-mini", "datasets": {"simulated_rbp": ["chromosome"]}}
TUNED = {"kind": "lamar_finetuned", "size": "lamar-mini"}
STUDY = copy.deepcopy(MINIMAL) | {
    "seeds": [1, 2, 3],
    "seed": 9,
    "datasets": {
        "simulated_rbp": {
            "source": {"kind": "simulated_rbp"}, "task": "classification", "strand_rule": "forward", "construct": "w",
            "splits": ["chromosome"], "panels": {"id": {"kind": "rows"}},
        }
    },
    "constructs": {"w": {"flanks": "none", "length": 101}},
    "tapt": {
        "anew": ADAPTED | {"per_seed": True, "start": {"random": "per_seed"}},
        "anew-from-one": ADAPTED | {"per_seed": True},
        "anew-from-path": ADAPTED | {"per_seed": True, "start": {"path": "there"}},
        "once": ADAPTED,
    },
    "encoders": {
        "drawn.layer01": MINI | {"weights": {"random": "per_seed"}},
        "fixed.layer01": MINI | {"weights": {"random": 0}},
        "published.layer01": MINI | {"weights": {"path": "there"}},
        **{f"{name}.layer01": MINI | {"weights": {"tapt": name}} for name in ("anew", "anew-from-one", "once")},
        "anew-from-path.layer01": MINI | {"weights": {"tapt": "anew-from-path"}},
        "onehot": {"kind": "onehot"},
    },
    "baselines": {
        "gc": {"kind": "gc"},
        "tuned-drawn": TUNED | {"weights": {"random": "per_seed"}},
        "tuned-anew": TUNED | {"weights": {"tapt": "anew"}},
        "tuned-once": TUNED | {"weights": {"tapt": "once"}},
    },
    "models": [
        {
            "encoders": ["drawn.layer01", "fixed.layer01", "anew.layer01"], "augmentations": ["none"],
            "heads": ["encoder-16-dropout", "linear-probe"],
        },
        {"baselines": ["gc", "tuned-anew", "tuned-once"]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def study():
    return validate.validated(copy.deepcopy(STUDY))


changed = partial(changed_study, STUDY)


@pytest.mark.parametrize(
    ("section", "name", "drawn", "shared"),
    [
        ("encoders", "drawn.layer01", True, ""),
        ("encoders", "fixed.layer01", False, "random weights"),
        ("encoders", "published.layer01", False, ""),
        ("encoders", "anew.layer01", True, ""),
        ("encoders", "anew-from-one.layer01", True, "random weights"),  # all adaptations start from one draw
        ("encoders", "anew-from-path.layer01", True, ""),
        ("encoders", "once.layer01", False, "adaptation"),
        ("encoders", "onehot", False, ""),
        ("baselines", "gc", False, ""),
        ("baselines", "tuned-drawn", True, ""),
        ("baselines", "tuned-anew", True, ""),
        ("baselines", "tuned-once", False, "adaptation"),
    ],
)
def test_what_is_drawn_for_each_seed_and_what_all_seeds_share(study, section, name, drawn, shared):
    assert draws.is_drawn(study, section, name) is drawn
    assert draws.one_draw(study, section, name) == shared


def test_a_draw_is_a_seed_of_its_own_and_the_same_for_all_that_start_from_it(study):
    seeds = [draws.entry(study, "encoders", "drawn.layer01", seed)["weights"]["random"] for seed in (1, 2, 3)]
    assert seeds == [derived_seed(9, "draw", seed) for seed in (1, 2, 3)] and len(set(seeds)) == 3
    assert draws.entry(study, "baselines", "tuned-drawn", 2)["weights"] == {"random": seeds[1]}
    assert draws.adaptation(study, "anew/draw2")["start"] == {"random": seeds[1]}
    assert draws.entry(study, "encoders", "anew.layer01", 2)["weights"] == {"tapt": "anew/draw2"}
    assert draws.adaptation(study, "anew-from-one/draw2")["start"] == {"random": 0}
    other = validate.validated(changed("seed", 10))
    assert draws.entry(other, "encoders", "drawn.layer01", 1)["weights"]["random"] not in seeds


def test_what_is_not_drawn_is_left_as_the_study_says(study):
    for name in ("fixed.layer01", "published.layer01", "once.layer01", "onehot"):
        assert draws.entry(study, "encoders", name, 3) == study["encoders"][name]
    once = draws.adaptation(study, "once")
    assert once == {key: value for key, value in study["tapt"]["once"].items() if key != "per_seed"}


def test_a_solved_head_has_a_run_for_each_draw_of_its_encoder(study):
    seeds = {}
    for run in runs.runs(study):
        seeds.setdefault(run.model, []).append(run.seed)
    assert seeds == {
        "drawn.layer01/none/encoder-16-dropout": [1, 2, 3], "drawn.layer01/none/linear-probe": [1, 2, 3],
        "fixed.layer01/none/encoder-16-dropout": [1, 2, 3], "fixed.layer01/none/linear-probe": [1],
        "anew.layer01/none/encoder-16-dropout": [1, 2, 3], "anew.layer01/none/linear-probe": [1, 2, 3],
        "gc": [1], "tuned-anew": [1, 2, 3], "tuned-once": [1, 2, 3],
    }  # fmt: skip


def test_heads_that_train_together_read_one_draw(study):
    rules = runs.rules_together(study, runs.runs(study))
    assert {name: [{run.seed for run in group} for group in groups] for name, groups in rules.items()} == {
        "train_together_encoder_16_dropout": [{1, 2, 3}],
        "train_together_linear_probe": [{1}],
        **{f"train_together_encoder_16_dropout_draw{seed}": [{seed}] * 2 for seed in (1, 2, 3)},
        **{f"train_together_linear_probe_draw{seed}": [{seed}] * 2 for seed in (1, 2, 3)},
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("encoders", "drawn.layer01", "weights", {"random": "per seed"}), "'per seed' is not one of per_seed"),
        (("encoders", "drawn.layer01", "weights", {"random": -1}), "-1 is less than the minimum"),
        (("encoders", "drawn.layer01", "weights", {"path": "there", "random": "per_seed"}), "expected: Exactly one"),
        (("encoders", "drawn.layer01", "weights", {"path": "there", "per_seed": True}), "key 'per_seed' is unknown"),
        (("encoders", "drawn.layer01", "seen", "all"), "random weights have seen nothing"),
        (("tapt", "once", "start", {"random": "per_seed"}), "tapt.once.start: .* made only once; add per_seed: true"),
        (("tapt", "once", "per_seed", "yes"), "'yes' is not of type 'boolean'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        validate.validated(changed(*change))
