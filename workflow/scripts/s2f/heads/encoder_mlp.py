"""Head `encoder-{width}-dropout`: LayerNorm, mean over tokens, one hidden layer.

Source: `encoder-1024-dropout` of ALBench-S2F: mean of embeddings, linear 1024, dropout 0.1, ReLU, one output.
"""

import haiku as hk
import jax


def build(width, dropout):
    """Haiku pair for `encoder-{width}-dropout` (width as text); see `s2f.heads.build`."""

    def forward(x, is_training):
        x = hk.LayerNorm(axis=-1, create_scale=True, create_offset=True, name="norm")(x)
        x = hk.Linear(int(width), name="hidden_0")(x.mean(axis=1))
        if is_training:
            x = hk.dropout(hk.next_rng_key(), dropout, x)
        return hk.Linear(1, name="output")(jax.nn.relu(x))[..., 0]

    return hk.transform(forward)
