"""The Boda-style heads: LayerNorm, then one MLP over all tokens (`flatten`) or one per token (`sum`, `mean`, ...).

Source: the K562 heads of ALBench-S2F (`boda-{reduction}-{hidden widths}`), after the dense part of boda2. Order of
operations as there: LayerNorm over channels per token; per hidden layer linear, dropout, ReLU; one output. Token heads
reduce the T scalar outputs, not the embeddings.
"""

import haiku as hk
import jax


def build(reduction, widths, dropout):
    """Haiku pair for `boda-{reduction}-{widths}` (widths as text, `512-512`); see `s2f.heads.build`.

    Parameters at D = 1536: 1,053,185 for the token heads, 4,198,913 for flatten at T = 5 (512-512).
    """

    def forward(x, is_training):
        if reduction == "center":  # other tokens cannot reach the output: slicing first is exact and T times cheaper
            x = x[:, x.shape[1] // 2]
        x = hk.LayerNorm(axis=-1, create_scale=True, create_offset=True, name="norm")(x)
        if reduction == "flatten":
            x = x.reshape(len(x), -1)
        for depth, width in enumerate(map(int, widths.split("-"))):
            x = hk.Linear(width, name=f"hidden_{depth}")(x)
            if is_training:
                x = hk.dropout(hk.next_rng_key(), dropout, x)
            x = jax.nn.relu(x)
        x = hk.Linear(1, name="output")(x)[..., 0]
        return getattr(x, reduction)(axis=1) if reduction in ("sum", "mean", "max") else x

    return hk.transform(forward)
