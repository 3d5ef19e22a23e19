"""The section `design`: which models design, which one judges, and what is refused at the door."""

import shlex
from types import SimpleNamespace

import pytest

from helpers.parsed_workflow import parsed_workflow
from helpers.programs import parser_of
from s2f.common.errors import InputError
from s2f.design import options
from s2f.study import design, runs, validate
from s2f.study import ensembles as study_ensembles
from s2f.study.schema import schema

HEAD = "one/no_shift/boda-mean-8"
START = {"random": 3}


def config(cells=(), **entries):
    """A study of a head on one-hot windows and four baselines that designs some `entries`."""
    panels = {"id": {"kind": "rows"}, "snv": {"kind": "pairs"}}
    simulated = {"source": {"kind": "simulated"}, "construct": "c", "splits": ["s", "t"], "panels": panels}
    if cells:
        simulated = {**simulated, "cells": list(cells)} | {
            "source": {"kind": "table", "files": {"rows": "r.tsv"},
                       "columns": {"row_id": "i", "sequence": "s", **{f"label.{cell}": cell for cell in cells}}},
        }  # fmt: skip
    name = "table" if cells else "simulated"
    return {
        "study": "x", "seeds": [2, 1],
        "datasets": {name: simulated},
        "constructs": {"c": {"flanks": "gosai_episomal", "length": 600}},
        "splits": {"s": {"kind": "chromosome"}, "t": {"kind": "chromosome", "val": ["chr1"]}},
        "encoders": {"one": {"kind": "onehot"}, "words": {"kind": "kmer", "k": 3}},
        "baselines": {
            "mean": {"kind": "mean"}, "ridge": {"kind": "kmer_ridge", "seeds": 1},
            "malinois-1cell": {"kind": "malinois_1cell"},
        },
        "models": [
            {"encoders": ["one", "words"], "heads": ["boda-mean-8"]},
            {"baselines": ["mean", "ridge", "malinois-1cell"]},
        ],
        "design": {
            key: {"dataset": name, "model": HEAD, "judge": "ridge", "start": START, **entry}
            for key, entry in entries.items()
        },
    }  # fmt: skip


def jobs(*cells, **entries):
    checked = validate.validated(config(cells, **entries))
    return design.jobs(checked, runs.runs(checked))


def test_nothing_is_designed_by_default():
    assert jobs() == []


def test_seeds_and_models_are_an_ensemble_and_the_judge_is_one_run():
    found = jobs(a={}, b={"seeds": [1, 2], "model": [HEAD, "malinois-1cell"], "split": "t", "methods": ["annealing"]})
    first, second = found
    assert first.path == "designs/a/evolution" and [run.seed for run in first.members] == [2]
    assert second.path == "designs/b/annealing" and second.judge.folder == "simulated/t/ridge/seed2"
    assert [(run.model, run.seed) for run in second.members] == [
        (HEAD, 2), (HEAD, 1), ("malinois-1cell", 2), ("malinois-1cell", 1),
    ]  # fmt: skip


def test_an_ensemble_designs_by_its_members_and_judges_nothing():
    ensembles = {
        "seeds": {"over": "seeds", "members": [HEAD]},
        "both": {"over": "encoders", "members": [HEAD, "words/no_shift/boda-mean-8"]},
    }
    wanted = {"judge": "malinois-1cell", "penalty": 1}
    study = config(a={**wanted, "model": "seeds"}, b={**wanted, "model": "both", "seeds": [1]})
    checked = validate.validated(study | {"ensembles": ensembles})
    planned = runs.runs(checked)
    first, second = design.jobs(checked, [*planned, *study_ensembles.runs(checked, planned)])
    assert [(run.model, run.seed) for run in first.members] == [(HEAD, 2), (HEAD, 1)]
    assert [(run.model, run.seed) for run in second.members] == [(HEAD, 1), ("words/no_shift/boda-mean-8", 1)]
    for entry, message in (
        ({"judge": "seeds", "model": "ridge"}, r"design\.a\.judge: 'seeds' is an ensemble; name one of its members"),
        (
            {"judge": "ridge", "model": "both"},
            r"design\.a\.judge: 'ridge' and model 'both' are both of the family 'kmer'",
        ),
    ):
        with pytest.raises(InputError, match=message):
            validate.validated(config(a=entry) | {"ensembles": ensembles})


def test_the_truth_is_asked_where_it_is_known():
    checked = validate.validated(config(a={}))
    planned = runs.runs(checked)
    assert [job.name for job in design.of_known_truth(checked, planned)] == ["a"]
    assert design.truth_spec(checked, planned, lambda source: {"rows": source["rows"]}) == {
        "simulated": {"kind": "simulated", "spec": {"rows": 3000}}
    }
    checked = validate.validated(config(("K562", "HepG2"), a={"judge": "ridge"}))
    assert design.of_known_truth(checked, runs.runs(checked)) == []


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"dataset": "simulate"}, "design.e.dataset: 'simulate' is unknown; did you mean 'simulated'"),
        ({"split": "u"}, "design.e.split: no model of 'simulated' is trained on 'u'"),
        ({"model": "rigde"}, "design.e.model: 'rigde' is unknown; did you mean 'ridge'"),
        ({"judge": "mean"}, "design.e.judge: 'mean' predicts a constant"),
        (
            {"model": "words/no_shift/boda-mean-8"},
            "design.e.judge: 'ridge' and model 'words/.*' are both of the family",
        ),
        ({"judge": HEAD}, "are both of the family 'onehot'"),
        ({"seeds": [7]}, r"design.e.seeds: '.*' is not trained with any of the seeds \[7\]"),
        ({"penalty": 1}, "design.e.penalty: a single run has no spread"),
        ({"model": "ridge", "judge": HEAD, "methods": ["straight_through"]}, "needs a gradient, but 'ridge' has none"),
        ({"start": {}}, "design.e.start: give exactly one of fasta, panel and random"),
        ({"start": {"random": 3, "fasta": "a.fa"}}, "design.e.start: give exactly one of fasta, panel and random"),
        ({"start": {"panel": "snv"}}, "design.e.start.panel: 'snv' is not a panel of rows"),
        ({"start": {"fasta": "{data}/a"}}, "design.e.start.fasta: '{data}/a': {data} is not a known placeholder"),
        (
            {"evolution": {"rounds": 20}, "methods": ["annealing"]},
            "design.e.evolution: has no effect, because the methods are annealing: omit it",
        ),
        ({"annealing": {"steps": 9}}, "design.e.annealing: has no effect, because the methods are evolution: omit it"),
        (
            {"start": {"random": 2, "count": 7}},
            "design.e.start.count: has no effect, because no panel is given: omit it",
        ),
        ({"start": {"fasta": "a", "take": "lowest"}}, "design.e.start.take: has no effect"),
        ({"goal": "target"}, "design.e.target: is the value to reach"),
        ({"gc": [0.6, 0.4]}, "design.e.gc: is 0.6 to 0.4"),
        ({"protect": [[9, 3]]}, "design.e.protect: 9-3 is not an interval"),
        ({"forbidden": ["GAX"]}, "design.e.forbidden: 'GAX' is not a site"),
        ({"cell": "K562"}, "'K562' is not a cell of 'simulated'; its cells: none"),
        ({"homopolymer": 0}, "design.e.homopolymer"),
    ],
)
def test_what_cannot_be_designed_is_refused(entry, message):
    with pytest.raises(InputError, match=message):
        jobs(e=entry)


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"cell": "HeLa"}, "'HeLa' is not a cell of 'table'; its cells: K562, HepG2"),
        ({"against": ["HepG2"]}, "design.e.against: needs design.e.cell"),
        ({"cell": "K562", "against": ["K562"]}, "'K562' is the same as design.e.cell"),
        ({"cell": "HepG2", "model": "malinois-1cell"}, "'malinois-1cell' predicts only the first cell, not 'HepG2'"),
    ],
)
def test_cells_that_cannot_be_told_apart_are_refused(entry, message):
    assert jobs("K562", "HepG2", e={"cell": "HepG2", "against": ["K562"], "methods": list(options.METHODS)})
    with pytest.raises(InputError, match=message):
        jobs("K562", "HepG2", e=entry)


@pytest.mark.parametrize(
    "entry, unit",
    [
        ({}, "K562"),
        ({"cell": "HepG2"}, "HepG2"),
        ({"cell": "HepG2", "against": ["K562"]}, "HepG2 minus K562"),
        ({"cell": "HepG2", "against": ["K562", "SKNSH"]}, "HepG2 minus the largest of K562, SKNSH"),
    ],
)
def test_the_unit_names_the_cell_that_is_designed_for(entry, unit):
    checked = validate.validated(config(("K562", "HepG2", "SKNSH"), e=entry))
    assert design.unit_of(checked, checked["design"]["e"]) == f"log2FC (RNA/DNA), {unit}"


def test_a_head_of_the_first_cell_knows_no_other():
    study = config(("K562", "HepG2"), e={"cell": "HepG2"}) | {"heads": {"boda-mean-8": {"outputs": "first"}}}
    with pytest.raises(InputError, match="'one/no_shift/boda-mean-8' predicts only the first cell, not 'HepG2'"):
        validate.validated(study)


def test_options_of_the_study_are_those_of_the_program_with_its_defaults():
    known = {action.dest for action in parser_of("design_sequences")._actions}
    section = schema()["properties"]["design"]["additionalProperties"]["properties"]
    assert set(section) - set(design.OF_WORKFLOW) <= known
    for method, settings in options.SETTINGS.items():
        stated = section[method]["properties"]
        assert {name: rule["default"] for name, rule in stated.items()} == settings and set(settings) <= known
    assert section["methods"]["items"]["enum"] == list(options.METHODS)


def test_options_reach_the_program_and_nothing_is_asked_of_a_study_without_the_section(root, tmp_path):
    (tmp_path / "s.fa").write_text("")
    entry = {
        "dataset": "simulated_k562", "model": "malinois-1cell-narrow", "judge": "kmer-ridge", "seeds": [1, 2],
        "start": {"fasta": str(tmp_path / "s.fa")}, "protect": [[0, 9]], "gc": [0.4, 0.6], "forbidden": ["GAATTC"],
        "penalty": 1, "avoid_training": True, "methods": ["annealing"], "goal": "target", "target": -1e-05,
    }  # fmt: skip
    other = {**entry, "model": "kmer-ridge", "judge": "malinois-1cell-narrow", "seeds": [1], "penalty": 0}
    workflow = parsed_workflow(root, design={"e": entry, "f": other})
    functions = workflow.globals
    job = SimpleNamespace(design="e", method="annealing")
    files = SimpleNamespace(
        start=functions["start_of_design"](job), panel=functions["panel_of_design"](job),
        training=functions["training_of_design"](job), weights=[],
    )  # fmt: skip
    words = shlex.split(functions["options_of_design"](job, files))
    place = "results/simulated_k562"
    given = vars(parser_of("design_sequences").parse_args(["--model", "m", "--judge", "j", "--out", "o", *words]))
    assert given["start"] == tmp_path / "s.fa" and given["protect"] == [(0, 9)] and given["forbidden"] == ["GAATTC"]
    assert list(map(str, given["avoid_training"])) == [f"{place}/rows.parquet", f"{place}/splits/chromosome.tsv"]
    assert (given["gc"], given["steps"], given["penalty"]) == ([0.4, 0.6], 2000, 1)
    assert (given["goal"], given["target"]) == ("target", -1e-05)
    assert {word.partition("=")[0] for word in words if word.startswith("--")} == {
        "--start", "--avoid-training", "--protect", "--gc", "--forbidden", "--penalty", "--goal", "--target", "--steps",
        "--moves", "--temperature",
    }  # fmt: skip
    assert functions["gpus_of_design"](job) == 1
    assert functions["gpus_of_design"](SimpleNamespace(design="f", method="annealing")) == 1  # for the judge
    assert functions["design_targets"]() == [
        "results/designs.tsv", *(f"results/plots/designs/{name}.png" for name in "ef"), "results/designs_truth.tsv",
    ]  # fmt: skip
    assert functions["specs_of_design"](judge=False)(job, files) == "[{}, {}]"
    assert functions["models_that_design"](job) == [
        f"results/simulated_k562/chromosome/malinois-1cell-narrow/seed{seed}/best_model" for seed in (1, 2)
    ]
    assert parsed_workflow(root).globals["design_targets"]() == []
