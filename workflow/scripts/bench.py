"""Measure the hot paths of this machine: rates, and what share of the hardware's own limit they reach.

    PYTHONPATH=workflow/scripts python -m bench [--rows 4096] [--threads 2]

Needs JAX and the library only. Every rate is the best of the repeats; a share is of the float32 matrix-product rate
that the same process measures first. Synthetic embeddings are shaped as AlphaGenome's at 600 bp: 5 tokens, 1536
channels.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from s2f.devices import report, use_threads

HEADS = [f"boda-{reduction}-512-512" for reduction in ("flatten", "sum", "mean", "max", "center")]
HEADS.append("encoder-1024-dropout")
TOKENS, CHANNELS, BATCH, FULL_ROWS = 5, 1536, 128, 627_660


def best_seconds(run, repeats=3):
    """Shortest wall time of `run()` in `repeats` calls, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def matrix_rate():
    """Float32 matrix products: the best FLOP/s over sizes from 1024 to 4096."""
    import jax
    import jax.numpy as jnp

    product = jax.jit(jnp.matmul)
    rates = []
    for n in (1024, 2048, 4096):
        x = jnp.ones((n, n), jnp.float32)
        rates.append(2 * n**3 / best_seconds(lambda x=x: product(x, x).block_until_ready()))
    return max(rates)


def training_flop(slug, parameters):
    """FLOP of one gradient step per row: three times the forward products (the trainable norm needs all gradients)."""
    per_token = 1 if "flatten" in slug or "center" in slug or "encoder" in slug else TOKENS
    return 3 * 2 * per_token * sum(leaves["w"].size for leaves in parameters.values() if "w" in leaves)


def bench_heads(rows, peak):
    """Head training, two steps per batch: rows/s, share of the matrix-product rate, one epoch at full size."""
    import jax
    import ml_dtypes
    import numpy as np
    import optax

    from s2f import augmentation, heads
    from s2f.training import compiled_epoch

    random = np.random.Generator(np.random.PCG64(0))
    table = random.standard_normal((rows, TOKENS, CHANNELS), np.float32).astype(ml_dtypes.bfloat16)
    tables = {"forward": jax.numpy.asarray(table), "reverse": jax.numpy.asarray(table[::-1])}
    index, labels = jax.numpy.arange(rows), jax.numpy.asarray(random.standard_normal(rows), "float32")
    print(f"\nhead training, no_shift, batch {BATCH}, {rows:,} rows x 2 strands of {TOKENS} x {CHANNELS} bfloat16")
    print(f"{'head':24s}{'rows/s':>10s}{'GFLOP/s':>10s}{'of limit':>10s}{'full epoch':>14s}")
    for slug in HEADS:
        network, optimiser = heads.build(slug, 0.1), optax.adamw(1e-3, weight_decay=1e-6)
        epoch = compiled_epoch(network, optimiser, augmentation.build("no_shift"), BATCH)
        parameters = network.init(jax.random.key(0), tables["forward"][:1].astype("float32"), is_training=False)
        flop = training_flop(slug, parameters)
        state = [(parameters, optimiser.init(parameters))]

        def run(state=state, epoch=epoch):
            state[0], loss = epoch(state[0], tables, index, labels, jax.random.key(1))
            loss.block_until_ready()

        rate = rows / best_seconds(run)
        full = f"{FULL_ROWS / rate / 60:.1f} min (extrapolated)"
        print(f"{slug:24s}{rate:10,.0f}{2 * rate * flop / 1e9:10.1f}{2 * rate * flop / peak:10.0%}  {full}")


def bench_cache(sequences):
    """Cache building: sequences/s through the encoder, to a checked file."""
    import pandas as pd

    from s2f import embedding, encoders
    from s2f.construct import Construct

    construct = Construct.from_spec({"flanks": "gosai_episomal", "length": 600})
    inserts = random_inserts(sequences)
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(sequences)], "sequence": inserts})
    print(f"\ncache building, {sequences:,} inserts of 200 bp in 600 bp, one strand, to a verified file")
    for name, spec in {
        "alphagenome-tiny": {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "precision": "float32"},
        "onehot": {"kind": "onehot"},
    }.items():
        encoder = encoders.build(spec)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "+00.forward.h5"
            seconds = best_seconds(lambda: embedding.build(path, rows, encoder, name, construct), 1)  # noqa: B023
        print(f"{name:24s}{sequences / seconds:10,.0f} sequences/s")


def bench_rows(count):
    """Reading a table of rows: rows/s from parquet, against a plain pandas read of the same rows as TSV."""
    import numpy as np
    import pandas as pd

    from s2f.rows import canonical, read_rows, write_rows

    labels = np.random.Generator(np.random.PCG64(1)).standard_normal(count)
    raw = pd.DataFrame({"row_id": [f"r{i}" for i in range(count)], "sequence": random_inserts(count), "label": labels})
    with tempfile.TemporaryDirectory() as folder:
        check = best_seconds(lambda: canonical(raw, "bench"), 1)
        write_rows(Path(folder) / "rows.parquet", canonical(raw, "bench"))
        raw.to_csv(Path(folder) / "rows.tsv", sep="\t", index=False)
        ours = best_seconds(lambda: read_rows(Path(folder) / "rows.parquet"))
        plain = best_seconds(lambda: pd.read_csv(Path(folder) / "rows.tsv", sep="\t"))
    print(f"\nrows, {count:,} inserts of 200 bp")
    print(f"{'read rows.parquet':24s}{count / ours:10,.0f} rows/s, {plain / ours:.1f} x a plain pandas read of the TSV")
    print(f"{'check canonical form':24s}{count / check:10,.0f} rows/s")


def random_inserts(count, length=200):
    """Random inserts, the same in every run."""
    import numpy as np

    codes = np.random.Generator(np.random.PCG64(2)).integers(0, 4, (count, length))
    letters = np.frombuffer(b"ACGT", np.uint8)[codes]
    return [row.tobytes().decode() for row in letters]


def main():
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4096, help="rows of the head benchmark")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    a = parser.parse_args()
    use_threads(a.threads)
    peak = matrix_rate()
    print(json.dumps(report()))
    print(f"limit: float32 matrix product {peak / 1e9:.0f} GFLOP/s")
    bench_heads(a.rows, peak)
    bench_cache(512)
    bench_rows(100_000)


if __name__ == "__main__":
    main()
