"""Layers that the heads share: LayerNorm joined with the linear map behind it, and matrix products in two precisions.

Haiku's own layers would do, but the first linear map takes two thirds of a head's arithmetic, and a third of that is
the gradient of its input, which the trainer needs only for the scale and offset of the norm before it. Both follow from
the weights and their gradient (see `norm_linear`), so that product is skipped: measured side by side on two CPU cores,
an epoch of boda-flatten-512-512 takes three quarters of the time.
"""

from collections.abc import Callable
from functools import partial

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

PRECISIONS = ("float32", "bfloat16")


class Norm(hk.Module):
    """LayerNorm over channels without its last step: gives the normalised `x`, and a scale and an offset still to be
    applied."""

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """(..., D) -> (..., D) of mean 0 and variance 1 (epsilon 1e-5), scale (D,), offset (D,)."""
        scale = hk.get_parameter("scale", x.shape[-1:], init=jnp.ones)
        offset = hk.get_parameter("offset", x.shape[-1:], init=jnp.zeros)
        centred = x - x.mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5), scale, offset


class Weights(hk.Module):
    """Weights w (inputs, width) and bias b (width,) of a linear map, as `hk.Linear` makes and names them."""

    def __init__(self, width: int, name: str, init: Callable | None = None) -> None:
        super().__init__(name)
        self.width, self.init = width, init

    def __call__(self, inputs: int) -> tuple[jax.Array, jax.Array]:
        """Both arrays; w comes from `init`, by default from a normal distribution cut at two sd, of sd 1 /
        sqrt(inputs)."""
        init = self.init or hk.initializers.TruncatedNormal(1 / np.sqrt(inputs))
        w = hk.get_parameter("w", (inputs, self.width), init=init)
        return w, hk.get_parameter("b", (self.width,), init=jnp.zeros)


def linear(x: jax.Array, width: int, name: str, precision: str, init: Callable | None = None) -> jax.Array:
    """x (B, K) -> (B, width) float32: `matmul` with the weights of module `name`, plus bias."""
    w, b = Weights(width, name, init)(x.shape[-1])
    return matmul(precision, x, w) + b


def dropped(x: jax.Array, rate: float | jax.Array) -> jax.Array:
    """x with every value set to 0 with probability `rate`, a number or a traced scalar, and otherwise divided by 1 -
    rate.

    Equals `hk.dropout` to the bit. XLA turns a division by a constant into a product with its inverse, but does not do
    so for a traced scalar.
    """
    key = hk.next_rng_key()
    if isinstance(rate, float) and rate == 0:
        return x
    kept = 1.0 - rate
    return jax.random.bernoulli(key, kept, x.shape) * x * (1.0 / kept)


def product(precision: str, a: jax.Array, b: jax.Array) -> jax.Array:
    """a (M, K) times b (K, N), float32: both are rounded to bfloat16 first if asked for, and sums are always
    float32."""
    if precision == "bfloat16":
        a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
        if jax.default_backend() != "cpu":
            return jnp.matmul(a, b, preferred_element_type=jnp.float32)
        # XLA has no fast product of bfloat16 on a CPU; the product of the rounded factors in float32 is the same number
        a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    return jnp.matmul(a, b, precision="highest")  # on a GPU the default would round float32 factors to TF32


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def matmul(precision: str, x: jax.Array, w: jax.Array) -> jax.Array:
    """x (B, K) times w (K, H), float32 (B, H); precision `bfloat16` rounds the factors of all three products of
    training (value and both gradients) to bfloat16 and sums in float32, which is what a GPU does fastest."""
    return product(precision, x, w)


def _matmul_forward(precision, x, w):
    return product(precision, x, w), (x, w)


def _matmul_backward(precision, saved, g):
    x, w = saved
    return product(precision, g, w.T), product(precision, x.T, g)


matmul.defvjp(_matmul_forward, _matmul_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def norm_linear(precision: str, x: jax.Array, scale: jax.Array, offset: jax.Array, w: jax.Array) -> jax.Array:
    """Apply the norm's scale and offset (D,) to normalised x (B, T, D), then w (T * D, H): float32 (B, H).

    The gradients are those of the formula, in float32 up to rounding (with bfloat16, P is a product of rounded
    factors). With P = x^T g (T, D, H), the product that the gradient of the weights needs anyway,

        dw[t, d, h] = scale[d] P[t, d, h] + offset[d] sum_b g[b, h]
        dscale[d]   = sum_t,h w[t, d, h] P[t, d, h]
        doffset[d]  = sum_t,h w[t, d, h] sum_b g[b, h]

    so g w^T is computed only if somebody asks for the gradient of x (attribution), not in training.
    """
    return product(precision, (x * scale + offset).reshape(len(x), -1), w)


def _norm_linear_forward(precision, x, scale, offset, w):
    return norm_linear(precision, x, scale, offset, w), (x, scale, offset, w)


def _norm_linear_backward(precision, saved, g):
    x, scale, offset, w = saved
    batch, tokens, channels = x.shape
    products = product(precision, x.reshape(batch, -1).T, g).reshape(tokens, channels, -1)
    weights, total = w.reshape(tokens, channels, -1), g.sum(0)
    dw = scale[:, None] * products + offset[:, None] * total
    # token by token: on a CPU, elementwise loops and two small products are far faster than one reduction over two axes
    dscale = product("float32", sum(weights[t] * products[t] for t in range(tokens)), jnp.ones_like(total))
    doffset = product("float32", sum(weights[t] for t in range(tokens)), total)
    dx = product(precision, g, w.T).reshape(x.shape) * scale
    return dx, dscale, doffset, dw.reshape(w.shape)


norm_linear.defvjp(_norm_linear_forward, _norm_linear_backward)
