"""One-hot in place of an embedding: T = window length, D = 4, N as zeros. For models that are trained from scratch."""

import hashlib
from typing import Any

import numpy as np

from s2f.common import kinds, provenance
from s2f.embeddings.encoders import Encoder, check_codes
from s2f.sequences import dna


def build(spec: dict[str, Any]) -> Encoder:
    """One-hot encoder of a config section, for options see `onehot.yaml`. NumPy only."""
    options = kinds.settings("encoders", "onehot", spec)
    return Encoder(
        kind="onehot",
        channels=4,
        tokens=lambda length: length,
        fingerprint=hashlib.sha256(b"onehot ACGT float32, N is zeros").hexdigest(),
        licence="none (no weights)",
        provenance="one-hot, no weights",
        encode=_encode,
        batch_size=options["batch_size"],
        backend={"name": "numpy", "device": "cpu", "versions": provenance.versions("numpy")},
    )


def _encode(codes: np.ndarray) -> np.ndarray:
    check_codes(codes)
    return dna.one_hot(codes, np.float32)
