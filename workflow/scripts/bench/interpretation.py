"""Saturation mutagenesis through the frozen encoder: substitutions/s, and how many times faster it is than one by
one."""

import numpy as np

from bench.cache_building import CONSTRUCT, INSERT, STRANDS
from bench.head_training import duration
from bench.machine import ON_CPU, Turns
from s2f.embeddings import encoders
from s2f.interpretation.mutagenesis import substitutions
from s2f.interpretation.scorer import NARROW_FROM
from s2f.sequences.constructs import Construct

ALONE = 4  # windows of the plain loop per turn


def bench(repeats, spec):
    """Print one line per way to encode substitutions of an insert on both strands; `spec` as in `cache_building`."""
    size = spec["batch_size"]
    encoder = encoders.build(spec)
    single = encoders.build({**spec, "batch_size": 1, "reuse_flanks": False})
    construct = Construct.from_spec(CONSTRUCT)
    left, _ = construct.flank_lengths(INSERT)
    codes = np.random.Generator(np.random.PCG64(3)).integers(0, 4, INSERT, np.uint8)
    variants, places, _ = substitutions(codes)
    middle = max(0, len(places) // 2 - size // 2)
    some = slice(middle, middle + size)
    flanks = construct.assemble(["N" * INSERT])[0]
    windows = np.repeat(flanks[None], size, axis=0)[: len(variants[some])]
    windows[:, left : left + INSERT] = variants[some]
    whole = np.tile([left, left + INSERT], (len(windows), 1))
    near = np.tile([left + places[some].min(), left + places[some].max() + 1], (len(windows), 1))

    def through(own, codes, varies):
        return lambda: [None for _ in encoders.stream(own, [(codes, varies)], STRANDS)]

    ways = {
        "one by one, whole windows": (
            lambda: [through(single, windows[i : i + 1], None)() for i in range(ALONE)],
            ALONE,
        ),
        "batched, whole windows": (through(encoder, windows, None), len(windows)),
        "batched, flanks encoded once": (through(encoder, windows, whole), len(windows)),
        "batched, only neighbours encoded anew": (through(encoder, windows, near), len(windows)),
    }
    # shared activations are exact only in float32
    ours = "the third" if not ON_CPU else f"the last; for fewer than {NARROW_FROM} sequences, the third"
    ours = ours if spec["precision"] == "float32" else "the second"
    print(
        f"\nmutagenesis, AlphaGenome's {spec['size']} size in {spec['precision']}, batch {size}: substitutions of an "
        f"insert of {INSERT} bp, both strands, {encoder.backend['device']}\n"
        f"ours is {ours}; the first call compiles, as do the programs for each other neighbourhood"
    )
    print(f"{'':42s}{'substitutions/s':>16s}{'x one by one':>14s}{'first call, s':>15s}  an insert")
    turns = Turns({name: run for name, (run, _) in ways.items()}, repeats)
    plain, alone = next(iter(ways.items()))
    for name, (_, count) in ways.items():
        rate = count / turns.best(name)
        ratio = turns.ratio(plain, name) * count / alone[1]
        insert = f"{duration(3 * INSERT / rate)} (extrapolated)"
        print(f"{name:42s}{rate:16,.1f}{ratio:14.1f}{turns.first[name]:15.1f}  {insert}", flush=True)
