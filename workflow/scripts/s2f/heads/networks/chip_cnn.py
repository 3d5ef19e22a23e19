"""Head `chip-cnn`: three convolutions along the tokens, each with batch norm and a pool, then a hidden layer.

Source: `chip_cnn` of LLM_eval (Tang and Koo 2025, Genome Biology 26), written for one-hot sequence and for the tokens
of language models. For the latter, batch norm and a 1x1 convolution to 512 channels come first, with no activation
before the next convolution. Weights are He-uniform, biases zero, and batch norm is as in Keras. The dropout rates are
the head's own, as published: `training.dropout` does not affect it.
"""

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import lax

from s2f.heads.networks import check_tokens
from s2f.heads.networks.convolution import BatchNorm, convolve, within
from s2f.heads.networks.layers import matmul

REDUCED = 512  # channels after the 1x1 convolution
LAYERS = ((7, 64, 4), (5, 96, 4), (5, 128, 2))  # of the convolutions: taps, width, size of the pool
HIDDEN = 256
DROPOUT, DROPOUT_HIDDEN = 0.2, 0.5
HE_UNIFORM = hk.initializers.VarianceScaling(2.0, "fan_in", "uniform")


class Kernel(hk.Module):
    """Weights w of a given shape, He-uniform, and bias b for its last axis."""

    def __call__(self, *shape: int) -> tuple[jax.Array, jax.Array]:
        """Both arrays."""
        return hk.get_parameter("w", shape, init=HE_UNIFORM), hk.get_parameter("b", shape[-1:], init=jnp.zeros)


def build(parts: Sequence[dict[str, str]], dropout: float, precision: str, outputs: int = 1) -> hk.TransformedWithState:
    """Haiku functions for `chip-cnn`; see `s2f.heads.networks.build`.

    Parameters: 1,242,977 at 512 x 768, 620,129 at 512 x 4.

    `dropout` is not used (see above). Raises `InputError` in `init` for fewer tokens than the pools need.
    """

    def forward(x, is_training, lane=0, weight=None):
        check_tokens("chip-cnn", x.shape[1])

        def dropped(x, rate):
            return hk.dropout(hk.next_rng_key(), rate, x) if is_training else x

        for depth, (taps, width, pool) in enumerate(LAYERS):
            first = reduced_convolution if depth == 0 and x.shape[-1] > 4 else plain_convolution
            x = first(precision, x, f"convolution_{depth}", taps, width, is_training, weight)
            factor, term = BatchNorm(f"norm_{depth}")(x, is_training, weight)
            # ReLU and pool may change places, and after the pool there is less to do
            x = dropped(jax.nn.relu(pooled(x * factor + term, pool)), DROPOUT)
        x = x.reshape(len(x), -1)
        w, b = Kernel("hidden")(x.shape[1], HIDDEN)
        x = matmul(precision, x, w) + inert(b)
        factor, term = BatchNorm("norm_hidden")(x, is_training, weight)
        x = dropped(jax.nn.relu(x * factor + term), DROPOUT_HIDDEN)
        w, b = Kernel("output")(HIDDEN, outputs)
        x = matmul(precision, x, w) + b
        return x if outputs > 1 else x[:, 0]

    return hk.transform_with_state(forward)


def plain_convolution(
    precision: str, x: jax.Array, name: str, taps: int, width: int, is_training: bool, weight: jax.Array | None
) -> jax.Array:
    """x (B, T, C) -> (B, T, width), a convolution with bias."""
    w, b = Kernel(name)(taps, x.shape[-1], width)
    return convolve(precision, x, w) + inert(b)


def reduced_convolution(
    precision: str, x: jax.Array, name: str, taps: int, width: int, is_training: bool, weight: jax.Array | None
) -> jax.Array:
    """Batch norm, 1x1 convolution to `REDUCED` channels and convolution, x (B, T, C) -> (B, T, width), in one.

    All three are linear, so their weights are multiplied in each step (C x 512 x K width products) instead of carrying
    every token through 512 channels: about six times fewer operations. The term that the first two add to a token is
    the same for all tokens, but it is missing beyond the ends, where the convolution reads zeros.
    """
    factor, term = BatchNorm("norm_reduce")(x, is_training, weight)
    reduce, reduce_bias = Kernel("reduce")(x.shape[-1], REDUCED)
    w, b = Kernel(name)(taps, REDUCED, width)
    spread = w.transpose(1, 0, 2).reshape(REDUCED, -1)
    merged = matmul("float32", factor[:, None] * reduce, spread).reshape(-1, taps, width).transpose(1, 0, 2)
    added = matmul("float32", matmul("float32", term[None], reduce) + reduce_bias, spread).reshape(taps, width)
    return convolve(precision, x, merged) + matmul("float32", within(x.shape[1], taps), added) + inert(b)


def pooled(x: jax.Array, size: int) -> jax.Array:
    """Maximum of each `size` tokens; a remainder is dropped: (B, T, C) -> (B, T // size, C)."""
    rows, tokens, channels = x.shape
    x = x[:, : tokens // size * size].reshape(rows, tokens // size, size, channels)
    out = x[:, :, 0]
    for offset in range(1, size):
        out = jnp.maximum(out, x[:, :, offset])
    return out


def inert(bias: jax.Array) -> jax.Array:
    """A bias before batch norm: subtracting the mean removes it, so its gradient is 0 except for rounding errors, which
    AdamW would blow up to full steps."""
    return lax.stop_gradient(bias)
