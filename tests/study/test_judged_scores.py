"""Scores that are judged by what was measured, in the section `scoring`."""

import shlex
from types import SimpleNamespace

import pytest

from helpers.minimal_study import changed
from helpers.parsed_workflow import parsed_workflow
from s2f.common.errors import InputError
from s2f.study import runs, scoring, validate

HEAD = "onehot/no_shift/boda-mean-512-512"
SATMUT = {"satmut": "v.tsv", "elements": "e.tsv"}
CONTROLS = {"table": "c.tsv", "columns": ["insert_200"], "controls": "mean"}


def study(entry, **more):
    config = changed(["scoring"], {"e": {"dataset": "simulated_d", **entry}}) | more
    return validate.validated(config)


def test_only_scores_with_measured_values_are_judged():
    assert [scoring.judged(entry) for entry in (SATMUT, CONTROLS, {"table": "c.tsv"})] == [True, True, False]


def test_the_floor_is_the_baseline_that_all_should_beat():
    baselines = {"mean": {"kind": "mean"}, "ridge": {"kind": "kmer_ridge"}}
    models = [{"encoders": ["onehot"], "heads": ["boda-mean-512-512"]}, {"baselines": ["mean", "ridge"]}]
    for entry, floor in ((SATMUT, "ridge"), ({**SATMUT, "models": [HEAD]}, "")):
        checked = study(entry, baselines=baselines, models=models)
        assert scoring.floor_of(checked, runs.runs(checked), "e") == floor


def test_active_rows_are_of_the_first_panel_of_rows():
    checked = study(CONTROLS)
    assert scoring.active_panel(checked, checked["scoring"]["e"]) == "chromosome"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"satmut": "v.tsv"}, "scoring.e.satmut needs scoring.e.elements"),
        ({**SATMUT, "genome": "g.fa"}, "scoring.e.genome is only for"),
        ({"fasta": "f.fa", "elements": "e.tsv"}, "scoring.e.elements is only for scoring.e.satmut, but the input is"),
        ({"fasta": "f.fa", "controls": "mean"}, "scoring.e.controls: is a column of scoring.e.table, which is missing"),
        ({"table": "c.tsv", "active_above": 1}, "scoring.e.active_above: is for negative controls; give scoring.e.co"),
        (
            {**CONTROLS, "active_panel": "chromosom"},
            "'chromosom' is not a panel of rows of 'simulated_d'; did you mean",
        ),
        ({**SATMUT, "experiments": []}, "scoring.e.experiments"),
    ],
)
def test_what_cannot_be_judged_is_refused(entry, message):
    with pytest.raises(InputError, match=message):
        study(entry)


def test_options_reach_the_program_that_judges(root, tmp_path):
    for name in ("v.tsv", "e.tsv", "c.tsv"):
        (tmp_path / name).write_text("")
    files = {"satmut": str(tmp_path / "v.tsv"), "elements": str(tmp_path / "e.tsv")}
    table = {**CONTROLS, "table": str(tmp_path / "c.tsv"), "id_column": "name", "active_above": -0.5}
    entries = {"sat": {**files, "barcodes": 12, "models": ["kmer-ridge"]}, "neg": {**table, "models": ["kmer-ridge"]}}
    entries = {name: {"dataset": "simulated_k562", **entry} for name, entry in entries.items()}
    workflow = parsed_workflow(root, scoring=entries)
    functions, words = workflow.globals, {}
    for name in entries:
        job = SimpleNamespace(scores=name)
        given = SimpleNamespace(
            measured=functions["measured_to_judge"](job), panel=functions["active_panels"](job),
            predictions=functions["predictions_of_active"](job),
        )  # fmt: skip
        words[name] = shlex.split(functions["options_of_judge"](job, given))
    assert words["sat"] == ["--satmut", files["satmut"], "--barcodes", "12", "--floor", "kmer-ridge"]
    place = "results/simulated_k562"
    assert words["neg"] == [
        "--controls", table["table"], "--column", "mean", "--id-column=name", "--active-above=-0.5", "--panel",
        f"{place}/panels/chromosome/chromosome.tsv", "--models", "kmer-ridge", "--predictions",
        f"{place}/chromosome/kmer-ridge/seed1/predictions/chromosome.tsv",
    ]  # fmt: skip
    assert functions["judged_targets"]() == [f"results/scores/{name}.judged.tsv" for name in entries]
    assert functions["scoring_targets"]() == [f"results/scores/{name}.tsv" for name in entries]
