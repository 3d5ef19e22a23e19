"""The Boda-style heads: LayerNorm, then one MLP over all tokens (`flatten`) or one per token (`sum`, `mean`, ...).

Source: the K562 heads of ALBench-S2F (`boda-{reduction}-{hidden widths}`), after the dense part of boda2. Operations
are in the same order: LayerNorm over channels per token; per hidden layer linear, dropout, ReLU; one output. Token
heads reduce the T scalar outputs, not the embeddings.
"""

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp

from s2f.heads.networks.layers import Norm, Weights, dropped, linear, norm_linear

POOLED = ("sum", "mean", "max")  # their networks differ in the last step only


def build(parts: Sequence[dict[str, str]], dropout: float, precision: str, outputs: int = 1) -> hk.TransformedWithState:
    """Haiku functions for `boda-{reduction}-{widths}`; see `s2f.heads.networks.build`.

    Several reductions from `POOLED`, one in each of `parts`, make one network in which `lane` picks one. Parameters at
    D = 1536: 1,053,185 for the token heads, 4,198,913 for flatten at T = 5 (512-512).
    """
    widths, reductions = parts[0]["widths"], tuple(part["reduction"] for part in parts)
    several = (outputs,) if outputs > 1 else ()

    def forward(x, is_training, lane=0, weight=None):
        if reductions == ("center",):  # other tokens cannot reach the output: slicing first is exact, T times cheaper
            x = x[:, x.shape[1] // 2 :][:, :1]
        rows, tokens, channels = x.shape
        if reductions != ("flatten",):
            x = x.reshape(rows * tokens, 1, channels)
        x, scale, offset = Norm("norm")(x)
        first, *rest = map(int, widths.split("-"))
        w, b = Weights(first, "hidden_0")(x.shape[1] * channels)
        x = _active(norm_linear(precision, x, scale, offset, w) + b, dropout, is_training)
        for depth, width in enumerate(rest, 1):
            x = _active(linear(x, width, f"hidden_{depth}", precision), dropout, is_training)
        x = linear(x, outputs, "output", precision).reshape(rows, -1, *several)
        if reductions[0] not in POOLED:
            return x[:, 0]
        reduced = [getattr(x, reduction)(axis=1) for reduction in reductions]
        return reduced[0] if len(reduced) == 1 else jnp.stack(reduced)[lane]

    return hk.transform_with_state(forward)


def _active(x: jax.Array, dropout: float, is_training: bool) -> jax.Array:
    return jax.nn.relu(dropped(x, dropout) if is_training else x)
