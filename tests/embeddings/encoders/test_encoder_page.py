"""What docs/encoders.md shows works: its two files, put into a copy of the library, fill a cache; its check checks."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from helpers import programs
from helpers.cache_builds import of
from s2f.rows.canonical import canonical, write_rows
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

CONSTRUCT = {"flanks": "gosai_episomal", "length": 600}


@pytest.fixture(scope="module")
def blocks(root):
    """(language, text) of the blocks of code on the page."""
    return re.findall(r"```(\w+)\n(.*?)```", (root / "docs" / "encoders.md").read_text(), re.DOTALL)


def block(blocks, language, start):
    (found,) = (text for of, text in blocks if of == language and text.startswith(start))
    return found


@pytest.fixture(scope="module")
def work(root, blocks, tmp_path_factory):
    """A copy of the library with the two files of the page, weights in the layout they ask for, and rows."""
    folder = tmp_path_factory.mktemp("page")
    scripts = folder / "workflow" / "scripts"
    shutil.copytree(root / "workflow" / "scripts", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    kind = scripts / "s2f" / "embeddings" / "encoders" / "mynet"
    kind.with_suffix(".yaml").write_text(block(blocks, "yaml", "title: mynet"))
    kind.with_suffix(".py").write_text(block(blocks, "python", '"""Encoder `mynet`'))
    generator = torch.Generator().manual_seed(0)
    state = {"0.weight": torch.randn(64, 4, 15, generator=generator), "0.bias": torch.randn(64, generator=generator)}
    for name, tensors in {"mynet-v1": state, "broken": {**state, "0.extra": torch.ones(1)}}.items():
        (folder / name).mkdir()
        safetensors.torch.save_file(tensors, folder / name / "model.safetensors")
    codes = np.random.default_rng(0).integers(0, 5, (5, 200), np.uint8)
    rows = {"row_id": [f"r{i}" for i in range(5)], "sequence": [dna.decode(row) for row in codes], "label": range(5)}
    write_rows(folder / "rows.parquet", canonical(pd.DataFrame(rows).astype({"label": float}), "rows"))
    return folder


def embed(folder, weights):
    spec = {"kind": "mynet", "weights": {"path": str(folder / weights)}, "batch_size": 2}
    strands = "forward", "reverse"
    return programs.run(
        folder, "embed", "--rows", "rows.parquet", "--encoder", "mynet", "--encoder-spec", json.dumps(spec),
        "--construct", json.dumps(CONSTRUCT), "--strands", *strands, "--dtype", "float32", "--threads", "1",
        "--gpus", "0", "--out", *(f"{s}.h5" for s in strands), "--manifests", *(f"{s}.json" for s in strands),
        folder=folder,
    )  # fmt: skip


def test_the_two_files_of_the_page_fill_a_cache(work):
    done = embed(work, "mynet-v1")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((work / "forward.json").read_text())
    assert (manifest["encoder_kind"], manifest["seen"]["text"]) == ("mynet", "all chromosomes but chr7, chr13")
    assert manifest["licence"].startswith("CC-BY-4.0") and manifest["provenance"] == "mynet-v1"
    rows = pd.read_parquet(work / "rows.parquet")
    state = safetensors.torch.load_file(work / "mynet-v1" / "model.safetensors")
    windows = Construct.from_spec(CONSTRUCT).assemble(rows["sequence"])
    for strand, codes in (("forward", windows), ("reverse", dna.reverse_complement(windows))):
        x = torch.from_numpy(np.pad(dna.one_hot(codes), ((0, 0), (0, 40), (0, 0)))).transpose(1, 2)
        x = torch.nn.functional.gelu(torch.nn.functional.conv1d(x, state["0.weight"], state["0.bias"], padding=7))
        wanted = x.reshape(5, 64, 5, 128).mean(-1).transpose(1, 2).numpy()
        np.testing.assert_allclose(of(rows, work / f"{strand}.h5"), wanted, atol=1e-5)


def test_the_page_refuses_weights_that_do_not_fit(work):
    done = embed(work, "broken")
    assert done.returncode == 1
    assert "model.safetensors: these are not weights of MyNet" in done.stderr and '"0.extra"' in done.stderr


class Rotary(torch.nn.Module):
    """A network with a buffer that its file does not hold."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.register_buffer("inv_freq", 1 / 10_000 ** (torch.arange(4) / 4), persistent=False)


def test_the_check_of_the_page_finds_what_a_loader_left_empty(blocks):
    scope = {"torch": torch}
    exec(block(blocks, "python", "def check_computed_buffers"), scope)
    check, formulas = scope["check_computed_buffers"], {"inv_freq": 1 / 10_000 ** (torch.arange(4) / 4)}
    state = Rotary().state_dict()
    assert "inv_freq" not in state
    check(Rotary(), formulas)
    with torch.device("meta"):
        loaded = Rotary()
    loaded = loaded.to_empty(device="cpu")
    loaded.inv_freq.fill_(float("nan"))  # what memory may hold
    loaded.load_state_dict(state, strict=True)  # says nothing
    with pytest.raises(AssertionError, match="inv_freq is not what its formula says"):
        check(loaded, formulas)
    with pytest.raises(AssertionError, match="without a formula"):
        check(Rotary(), {})
