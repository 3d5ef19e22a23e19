"""Convolution along the tokens and batch normalisation, as matrix products and sums that are fast inside a scan.

XLA's own convolution is slow there: inside a compiled loop on a CPU it reached 2 GFLOP/s, and these products 50 to 100.
"""

from functools import partial

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from s2f.heads.networks.layers import product

MOMENTUM, EPSILON = 0.99, 1e-3  # Keras's defaults, as in the networks that use this norm


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def convolve(precision: str, x: jax.Array, w: jax.Array) -> jax.Array:
    """x (B, T, C) with w (K, C, H), zeros beyond both ends: float32 (B, T, H), in one product for any odd K.

    y[t] = sum_k x[t + k - (K-1)/2] w[k]. If C is the smaller width, the K neighbours of a token are laid side by side
    in x before the product; if H is, the K products are summed after it. `precision` as in `layers.matmul`.
    """
    return _forward(precision, x, w)[0]


def _forward(precision, x, w):
    (rows, tokens, channels), (taps, _, width) = x.shape, w.shape
    if channels <= width:
        beside = _beside(x, taps, 1)
        y = product(precision, beside, w.reshape(-1, width))
        return y.reshape(rows, tokens, width), (beside, x.shape, w)
    products = product(precision, x.reshape(-1, channels), w.transpose(1, 0, 2).reshape(channels, -1))
    return _sum_of(products, (rows, tokens, taps, width), 1), (x, x.shape, w)


def _backward(precision, saved, g):
    (left, shape, w), (taps, channels, width) = saved, saved[2].shape
    if channels <= width:
        g = g.reshape(-1, width)
        dw = product(precision, left.T, g).reshape(w.shape)
        return _sum_of(product(precision, g, w.reshape(-1, width).T), (*shape[:2], taps, channels), -1), dw
    beside = _beside(g, taps, -1)
    dw = product(precision, left.reshape(-1, channels).T, beside).reshape(channels, taps, width).transpose(1, 0, 2)
    return product(precision, beside, w.transpose(0, 2, 1).reshape(-1, channels)).reshape(shape), dw


convolve.defvjp(_forward, _backward)


def _shifted(x: jax.Array, by: int) -> jax.Array:
    """x (B, T, C) at t + by, zeros beyond the ends."""
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (-by, by, 0), (0, 0, 0)))


def _beside(x: jax.Array, taps: int, sign: int) -> jax.Array:
    """(B, T, C) -> (B * T, K * C): the tokens at t + sign (k - (K-1)/2) side by side."""
    half = taps // 2
    beside = jnp.concatenate([_shifted(x, sign * (k - half)) for k in range(taps)], axis=-1)
    return beside.reshape(-1, taps * x.shape[2])


def _sum_of(products, shape, sign):
    """Transpose of `_beside` with the sign reversed: products (B * T, K * H) of `shape` (B, T, K, H) -> (B, T, H)."""
    products, half = products.reshape(shape), shape[2] // 2
    return sum(_shifted(products[:, :, k], sign * (k - half)) for k in range(shape[2]))


def within(tokens: int, taps: int) -> np.ndarray:
    """float32 (T, K): 1 where the token at t + k - (K-1)/2 exists."""
    neighbours = np.arange(tokens)[:, None] + np.arange(taps) - taps // 2
    return ((neighbours >= 0) & (neighbours < tokens)).astype(np.float32)


class BatchNorm(hk.Module):
    """Normalisation over rows and tokens as a factor and a term per channel, to be applied or merged with what follows.

    In training, mean and variance are those of the batch, without the rows of weight 0. In prediction they are running
    averages (momentum `MOMENTUM`, divided by the sum of their weights as in Adam, so that few steps suffice), which are
    kept in the state, so they get no gradient and no weight decay.
    """

    def __call__(self, x: jax.Array, is_training: bool, weight: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        """x (B, ..., C), weight (B,) or None outside training -> factor (C,), term (C,): x * factor + term."""
        width = x.shape[-1:]
        scale = hk.get_parameter("scale", width, init=jnp.ones)
        offset = hk.get_parameter("offset", width, init=jnp.zeros)
        mean = hk.get_state("mean", width, init=jnp.zeros)
        variance = hk.get_state("variance", width, init=jnp.ones)
        steps = hk.get_state("steps", (), init=jnp.zeros)
        if is_training:
            old, (mean, variance) = (mean, variance), moments(x, weight)
            steps = steps + 1
            rate = (1 - MOMENTUM) / (1 - MOMENTUM**steps)
            for name, before, now in zip(("mean", "variance"), old, (mean, variance), strict=True):
                hk.set_state(name, before + rate * (lax.stop_gradient(now) - before))
            hk.set_state("steps", steps)
        factor = scale * lax.rsqrt(variance + EPSILON)
        return factor, offset - mean * factor


def moments(x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and variance (C,) of x (B, ..., C) over all axes but the last, rows weighted by `weight` (B,)."""
    x = x.reshape(len(x), -1, x.shape[-1])
    share = (weight / (weight.sum() * x.shape[1]))[:, None, None]
    mean = (share * x).sum((0, 1))
    return mean, (share * jnp.square(x - mean)).sum((0, 1))
