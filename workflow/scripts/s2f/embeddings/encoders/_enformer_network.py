"""The stem and the convolutional tower of Enformer as a pure function, and the preparation of their weights for it.

Avsec et al. 2021 (https://doi.org/10.1038/s41592-021-01252-x), as computed by lucidrains/enformer-pytorch 0.8.12 (MIT);
written from a description of that package, not copied. At odd lengths, which occur for windows of 200, 281 and 600 bp,
DeepMind's own code fails and only that package defines the result: an odd last position passes each pool unchanged.

A stage is a convolution (of width 15 on the one-hot stem input, otherwise of width 5 on normalised and activated
input), a residual convolution of width 1, and a pool over pairs of positions that weights the two by a softmax of
learned logits. Here each normalisation is a scale and a shift per channel, and the softmax over two logits, W a and W
b, is a sigmoid of W (a - b), which needs half the products.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from s2f.embeddings.encoders._towers import NWC, PRECISIONS, Sides, spliced

# channels after the stem and after each of six blocks; for `tiny`, what the package makes of dim 96, divisible by 8
SIZES = {"full": (768, 768, 896, 1024, 1152, 1280, 1536), "tiny": (48, 48, 56, 64, 72, 80, 96)}
REACHES = (7, *[2] * 6)  # positions by which the convolutions reach: width 15 of the stem, 5 of a block
EPSILON = 1e-5  # of the normalisations
COUNTER = "num_batches_tracked"  # of PyTorch, without effect here
Stages = list[dict[str, Any]]


def manifest(size: str) -> dict[str, tuple[int, ...]]:
    """{name: shape} of the 100 arrays of the published checkpoint that form the tower, in the order of the network."""
    widths = SIZES[size]
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        shapes.update({f"{name}.{leaf}": (channels,) for leaf in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.{COUNTER}"] = ()

    def convolution(name: str, inputs: int, outputs: int, width: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs, width), f"{name}.bias": (outputs,)})

    for stage, channels in enumerate(widths):
        first, residual, pool = names(stage)
        if stage:
            norm(f"{first}.0", widths[stage - 1])
            convolution(f"{first}.2", widths[stage - 1], channels, 5)
        else:
            convolution(first, 4, channels, 15)
        norm(f"{residual}.0", channels)
        convolution(f"{residual}.2", channels, channels, 1)
        shapes[pool] = (channels, channels, 1, 1)
    return shapes


def names(stage: int) -> tuple[str, str, str]:
    """Prefixes of the names of the convolution and the residual convolution, and the name of the pool's matrix."""
    prefix = f"conv_tower.{stage - 1}" if stage else "stem"
    return f"{prefix}.0", f"{prefix}.1.fn", f"{prefix}.2.to_attn_logits.weight"


def ready(weights: Mapping[str, Any], size: str, precision: str) -> Stages:
    """Parameters for `tower`, one dictionary per stage, as device arrays: factors in `precision`, the others in
    float32.

    `weights`: float32 arrays by the names in `manifest`. Normalisations are folded in float64 and then rounded; for JAX
    arrays, which can be differentiated, in float32.
    """

    def norm(name: str) -> tuple[jax.Array, jax.Array]:
        weight, bias, mean, variance = (
            array.astype(np.float64) if isinstance(array, np.ndarray) else array
            for array in (weights[f"{name}.{leaf}"] for leaf in ("weight", "bias", "running_mean", "running_var"))
        )
        scale = weight / (np.sqrt if isinstance(variance, np.ndarray) else jnp.sqrt)(variance + EPSILON)
        return jnp.asarray(scale, np.float32), jnp.asarray(bias - mean * scale, np.float32)

    def convolution(name: str) -> tuple[jax.Array, jax.Array]:
        w = weights[f"{name}.weight"].transpose(2, 1, 0)  # (width, Cin, Cout)
        return product(w), jnp.asarray(weights[f"{name}.bias"])

    def product(array: Any) -> jax.Array:
        return jnp.asarray(array, PRECISIONS[precision])

    stages: Stages = []
    for stage in range(len(SIZES[size])):
        first, residual, pool = names(stage)
        found = {"convolution": convolution(f"{first}.2" if stage else first)}
        if stage:
            found["norm"] = norm(f"{first}.0")
        found |= {"residual_norm": norm(f"{residual}.0"), "residual": convolution(f"{residual}.2")}
        stages.append({**found, "pool": product(weights[pool][:, :, 0, 0].T)})  # (Cin, Cout)
    return stages


def tower(
    stages: Stages, one_hot: jax.Array, sides: Sides = (), first: int = 0
) -> tuple[jax.Array, Sequence[jax.Array]]:
    """One-hot (B, L, 4) -> tokens (B, ceil(L / 128), C) and the seven pooled stages, in the precision of the factors.

    `sides` as in `_towers.Tower`. With `first`, the input is what that stage reads, which is pooled, and the stages
    before it are skipped; with fewer `stages`, the tokens are the pooled output of the last one.

    The factors and results of matrix products, and what passes from one pool to the next, have that precision;
    normalisation, activation, sums and the weighting in a pool are float32. With bfloat16 the error is then 2 % of the
    root mean square (measured against golden numbers; 3 to 4 % if these are rounded too).
    """
    x, pooled = one_hot.astype(stages[0]["pool"].dtype), []
    # on a GPU "default" would round float32 factors to TF32
    with jax.default_matmul_precision("highest" if x.dtype == np.float32 else "default"):
        for number, stage in list(enumerate(stages))[first:]:
            x = _activated(x, *stage["norm"]) if number else x
            x = _convolved(x, stage["convolution"], "VALID" if number < len(sides) else "SAME")
            residual = _convolved(_activated(x, *stage["residual_norm"]), stage["residual"])
            x = _pooled(_sum(x, residual), stage["pool"])
            pooled.append(x)
            x = spliced(x, sides[number : number + 1])
    return x, pooled


def _activated(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """Normalised, then this model's GELU, which is neither the erf nor the tanh form."""
    activated = x.astype(np.float32) * scale + shift
    return (activated * jax.nn.sigmoid(1.702 * activated)).astype(x.dtype)


def _convolved(x: jax.Array, convolution: tuple[jax.Array, jax.Array], padding: str = "SAME") -> jax.Array:
    """(B, L, Cin) convolved with weights (width, Cin, Cout), plus a bias (Cout,) -> (B, L, Cout), or L - width + 1
    positions without padding."""
    w, bias = convolution
    if len(w) == 1:
        return _sum(x @ w[0], bias)
    return _sum(jax.lax.conv_general_dilated(x, w, (1,), padding, dimension_numbers=NWC), bias)


def _sum(x: jax.Array, other: jax.Array) -> jax.Array:
    return (x.astype(np.float32) + other).astype(x.dtype)


def _pooled(x: jax.Array, logits: jax.Array) -> jax.Array:
    """(B, L, C) -> (B, ceil(L / 2), C). An odd last position, paired with itself, passes unchanged."""
    if x.shape[1] % 2:
        x = jnp.concatenate([x, x[:, -1:]], axis=1)
    one, other = x[:, 0::2].astype(np.float32), x[:, 1::2].astype(np.float32)
    weight = jax.nn.sigmoid(((one - other).astype(x.dtype) @ logits).astype(np.float32))
    return (other + weight * (one - other)).astype(x.dtype)
