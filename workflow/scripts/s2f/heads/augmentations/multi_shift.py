"""Augmentation `multi_shift`: like `no_shift`, but each row and strand is at one of several cached shifts, drawn anew
in each epoch.
"""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.common.errors import InputError
from s2f.heads.augmentations import View


def views(options: Mapping[str, Any]) -> tuple[View, ...]:
    """Every shift on the forward strand, then every shift on the reverse strand."""
    return tuple((shift, strand) for strand in ("forward", "reverse") for shift in shifts(options))


def shifts(options: Mapping[str, Any]) -> tuple[int, ...]:
    """The shifts in bp: 0, then the others of an even ladder from -reach to +reach.

    Raises `InputError` for an even number of shifts, and for more shifts than the reach allows.
    """
    half = options["shifts"] // 2
    if options["shifts"] % 2 == 0 or options["reach"] < half:
        raise InputError(
            f"augmentation multi_shift: {options['shifts']} shifts within +-{options['reach']} bp, expected an odd "
            f"number (0 and as many to either side) of at most {2 * options['reach'] + 1}"
        )
    ladder = [round(options["reach"] * step / half) for step in range(1, half + 1)]
    return (0, *(shift for step in ladder for shift in (-step, step)))


def draw(options: Mapping[str, Any]) -> Callable:
    """One of the shifts per row and strand."""
    import jax
    import jax.numpy as jnp

    from s2f.heads.augmentations.draws import Draw

    count = len(shifts(options))

    def drawn(key, low, high):
        chosen = jax.random.randint(key, (2, len(low)), 0, count)
        return Draw(view=chosen + count * jnp.arange(2)[:, None])

    return drawn
