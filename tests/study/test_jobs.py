"""Jobs of a study: other weights are another job, and weights that are not there yet are named."""

import os
from pathlib import Path

import pytest

from s2f.study import jobs


def test_other_weights_at_the_same_path_have_another_id(tmp_path):
    encoder = {"kind": "alphagenome", "weights": {"path": str(tmp_path)}}
    (tmp_path / "manifest.ocdbt").write_bytes(b"one")
    first = jobs.weights_id(encoder)
    (tmp_path / "manifest.ocdbt").write_bytes(b"two")
    assert len({first, jobs.weights_id(encoder), jobs.weights_id({"kind": "onehot"})}) == 3


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


@pytest.mark.parametrize("kind", ["alphagenome", "enformer_tower", "lamar", "dnabert2"])
def test_another_file_at_the_path_of_weights_is_other_weights(tmp_path, kind):
    path = tmp_path / "weights.bin"
    ids = {jobs.weights_id({"kind": kind, "weights": {"path": str(path)}})}
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, ns=(0, len(ids)))
        ids.add(jobs.weights_id({"kind": kind, "weights": {"path": str(path)}, "tokenizer": ""}))
    assert len(ids) == 3


@pytest.mark.parametrize(
    "name",
    ["model-00001-of-00002.safetensors", "part1.safetensors", "model.safetensors.index.json", "stage2/manifest.ocdbt"],
)
def test_whatever_holds_or_names_weights_identifies_them(tmp_path, name):
    ids = set()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    for content in (b"one", b"two"):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(0, len(ids)))
        ids.add(jobs.weights_id({"kind": "lamar", "weights": {"path": str(tmp_path)}}))
    assert len(ids) == 2


def test_another_tokenizer_of_random_weights_reads_otherwise(tmp_path):
    ids = {jobs.weights_id({"kind": "dnabert2", "weights": {"random": 0}})}
    for number, content in enumerate(("one", "two")):
        (tmp_path / "tokenizer.json").write_text(content)
        os.utime(tmp_path / "tokenizer.json", ns=(0, number))
        for path in (tmp_path, tmp_path / "tokenizer.json"):
            ids.add(jobs.weights_id({"kind": "dnabert2", "weights": {"random": 0}, "tokenizer": str(path)}))
    assert len(ids) == 5


def test_weights_that_are_not_there_yet_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sections = {
        "encoders": {"a": {"weights": {"path": "here"}}, "b": {"weights": {"path": "gone"}}, "c": {}},
        "baselines": {"d": {"weights": {"random": 0}}, "e": {"weights": {"path": "lost/x"}, "tokenizer": ""}},
        "tapt": {"f": {"start": {"path": "away"}}, "g": {"start": {"random": 0}, "tokenizer": "no/t"}},
    }
    Path("here").mkdir()
    expected = [
        ("encoders.b.weights.path", "gone"), ("baselines.e.weights.path", "lost/x"), ("tapt.f.start.path", "away"),
        ("tapt.g.tokenizer", "no/t"),
    ]  # fmt: skip
    assert jobs.missing_weights(sections) == expected
