"""Fingerprints follow the stages: a change of which packages may make the jobs of a program run again."""

import re

import pytest

from helpers.parsed_workflow import loaded_by_name, parsed_workflow, program_of, rules_of
from s2f.common import provenance

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
    "select_sequences": "common interpretation rows sequences",
    "summarise_interpretation": "common interpretation sequences",
    "summarise_designs": "common design",
    "tapt": "common language_model rows sequences",
    "train_baseline": "baselines common embeddings language_model models rows sequences splits",
    "train_head": "common embeddings heads models rows sequences splits",
    "train_stage2": "common embeddings heads models rows sequences splits",
}  # fmt: skip


@pytest.fixture(scope="module")
def behaviour(root):
    """{program: the modules in its fingerprint}, of every rule and of all kinds that it may load by name."""
    programs = {program_of(rule) for rule in rules_of(parsed_workflow(root, cache={"shards": 2})).values()}
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


def test_facts_that_programs_read_count_and_others_do_not(root):
    fingerprint = parsed_workflow(root).globals["code_fingerprint"]
    full = "s2f.heads.augmentations.full"
    found = fingerprint("train_head", full)
    assert found.startswith(provenance.code_fingerprint("train_head", full))
    assert '"reads_caches": false' in found and "strands" not in found
    assert fingerprint("compare") == provenance.code_fingerprint("compare")
