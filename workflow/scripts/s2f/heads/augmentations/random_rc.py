"""Augmentation `random_rc`: one step per batch, each sequence canonical or reverse complement with probability 1/2
(earlier ALBench-S2F).
"""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.heads.augmentations import BOTH, View


def views(options: Mapping[str, Any]) -> tuple[View, ...]:
    """Both strands."""
    return BOTH


def draw(options: Mapping[str, Any]) -> Callable:
    """A coin per row."""
    import jax
    import jax.numpy as jnp

    from s2f.heads.augmentations.draws import Draw

    return lambda key, low, high: Draw(view=jax.random.bernoulli(key, 0.5, (1, len(low))).astype(jnp.int32))
