"""The network of AlphaGenome's sequence encoder, as Haiku modules with the official names, and the preparation of its
weights: they are standardised once instead of in every call, with the same dtype and order of operations.

Reimplemented after google-deepmind/alphagenome_research (Apache-2.0, commit 3f79219), not copied.
"""

import math
from collections.abc import Sequence
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from s2f.embeddings.encoders._towers import NWC, PRECISIONS, spliced

SIZES = {"full": (768, 128), "tiny": (48, 8)}  # channels after the stem, channels added by each of six blocks
PREFIX = "alphagenome/sequence_encoder/"
BLOCKS = 6
POOLED = 2 ** (BLOCKS + 1)  # bp per token
REACHES = (
    9,
    *[4] * BLOCKS,
)  # positions by which the convolutions reach: widths 15 and 5 of the stem, 5 and 5 of a block


class RMSBatchNorm(hk.Module):
    """Scale by the running mean square per channel, without subtracting a mean; x (B, L, C)."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, L, C) -> (B, L, C)."""
        shape = (1, 1, x.shape[-1])
        scale = hk.get_parameter("scale", shape, init=jnp.ones)
        offset = hk.get_parameter("offset", shape, init=jnp.zeros)
        mean_square = hk.get_state("var_ema", shape, init=jnp.ones)
        return x * (scale * jax.lax.rsqrt(mean_square + 1e-5)) + offset


def standardised(w: jax.Array, scale: jax.Array) -> jax.Array:
    """Weights (width, Cin, Cout) with zero mean and variance `scale`^2 / fan-in per output channel (Brock 2021, NFNet).

    The order matters in bfloat16 and is the official one: the variance is taken of the weights after centring and
    rounding.
    """
    fan_in = w.shape[0] * w.shape[1]
    w = w - jnp.mean(w, axis=(0, 1), keepdims=True)
    variance = jnp.var(w, axis=(0, 1), keepdims=True)
    return w * (scale * jax.lax.rsqrt(jnp.maximum(fan_in * variance, 1e-4)))


class StandardizedConv1D(hk.Module):
    """Convolution of width 5 on standardised weights. `ready`: `w` is already standardised and there is no `scale`.

    `padding`: "SAME" puts zeros beside the window; "VALID" puts none, and the result lacks two positions at either end.
    """

    def __init__(self, channels: int, ready: bool, padding: str = "SAME", name: str | None = None) -> None:
        super().__init__(name)
        self.channels, self.ready, self.padding = channels, ready, padding

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, L, Cin) -> (B, L, channels)."""
        w = hk.get_parameter("w", (5, x.shape[-1], self.channels), init=jnp.ones)
        bias = hk.get_parameter("bias", (self.channels,), init=jnp.zeros)
        if not self.ready:
            w = standardised(w, hk.get_parameter("scale", (1, 1, self.channels), init=jnp.ones))
        return jax.lax.conv_general_dilated(x, w, (1,), self.padding, dimension_numbers=NWC) + bias


class ConvBlock(hk.Module):
    """Normalise, activate, convolve."""

    def __init__(self, channels: int, ready: bool, padding: str = "SAME", name: str | None = None) -> None:
        super().__init__(name)
        self.settings = channels, ready, padding

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, L, Cin) -> (B, L, channels)."""
        x = RMSBatchNorm()(x)
        x = x * jax.nn.sigmoid(1.702 * x)  # the GELU of this model: neither erf nor tanh
        return StandardizedConv1D(*self.settings)(x)


class DnaEmbedder(hk.Module):
    """The stem. Padding "VALID" removes seven and then two positions at either end."""

    def __init__(self, channels: int, ready: bool, padding: str = "SAME", name: str | None = None) -> None:
        super().__init__(name)
        self.channels, self.ready, self.padding = channels, ready, padding

    def __call__(self, x: jax.Array) -> jax.Array:
        """One-hot (B, L, 4) -> (B, L, channels)."""
        x = hk.Conv1D(self.channels, 15, padding=self.padding)(x)
        return trimmed(x, self.padding) + ConvBlock(self.channels, self.ready, self.padding)(x)


class DownresBlock(hk.Module):
    """Two residual convolutions; the residual is widened by zeros after the last channel.

    Padding "VALID" removes two and then two more positions at either end.
    """

    def __init__(self, channels: int, ready: bool, padding: str = "SAME", name: str | None = None) -> None:
        super().__init__(name)
        self.channels, self.ready, self.padding = channels, ready, padding

    def __call__(self, x: jax.Array) -> jax.Array:
        """(B, L, Cin) -> (B, L, channels)."""
        widened = jnp.pad(x, ((0, 0), (0, 0), (0, self.channels - x.shape[-1])))
        x = ConvBlock(self.channels, self.ready, self.padding)(x) + trimmed(widened, self.padding)
        return trimmed(x, self.padding) + ConvBlock(self.channels, self.ready, self.padding)(x)


def trimmed(x: jax.Array, padding: str) -> jax.Array:
    """The part of x (B, L, C) that lines up with the result of a convolution of width 5 with this padding."""
    return x if padding == "SAME" else x[:, 2:-2]


def pool(x: jax.Array, zeros: bool = False) -> jax.Array:
    """Maximum over pairs of positions, (B, L, C) -> (B, ceil(L / 2), C); an odd last position passes unpaired, or with
    `zeros` is paired with zeros.

    The start value must be a Python scalar: with an array XLA's reduce_window has no derivative.
    """
    if zeros and x.shape[1] % 2:
        x = jnp.pad(x, ((0, 0), (0, 1), (0, 0)))
    return jax.lax.reduce_window(x, -math.inf, jax.lax.max, (1, 2, 1), (1, 2, 1), "SAME")


class SequenceEncoder(hk.Module):
    """Stem and six blocks, each followed by a pool.

    With the `sides` of a `_flank_reuse.Plan`, x is only the plan's crop: each stage that the plan splices is widened by
    its side activations (1, l, C) and (1, r, C), and the stages before the last of these are computed only in their
    middle.

    Stages are numbered, 0 for the stem and i + 1 for block i. Stages `first` to `last` are computed: x is the input of
    `first` (pooled activations, unless that is the stem), and the result is the pooled output of `last`. `zeros` as in
    `pool`.
    """

    def __init__(self, width: int, step: int, ready: bool, zeros: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        self.width, self.step, self.ready, self.zeros = width, step, ready, zeros

    def __call__(
        self,
        x: jax.Array,
        sides: Sequence[tuple[jax.Array, jax.Array]] = (),
        first: int = 0,
        last: int = BLOCKS,
    ) -> tuple[jax.Array, dict[int, jax.Array]]:
        """One-hot (B, L, 4) -> tokens (B, ceil(L / 128), width + 6 step) and {bin size: stage before its pool}."""
        padding = ["VALID"] * len(sides) + ["SAME"] * (BLOCKS + 1 - len(sides))
        stages = {}
        for stage in range(first, last + 1):
            if stage:
                channels, name = self.width + self.step * stage, f"downres_block_{stage - 1}"
                x = DownresBlock(channels, self.ready, padding[stage], name=name)(x)
            else:
                x = DnaEmbedder(self.width, self.ready, padding[0])(x)
            stages[2**stage] = x
            x = spliced(pool(x, self.zeros), sides[stage : stage + 1])
        return x, stages


def network(size: str, precision: str, ready: bool = False, zeros: bool = False) -> hk.Transformed:
    """The encoder as two pure functions, `init(key, one_hot)` and `apply(params, state, one_hot, sides=(), first=0,
    last=BLOCKS)`; the latter returns ((tokens, stages), state). Their arguments are those of `SequenceEncoder`.

    `ready` expects the tree of `standardise_once`; `zeros` as in `pool`. Input, parameters and state are cast to
    `precision` on use.
    """
    dtype = PRECISIONS[precision]

    def cast(following, value, _):
        return following(jnp.asarray(value, dtype))

    def forward(one_hot, sides=(), first=0, last=BLOCKS):
        # on a GPU "default" would round float32 factors to TF32
        exact = jax.default_matmul_precision("highest" if precision == "float32" else "default")
        with exact, hk.custom_getter(cast, state=True), hk.name_scope(PREFIX.split("/")[0]):
            return SequenceEncoder(*SIZES[size], ready, zeros)(one_hot.astype(dtype), sides, first, last)

    return hk.without_apply_rng(hk.transform_with_state(forward))


def standardise_once(params: dict[str, dict[str, Any]], precision: str) -> dict[str, dict[str, Any]]:
    """Parameters for `network(..., ready=True)`: all in `precision`, with standardised weights and without their
    `scale`.

    The result must equal what the definition does in each call, so nothing here may be done in a better dtype.
    """
    dtype = PRECISIONS[precision]
    ready = {}
    for module, leaves in params.items():
        leaves = {name: jnp.asarray(value, dtype) for name, value in leaves.items()}
        if module.endswith("/standardized_conv1_d"):
            leaves = {"w": standardised(leaves["w"], leaves["scale"]), "bias": leaves["bias"]}
        ready[module] = leaves
    return ready


def manifest(size: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Shapes of the official tree: (params, state), each {module: {leaf: shape}}."""
    key, one_hot = jax.random.key(0), jax.ShapeDtypeStruct((1, POOLED, 4), np.float32)
    return jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(network(size, "float32").init, key, one_hot))
