"""Dependency maps and IsoScores in a study: which files it asks for, and what it refuses."""

import copy

import pytest

from helpers.minimal_study import MINIMAL
from s2f.common.errors import InputError
from s2f.study import representation, runs, validate

STUDY = {
    "study": "t",
    "datasets": {
        name: {
            "source": {"kind": "simulated_rbp"}, "task": "classification", "strand_rule": "forward", "construct": "w",
            "splits": ["chromosome", "random"], "panels": {"id": {"kind": "rows"}, **more},
        } for name, more in (("simulated_a", {}), ("simulated_b", {"other": {"kind": "rows"}}))
    },
    "constructs": {"w": {"flanks": "none", "length": 101}},
    "splits": {"chromosome": {"kind": "chromosome"}, "random": {"kind": "random"}},
    "encoders": {
        "lamar.layer04": {"kind": "lamar", "size": "lamar-mini", "weights": {"random": 0}},
        "lamar.layer02": {"kind": "lamar", "size": "lamar-mini", "weights": {"random": 0}, "layer": 2},
        "kmer": {"kind": "kmer", "k": 3},
    },
    "baselines": {"mean": {"kind": "mean"}},
    "models": [
        {"baselines": ["mean"]},
        {"datasets": ["simulated_a"], "encoders": ["kmer"], "augmentations": ["none"], "heads": ["linear-probe"]},
    ],
}  # fmt: skip
ENTRY = {"encoders": ["lamar.layer04"], "panel": "id"}


def checked(maps=None, **sections):
    own = {"dependency_maps": maps} if maps else {}
    return validate.validated(copy.deepcopy({**STUDY, **own, **sections}))


def test_maps_of_every_dataset_and_split_that_has_the_panel():
    found = representation.dependency_maps(checked([ENTRY]))
    assert sorted(found) == [
        f"simulated_{dataset}/{split}/dependency_maps/lamar.layer04/id"
        for dataset in "ab"
        for split in ("chromosome", "random")
    ]
    assert all(maps.rows == 3 and list(maps.numbers) == [1, 2, 3] and maps.ids == () for maps in found.values())
    found = representation.dependency_maps(checked([{**ENTRY, "panel": "other", "ids": ["x"]}]))
    assert {maps.dataset for maps in found.values()} == {"simulated_b"}
    assert all(list(maps.numbers) == [1] and maps.ids == ("x",) for maps in found.values())
    assert representation.dependency_maps(checked()) == {}


def test_maps_that_no_entry_asks_for_are_named():
    found = representation.dependency_maps(checked([ENTRY]))
    stem = next(iter(found))
    assert representation.maps_of(found, stem) is found[stem]
    with pytest.raises(InputError, match="dependency_maps: no entry makes a/b; add one to the study"):
        representation.maps_of(found, "a/b")


def test_isoscores_of_the_encoders_named_or_of_the_models():
    def of(**sections):
        own = checked(**sections)
        return representation.isoscores(own, runs.runs(own))

    assert of() == of(isoscore={}) == {"simulated_a": ["kmer"]}
    every = ["lamar.layer02", "kmer"]
    assert of(isoscore={"encoders": every}) == {"simulated_a": every, "simulated_b": every}
    assert of(isoscore={"encoders": every, "datasets": ["simulated_b"]}) == {"simulated_b": every}
    assert checked(isoscore={})["isoscore"] == {"levels": ["pooled"]}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [{**ENTRY, "encoders": ["lamar.layer4"]}],
            r"dependency_maps.0.encoders: 'lamar.layer4' is unknown; did you mean",
        ),
        (
            [{**ENTRY, "encoders": ["kmer"]}],
            "'kmer' is of kind kmer, expected lamar: a map needs a language-model head",
        ),
        ([{**ENTRY, "encoders": ["lamar.layer02"]}], "'lamar.layer02' reads layer 2, expected the last one, 4"),
        ([{**ENTRY, "datasets": ["simulated"]}], r"dependency_maps.0.datasets: 'simulated' is unknown; did you mean"),
        ([{**ENTRY, "panel": "ID"}], "dependency_maps.0.panel: no dataset has a panel 'ID'"),
        ([{**ENTRY, "panel": "other", "datasets": ["simulated_a"]}], r"panel \(of simulated_a\): 'other' is unknown"),
        (
            [ENTRY, {**ENTRY, "rows": 2}],
            "dependency_maps.1: 'lamar.layer04' already maps panel 'id' of 'simulated_a' in another",
        ),
        ([{**ENTRY, "rows": 0}], "dependency_maps.0.rows"),
        (
            [{**ENTRY, "rows": 3, "ids": ["x"]}],
            "dependency_maps.0.rows: has no effect, because ids says which rows are mapped: omit it",
        ),
        ([{**ENTRY, "count": 1}], "key 'count' is unknown"),
    ],
)
def test_bad_maps(entries, message):
    with pytest.raises(InputError, match=message):
        checked(entries)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"encoders": ["kmr"]}, "isoscore.encoders: 'kmr' is unknown; did you mean 'kmer'"),
        ({"datasets": ["simulated_c"]}, "isoscore.datasets: 'simulated_c' is unknown"),
        ({"datasets": ["simulated_b"]}, "isoscore: no dataset has an encoder; name encoders"),
        ({"levels": ["words"]}, "isoscore.levels"),
    ],
)
def test_bad_isoscores(section, message):
    with pytest.raises(InputError, match=message):
        checked(isoscore=section)


def test_drift_is_of_what_is_fine_tuned():
    config = copy.deepcopy(MINIMAL)
    config["encoders"] = {"e": {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}}}
    config["stage2"] = {"tuned": {"unfrozen": "all"}}
    config["models"][0] = {"encoders": ["e"], "heads": ["boda-mean-16-16"], "stage2": ["tuned"]}
    own = validate.validated(config | {"drift": {}})
    assert own["drift"] == {"rows": 512}
    planned = runs.runs(own)
    assert [run.model for run in representation.drifts(own, planned)] == ["e/tuned/boda-mean-16-16"]
    assert not representation.drifts(validate.validated(config), planned)
    with pytest.raises(InputError, match="drift: no model of these datasets is fine-tuned"):
        validate.validated(copy.deepcopy(MINIMAL) | {"drift": {}})
    with pytest.raises(InputError, match=r"drift\.datasets: 'd' is unknown"):
        validate.validated(config | {"drift": {"datasets": ["d"]}})
