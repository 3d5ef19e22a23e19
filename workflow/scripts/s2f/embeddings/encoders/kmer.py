"""Encoder `kmer`: how often each k-mer starts in each 128-bp token of the window; nothing is trained.

A frozen encoder without weights that runs anywhere. Heads on it show what counting k-mers by position can achieve, and
heads on a foundation model have to beat that. Tokens cover the window as AlphaGenome's do (the last may be partial).
"""

import hashlib
from typing import Any

import numpy as np

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings.encoders import Encoder, check_codes
from s2f.sequences.dna import N_CODE

TOKEN_BP = 128


def build(spec: dict[str, Any]) -> Encoder:
    """Encoder of a config section (D = 4^k channels in the order AAAA, AAAC, …, TTTT)."""
    options = kinds.settings("encoders", "kmer", spec)
    k = options["k"]
    if not 1 <= k <= 6:
        raise InputError(f"encoder kmer: k is {k}, expected 1 to 6")
    return Encoder(
        kind="kmer",
        channels=4**k,
        tokens=tokens,
        fingerprint=hashlib.sha256(f"kmer {k} per {TOKEN_BP} bp".encode()).hexdigest(),
        licence="none (no weights)",
        provenance=f"no weights: counts of {k}-mers per {TOKEN_BP} bp",
        encode=lambda codes: counts(codes, k),
        batch_size=options["batch_size"],
        backend={"name": "numpy", "device": "cpu"},
        apply=lambda parameters, codes: counts_on_device(codes, k),
    )


def tokens(length: int) -> int:
    """Number of tokens of a window of `length` bp."""
    return -(-length // TOKEN_BP)


def counts(codes: np.ndarray, k: int) -> np.ndarray:
    """Counts float32 (B, T, 4^k) of the k-mers of uint8 codes (B, L) by the token where they start; N breaks them."""
    check_codes(codes)
    rows, length = codes.shape
    starts = length - k + 1
    if starts < 1:
        raise InputError(f"encoder kmer: a window of {length} bp is shorter than one {k}-mer")
    word, broken = _words(codes.astype(np.int64), starts, k)
    cell = (np.arange(rows)[:, None] * tokens(length) + np.arange(starts) // TOKEN_BP) * 4**k + word
    flat = np.bincount(cell[~broken], minlength=rows * tokens(length) * 4**k)
    return flat.reshape(rows, tokens(length), 4**k).astype(np.float32)


def counts_on_device(codes: Any, k: int) -> Any:
    """As `counts`, inside a compiled JAX step."""
    import jax.numpy as jnp

    rows, length = codes.shape
    starts = length - k + 1
    word, broken = _words(codes.astype(jnp.int32), starts, k)
    token = jnp.broadcast_to(jnp.arange(starts) // TOKEN_BP, word.shape)
    empty = jnp.zeros((rows, tokens(length), 4**k), jnp.float32)
    return empty.at[jnp.arange(rows)[:, None], token, jnp.where(broken, 0, word)].add(1.0 - broken)


def _words(codes: Any, starts: int, k: int) -> tuple[Any, Any]:
    """Number of the k-mer that starts at each position (B, starts), and whether it contains an N."""
    word: Any = 0
    broken: Any = False
    for step in range(k):
        letters = codes[:, step : step + starts]
        word = 4 * word + letters
        broken = broken | (letters == N_CODE)
    return word, broken
