"""Weights of heads: saved and restored to the bit, and those of another head refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.heads import networks
from s2f.heads.trained_head import Head
from s2f.heads.weights import load_head, save_head
from s2f.models.checkpoint import read_record, write_record

SLUG = "boda-mean-16-16"
RECORD = dict(
    name="x", kind="head", task="regression", dataset="d", split="s", model="e/no_shift/boda-mean-16-16", encoder="e",
    augmentation="no_shift", head=SLUG, seed=1, strand_rule="mean", construct={}, spec={}, tokens=3, channels=8,
    validation={}, parameters=1, provenance="trained here", licence="none",
)  # fmt: skip
ROWS = pd.DataFrame({"row_id": ["a"], "sequence": ["ACGT"], "label": [1.0]})


@pytest.fixture
def saved(tmp_path):
    network = networks.build(SLUG, 0.0)
    variables = network.init(jax.random.key(0), jnp.zeros((1, 3, 8)), is_training=False)
    save_head(tmp_path, variables)
    write_record(tmp_path, {"train": ROWS, "val": ROWS}, ("numpy",), **RECORD)
    return tmp_path, variables


def test_a_saved_head_comes_back_bit_by_bit(saved):
    folder, variables = saved
    record = read_record(folder, kind="head", encoder="e")
    restored = load_head(folder, Head.template(record))
    assert jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a, b), variables, restored))
    assert record["train_rows"] == 1 and len(record["train_rows_sha256"]) == 64


def test_a_head_for_another_number_of_tokens_is_refused(saved, tmp_path):
    network = networks.build("boda-flatten-16-16", 0.0)
    folder = tmp_path / "flat"
    folder.mkdir()
    save_head(folder, network.init(jax.random.key(0), jnp.zeros((1, 128, 8)), is_training=False))
    with pytest.raises(
        InputError, match=r"hidden_0/w has shape \(1024, 16\), this head on this encoder has \(24, 16\)"
    ):
        load_head(folder, Head.template(RECORD | {"head": "boda-flatten-16-16"}))


def test_the_checkpoint_of_another_head_is_refused(saved):
    with pytest.raises(InputError, match="array hidden_1/b is unexpected"):
        load_head(saved[0], Head.template(RECORD | {"head": "boda-mean-16"}))


def test_a_missing_or_broken_checkpoint_is_refused(saved):
    folder, _ = saved
    with pytest.raises(InputError, match="no such checkpoint"):
        load_head(folder / "nowhere", {})
    for file in (folder / "checkpoint").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(InputError, match="broken checkpoint"):
        load_head(folder, Head.template(RECORD))
