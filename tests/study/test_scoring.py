"""The section `scoring`: which models score what, and what is refused at the door."""

import shlex

import pytest

from helpers.parsed_workflow import parsed_workflow
from s2f.common.errors import InputError
from s2f.scoring import options
from s2f.study import runs, scoring, validate
from s2f.study.schema import schema

HEAD = "one/no_shift/boda-mean-8"


def config(strand_rule="mean", **entries):
    """A study of two heads and three baselines that scores some `entries`."""
    panels = {"id": {"kind": "rows"}, "snv": {"kind": "pairs"}}
    augmentation = "no_shift" if strand_rule == "mean" else "none"
    simulated = {"source": {"kind": "simulated"}, "construct": "c", "splits": ["s", "t"], "panels": panels}
    return {
        "study": "x", "seeds": [2, 1],
        "datasets": {"simulated": {**simulated, "strand_rule": strand_rule}},
        "constructs": {"c": {"flanks": "gosai_episomal", "length": 600}},
        "splits": {"s": {"kind": "chromosome"}, "t": {"kind": "chromosome", "val": ["chr1"]}},
        "encoders": {"one": {"kind": "onehot"}},
        "baselines": {"mean": {"kind": "mean"}, "ridge": {"kind": "kmer_ridge"}},
        "models": [
            {"encoders": ["one"], "augmentations": [augmentation], "heads": ["boda-mean-8"]},
            {"baselines": ["mean", "ridge"]},
        ],
        "scoring": {name.replace("_", "-"): {"dataset": "simulated", **entry} for name, entry in entries.items()},
    }  # fmt: skip


def jobs(**entries):
    checked = validate.validated(config(**entries))
    return scoring.jobs(checked, runs.runs(checked))


def test_nothing_is_scored_by_default():
    assert jobs() == []


def test_all_models_score_but_constants_with_the_first_seed_and_split():
    found = jobs(all={"fasta": "a.fa"}, one={"fasta": "a.fa", "models": [HEAD], "split": "t", "seed": 1})
    assert {(job.stem, job.run.split, job.run.seed) for job in found} == {
        (f"scores/all/{HEAD}", "s", 2), ("scores/all/ridge", "s", 2), (f"scores/one/{HEAD}", "t", 1),
    }  # fmt: skip


def test_effects_are_set_beside_the_first_panel_of_pairs():
    checked = validate.validated(config())
    of = lambda **entry: scoring.panel_of(checked, {"dataset": "simulated", **entry})  # noqa: E731
    assert (of(vcf="v"), of(pairs="p"), of(fasta="f"), of(bed="b"), of(variants="v", measured="snv")) == (
        "snv", "snv", "", "", "snv",
    )  # fmt: skip


GENOME = {"vcf": "v.vcf", "genome": "g.fa"}


@pytest.mark.parametrize(
    "entry, message",
    [
        ({}, "nothing to score is given; expected one of scoring.e.fasta"),
        ({"fasta": "a", "vcf": "b"}, "scoring.e.fasta, scoring.e.vcf are given together"),
        ({"vcf": "v.vcf"}, "scoring.e.vcf needs scoring.e.genome"),
        ({"fasta": "a", "dataset": "simulate"}, "scoring.e.dataset: 'simulate' is unknown; did you mean 'simulated'"),
        ({"fasta": "a", "split": "u"}, "scoring.e.split: no model of 'simulated' is trained on 'u'"),
        ({"fasta": "a", "models": ["rigde"]}, "scoring.e.models: 'rigde' is unknown; did you mean 'ridge'"),
        ({"fasta": "a", "models": ["mean"]}, "'mean' predicts a constant"),
        ({"fasta": "a", "seed": 7, "models": ["ridge"]}, "scoring.e.seed: 'ridge' has no run with the seed 7; it has"),
        ({"fasta": "a", "seed": 7}, "no model of the study can score this"),
        ({"fasta": "a", "shifts": [3]}, "scoring.e.shifts: 'ridge' cannot shift its window; list models on encoders"),
        ({**GENOME, "measured": "id"}, "scoring.e.measured: 'id' is not a panel of pairs"),
        ({**GENOME, "tile": 5}, "scoring.e.tile is only for scoring.e.fasta, scoring.e.table, scoring.e.bed"),
        ({**GENOME, "strand": "file"}, "a VCF has no column of strands"),
        ({**GENOME, "strand": "-", "genes": "g.gtf"}, "give scoring.e.strand or scoring.e.genes, not both"),
        ({"fasta": "{data}/a"}, r"scoring.e.fasta: '\{data\}/a': \{data\} is not a known placeholder"),
    ],
)
def test_what_cannot_be_scored_is_refused(entry, message):
    with pytest.raises(InputError, match=message):
        jobs(e=entry)


def test_a_model_of_one_strand_needs_one():
    with pytest.raises(InputError, match=r"must be known: give scoring.e.genes, a GTF, or scoring.e.strand"):
        validate.validated(config("forward", e=GENOME))
    for given in ({"strand": "both"}, {"genes": "g.gtf"}):
        validate.validated(config("forward", e={**GENOME, **given}))


def test_every_option_of_the_study_is_one_of_the_program():
    from helpers.programs import parser_of

    known = {action.dest for action in parser_of("score")._actions}
    section = schema()["properties"]["scoring"]["additionalProperties"]["properties"]
    assert set(section) - set(scoring.OF_MODELS) <= known
    assert set(options.ONLY_FOR) <= known and set(options.INPUTS) <= set(section)


def test_options_reach_the_program(root, tmp_path):
    for name in ("v.vcf", "g.fa"):
        (tmp_path / name).write_text("")
    entry = {"vcf": str(tmp_path / "v.vcf"), "genome": str(tmp_path / "g.fa"), "offsets": [3, 9], "vcf_out": "vcf.gz"}
    section = {"e": entry, "f": {"fasta": str(tmp_path / "g.fa")}}
    section = {name: {"dataset": "simulated_k562", **own} for name, own in section.items()}
    workflow = parsed_workflow(root, scoring=section)
    rules = {rule.name: rule for rule in workflow.rules}
    assert {"score", "score_2", "join_scores"} <= set(rules)
    functions = workflow.globals
    job = type("W", (), {"scores": "e", "model": "kmer-ridge"})()
    files = type(
        "I", (), {"files": functions["files_scored"](job), "measured": functions["measured_for_scores"](job)}
    )()
    words = shlex.split(functions["options_of_scores"](job, files))
    assert words[words.index("--offsets") : words.index("--offsets") + 3] == ["--offsets", "3", "9"]
    assert words[words.index("--vcf") + 1] == entry["vcf"] and "--dataset" not in words and "--vcf-out" not in words
    place = "results/simulated_k562"
    assert words[-2:] == [
        f"{place}/chromosome/kmer-ridge/seed1/predictions/snv.tsv",
        f"{place}/panels/chromosome/snv.tsv",
    ]
