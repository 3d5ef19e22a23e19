"""One-hot in place of an embedding: T = window length, D = 4, N as zeros. For models that are trained from scratch."""

import hashlib

import numpy as np

from s2f.common import provenance
from s2f.embeddings.encoders import Encoder, check_codes, check_keys
from s2f.sequences import dna


def build(spec):
    """One-hot encoder of `{"kind": "onehot", "batch_size": 1024}`; `batch_size` is optional. NumPy only."""
    check_keys(spec, ("batch_size",))
    return Encoder(
        kind="onehot",
        channels=4,
        tokens=lambda length: length,
        fingerprint=hashlib.sha256(b"onehot ACGT float32, N is zeros").hexdigest(),
        licence="none (no weights)",
        provenance="one-hot, no weights",
        encode=_encode,
        batch_size=spec.get("batch_size", 1024),
        backend={"name": "numpy", "device": "cpu", "versions": provenance.versions("numpy")},
    )


def _encode(codes):
    check_codes(codes)
    return dna.one_hot(codes, np.float32)
