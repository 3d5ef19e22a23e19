"""Caches of a quick encoder on disk, and what they must contain."""

from dataclasses import replace

import h5py
import ml_dtypes
import numpy as np
import pandas as pd

from s2f.common.files import write_json
from s2f.embeddings import build as embedding
from s2f.embeddings.cache import open_cache
from s2f.embeddings.encoders import Encoder
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

CONSTRUCT = Construct(24, "ACGTTGCAACGTTGCA", "TTGACCATGGATTACA")
TOKENS, CHANNELS = 3, 4


def encode(codes):
    """A quick stand-in: sums of bases weighted by position, one token per 8 bp; (B, 24) -> (B, 3, 4) float32."""
    weights = np.linspace(1, 2, codes.shape[1], dtype=np.float32)[:, None]
    weighted = dna.one_hot(codes) * weights
    return weighted.reshape(len(codes), TOKENS, 8, CHANNELS).sum(2) - 3.3


def fake(function=encode, **changes):
    encoder = Encoder(
        kind="onehot", channels=CHANNELS, tokens=lambda length: length // 8, fingerprint="f" * 64, licence="none",
        provenance="made up", encode=function, batch_size=4, backend={"name": "numpy", "device": "cpu"},
    )  # fmt: skip
    return replace(encoder, **changes)


def make_rows(count=30, seed=0):
    """Rows of 8 to 12 bp, a third of them repeating the insert of another row."""
    random = np.random.default_rng(seed)
    sequences = [dna.decode(random.integers(0, 4, random.integers(8, 13), dtype=np.uint8)) for _ in range(count)]
    sequences[2::3] = sequences[0:-2:3]
    return pd.DataFrame({"row_id": [f"row{i}" for i in random.permutation(count)], "sequence": sequences})


ROWS = make_rows()


def build(path, rows=ROWS, encoder=None, construct=CONSTRUCT, chunk_rows=5, **options):
    manifest = embedding.build(path, rows, encoder or fake(), "fake", construct, chunk_rows=chunk_rows, **options)
    write_json(path.with_suffix(".json"), manifest)
    return manifest


def of(rows, path):
    """The embeddings of rows, by id."""
    with open_cache(path) as cache:
        return np.asarray(cache.embedding[cache.indices(rows["row_id"])]).astype(np.float32)


def expected(rows, shift=0, strand="forward", dtype=ml_dtypes.bfloat16):
    codes = CONSTRUCT.assemble(list(rows["sequence"]), shift)
    codes = dna.reverse_complement(codes) if strand == "reverse" else codes
    return encode(codes).astype(dtype).astype(np.float32)


def flip(path, place):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def offset_of(path, dataset):
    with h5py.File(path) as file:
        return file[dataset].id.get_offset(), file[dataset].id.get_storage_size()
