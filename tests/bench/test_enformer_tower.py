"""The benchmark compares two ways that compute the same."""

import importlib.util
import json

import numpy as np
import pytest
import torch

from bench import enformer_tower, machine
from s2f.embeddings.encoders import _enformer_network as network
from s2f.embeddings.encoders import _flank_reuse

TINY = {"kind": "enformer_tower", "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 3}


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_quickly", "one_torch_thread")
def test_all_ways_give_the_same_numbers(capsys):
    found = enformer_tower.bench(3, 1, machine.limits(quick=True), TINY)
    assert list(found) == ["plain torch, whole windows", "encoder, whole windows", "encoder, shared flanks"]
    assert [error < 1e-5 for *_, error in found.values()] == [True] * 3
    assert found["plain torch, whole windows"] == (1, 1, 0)
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert all(line.startswith(name) and "(extrapolated)" in line for line, name in zip(lines, found, strict=True))


def test_the_plain_network_is_the_package(shared):
    """Of golden weights it has golden numbers, so the ratio is one to the field's way."""
    folder = shared / "golden" / "enformer"
    spec = importlib.util.spec_from_file_location("recipe", folder / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    model = enformer_tower.plain_network("tiny", recipe.state(*recipe.SIZES["tiny"])[0])
    sequences = json.loads((folder / "golden.json").read_text())["sequences"]
    for name in ("rand0", "len281"):
        with torch.no_grad():
            found = model(torch.from_numpy(recipe.one_hot(sequences[name])[None]).transpose(1, 2))[0].T.numpy()
        assert np.abs(found - np.load(folder / "golden.npz")[f"tiny__{name}"]).max() <= 1e-5


def test_work_at_full_size():
    """3.9 G multiply-adds at 600 bp as the package computes it (golden/enformer/README.md)."""
    assert enformer_tower.flop("full", 600, plain=True) / 2 == pytest.approx(3.91e9, rel=2e-3)
    assert enformer_tower.flop("full", 200, plain=True) / 2 == pytest.approx(1.33e9, rel=5e-3)
    plan = _flank_reuse.plan(600, 200, 200, network.REACHES)
    assert enformer_tower.flop("full", 600, plan) / enformer_tower.flop("full", 600) == pytest.approx(0.469, abs=1e-3)
