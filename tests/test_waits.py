"""No step of a training, and no batch of an encoder, waits for a GPU: twice as many wait as often."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.motif_rows import random_rows
from helpers.waits import counted, waits
from s2f.baselines import dnabert2_finetuned, dream_rnn, lamar_finetuned, legnet, malinois_1cell
from s2f.embeddings import encoders
from s2f.language_model import tapt
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("toy_lamar", "toy_dnabert2")

NARROW = {
    malinois_1cell: {
        "conv1_channels": 8, "conv2_channels": 6, "conv3_channels": 6, "linear_channels": 8, "branched_channels": 4,
        "min_epochs": 0,
    },
    legnet: {"stem_channels": 8, "channels": [8, 8], "mapper_channels": 8},
    dream_rnn: {"convolution_channels": 6, "lstm_channels": 6, "mapper_channels": 8},
}  # fmt: skip
SIZES = {"lamar": "toy", "dnabert2": "toy-pieces"}


def windows(count, lengths):
    random = np.random.default_rng(0)
    return [dna.decode(random.integers(0, 4, length, np.uint8)) for length in random.choice(lengths, count)]


def same(run, few, many):
    """Whether a run waits as often with many steps as with few, and does wait: for the results."""
    found = []
    for size in (few, many):
        with counted() as waited:
            run(size)
        found.append(waited)
    assert found[0] == found[1] and found[0].total() > 0


def test_what_waits_is_counted():
    x, mask = torch.arange(4.0), torch.tensor([True, False, True, False])
    with counted() as waited:
        x[torch.tensor([1, 2])], x[1:], x.sum() + 1, x.repeat_interleave(torch.tensor([1, 2, 0, 1]), output_size=4)
    assert not waited
    for ask in (
        lambda: x[mask], lambda: x[[1, 2]], lambda: x[1].item(), lambda: float(x[1]), lambda: bool(mask.any()),
        lambda: x.cpu(), lambda: torch.tensor([1.0], device="cpu"), lambda: x.unique(), mask.nonzero,
        lambda: x.repeat_interleave(torch.tensor([1, 2, 0, 1])),
    ):  # fmt: skip
        with counted() as waited:
            ask()
        assert waited.total() >= 1
    assert not waits("__add__", (x, 1), {})


@pytest.mark.parametrize("kind", NARROW, ids=lambda kind: kind.__name__.rpartition(".")[2])
def test_networks_of_bases(kind, tmp_path):
    rows = random_rows(32)

    def train(batch):
        kind.train(rows, rows, Construct(60, "", ""), {**NARROW[kind], "epochs": 1, "batch_size": batch}, 0, tmp_path)

    same(train, 16, 8)


@pytest.mark.parametrize("kind", [lamar_finetuned, dnabert2_finetuned], ids=["lamar", "dnabert2"])
def test_fine_tuning(kind, tmp_path):
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(32)], "sequence": windows(32, [40])})
    rows["label"] = np.arange(32) % 2.0
    spec = {"size": SIZES[kind.__name__.rpartition(".")[2].split("_")[0]], "weights": {"random": 0}, "epochs": 1}

    def train(batch):
        more = {"batch_size": batch, "micro_batch": batch // 2}
        kind.train(rows, rows, Construct(40, "", ""), {"kind": "", **spec, **more}, 0, tmp_path)

    same(train, 16, 8)


@pytest.mark.parametrize(
    ("kind", "lengths"),
    [("lamar", [40]), ("dnabert2", [20, 40])],  # with padding, transformers itself asks whether there is some
)
def test_adaptation(kind, lengths, tmp_path):
    spec = {"size": SIZES[kind], "batch_size": 8, "micro_batch": 3, "validate_every": 99, "checkpoint_every": 99}

    def train(steps):
        settings = tapt.Settings.from_spec({**spec, "steps": steps})
        tapt.train(windows(40, lengths), windows(9, lengths), settings, 1, tmp_path / "checkpoint", lambda line: None)

    same(train, 4, 8)


@pytest.mark.parametrize(("kind", "pooling"), [("lamar", "mean"), ("dnabert2", "mean"), ("dnabert2", "bases")])
def test_encoders(kind, pooling):
    codes = np.random.default_rng(0).integers(0, 5, (48, 40), np.uint8)
    spec = {"kind": kind, "size": SIZES[kind], "weights": {"random": 0}, "pooling": pooling}
    same(lambda batch: encoders.build({**spec, "batch_size": batch}).encode(codes), 48, 4)
