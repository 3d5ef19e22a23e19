"""What makes a job run again: fingerprints that follow the stages, and params that Snakemake compares."""

import re
from inspect import signature
from types import SimpleNamespace

import pytest

from helpers.parsed_workflow import loaded_by_name, parsed_workflow, program_of, rules_of
from s2f.common import provenance
from s2f.design.options import METHODS
from s2f.study import scoring
from s2f.study.schema import schema

# program -> packages whose code its fingerprint may contain: each that it does not need is work made again for nothing
PACKAGES = {
    "adaptation_windows": "common rows sequences splits",
    "audit_split": "common rows sequences splits",
    "calibrate": "common evaluation models rows sequences splits",
    "compare": "common evaluation models rows sequences splits",
    "comparison_page": "common evaluation",
    "compare_across": "common evaluation models plots rows sequences",
    "dependency_map": "common language_model representation rows sequences splits",
    "design_sequences": "baselines common design embeddings evaluation heads interpretation language_model models rows "
    "sequences splits",
    "design_truth": "common design rows sequences",
    "download": "common rows",
    "embed": "common embeddings language_model rows sequences",
    "evaluate_baseline": "baselines common embeddings evaluation language_model models rows sequences splits",
    "evaluate_head": "common embeddings evaluation heads models rows sequences splits",
    "evaluate_stage2": "common embeddings evaluation heads models rows sequences splits",
    "find_motifs": "common interpretation sequences",
    "insert_motifs": "baselines common embeddings heads interpretation language_model models rows sequences",
    "interpret": "baselines common embeddings heads interpretation language_model models rows sequences",
    "interpretation_truth": "common interpretation rows sequences",
    "isoscore": "common embeddings representation",
    "join_scores": "common",
    "join_shards": "common embeddings rows sequences",
    "judge_scores": "common evaluation scoring sequences",
    "make_ensemble": "common evaluation models rows sequences splits",
    "learning_curve": "common evaluation models rows sequences splits",
    "make_panel": "common rows sequences splits",
    "make_rows": "common rows sequences",
    "make_split": "common rows sequences splits",
    "make_subset": "common rows sequences splits",
    "make_units": "common rows sequences splits",
    "measure_dependency_map": "common representation rows sequences",
    "measure_drift": "baselines common embeddings heads language_model models representation rows sequences splits",
    "motifs_truth": "common interpretation rows sequences",
    "plot_audit": "common plots",
    "plot_calibration": "common evaluation plots",
    "plot_comparison": "common evaluation models plots rows sequences",
    "plot_design": "common design plots",
    "plot_dependency_map": "common evaluation plots representation rows sequences",
    "plot_drift": "common plots",
    "plot_interpretation": "common interpretation plots sequences",
    "plot_isoscore": "common evaluation plots sequences",
    "plot_learning_curve": "common evaluation plots",
    "plot_motifs": "common interpretation plots rows sequences",
    "plot_split": "common evaluation models plots rows sequences",
    "score": "baselines common embeddings evaluation heads interpretation language_model models rows scoring "
    "sequences",
    "select_sequences": "common interpretation rows sequences",
    "summarise_interpretation": "common interpretation sequences",
    "summarise_designs": "common design",
    "tapt": "common language_model rows sequences",
    "train_baseline": "baselines common embeddings language_model models rows sequences splits",
    "train_head": "common embeddings heads models rows sequences splits",
    "train_stage2": "common embeddings heads models rows sequences splits",
}  # fmt: skip


STUDY = {
    "cache": {"shards": 2},
    "design": {
        "new": {
            "dataset": "simulated_k562", "model": "malinois-1cell-narrow", "judge": "kmer-ridge",
            "start": {"random": 2}, "methods": list(METHODS),
        },
    },
    "scoring": {
        "controls": {"dataset": "simulated_k562", "table": "c.tsv", "controls": "mean"},
        "satmut": {"dataset": "simulated_k562", "satmut": "v.tsv", "elements": "e.tsv"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def workflow(root):
    """A study that has every rule."""
    return parsed_workflow(root, **STUDY)


@pytest.fixture(scope="module")
def behaviour(workflow):
    """{program: the modules in its fingerprint}, of every rule and of all kinds that it may load by name."""
    programs = {program_of(rule) for rule in rules_of(workflow).values()}
    return {program: provenance.behaviour_of(program, *loaded_by_name(program)) for program in programs}


def test_each_program_depends_on_the_packages_of_its_stage_alone(behaviour):
    found = {
        program: " ".join(sorted({name.split(".")[1] for name in modules if name.startswith("s2f.")}))
        for program, modules in behaviour.items()
    }
    assert found == PACKAGES


@pytest.mark.parametrize("module", ["s2f.splits.panels", "s2f.splits.panel_files"])
def test_a_mend_of_panels_trains_no_head_and_predicts_nothing_again(behaviour, module):
    assert module in behaviour["make_panel"]
    assert module not in {*behaviour["train_head"], *behaviour["evaluate_head"]}


def test_a_mend_of_metrics_trains_no_head(behaviour):
    assert "s2f.evaluation.measure" in behaviour["evaluate_head"]
    assert "s2f.evaluation.measure" not in behaviour["train_head"]


def test_a_mend_of_a_gradient_or_a_picture_makes_no_embedding_and_trains_nothing(behaviour):
    for program in ("embed", "train_head", "train_baseline", "evaluate_head", "evaluate_baseline"):
        assert not {name for name in behaviour[program] if re.match(r"s2f\.(interpretation|plots|study)", name)}


def test_facts_that_programs_read_count_and_others_do_not(workflow):
    fingerprint = workflow.globals["code_fingerprint"]
    full = "s2f.heads.augmentations.full"
    found = fingerprint("train_head", full)
    assert found.startswith(provenance.code_fingerprint("train_head", full))
    assert '"reads_caches": false' in found and "strands" not in found
    assert fingerprint("compare") == provenance.code_fingerprint("compare")


# {param that takes `input` or `output`, which Snakemake does not compare: the param that is compared in its place}
INSTEAD = {
    "make_rows": {"files": "named"},
    "make_split": {"spec": "section"},
    "make_panel": {"spec": "section"},
    "embed": {"spec": "encoder"},
    "train_head": {"modes": "settings", "training": "settings"},
    "train_baseline": {"spec": "options"},
    "calibrate": {"study": "compared"},
    "learning_curve": {"study": "compared"},
    "compare": {"study": "compared"},
    "dependency_map": {"spec": "encoder"},
    "interpret": {"spec": "encoder"},
    "insert_motifs": {"spec": "encoder"},
    "score": {"options": "asked", "spec": "encoder"},
    "judge_scores": {"options": "asked"},
    "design_sequences": {"options": "asked"},
}
OUTPUTS = "says what the outputs are called"
AS_TRAINED = "with another encoder the models, which are inputs, are trained again"
# {param without such a param: why none is needed}
ALONE = {
    "download": {"downloads": "a file is checked by its SHA-256", "mirror": "the file is the same"},
    "train_head": {"heads": OUTPUTS, "seeds": OUTPUTS, "augmentations": OUTPUTS},
    "score": {"vcf": OUTPUTS},
    "motifs_truth": {"known": "with other known motifs the matches, which are inputs, are made again"},
    "design_sequences": {"specs": AS_TRAINED, "judge_specs": AS_TRAINED},
}


def takes_files(value):
    """Whether a param takes inputs or outputs as arguments, so that Snakemake does not compare it."""
    return callable(value) and not {"input", "output"}.isdisjoint(signature(value).parameters)


def compared(rule, **names):
    """The params of a job that Snakemake compares, but for the code."""
    job = SimpleNamespace(**names)
    values = {name: value for name, value in rule.params.items() if name != "code" and not takes_files(value)}
    return {name: value(job) if callable(value) else value for name, value in values.items()}


def test_a_param_that_is_not_compared_has_another_in_its_place(workflow):
    unknown = []
    for rule in rules_of(workflow).values():
        program = program_of(rule)
        files = {name for name, value in rule.params.items() if takes_files(value)} - {"python"}
        for name in files.difference(ALONE.get(program, {})):
            partner = INSTEAD.get(program, {}).get(name)
            if partner not in {*rule.params.keys()} - files:
                unknown.append(f"{rule.name}: {name}")
    assert unknown == []


def changes(workflow, monkeypatch, section, entry, rule, **names):
    """Keys of a section, by its schema, with which the compared params of a job change."""
    own, found = workflow.globals["STUDY"][section][entry], set()
    before = compared(rule, **names)
    for key in schema()["properties"][section]["additionalProperties"]["properties"]:
        with monkeypatch.context() as changed:
            changed.setitem(own, key, "another")
            if compared(rule, **names) != before:
                found.add(key)
    return found


def test_a_design_is_made_again_for_each_of_its_keys_but_those_of_other_methods(workflow, monkeypatch):
    rule = rules_of(workflow)["design_sequences"]
    keys = set(schema()["properties"]["design"]["additionalProperties"]["properties"])
    keys -= {"dataset", "split", "model", "seeds", "judge", "methods"}  # these choose inputs and outputs
    for method in METHODS:
        found = changes(workflow, monkeypatch, "design", "new", rule, design="new", method=method)
        assert found == keys - set(METHODS) | {method}


def test_scores_are_made_again_for_what_models_are_asked_and_judged_again_for_what_the_judge_is(workflow, monkeypatch):
    rules, job = rules_of(workflow), {"scores": "controls", "model": "kmer-ridge"}
    keys = set(schema()["properties"]["scoring"]["additionalProperties"]["properties"])
    assert changes(workflow, monkeypatch, "scoring", "controls", rules["score"], **job) == keys - set(scoring.OF_MODELS)
    found = changes(workflow, monkeypatch, "scoring", "controls", rules["judge_scores"], **job)
    files = {"satmut", "table"}  # measured values
    assert found == {"controls", "active_panel", "active_above", "id_column", "separator", "barcodes"} | files
    before = compared(rules["judge_scores"], scores="satmut")
    monkeypatch.setitem(workflow.globals["STUDY"]["scoring"]["satmut"], "models", ["malinois-1cell-narrow"])
    assert compared(rules["judge_scores"], scores="satmut") != before  # without the floor
