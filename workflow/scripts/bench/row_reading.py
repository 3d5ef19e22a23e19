"""Tables of rows: reading and checking."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bench.cache_building import random_inserts
from bench.machine import Turns, seconds
from s2f.rows.canonical import canonical, read_rows, write_rows


def random_rows(count):
    """Random inserts with random labels, the same in every run."""
    labels = np.random.Generator(np.random.PCG64(1)).standard_normal(count)
    return pd.DataFrame({"row_id": [f"r{i}" for i in range(count)], "sequence": random_inserts(count), "label": labels})


def bench(count, repeats):
    """Print rows/s from parquet, compared with a plain pandas read of the same rows as TSV."""
    raw = random_rows(count)
    with tempfile.TemporaryDirectory() as folder:
        parquet, tsv = Path(folder) / "rows.parquet", Path(folder) / "rows.tsv"
        check = seconds(lambda: write_rows(parquet, canonical(raw, "bench")))
        raw.to_csv(tsv, sep="\t", index=False)
        runs = {"parquet": lambda: read_rows(parquet), "plain": lambda: pd.read_csv(tsv, sep="\t")}
        turns = Turns(runs, repeats)
    faster, rate = turns.ratio("plain", "parquet"), count / turns.best("parquet")
    print(f"\nrows, {count:,} inserts of 200 bp")
    print(f"{'read rows.parquet':42s}{rate:13,.0f} rows/s, {faster:.1f} x a plain pandas read of the TSV")
    print(f"{'check canonical form and write':42s}{count / check:13,.0f} rows/s")
