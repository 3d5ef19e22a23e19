"""Rows whose label says whether a motif was written into the sequence, which a small network learns at once."""

import numpy as np
import pandas as pd

from s2f.sequences import dna


def random_rows(n, seed=0, motif="GATTACA"):
    """60-bp rows; the motif is written four times, on either strand."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4, (n, 60)).astype(np.uint8)
    labels = generator.integers(0, 2, n).astype(float)
    word = dna.encode(motif)
    for row in np.flatnonzero(labels):
        for place in generator.choice(60 // len(word), 4, replace=False) * len(word):
            codes[row, place : place + len(word)] = word if generator.random() < 0.5 else dna.reverse_complement(word)
    sequences = [dna.decode(c) for c in codes]
    return pd.DataFrame({"row_id": [f"r{i}" for i in range(n)], "sequence": sequences, "label": labels})


def with_cells(rows, **labels):
    """Rows with a label for each cell; `label` is the label of the first cell."""
    first = next(iter(labels.values()))
    return rows.assign(label=first, **{f"label.{cell}": values for cell, values in labels.items()})
