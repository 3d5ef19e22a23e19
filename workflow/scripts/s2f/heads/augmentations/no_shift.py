"""Augmentation `no_shift`: the canonical strand, then the reverse complement with the same labels, two steps per batch
(ALBench-S2F).
"""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.heads.augmentations import BOTH, View


def views(options: Mapping[str, Any]) -> tuple[View, ...]:
    """Both strands."""
    return BOTH


def draw(options: Mapping[str, Any]) -> Callable:
    """Each strand in its own step."""
    import jax.numpy as jnp

    from s2f.heads.augmentations.draws import Draw

    return lambda key, low, high: Draw(view=jnp.broadcast_to(jnp.arange(2, dtype=jnp.int32)[:, None], (2, len(low))))
