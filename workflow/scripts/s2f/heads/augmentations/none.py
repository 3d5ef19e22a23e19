"""Augmentation `none`: only the canonical strand, one step per batch (strand-specific RNA assays)."""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.heads.augmentations import CANONICAL, View


def views(options: Mapping[str, Any]) -> tuple[View, ...]:
    """The canonical strand."""
    return (CANONICAL,)


def draw(options: Mapping[str, Any]) -> Callable:
    """The canonical view of every row."""
    import jax.numpy as jnp

    from s2f.heads.augmentations.draws import Draw

    return lambda key, low, high: Draw(view=jnp.zeros((1, len(low)), jnp.int32))
