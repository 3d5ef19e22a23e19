"""Augmentation `full`: one step per batch, with probability 1/2 at a shift drawn from -reach to +reach (otherwise 0),
and with probability 1/2 on the reverse complement (ALBench-S2F, which rolled the construct; here the window is re-cut).
"""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.heads.augmentations import CANONICAL, View


def views(options: Mapping[str, Any]) -> tuple[View, ...]:
    """The canonical strand, for validation."""
    return (CANONICAL,)


def draw(options: Mapping[str, Any]) -> Callable:
    """Windows to be encoded in the step."""
    import jax
    import jax.numpy as jnp

    from s2f.heads.augmentations.draws import Draw

    def drawn(key, low, high):
        moved, where, turned = jax.random.split(key, 3)
        shape = (1, len(low))
        shift = jax.random.randint(where, shape, low, high + 1)
        shift = jnp.where(jax.random.bernoulli(moved, 0.5, shape), shift, 0)
        return Draw(shift=shift, reverse=jax.random.bernoulli(turned, 0.5, shape))

    return drawn
