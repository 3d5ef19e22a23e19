"""The section `interpretation`: what is explained, and what is refused at the door."""

from functools import partial
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from helpers.parsed_workflow import parsed_workflow
from s2f.common.errors import InputError
from s2f.study import interpretation, runs, validate
from s2f.study.jobs import options

HEAD = "one/no_shift/boda-mean-8"


def config(*entries, **dataset):
    """A study with two heads, three baselines and these entries."""
    panels = {"id": {"kind": "rows"}, "snv": {"kind": "pairs"}}
    simulated = {"source": {"kind": "simulated"}, "construct": "c", "splits": ["s"], "panels": panels}
    return {
        "study": "x",
        "seeds": [2, 1],
        "datasets": {"simulated": {**simulated, **dataset}},
        "constructs": {"c": {"flanks": "gosai_episomal", "length": 600}},
        "splits": {"s": {"kind": "chromosome"}},
        "encoders": {"one": {"kind": "onehot"}, "kmer": {"kind": "kmer"}},
        "baselines": {
            "mean": {"kind": "mean"},
            "ridge": {"kind": "kmer_ridge"},
            "malinois-1cell": {"kind": "malinois_1cell"},
        },
        "models": [
            {"encoders": ["one", "kmer"], "augmentations": ["no_shift"], "heads": ["boda-mean-8"]},
            {"baselines": ["mean", "ridge", "malinois-1cell"]},
        ],
        "interpretation": list(entries),
    }


def jobs(*entries):
    checked = validate.validated(config(*entries))
    return interpretation.jobs(checked, runs.runs(checked))


def test_nothing_is_explained_by_default():
    assert jobs() == []


def test_every_model_has_the_methods_that_it_allows():
    found = jobs({"panel": "id", "methods": ["ism", "ig"]})
    assert {(job.run.model, job.method) for job in found} == {
        (HEAD, "ism"), (HEAD, "ig"), ("kmer/no_shift/boda-mean-8", "ism"), ("ridge", "ism"), ("malinois-1cell", "ism"),
        ("malinois-1cell", "ig"),
    }  # fmt: skip
    assert {job.run.seed for job in found} == {2}  # the first of the study
    assert found[-1].path == "simulated/s/ridge/seed2/interpretation/ism/id.h5"
    assert found[-1].picture == "simulated/s/interpretation/ridge/ism.id.png"


def test_seed_models_and_panels_can_be_chosen():
    found = jobs(
        {"panel": "id", "seed": 1, "models": ["malinois-1cell"]}, {"panel": "snv", "pairs": 2, "models": [HEAD]}
    )
    assert [(job.run.model, job.run.seed, job.panel) for job in found] == [
        ("malinois-1cell", 1, "id"),
        (HEAD, 2, "snv"),
    ]


def test_truth_is_asked_where_it_is_known():
    checked = validate.validated(config({"panel": "id", "models": ["ridge"]}))
    assert len(interpretation.judged(checked, runs.runs(checked))) == 1
    spec = interpretation.truth_spec(checked, runs.runs(checked), partial(options, "sources"))
    assert spec["simulated"]["kind"] == "simulated" and "seed" in spec["simulated"]["spec"]
    assert interpretation.unit_of(checked, "simulated") == "log2FC (RNA/DNA)"


@pytest.mark.parametrize(
    "entries, message",
    [
        ([{"panel": "snw"}], "interpretation.0.panel: 'snw' is not a panel of any dataset; did you mean 'snv'"),
        ([{"panel": "id", "datasets": ["x"]}], "interpretation.0.datasets: 'x' is unknown"),
        ([{"panel": "id", "pairs": 1}], "interpretation.0.pairs: panel 'id' of 'simulated' holds rows"),
        ([{"panel": "id"}] * 2, "interpretation.1: panel 'id' of 'simulated' is already explained by interpretation.0"),
        (
            [{"panel": "id", "top": 0}],
            "interpretation.0: selects no sequence; give at least one of top, bottom, pairs, ids",
        ),
        ([{"panel": "id", "models": ["ridgs"]}], "interpretation.0.models: 'ridgs' is unknown; did you mean 'ridge'"),
        ([{"panel": "id", "models": ["mean"]}], "'mean' predicts a constant, so there is nothing to explain"),
        (
            [{"panel": "id", "models": ["ridge"], "methods": ["ism", "ig"]}],
            "ig needs a gradient, but none of the models has one; use mutagenesis",
        ),
        ([{"panel": "id", "seed": 7}], r"no model of the study can be explained by these methods \(seed 7\)"),
        (
            [{"panel": "id", "methods": ["ig"], "ig": {"steps": 9, "most_steps": 8}}],
            "ig: steps is 9, expected at most most_steps .8.",
        ),
        ([{"panel": "id", "methods": ["window"], "window": {"step": 9, "width": 8}}], "window: step is 9, width 8"),
        (
            [{"panel": "snv"}, {"panel": "id", "methods": ["ism", "window"], "ig": {"steps": 8}}],
            "interpretation.1.ig: has no effect, because the methods are ism, window: omit it",
        ),
        ([{"panel": "id", "method": "ism"}], "interpretation.0: key 'method' is unknown; did you mean 'methods'"),
    ],
)
def test_mistakes_are_named(entries, message):
    with pytest.raises(InputError, match=message):
        validate.validated(config(*entries))


def test_only_what_is_judged_is_told_to_the_judge():
    asked = config({"panel": "id", "datasets": ["simulated_b"], "models": ["ridge"]})
    asked["datasets"]["simulated_b"] = asked["datasets"]["simulated"]
    checked = validate.validated(asked)
    assert list(interpretation.truth_spec(checked, runs.runs(checked), partial(options, "sources"))) == ["simulated_b"]


def test_what_no_entry_asks_for_is_named():
    checked = validate.validated(config({"panel": "id", "models": ["ridge"]}))
    assert interpretation.entry_of(checked, "simulated", "id") is checked["interpretation"][0]
    with pytest.raises(InputError, match="no entry explains panel 'snv' of 'simulated'; add one to the study"):
        interpretation.entry_of(checked, "simulated", "snv")
    with pytest.raises(InputError, match=r"the study has no run simulated/s/ridge/seed7; add its model or seed"):
        interpretation.run_of({run.folder: run for run in runs.runs(checked)}, "simulated/s/ridge/seed7")


def test_files_wanted_by_name_end_with_a_message(root):
    """Files that match a rule and that the study does not ask for."""
    known = parsed_workflow(root).globals
    place = {"dataset": "d", "split": "s", "encoder": "e", "panel": "p", "model": "m", "seed": "1"}
    for name, message in (
        ("entry_of", "no entry explains panel 'p' of 'd'"),
        ("run_of", "the study has no run d/s/m/seed1"), ("maps_of", "no entry makes d/s/dependency_maps/e/p"),
    ):  # fmt: skip
        with pytest.raises(WorkflowError, match=message):
            known[name](SimpleNamespace(**place))


def test_a_motif_is_for_a_classification():
    with pytest.raises(InputError, match=r"datasets.simulated.motif: is only for a classification"):
        validate.validated(config(motif="ACTAAC"))
