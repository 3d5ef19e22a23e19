"""The section motifs: which jobs it asks for, and what is refused before anything runs."""

import copy

import pytest

from s2f.common.errors import InputError
from s2f.study import motifs
from s2f.study.runs import runs
from s2f.study.validate import validated

STUDY = {
    "study": "test",
    "seeds": [3, 1, 2],
    "datasets": {
        name: {
            "source": {"kind": "simulated_rbp", "rows": 1000}, "task": "classification", "strand_rule": "forward",
            "construct": "w", "splits": ["random"], "panels": {"id": {"kind": "rows"}},
        }
        for name in ("simulated_a", "simulated_b")
    },
    "constructs": {"w": {"flanks": "none", "length": 51}},
    "splits": {"random": {"kind": "random"}},
    "encoders": {"onehot": {"kind": "onehot"}},
    "baselines": {"gc": {"kind": "gc", "seeds": 1}, "mean": {"kind": "mean", "seeds": 1}},
    "models": [
        {"encoders": ["onehot"], "augmentations": ["none"], "heads": ["chip-cnn"]}, {"baselines": ["gc", "mean"]},
    ],
    "comparison": {"against": "gc"},
    "interpretation": [{"panel": "id", "datasets": ["simulated_a"], "methods": ["ism", "saliency", "ig"], "top": 100}],
    "motifs": [{"panel": "id", "known": "known.meme"}],
}  # fmt: skip


def study(**changes):
    return copy.deepcopy(STUDY) | changes


def test_jobs_are_those_of_the_explained_models_with_all_their_seeds():
    checked = validated(study())
    found = {job.stem: job for job in motifs.jobs(checked, runs(checked))}
    place = "simulated_a/random"
    assert sorted(found) == [
        f"{place}/gc/motifs/ism/id", f"{place}/onehot/none/chip-cnn/motifs/ism/id",
        f"{place}/onehot/none/chip-cnn/motifs/saliency/id",
    ]  # fmt: skip
    job = found[f"{place}/onehot/none/chip-cnn/motifs/ism/id"]
    assert [run.seed for run in job.runs] == [3, 1, 2]
    assert job.attributions[0] == f"{place}/onehot/none/chip-cnn/seed3/interpretation/ism/id.h5"
    assert job.effects[1] == f"{place}/onehot/none/chip-cnn/seed1/motifs/ism/id.effects.tsv"
    assert job.page == f"{place}/motifs/onehot/none/chip-cnn/ism.id.html"
    assert motifs.truth_of(checked, "simulated_a") == {"kind": "simulated_rbp"}
    assert motifs.judged(checked, runs(checked)) == list(found.values())


def test_an_entry_chooses_models_methods_and_seeds():
    entry = {"panel": "id", "known": "k", "models": ["onehot/none/chip-cnn"], "methods": ["saliency"], "seeds": [1]}
    checked = validated(study(motifs=[entry]))
    (job,) = motifs.jobs(checked, runs(checked))
    assert (job.method, [run.seed for run in job.runs]) == ("saliency", [1])
    assert {name: checked["motifs"][0][name] for name in motifs.SETTINGS} == {
        "window": 15, "flank": 5, "fdr": 0.2, "most_seqlets": 20000, "clusterings": 50,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"panel": "ids"}, "motifs.0.panel: no entry of interpretation explains 'ids'; did you mean 'id'"),
        ({"datasets": ["simulated_b"]}, "motifs.0: interpretation: no entry explains panel 'id' of 'simulated_b'"),
        ({"datasets": ["simulated_c"]}, "motifs.0.datasets: 'simulated_c' is unknown"),
        ({"models": ["gcc"]}, "motifs.0.models: 'gcc' is unknown"),
        ({"models": ["mean"]}, "motifs.0.models: 'mean' predicts a constant"),
        ({"models": ["gc"], "methods": ["saliency"]}, "motifs.0: no model of the study has such attributions"),
        ({"seeds": [4]}, "motifs.0.seeds: 4 is not one of the study's seeds"),
        ({"known": "{folder}/k.meme"}, "{folder} is not a known placeholder"),
    ],
)
def test_entries_that_are_refused(entry, message):
    with pytest.raises(InputError) as error:
        validated(study(motifs=[STUDY["motifs"][0] | entry]))
    assert message in str(error.value)


def test_an_ensemble_is_refused():
    ensembles = {"all": {"over": "seeds", "members": ["onehot/none/chip-cnn"]}}
    with pytest.raises(InputError, match=r"motifs\.0\.models: 'all' is an ensemble; find the motifs of its members"):
        validated(study(ensembles=ensembles, motifs=[STUDY["motifs"][0] | {"models": ["all"]}]))


def test_too_few_sequences_and_two_entries_of_one_file_are_refused():
    few = [STUDY["interpretation"][0] | {"top": 90, "bottom": 9}]
    with pytest.raises(InputError, match=r"motifs\.0\.panel: 99 sequences of .* are explained, expected at least 100"):
        validated(study(interpretation=few))
    with pytest.raises(InputError, match=r"motifs\.1: simulated_a/.* is already in motifs\.0"):
        validated(study(motifs=STUDY["motifs"] * 2))
    with pytest.raises(InputError, match="is explained by ig; motifs are found in attributions by ism or saliency"):
        validated(study(interpretation=[STUDY["interpretation"][0] | {"methods": ["ig"]}]))
    with pytest.raises(InputError, match="other results are called 'motifs'"):
        validated(study(baselines=STUDY["baselines"] | {"motifs": {"kind": "gc"}}))


def test_a_dataset_called_like_its_protein_is_of_that_protein():
    checked = validated(study())
    checked["datasets"]["QKI"] = checked["datasets"].pop("simulated_a") | {"protein": "QKI"}
    assert motifs.truth_of(checked, "QKI")["protein"] == "QKI"
