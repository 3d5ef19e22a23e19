"""The benchmark runs as a program at tiny sizes, and counts work as it is done."""

import re

import jax
import numpy as np
import pytest

from bench import baseline_training, head_training, machine
from helpers import programs
from s2f.embeddings.encoders import _alphagenome_network as network
from s2f.embeddings.encoders import _flank_reuse

SMALL = ("--quick", "--rows", "64", "--batch-size", "32", "--sequences", "8", "--naive-parameters", "1000")


def run(root, *arguments):
    done = programs.run(root, "bench", *SMALL, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_heads_are_printed_with_rates_shares_and_ratios(root):
    lines = run(root, "--parts", "heads", "--heads", "boda-flatten-8", "--modes", "no_shift", "--seeds", "2")
    assert any(re.match(r"limit: float32 [\d,]+ GFLOP/s", line) for line in lines)
    assert any("naive: the same work as it is usually done" in line for line in lines)
    table = [line for line in lines if line.startswith("boda-")]
    assert [line.split()[:2] for line in table] == [["boda-flatten-8", "no_shift"]]
    for line in table:
        found = re.fullmatch(
            r"\S+ +\S+ +5 x 1536 +([\d,]+) +([\d.,]+) +([\d.]+)% +[\d.]+% +([\d.]+) +([\d.]+)  "
            r"[\d.]+ (s|min|h) \(extrapolated\)",
            line,
        )
        assert found, line
        rate, _, _, peak, _ = (float(part.replace(",", "")) for part in found.groups()[:5])
        assert rate > 0 and 0.05 < peak < 64


def test_baselines_are_printed_beside_their_authors_way(root):
    lines = run(root, "--parts", "baselines")
    table = [line.split() for line in lines if line.startswith(("legnet ", "dream_rnn "))]
    assert [line[:3] for line in table] == [
        [kind, form, "8"] for kind in ("legnet", "dream_rnn") for form in ("float32", "bfloat16")
    ]
    assert all(float(number.replace(",", "").rstrip("%")) >= 0 for line in table for number in line[3:])
    assert all(0 <= float(line[5].rstrip("%")) < 50 for line in table)  # of the limit, by narrow networks
    assert any("plain: as in the authors' code" in line for line in lines)


@pytest.mark.parametrize(
    ("kind", "parameters", "work"), [("legnet", 1_322_465, 78.07e6), ("dream_rnn", 4_203_393, 966e6)]
)
def test_the_plain_baselines_are_the_published_networks(kind, parameters, work):
    settings = baseline_training.baselines.get(kind).Settings.from_spec({})
    network = baseline_training.PLAIN[kind](settings)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert baseline_training.flop_of(network, kind) == pytest.approx(6 * work, rel=0.01)


@pytest.mark.slow
def test_modes_that_encode_run_the_encoder(root):
    lines = run(root, "--parts", "heads", "--heads", "boda-flatten-8", "--modes", "full", "multi_shift")
    table = [line.split()[1:5] for line in lines if line.startswith("boda-")]
    assert table == [["full", "5", "x", "96"], ["multi_shift", "5", "x", "1536"]]


@pytest.mark.slow
def test_caches_and_rows_are_printed(root):
    lines = run(root, "--parts", "cache", "rows", "scoring", "stage2")
    table = [line for line in lines if "(extrapolated)" in line]
    assert [line.split("  ")[0] for line in table] == [
        "encoder, whole windows, one strand", "encoder, shared flanks, one strand",
        "encoder, shared flanks, both strands", "to a verified file, one strand", "to verified files, both strands",
        "encoder alone", "the whole job", "blocks 4-5, cached",
    ]  # fmt: skip
    assert any("leave 50.8% of the 0.06281 GFLOP per window" in line for line in lines)
    assert any(line.startswith("read rows.parquet") and "x a plain pandas read" in line for line in lines)


def test_work_of_the_encoder_is_what_xla_counts():
    """XLA counts additions of biases, activations and pools too: a little more."""
    params, state = network.manifest("tiny")
    params, state = (jax.tree.map(lambda s: np.zeros(s, np.float32), part, is_leaf=lambda x: isinstance(x, tuple))
                     for part in (params, state))  # fmt: skip
    ready = jax.eval_shape(lambda: network.standardise_once(params, "float32"))
    apply = network.network("tiny", "float32", ready=True).apply
    for length in (512, 2048):  # convolutions at the ends of the window read zeros, which XLA does not count
        x = jax.ShapeDtypeStruct((1, length, 4), np.float32)
        counted = jax.jit(apply).lower(ready, state, x).cost_analysis()["flops"]
        assert 0.97 < counted / head_training.encoder_flop("tiny", length) < 1.15
    assert head_training.encoder_flop("full", 600) == pytest.approx(15.25e9, rel=1e-3)
    assert head_training.encoder_flop("full", 200) == pytest.approx(2 * 2.575e9, rel=1e-3)


def test_work_with_shared_flanks():
    plan = _flank_reuse.plan(600, 200, 200, network.REACHES)
    share = head_training.encoder_flop("full", 600, plan) / head_training.encoder_flop("full", 600)
    assert share == pytest.approx(0.5155, abs=1e-4)


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize(
    ("slug", "kind", "head", "steps"),
    [("boda-flatten-512-512", "no_shift", 2 * (2 * 7680 * 512 + 3 * 512 * 512 + 3 * 512), 2),
     ("boda-sum-512-512", "random_rc", 5 * 2 * (2 * 1536 * 512 + 3 * 512 * 512 + 3 * 512), 1),
     ("boda-center-512-512", "multi_shift", 2 * (2 * 1536 * 512 + 3 * 512 * 512 + 3 * 512), 2),
     ("encoder-1024-dropout", "full", 2 * (2 * 1536 * 1024 + 3 * 1024), 1)],
)  # fmt: skip
def test_work_of_heads(slug, kind, head, steps):
    tables = head_training.make_tables({"kind": "none"}, 2, 5, 1536, {"size": "tiny"})
    mode = {"kind": "none"}
    _, size = head_training.start_training(slug, mode, 2, None, 2, "float32", tables)
    mode = {"kind": kind, **head_training.OPTIONS.get(kind, {})}
    found = head_training.work_of(slug, mode, size, 5, 600, "tiny")
    assert found[:2] == (head, steps)
    assert found[2] == (head_training.encoder_flop("tiny", 600) if kind == "full" else 0)


@pytest.mark.usefixtures("compiled_quickly")
def test_work_of_chip_cnn_counts_the_merged_layers_once_per_batch():
    mode = {"kind": "none"}
    for channels, merged in ((128, 128 * 512 * 7 * 64), (4, 0)):
        tables = head_training.make_tables(mode, 2, 51, channels, {"size": "tiny"})
        _, size = head_training.start_training("chip-cnn", mode, 2, None, 2, "float32", tables)
        plain = 2 * 51 * 7 * channels * 64 + 3 * (12 * 5 * 64 * 96 + 3 * 5 * 96 * 128 + 128 * 256 + 256)
        assert head_training.work_of("chip-cnn", mode, size, 51, 51, "tiny", 8)[0] == 2 * (plain + 3 * merged / 8)


def test_shares_and_ratios_compare_within_a_turn():
    """A machine that is three times slower in the second turn changes neither."""
    turns = machine.Turns({}, 0)
    turns.wall = {"float32": [1.0, 3.0, 1.0], "ours": [2.0, 6.0, 2.0]}
    turns.cpu = {"float32": [2.0, 2.0, 2.0], "ours": [2.0, 2.0, 2.0]}
    limit = machine.Limit("float32", 100, lambda: None)
    assert turns.ratio("ours", "float32") == 2
    assert machine.shares([limit], turns, "ours", [100]).split() == ["50.0%", "100.0%"]
    assert machine.header([limit]).split("  ")[-1] == "by CPU time"
    assert limit.rate(turns) == 100


def test_what_binds_is_the_limit_that_is_nearest_and_of_the_precision():
    turns = machine.Turns({}, 0)
    turns.wall = {"bfloat16": [1.0], "TF32": [2.0], "memory": [1.0], "ours": [4.0]}
    limits = [machine.Limit(name, 100, lambda: None) for name in ("bfloat16", "TF32", "memory")]
    assert machine.binding(limits, turns, "ours", [200, 200, 60], "bfloat16") == ("bfloat16", 0.5)
    assert machine.binding(limits, turns, "ours", [100, 100, 60]) == ("TF32", 0.5)
    assert machine.binding(limits, turns, "ours", [100, 100, 360], "bfloat16") == ("memory", 0.9)
