"""The study: every mistake is caught at the door with the name of its key; runs are what the models ask for."""

import copy
import os
from pathlib import Path

import pytest
import yaml

from s2f.common.errors import InputError
from s2f.study import jobs, runs, schema, validate

MINIMAL = {
    "study": "tiny",
    "datasets": {
        "simulated_d": {
            "source": {"kind": "simulated"},
            "construct": "c",
            "splits": ["chromosome"],
            "panels": {"chromosome": {"kind": "rows"}},
        }
    },
    "constructs": {"c": {"flanks": "gosai_episomal", "length": 600}},
    "splits": {"chromosome": {"kind": "chromosome"}},
    "encoders": {"onehot": {"kind": "onehot"}},
    "baselines": {"mean": {"kind": "mean"}},
    "models": [{"encoders": ["onehot"], "heads": ["boda-mean-512-512"]}, {"baselines": ["mean"]}],
}


def changed(path, value):
    """A copy of the minimal study with one key set (or removed, when value is None)."""
    config = copy.deepcopy(MINIMAL)
    place = config
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return config


def test_defaults_are_filled_in_at_every_depth():
    checked = validate.validated(MINIMAL)
    assert checked["training"]["epochs"] == 50
    assert checked["datasets"]["simulated_d"]["strand_rule"] == "mean"
    assert checked["datasets"]["simulated_d"]["source"]["rows"] == 3000
    assert checked["splits"]["chromosome"]["test"] == ["chr7", "chr13"]
    assert "training" not in MINIMAL  # the given config is not changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["studdy"], "x", "key 'studdy' is unknown; did you mean 'study'?"),
        (["study"], None, "key 'study' is missing"),
        (["training"], {"epoch": 3}, "training: key 'epoch' is unknown; did you mean 'epochs'?"),
        (["training"], {"epochs": 0}, "training.epochs: 0 is less than the minimum of 1"),
        (["training"], {"epochs": "many"}, "training.epochs: 'many' is not of type 'integer'"),
        (
            ["datasets", "simulated_d", "construct"],
            "nope",
            "datasets.simulated_d.construct: 'nope' is not in the section 'constructs'",
        ),
        (["datasets", "simulated_d", "splits"], ["chromosom"], "did you mean 'chromosome'?"),
        (
            ["datasets", "simulated_d", "source"],
            {"kind": "simulatd"},
            "datasets.simulated_d.source.kind: 'simulatd' is unknown",
        ),
        (
            ["datasets", "simulated_d", "source"],
            {"kind": "simulated", "row": 9},
            "datasets.simulated_d.source: key 'row' is unknown",
        ),
        (["augmentations"], {"m": {"kind": "multi_shift", "shift": 3}}, "augmentations.m: key 'shift' is unknown"),
        (
            ["augmentations"],
            {"m": {"kind": "multi_shift", "shifts": 4}},
            "augmentations.m: augmentation multi_shift: 4",
        ),
        (
            ["augmentations"],
            {"full": {"kind": "random_rc"}},
            "its kind is random_rc, and 'full' is the name of another",
        ),
        (["models", 0, "augmentations"], ["full"], "which encoder 'onehot' (kind onehot) cannot"),
        (["datasets", "simulated_d", "strand_rule"], "forward", "its strand_rule is forward"),
        (["encoders", "onehot"], {"kind": "onehott"}, "encoders.onehot.kind: 'onehott' is unknown"),
        (["encoders", "x"], {"kind": "alphagenome"}, "encoders.x: key 'weights' is missing"),
        (["models", 0, "heads"], ["boda-flatn-512"], "head 'boda-flatn-512' is unknown"),
        (["models", 0, "encoders"], ["onehop"], "models.0.encoders: 'onehop' is not in the section 'encoders'"),
        (["models", 0, "heads"], [], "encoders and heads go together"),
        (["models", 1, "baselines"], ["meen"], "models.1.baselines: 'meen' is not in the section 'baselines'"),
        (["comparison"], {"against": "malinois"}, "comparison.against: 'malinois' is not among the models"),
        (["models"], [{}], "no model is asked for"),
        (
            ["models", 0, "augmentations"],
            ["no_shfit"],
            "augmentation 'no_shfit' is unknown; did you mean 'no_shift'? known: compact, full",
        ),
        (
            ["splits", "chromosome"],
            {"kind": "chromosome", "val": ["chr7"]},
            "splits.chromosome: 'chr7' is listed in two",
        ),
        (["heads"], {"boda-flaten-512-512": {"epochs": 1}}, "head 'boda-flaten-512-512' is unknown"),
        (["heads"], {"boda-max-512-512": {"epochs": 1}}, "heads.boda-max-512-512: no entry of models uses this head"),
        (["baselines", "onehot"], {"kind": "mean"}, "an encoder has the same name"),
    ],
)
def test_each_mistake_names_its_key(path, value, message):
    with pytest.raises(InputError) as caught:
        validate.validated(changed(path, value))
    assert message in str(caught.value)


def test_data_dir_is_put_into_file_names_or_asked_for():
    source = {"kind": "lentimpra", "files": {"rows": "{data_dir}/x.tsv"}}
    with pytest.raises(InputError, match="add --config data_dir=FOLDER"):
        validate.validated(changed(["datasets", "simulated_d", "source"], source))
    config = changed(["datasets", "simulated_d", "source"], source) | {"data_dir": "there"}
    assert validate.validated(config)["datasets"]["simulated_d"]["source"]["files"] == {"rows": "there/x.tsv"}


def test_runs_are_the_product_of_the_models_and_seeds():
    config = copy.deepcopy(MINIMAL) | {"seeds": [1, 2], "baselines": {"mean": {"kind": "mean", "seeds": 1}}}
    folders = [run.folder for run in runs.runs(validate.validated(config))]
    assert folders == [
        "simulated_d/chromosome/mean/seed1",
        "simulated_d/chromosome/onehot/no_shift/boda-mean-512-512/seed1",
        "simulated_d/chromosome/onehot/no_shift/boda-mean-512-512/seed2",
    ]


def test_every_study_of_the_project_is_valid(root):
    paths = [root / "config" / "config.yaml", *sorted((root / "config" / "studies").glob("*.yaml"))]
    assert len(paths) >= 2
    for path in paths:
        validate.validated(yaml.safe_load(path.read_text()) | {"data_dir": "data"})


def test_simulated_rows_must_be_called_so():
    config = copy.deepcopy(MINIMAL)
    config["datasets"]["k562"] = config["datasets"].pop("simulated_d")
    with pytest.raises(InputError, match="put 'simulated' into the dataset's name"):
        validate.validated(config)


def test_other_weights_at_the_same_path_have_another_id(tmp_path):
    encoder = {"kind": "alphagenome", "weights": {"path": str(tmp_path)}}
    (tmp_path / "manifest.ocdbt").write_bytes(b"one")
    first = jobs.weights_id(encoder)
    (tmp_path / "manifest.ocdbt").write_bytes(b"two")
    assert len({first, jobs.weights_id(encoder), jobs.weights_id({"kind": "onehot"})}) == 3


@pytest.mark.parametrize(
    ("mode", "layout", "message"),
    [
        ("compact", "centered", "its construct has layout centered, expected compact"),
        ("full", "whole", "layout whole, whose window cannot be shifted"),
        ("multi_shift", "whole", "layout whole, whose window cannot be shifted"),
    ],
)
def test_a_mode_that_the_construct_does_not_allow_is_refused(mode, layout, message):
    config = changed(["encoders", "onehot"], {"kind": "kmer"})
    config["constructs"]["c"]["layout"] = layout
    config["models"][0]["augmentations"] = [mode]
    with pytest.raises(InputError, match=message):
        validate.validated(config)


def test_jobs_that_train_together_share_all_but_seed_and_last_step():
    config = changed(["seeds"], [1, 2])
    config["models"][0]["heads"] = ["boda-sum-16", "boda-max-16", "boda-center-16", "boda-sum-32"]
    config["heads"] = {"boda-max-16": {"epochs": 3}}
    groups = [{(run.head, run.seed) for run in group} for group in runs.together(validate.validated(config))]
    assert all({seed for _, seed in group} == {1, 2} for group in groups)
    heads = sorted(tuple(sorted({head for head, _ in group})) for group in groups)
    assert heads == [("boda-center-16",), ("boda-max-16",), ("boda-sum-16",), ("boda-sum-32",)]
    del config["heads"]
    groups = [{run.head for run in group} for group in runs.together(validate.validated(config))]
    assert {"boda-sum-16", "boda-max-16"} in groups


def test_rules_that_train_together_have_names_of_their_heads_and_know_their_places():
    config = changed(["seeds"], [1, 2])
    config["models"][0]["heads"] = ["boda-sum-16", "boda-max-16", "boda-center-16"]
    checked = validate.validated(config)
    rules = runs.rules_together(checked)
    assert set(rules) == {"train_together_boda_max_16_and_boda_sum_16", "train_together_boda_center_16"}
    assert sorted(run.folder for groups in rules.values() for group in groups for run in group) == sorted(
        run.folder for run in runs.runs(checked) if run.head
    )
    run = rules["train_together_boda_center_16"][0][0]
    assert run.at(run.views) == run
    other = run.at("mpra2/random/kmer4/full")
    assert (other.folder, other.encoder) == ("mpra2/random/kmer4/full/boda-center-16/seed1", "kmer4")


def test_weights_that_are_not_there_yet_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sections = {
        "encoders": {"a": {"weights": {"path": "here"}}, "b": {"weights": {"path": "gone"}}, "c": {}},
        "baselines": {"d": {"weights": {"random": 0}}, "e": {"weights": {"path": "lost/x"}}},
        "tapt": {"f": {"start": {"path": "away"}}, "g": {"start": {"random": 0}}},
    }
    Path("here").mkdir()
    expected = [
        ("encoders.b.weights.path", "gone"), ("baselines.e.weights.path", "lost/x"), ("tapt.f.start.path", "away"),
    ]  # fmt: skip
    assert jobs.missing_weights(sections) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "s.yaml: line 3: key 'a' stands in line 1 already"),
        ("x:\n  - k: 1\n    l: {m: 1,\n    m: 2}\n", "s.yaml: line 4: key 'm' stands in line 3 already"),
        ("datasets:\n  k562:\n    a: 1\n  hepg2: {}\n  k562: {}\n", "line 5: key 'k562' stands in line 2 already"),
    ],
)
def test_a_key_that_occurs_twice_in_a_study_is_named(tmp_path, text, message):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        schema.refuse_repeated_keys(tmp_path / "s.yaml")


@pytest.mark.parametrize("text", ["", "a: [", "a: &x {b: 1}\nc: *x\n", "a: {b: 1}\nc: {b: 1}\n", "- a\n- a\n"])
def test_other_yaml_passes(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    schema.refuse_repeated_keys(tmp_path / "s.yaml")


def test_the_studies_of_the_project_name_no_key_twice(root):
    for path in (root / "config").rglob("*.yaml"):
        schema.refuse_repeated_keys(path)


def test_other_weights_of_equal_size_are_other_weights(tmp_path):
    encoder = {"kind": "lamar", "weights": {"path": str(tmp_path)}}
    ids = set()
    for content in (b"one", b"two"):
        (tmp_path / "model.safetensors").write_bytes(content)
        os.utime(tmp_path / "model.safetensors", ns=(0, len(ids)))
        ids.add(jobs.weights_id(encoder))
    assert len(ids) == 2
    os.utime(tmp_path / "model.safetensors", ns=(0, 7))
    assert jobs.weights_id(encoder) in ids  # copied or touched, but the same
