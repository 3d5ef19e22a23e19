"""Augmentation `compact`: one step per batch on the compact window, at a shift drawn evenly from all that the real
flank allows, and with probability 1/2 as the reverse complement (compact window of ALBench-S2F).
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

    from s2f.heads.augmentations.draws import Draw

    def drawn(key, low, high):
        where, turned = jax.random.split(key)
        shape = (1, len(low))
        return Draw(
            shift=jax.random.randint(where, shape, low, high + 1), reverse=jax.random.bernoulli(turned, 0.5, shape)
        )

    return drawn
