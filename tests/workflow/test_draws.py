"""Weights and adaptations that are drawn anew for each seed: what is planned, by which path, and what comes of it."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.forked_snakemake import jobs, snakemake
from helpers.parsed_workflow import parsed_rules
from s2f.common.provenance import derived_seed
from s2f.embeddings.cache import open_cache
from s2f.study.jobs import weights_id

MINI = {"kind": "lamar", "size": "lamar-mini", "layer": 1, "pooling": "mean", "batch_size": 32}
SHORT = {"size": "lamar-mini", "steps": 1, "batch_size": 4, "micro_batch": 4, "validation_windows": 4}
ADAPTED = SHORT | {"datasets": {"simulated_rbp": ["chromosome"]}}
TUNED = {"kind": "lamar_finetuned", "size": "lamar-mini", "epochs": 1}
STUDY = {
    "study": "draws",
    "seeds": [1, 2],
    "seed": 4,
    "datasets": {
        "simulated_rbp": {
            "source": {"kind": "simulated_rbp", "rows": 120, "seed": 3}, "task": "classification",
            "strand_rule": "forward", "construct": "w", "splits": ["chromosome"], "panels": {"id": {"kind": "rows"}},
        }
    },
    "constructs": {"w": {"flanks": "none", "length": 101}},
    "splits": {"chromosome": {"kind": "chromosome"}},
    "tapt": {"anew": ADAPTED | {"per_seed": True, "start": {"random": "per_seed"}}, "once": ADAPTED},
    "encoders": {
        "drawn.layer01": MINI | {"weights": {"random": "per_seed"}},
        "fixed.layer01": MINI | {"weights": {"random": 0}},
        "anew.layer01": MINI | {"weights": {"tapt": "anew"}},
        "once.layer01": MINI | {"weights": {"tapt": "once"}},
    },
    "baselines": {"gc": {"kind": "gc"}, "tuned-lora": TUNED | {"weights": {"tapt": "anew"}, "lora": {}}},
    "models": [
        {
            "encoders": ["drawn.layer01", "fixed.layer01", "anew.layer01", "once.layer01"], "augmentations": ["none"],
            "heads": ["linear-probe", "encoder-16-dropout"],
        },
        {"baselines": ["gc", "tuned-lora"]},
    ],
    "training": {"epochs": 1},
    "isoscore": {},
    "comparison": {"against": "gc", "resamples": 100},
}  # fmt: skip
CACHES = "results/simulated_rbp/embeddings"


def written(folder, **changes):
    """Path of the study, with keys changed, in a folder."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(STUDY | changes))
    return path


def commands(output):
    """The commands of a dry run with --printshellcmds, by program."""
    found = {}
    for line in output.splitlines():
        program = re.search(r"python -P -m (\w+) ", line)
        if program:
            found.setdefault(program[1], []).append(line)
    return found


@pytest.mark.parametrize("together", [False, True])
def test_each_run_reads_the_draw_of_its_seed(root, tmp_path, together):
    study = written(tmp_path, train_together=together)
    output = snakemake(root, tmp_path, "--dry-run", "--printshellcmds", "--configfile", study)
    planned = jobs(output)
    assert (planned["embed_strand"], planned["tapt"], planned["train_baseline"]) == (6, 3, 3)
    assert planned["adaptation_windows"] == 2  # once for the draws of each adaptation, without a GPU
    if not together:
        assert planned["train_head"] == planned["evaluate_head"] == 2 * 3 + 2 * 4
    made = commands(output)
    for line in made["train_head"] + made["evaluate_head"]:
        seeds = {int(seed) for seed in re.findall(r"/seed(\d+)/", line)}
        encoder = re.search(r"/chromosome/([^/]+)/none/", line)[1]
        read = set(re.findall(rf"{CACHES}/{re.escape(encoder)}/(\S*)\+00\.forward\.h5", line))
        if encoder in ("drawn.layer01", "anew.layer01"):
            assert read == {f"draw{seed}/" for seed in seeds} and len(seeds) == 1, line
        else:
            assert read == {""}, line
    for line in made["train_head"]:
        anew = "/drawn.layer01/" in line or "/anew.layer01/" in line
        assert ("--drawn-per-seed" in line) == anew
        shared = {"fixed": "'random weights'", "once": "adaptation", "drawn": "", "anew": ""}
        encoder = re.search(r"--encoder (\w+)", line)[1]
        assert re.search(rf"--one-draw {shared[encoder]} +--", line)
    for line in made["train_baseline"]:
        seed = re.search(r"--seed (\d+) ", line)[1]
        assert "tuned" not in line or f"results/tapt/anew/draw{seed}" in line
    for seed in (1, 2):  # a checkpoint of adapters is read with the weights that these stand on
        made_of = rf"Missing output files: [^;]*/tuned-lora/seed{seed}/metrics\.tsv[^;]*; Input files .*"
        assert re.search(rf"{made_of}results/tapt/anew/draw{seed}\b", output)
    for line in made["tapt"]:
        draw = re.search(r"--out results/tapt/anew/draw(\d)", line)
        assert not draw or f'"random": {derived_seed(4, "draw", int(draw[1]))}' in line
    (isoscore,) = made["isoscore"]
    assert f"{CACHES}/drawn.layer01/draw1/" in isoscore and "draw2" not in isoscore


@pytest.fixture(scope="module")
def below(tmp_path_factory):
    """Folder of weights on which adapters are trained."""
    folder = tmp_path_factory.mktemp("below")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def rules(root, below, tmp_path_factory):
    """{name: rule} of a study that uses models of adapters, and ensembles of them, in all ways."""
    of = {"dataset": "simulated_rbp", "split": "chromosome"}
    models = ["tuned-lora", "here-lora", "tuned"]
    changes = {
        "baselines": STUDY["baselines"] | {
            "here-lora": TUNED | {"weights": {"path": str(below)}, "lora": {}},
            "tuned": TUNED | {"weights": {"tapt": "anew"}}, "kmers": {"kind": "kmer_logistic"},
        },
        "models": [*STUDY["models"], {"baselines": ["here-lora", "tuned", "kmers"]}],
        "ensembles": {"both": {"over": "encoders", "members": models[:2]}},
        "scoring": {"mine": of | {"fasta": "mine.fa", "models": [*models, "both"]}},
        "design": {"new": of | {"model": "both", "judge": "kmers", "start": {"random": 2}}},
        "interpretation": [{"panel": "id", "datasets": ["simulated_rbp"], "models": models, "methods": ["ism"]}],
    }  # fmt: skip
    return parsed_rules(root, written(tmp_path_factory.mktemp("study"), **changes))


def named(rule, **names):
    """What a job names as weights: folders that rule tapt makes, and the hash of weights at other paths."""
    wildcards = SimpleNamespace(**names, get=names.get)
    made = rule.input.weights(wildcards)
    return [made] if isinstance(made, str) else made, rule.params.weights(wildcards)


@pytest.mark.parametrize(
    ("rule", "of"),
    [
        ("evaluate_baseline", {"baseline": "{}"}), ("interpret", {"model": "{}"}), ("insert_motifs", {"model": "{}"}),
        ("score", {"scores": "mine", "model": "{}"}),
    ],
)  # fmt: skip
def test_a_model_of_adapters_is_read_with_the_weights_below_it(rules, below, rule, of):
    def read(model):
        place = {"dataset": "simulated_rbp", "split": "chromosome", "seed": "2"} if rule != "score" else {}
        return named(rules[rule], **place, **{key: value.format(model) for key, value in of.items()})

    draw = "draw1" if rule == "score" else "draw2"  # scores are those of the first seed
    assert read("tuned-lora") == ([f"results/tapt/anew/{draw}"], "")
    assert read("here-lora") == ([], weights_id({"weights": {"path": str(below)}})) != ([], "")
    assert read("tuned") == ([], "")  # its checkpoint holds all weights


def test_ensembles_and_designs_read_the_weights_below_the_adapters_of_their_members(rules, below):
    for rule, of in (("score", {"scores": "mine", "model": "both"}),
                     ("design_sequences", {"design": "new", "method": "evolution"})):  # fmt: skip
        made, there = named(rules[rule], **of)
        assert (made, there.split()) == (["results/tapt/anew/draw1"], [weights_id({"weights": {"path": str(below)}})])


@pytest.mark.parametrize(
    ("target", "planned"),
    [
        (f"{CACHES}/drawn.layer01/draw2/+00.forward.h5", {"make_rows": 1, "embed_strand": 1}),
        (f"{CACHES}/anew.layer01/draw2/+00.forward.h5",
         {"make_rows": 1, "make_units": 1, "make_split": 1, "adaptation_windows": 1, "tapt": 1, "embed_strand": 1}),
        ("results/tapt/anew/draw7",
         {"make_rows": 1, "make_units": 1, "make_split": 1, "adaptation_windows": 1, "tapt": 1}),
        ("results/simulated_rbp/chromosome/drawn.layer01/none/linear-probe/seed2/metrics.tsv",
         {"make_rows": 1, "make_units": 1, "make_split": 1, "make_panel": 1, "embed_strand": 1, "train_head": 1,
          "evaluate_head": 1}),
    ],
)  # fmt: skip
def test_a_draw_is_planned_by_its_path(root, tmp_path, target, planned):
    output = snakemake(root, tmp_path, "--dry-run", "--configfile", written(tmp_path), "--", target)
    assert jobs(output) == planned


@pytest.mark.parametrize(
    "target",
    [
        f"{CACHES}/drawn.layer01/+00.forward.h5",
        f"{CACHES}/fixed.layer01/draw1/+00.forward.h5",
        "results/tapt/anew",
        "results/tapt/once/draw1",
    ],
)
def test_what_is_drawn_anew_has_no_other_path_and_nothing_else_has_draws(root, tmp_path, target):
    output = snakemake(root, tmp_path, "--dry-run", "--configfile", written(tmp_path), "--", target, check=False)
    assert "MissingRuleException" in output or "MissingInputException" in output


@pytest.mark.slow
def test_seeds_have_weights_of_their_own(root, tmp_path):
    encoders = {"encoders": ["drawn.layer01", "anew.layer01"], "augmentations": ["none"]}
    models = [encoders | {"heads": ["linear-probe"]}, {"baselines": ["gc"]}]
    study = written(tmp_path, models=models, training={}, train_together=True)
    snakemake(root, tmp_path, "--configfile", study, "--", "results/compare.tsv")
    values = {}
    for name in ("drawn", "anew"):
        for draw in (1, 2):
            path = tmp_path / f"{CACHES}/{name}.layer01/draw{draw}/+00.forward.h5"
            with open_cache(path) as cache:
                values[name, draw] = np.asarray(cache.embedding).astype(np.float32)
        assert np.abs(values[name, 1] - values[name, 2]).max() > 0.1
    assert np.abs(values["drawn", 1] - values["anew", 1]).max() > 0

    records = {}
    for path in tmp_path.glob("results/simulated_rbp/chromosome/*/none/linear-probe/seed*/best_model/model.json"):
        record = json.loads(path.read_text())
        records[record["encoder"], record["seed"]] = record
    assert sorted(records) == [(f"{name}.layer01", seed) for name in ("anew", "drawn") for seed in (1, 2)]
    for record in records.values():
        assert (record["stochastic"], record["one_draw"], record["drawn_per_seed"]) == (True, "", True)
    assert len({record["encoder_fingerprint"] for record in records.values()}) == 4
    compared = pd.read_csv(tmp_path / "results" / "compare.tsv", sep="\t").set_index("model")
    compared = compared[compared["metric"] == "auroc"]
    assert compared.loc["drawn.layer01/none/linear-probe", "seeds"] == 2
    assert compared.loc["drawn.layer01/none/linear-probe", "sd"] > 0
    assert compared["seeds"].to_dict() == {
        "gc": 1, "drawn.layer01/none/linear-probe": 2, "anew.layer01/none/linear-probe": 2,
    }  # fmt: skip
