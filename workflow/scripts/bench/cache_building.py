"""Cache building: sequences/s through the encoder only and to checked files, for one strand and both."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bench.head_training import FULL_ROWS, LENGTH, duration, encoder_flop
from bench.machine import Turns, header, peak_gb, reset_peak, shares
from s2f.embeddings import build as embedding
from s2f.embeddings import encoders
from s2f.embeddings.encoders import _alphagenome_network, _flank_reuse
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

CONSTRUCT = {"flanks": "gosai_episomal", "length": LENGTH}
INSERT = 200
STRANDS = ("forward", "reverse")


def random_inserts(count, length=INSERT):
    """Random inserts, the same in every run."""
    codes = np.random.Generator(np.random.PCG64(2)).integers(0, 4, (count, length), np.uint8)
    return [dna.decode(row) for row in codes]


def bench(sequences, repeats, limits, spec):
    """Print one line per way of using AlphaGenome's encoder as `spec` describes it."""
    construct, encoder = Construct.from_spec(CONSTRUCT), encoders.build(spec)
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(sequences)], "sequence": random_inserts(sequences)})
    flanks = construct.flank_lengths(INSERT)
    plan = _flank_reuse.plan(LENGTH, *flanks, _alphagenome_network.REACHES)
    whole, left = encoder_flop(spec["size"], LENGTH), encoder_flop(spec["size"], LENGTH, plan)
    inserts = np.tile([flanks[0], flanks[0] + INSERT], (sequences, 1))
    codes = construct.assemble(rows["sequence"])
    print(
        f"\ncache building, AlphaGenome's {spec['size']} size in {spec['precision']}, batch {spec['batch_size']}, "
        f"{sequences:,} inserts of {INSERT} bp in {LENGTH} bp, {encoder.backend['device']}\n"
        f"sequences/s: strands of inserts; constant flanks encoded once leave {left / whole:.1%} of the "
        f"{whole / 1e9:.4g} GFLOP per window\nfull: {FULL_ROWS:,} inserts x 2 strands, extrapolated"
    )
    limits = [limit for limit in limits if limit.name != "memory"]
    print(f"{'':42s}{'sequences/s':>13s}{'GFLOP/s':>10s}{header(limits)}{'peak GB':>9s}  full")

    def through(strands, inserts):
        return lambda: [None for _ in encoders.stream(encoder, [(codes, inserts)], strands)]

    with tempfile.TemporaryDirectory() as folder:

        def to_files(strands):
            paths = {strand: Path(folder) / f"{strand}.h5" for strand in strands}

            def build():
                with contextlib.redirect_stderr(io.StringIO()):
                    embedding.build_strands(paths, rows, encoder, "bench", construct)

            return build

        ways = {
            "encoder, whole windows, one strand": (through(STRANDS[:1], None), 1, whole),
            "encoder, shared flanks, one strand": (through(STRANDS[:1], inserts), 1, left),
            "encoder, shared flanks, both strands": (through(STRANDS, inserts), 2, left),
            "to a verified file, one strand": (to_files(STRANDS[:1]), 1, left),
            "to verified files, both strands": (to_files(STRANDS), 2, left),
        }
        peaks = {}
        for name, (run, *_) in ways.items():
            reset_peak()
            run()
            peaks[name] = peak_gb()
        runs = {limit.name: limit.run for limit in limits} | {name: run for name, (run, *_) in ways.items()}
        turns = Turns(runs, repeats)
    for name, (_, strands, flop) in ways.items():
        done, best = strands * sequences, turns.best(name)
        print(
            f"{name:42s}{done / best:13,.1f}{done * flop / best / 1e9:10,.1f}"
            + shares(limits, turns, name, [done * flop] * len(limits))
            + f"{peaks[name]:9.2f}  {duration(2 * FULL_ROWS * best / done)} (extrapolated)",
            flush=True,
        )
