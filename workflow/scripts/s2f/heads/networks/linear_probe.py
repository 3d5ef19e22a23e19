"""Head `linear-probe`: mean over tokens, each channel standardised by the training rows, one linear map.

What a frozen representation holds in linear reach, as a logistic or linear regression on pooled embeddings measures it
(Alain and Bengio 2016, "Understanding intermediate layers using linear classifier probes"). The problem is convex, so
weights begin at zero and there is no dropout.
"""

from collections.abc import Sequence

import haiku as hk
import jax.numpy as jnp
import numpy as np

from s2f.embeddings.cache import BLOCK_BYTES
from s2f.heads.networks.layers import linear


def build(parts: Sequence[dict[str, str]], dropout: float, precision: str) -> hk.TransformedWithState:
    """Haiku functions for `linear-probe`; see `s2f.heads.networks.build`. D + 1 parameters; `dropout` is not used."""

    def forward(x, is_training, lane=0, weight=None):
        x = Standard("standard")(x.mean(axis=1))
        return linear(x, 1, "output", precision, jnp.zeros)[:, 0]

    return hk.transform_with_state(forward)


class Standard(hk.Module):
    """(x - mean) / sd per channel, both in the state, where `fit` puts them."""

    def __call__(self, x: jnp.ndarray) -> jnp.ndarray:
        """(B, D) -> (B, D)."""
        mean = hk.get_state("mean", x.shape[-1:], init=jnp.zeros)
        return (x - mean) / hk.get_state("sd", x.shape[-1:], init=jnp.ones)


def fit(tables: Sequence[np.ndarray], index: np.ndarray) -> dict[str, dict[str, jnp.ndarray]]:
    """The state: mean and sd float32 (D,) of the token means of rows `index` (N,) of all `tables` (U, T, D), a channel
    that is constant with sd 1. In float64, block by block; the tables may be maps of files."""
    unique, counts = np.unique(index, return_counts=True)
    step = max(1, BLOCK_BYTES // (int(np.prod(tables[0].shape[1:])) * 4))
    origin = np.asarray(tables[0][unique[0]], np.float64).mean(0)  # sums around it lose no digits
    sums = np.zeros((2, len(origin)))
    for table in tables:
        for start in range(0, len(unique), step):
            block = np.asarray(table[unique[start : start + step]], np.float32).mean(1, dtype=np.float64) - origin
            sums += counts[start : start + step] @ block, counts[start : start + step] @ block**2
    mean, square = sums / (counts.sum() * len(tables))
    sd = np.sqrt(np.maximum(square - mean**2, 0))
    mean += origin
    sd[sd <= 1e-6 * np.abs(mean)] = 1.0  # constant up to rounding of float32
    return {"standard": {"mean": jnp.asarray(mean, jnp.float32), "sd": jnp.asarray(sd, jnp.float32)}}
