"""Head `encoder-{width}-dropout`: LayerNorm, mean over tokens, one hidden layer.

Source: `encoder-1024-dropout` of ALBench-S2F: mean of embeddings, linear 1024, dropout 0.1, ReLU, one output.
"""

from collections.abc import Sequence

import haiku as hk
import jax

from s2f.heads.networks.layers import Norm, Weights, dropped, linear, norm_linear


def build(parts: Sequence[dict[str, str]], dropout: float, precision: str, outputs: int = 1) -> hk.TransformedWithState:
    """Haiku functions for `encoder-{width}-dropout`; see `s2f.heads.networks.build`."""

    def forward(x, is_training, lane=0, weight=None):
        x, scale, offset = Norm("norm")(x)
        w, b = Weights(int(parts[0]["width"]), "hidden_0")(x.shape[-1])
        # scale and offset are the same for all tokens, so they can be applied to the mean
        x = norm_linear(precision, x.mean(axis=1, keepdims=True), scale, offset, w) + b
        if is_training:
            x = dropped(x, dropout)
        x = linear(jax.nn.relu(x), outputs, "output", precision)
        return x if outputs > 1 else x[:, 0]

    return hk.transform_with_state(forward)
