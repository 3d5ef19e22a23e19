"""Scoring a VCF with a head on AlphaGenome's encoder: windows/s, as a share of the rate of the encoder by itself."""

import contextlib
import io
import tempfile
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from bench.cache_building import CONSTRUCT, INSERT, STRANDS
from bench.head_training import duration
from bench.machine import ON_CPU, Turns
from bench.table import note
from s2f.common.tables import write_table
from s2f.embeddings import encoders
from s2f.heads import networks
from s2f.heads.weights import save_head
from s2f.models.checkpoint import write_record
from s2f.models.predictions import VALIDATION, prediction_table
from s2f.scoring.request import Request, score
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

SLUG = "boda-flatten-512-512"
MILLION = 10**6
ALONE_ON_GPU = 2**15  # windows per strand of the encoder by itself


def bench(variants, repeats, spec):
    """Print a line for the encoder by itself and one for the job on `variants` SNVs; `spec` as in `cache_building`."""
    encoder, construct = encoders.build(spec), Construct.from_spec(CONSTRUCT)
    random = np.random.Generator(np.random.PCG64(4))
    genome = random.integers(0, 4, 50 * variants + 2 * INSERT, np.uint8)
    places = INSERT + 50 * np.arange(variants)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "genome.fa").write_text(f">chr1\n{dna.decode(genome)}\n")
        ref, alt = ("".join(dna.decode(codes % 4)) for codes in (genome[places], genome[places] + 1))
        lines = [f"chr1\t{place + 1}\t.\t{a}\t{b}\t.\t.\t." for place, a, b in zip(places, ref, alt, strict=True)]
        header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        (folder / "variants.vcf").write_text(header + "".join(f"{line}\n" for line in lines))
        _write_model(folder / "best_model", encoder, construct, spec)

        def whole():
            for path in folder.glob("*.tsv"):
                path.unlink()
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                score(Request(folder / "best_model", "vcf", folder / "variants.vcf", folder / "out.tsv",
                              folder / "skipped.tsv", genome=folder / "genome.fa"))  # fmt: skip

        left, _ = construct.flank_lengths(INSERT)
        some = 2 * variants if ON_CPU else min(2 * variants, ALONE_ON_GPU)
        windows = np.repeat(construct.assemble(["N" * INSERT]), some, axis=0)
        windows[:, left : left + INSERT] = random.integers(0, 4, (some, INSERT), np.uint8)
        inserts = np.tile([left, left + INSERT], (len(windows), 1))

        def alone():
            for _ in encoders.stream(encoder, [(windows, inserts)], STRANDS):
                pass

        turns = Turns({"encoder alone": alone, "the whole job": whole}, repeats)
    counts = {"encoder alone": len(STRANDS) * some, "the whole job": len(STRANDS) * 2 * variants}
    print(
        f"\nscoring, AlphaGenome's {spec['size']} size in {spec['precision']}, batch {spec['batch_size']}: "
        f"{variants:,} SNVs of a VCF, both alleles, both strands, {encoder.backend['device']}\n"
        "the job starts with reading the VCF and loading the model, and ends with its tables"
    )
    print(f"{'':42s}{'windows/s':>13s}{'x encoder':>11s}  a million SNVs")
    rates = {name: count / turns.best(name) for name, count in counts.items()}
    for name, rate in rates.items():
        ratio = turns.ratio("encoder alone", name) * counts[name] / counts["encoder alone"]
        million = f"{duration(len(STRANDS) * 2 * MILLION / rate)} (extrapolated)"
        print(f"{name:42s}{rate:13,.1f}{ratio:11.2f}  {million}")
    note(
        f"scoring {variants:,} SNVs of a VCF, both alleles and strands, {spec['precision']}",
        turns.best("the whole job"), "s", None, counts["the whole job"] / rates["encoder alone"], "the encoder alone",
        f"in a process that has compiled; the first job {turns.first['the whole job']:.1f} s",
    )  # fmt: skip


def _write_model(folder, encoder, construct, spec):
    """An untrained head as a checkpoint."""
    folder.mkdir()
    network, tokens = networks.build(SLUG, 0.0), encoder.tokens(construct.length)
    x = jnp.zeros((1, tokens, encoder.channels), jnp.float32)
    save_head(folder, jax.jit(partial(network.init, is_training=False))(jax.random.key(1), x))
    rows = pd.DataFrame({"row_id": ["a", "b"], "sequence": ["A" * INSERT] * 2, "label": [0.0, 1.0]})
    write_record(
        folder, {"train": rows, "val": rows}, (), name="bench", kind="head", task="regression", dataset="bench",
        split="bench", encoder="alphagenome", augmentation="no_shift", head=SLUG, model=f"alphagenome/no_shift/{SLUG}",
        seed=1, strand_rule="mean", construct=construct.spec(), spec={}, validation={}, parameters=0,
        provenance="bench", licence="none", tokens=tokens, channels=encoder.channels, encoder_spec=spec,
        encoder_fingerprint=encoder.fingerprint, embedding_dtype="bfloat16",
    )  # fmt: skip
    predicted = {strand: np.zeros(2) for strand in STRANDS}
    write_table(folder / VALIDATION, prediction_table(rows, predicted, "mean"))
