"""Small trained models on disk, and models given by a formula, for the tests of interpretation."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from s2f.common.tables import write_table
from s2f.embeddings import encoders
from s2f.heads import networks
from s2f.heads.weights import save_head
from s2f.interpretation.scorer import Scorer
from s2f.interpretation.tangents import Tangent
from s2f.models.checkpoint import write_record
from s2f.models.predictions import VALIDATION, prediction_table, strands
from s2f.rows.canonical import cells_of
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

WINDOW = Construct(160, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
BARE = Construct(40, "", "")
TINY = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 16}
NARROW = {  # settings of Malinois
    "conv1_channels": 8, "conv2_channels": 6, "conv3_channels": 6, "linear_channels": 8, "branched_channels": 4,
    "epochs": 1, "min_epochs": 0, "batch_size": 16,
}  # fmt: skip
LEGNET = {"stem_channels": 8, "channels": [8, 8], "mapper_channels": 8, "epochs": 1, "batch_size": 16}
DREAM_RNN = {"convolution_channels": 6, "lstm_channels": 6, "mapper_channels": 8, "epochs": 1, "batch_size": 16}
# encoder, construct, head, rule
HEADS = {
    "alphagenome": (TINY, WINDOW, "boda-flatten-16-16", "mean"),
    "enformer": ({**TINY, "kind": "enformer_tower"}, WINDOW, "boda-flatten-16-16", "mean"),
    "onehot": ({"kind": "onehot"}, WINDOW, "boda-flatten-16-16", "mean"),
    "chip-cnn": ({"kind": "onehot"}, WINDOW, "chip-cnn", "mean"),
    "kmer": ({"kind": "kmer", "k": 3}, WINDOW, "encoder-16-dropout", "mean"),
    "lamar": ({"kind": "lamar", "size": "toy", "weights": {"random": 0}}, BARE, "boda-flatten-16-16", "forward"),
    "lamar pooled": (
        {"kind": "lamar", "size": "toy", "weights": {"random": 0}, "layer": 1, "pooling": "mean"}, BARE,
        "encoder-16-dropout", "mean",
    ),
}  # fmt: skip


def some_inserts(count=3, length=40, seed=0):
    """Random inserts, uint8 codes (count, length) without N."""
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 4, (count, length), np.uint8)


def rows_of(codes):
    """Rows from inserts given as codes, with descending labels."""
    names = [f"r{i}" for i in range(len(codes))]
    return pd.DataFrame({"row_id": names, "sequence": [dna.decode(c) for c in codes], "label": -np.arange(len(codes))})


def record(folder, construct, rule="mean", **more):
    """A model.json with what every record must contain."""
    parts = {part: rows_of(some_inserts(2)).assign(label=0.0) for part in ("train", "val")}
    known = {
        "name": "n", "kind": "head", "task": "regression", "dataset": "d", "split": "s", "model": "m", "seed": 1,
        "strand_rule": rule, "construct": construct.spec(), "spec": {}, "validation": {}, "parameters": 1,
        "provenance": "", "licence": "none",
    }  # fmt: skip
    write_record(folder, parts, ("numpy",), **{**known, **more})
    val = parts["val"]
    predicted = prediction_table(val, {strand: np.array([0.5, -0.25]) for strand in strands(rule)}, rule)
    write_table(Path(folder) / VALIDATION, predicted)


def head_on_disk(folder, spec, construct, slug, rule="mean", cells=()):
    """An untrained head as a checkpoint, with an output for each of `cells` if given; its parameters and state."""
    encoder, folder = encoders.build(spec), Path(folder)
    tokens = encoder.tokens(construct.length)
    x = jnp.zeros((1, tokens, encoder.channels), jnp.float32)
    network = networks.build(slug, 0.0, outputs=max(1, len(cells)))
    variables = jax.jit(partial(network.init, is_training=False))(jax.random.key(1), x)
    folder.mkdir()
    save_head(folder, variables)
    record(
        folder, construct, rule, model=f"e/none/{slug}", head=slug, encoder="e", tokens=tokens,
        channels=encoder.channels, encoder_fingerprint=encoder.fingerprint, encoder_spec=spec,
        embedding_dtype="bfloat16",
        **({"cells": list(cells)} if cells else {}),
    )  # fmt: skip
    return variables


def baseline_on_disk(folder, kind, construct, spec, train, val, rule="mean", task="regression"):
    """A baseline trained on rows, as a checkpoint; its `predict`."""
    from s2f import baselines
    from s2f.baselines import read_details
    from s2f.common.files import read_json

    folder = Path(folder)
    folder.mkdir()
    baselines.get(kind).train(train, val, construct, spec, 0, folder)
    record(
        folder, construct, rule, kind=kind, model=kind, task=task, licence=read_details(folder)["licence"],
        **({"cells": cells} if (cells := cells_of(train)) else {}),
    )  # fmt: skip
    return baselines.get(kind).load(folder, read_json(folder / "model.json"))


def formula(values, gradient=None, length=12, rule="forward", batch_size=7):
    """A `Scorer` made of functions of one-hot inserts: `values` (N, L, 4) -> (N,), and their `gradient` (N, L, 4); for
    C outputs (N, C) and (N, C, L, 4).

    Its attribute `spans` lists the spans with which it was called.
    """
    spans = []

    def outputs(one_hot, strand):
        found = values(one_hot)
        return found if found.ndim > 1 else found[:, None]

    def forward(chunks, strands):
        for chunk in chunks:
            inserts, span = chunk.inserts, chunk.span or (0, chunk.inserts.shape[1])
            spans.append((span, len(inserts)))
            outside = np.ones(inserts.shape[1], bool)
            outside[slice(*span)] = False
            assert (inserts[:, outside] == inserts[0, outside]).all(), "variants differ outside of their span"
            views = {"forward": inserts, "reverse": dna.reverse_complement(inserts)}
            yield [outputs(dna.one_hot(views[strand], np.float64), strand) for strand in strands]

    def weighted_gradient(one_hot, strand, weights):
        found = outputs(one_hot, strand)
        slopes = gradient(one_hot).reshape(*found.shape, *one_hot.shape[1:])
        slope = slopes[:, 0] if weights is None else np.einsum("nc,nclb->nlb", weights, slopes)
        return found, slope.astype(np.float32)

    about = {"strand_rule": rule, "dataset": "d", "split": "s", "seed": 1, "licence": "none", "versions": {}}
    about["provenance"] = "a formula"
    scorer = Scorer(
        "formula", about, Construct(length, "", ""), "f", batch_size, forward,
        Tangent(outputs, weighted_gradient) if gradient else None,
    )  # fmt: skip
    object.__setattr__(scorer, "spans", spans)
    return scorer


def linear(weights, **more):
    """A `Scorer` that sums the weights (L, 4) of the bases, or, with an output for each of C cells, (C, L, 4)."""
    scorer = formula(
        lambda x: (x.reshape(len(x), *[1] * (weights.ndim - 2), *x.shape[1:]) * weights).sum((-2, -1)),
        lambda x: np.repeat(weights[None], len(x), 0), weights.shape[-2], **more,
    )  # fmt: skip
    if weights.ndim > 2:
        scorer.record["cells"] = [f"cell{number}" for number in range(len(weights))]
    return scorer


def agree(gradient, x, way=0.2, points=62):
    """Whether values along a straight way from each x (N, L, 4) differ by the mean slope on it: kinks of maxima and
    ReLU average out. `gradient(x)` gives values (N,) and slopes (N, L, 4)."""
    direction = way * np.random.Generator(np.random.PCG64(3)).normal(size=x.shape).astype(np.float32)
    for start, along in zip(x, direction, strict=True):
        share = np.append((np.arange(points) + 0.5) / points, [0, 1]).astype(np.float32)
        values, found = gradient(start + share[:, None, None] * along)
        slopes = (found[:points] * along).sum((1, 2), dtype=np.float64)
        assert values[-1] - values[-2] == pytest.approx(slopes.mean(), rel=0.05, abs=float(0.01 * np.abs(slopes).max()))
        assert np.abs(slopes).max() > 0
