"""Augmentation `hybrid`: one step per batch. A coin decides between cached embeddings, each row canonical or reverse
complement with probability 1/2, and the encoder on windows drawn as in `full` (ALBench-S2F).
"""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.heads.augmentations import BOTH, View, full


def views(options: Mapping[str, Any]) -> tuple[View, ...]:
    """Both strands."""
    return BOTH


def draw(options: Mapping[str, Any]) -> Callable:
    """A cached view and a window for each row, and the coin that chooses between them."""
    import jax
    import jax.numpy as jnp

    draw_windows = full.draw(options)

    def drawn(key, low, high):
        coin, strand, windows = jax.random.split(key, 3)
        view = jax.random.bernoulli(strand, 0.5, (1, len(low))).astype(jnp.int32)
        return draw_windows(windows, low, high)._replace(view=view, encode=jax.random.bernoulli(coin))

    return drawn
