"""Enformer's tower: windows/s of the encoder, and how many times faster it is than the network in plain torch modules,
batch by batch, in evaluation mode and without gradients, as used with enformer-pytorch.

Measured once at full size in float32, on two CPU cores that were shared with other work: 2.3 times with whole windows,
4.6 times with shared flanks (by CPU time 2.4 and 4.8).
"""

import itertools

import numpy as np
import torch
from torch import nn

from bench.cache_building import CONSTRUCT, INSERT, STRANDS, random_inserts
from bench.head_training import FULL_ROWS, LENGTH, duration
from bench.machine import Turns, binding, header, shares
from bench.table import note
from s2f.embeddings import encoders
from s2f.embeddings.encoders import _enformer_network as network
from s2f.embeddings.encoders import _flank_reuse, enformer_tower
from s2f.sequences import dna
from s2f.sequences.constructs import Construct


class QuickGelu(nn.Module):
    """GELU approximated by a sigmoid."""

    def forward(self, x):
        """Any shape."""
        return torch.sigmoid(1.702 * x) * x


class Residual(nn.Module):
    """The input plus the output of a block."""

    def __init__(self, block):
        super().__init__()
        self.fn = block

    def forward(self, x):
        """(B, C, L) -> (B, C, L)."""
        return self.fn(x) + x


class AttentionPool(nn.Module):
    """Pairs of positions, weighted by a softmax of their logits."""

    def __init__(self, channels):
        super().__init__()
        self.to_attn_logits = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x):
        """(B, C, L) -> (B, C, ceil(L / 2)); the padding of an odd length has the lowest number as logit."""
        odd = x.shape[-1] % 2
        pairs = nn.functional.pad(x, (0, odd)).unflatten(-1, (-1, 2))
        logits = self.to_attn_logits(pairs)
        if odd:
            logits[:, :, -1, 1] = -torch.finfo(logits.dtype).max
        return (pairs * logits.softmax(dim=-1)).sum(dim=-1)


def block(inputs, outputs, width):
    """Normalise, activate, convolve."""
    return nn.Sequential(nn.BatchNorm1d(inputs), QuickGelu(), nn.Conv1d(inputs, outputs, width, padding=width // 2))


def plain_network(size, weights):
    """The tower in evaluation mode, in modules with the names of the published checkpoint."""
    widths = network.SIZES[size]
    stem = nn.Conv1d(4, widths[0], 15, padding=7), Residual(block(widths[0], widths[0], 1)), AttentionPool(widths[0])
    stages = [
        nn.Sequential(block(old, new, 5), Residual(block(new, new, 1)), AttentionPool(new))
        for old, new in itertools.pairwise(widths)
    ]
    model = nn.Sequential()
    model.add_module("stem", nn.Sequential(*stem))
    model.add_module("conv_tower", nn.Sequential(*stages))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=True)
    return model.eval()


def flop(size, length, plan=None, plain=False):
    """FLOP of one window, two per multiply-add; with a `_flank_reuse.Plan`, only what remains to be computed. `plain`:
    with the logits of both positions of a pair; 7.81 GFLOP for the full size at 600 bp."""
    left = [plan.crop[1] - plan.crop[0], *(end - begin for begin, *_, end in plan.splices)] if plan else [length]
    total, old = 0, 4
    for stage, new in enumerate(network.SIZES[size]):
        n, width = left[stage] if stage < len(left) else length, 5 if stage else 15
        n -= (width - 1) * (stage < len(left) - 1)  # no zeros beside a middle
        length = -(-length // 2)
        total += n * (width * old * new + new**2) + (2 if plain else 1) * -(-n // 2) * new**2
        old = new
    return 2 * total


def bench(sequences, repeats, limits, spec):
    """Print a line per way; returns {way: (ratio of wall time, of CPU time, largest error)}."""
    size, batch_size, device = spec["size"], spec["batch_size"], "cuda" if torch.cuda.is_available() else "cpu"
    construct, encoder = Construct.from_spec(CONSTRUCT), encoders.build(spec)
    model = plain_network(size, enformer_tower.random_weights(size, spec["weights"]["random"])).to(device)
    codes, (left, right) = construct.assemble(random_inserts(sequences)), construct.flank_lengths(INSERT)
    inserts = np.tile([left, left + INSERT], (sequences, 1))
    views = codes, dna.reverse_complement(codes)

    def plain():
        found = []
        for view in views:
            with torch.no_grad():
                batches = (view[start : start + batch_size] for start in range(0, sequences, batch_size))
                one_hot = (torch.from_numpy(dna.one_hot(batch)).to(device) for batch in batches)
                parts = [model(batch.transpose(1, 2)).transpose(1, 2).cpu().numpy() for batch in one_hot]
            found.append(np.concatenate(parts))
        return found

    def ours(inserts):
        return lambda: next(encoders.stream(encoder, [(codes, inserts)], STRANDS))

    plan = _flank_reuse.plan(LENGTH, left, right, network.REACHES)
    ways = {
        "plain torch, whole windows": (plain, flop(size, LENGTH, plain=True)),
        "encoder, whole windows": (ours(None), flop(size, LENGTH)),
        "encoder, shared flanks": (ours(inserts), flop(size, LENGTH, plan)),
    }
    limits = [limit for limit in limits if limit.name != "memory"]
    results = {name: [np.asarray(array, np.float32) for array in run()] for name, (run, _) in ways.items()}
    turns = Turns({limit.name: limit.run for limit in limits} | {name: run for name, (run, _) in ways.items()}, repeats)
    print(
        f"\nEnformer's tower, {size} size in {spec['precision']}, batch {batch_size}, {sequences:,} inserts of "
        f"{INSERT} bp in {LENGTH} bp, both strands, {encoder.backend['device']}; plain torch in float32\n"
        f"full: {FULL_ROWS:,} inserts x 2 strands, extrapolated"
    )
    titles = f"{'':28s}{'windows/s':>11s}{'x plain':>9s}{'by CPU':>8s}{'GFLOP/s':>10s}"
    print(f"{titles}{header(limits)}{'largest error':>15s}  full")
    first, out = next(iter(ways)), {}
    for name, (_, work) in ways.items():
        done, best = 2 * sequences, turns.best(name)
        ratios = turns.ratio(first, name), turns.ratio(first, name, "cpu")
        error = max(float(np.abs(a - b).max()) for a, b in zip(results[name], results[first], strict=True))
        print(
            f"{name:28s}{done / best:11,.1f}{ratios[0]:9.2f}{ratios[1]:8.2f}{done * work / best / 1e9:10,.1f}"
            + shares(limits, turns, name, [done * work] * len(limits))
            + f"{error:15.1e}  {duration(2 * FULL_ROWS * best / done)} (extrapolated)",
            flush=True,
        )
        out[name] = *ratios, error
        if name != first:
            limited_by, share = binding(limits, turns, name, [done * work] * len(limits), spec["precision"])
            note(
                f"Enformer's tower, {name.removeprefix('encoder, ')}, {LENGTH} bp, {spec['precision']}", done / best,
                "windows/s", done / turns.best(first), done / best / share, limited_by,
                f"{sequences:,} inserts on both strands; largest error {error:.1e}",
            )  # fmt: skip
    return out
