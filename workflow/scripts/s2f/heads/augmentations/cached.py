"""Modes that read embedding caches only. Each function takes the mode's section and returns its draw."""

import jax
import jax.numpy as jnp

from s2f.heads.augmentations import shifts
from s2f.heads.augmentations.draws import Draw


def none(spec):
    """The canonical strand alone: one step per batch (strand-specific RNA assays)."""
    return lambda key, low, high: Draw(view=jnp.zeros((1, len(low)), jnp.int32))


def no_shift(spec):
    """The canonical strand, then the reverse complement with the same labels: two steps per batch (ALBench-S2F)."""
    return lambda key, low, high: Draw(view=jnp.broadcast_to(jnp.arange(2, dtype=jnp.int32)[:, None], (2, len(low))))


def random_rc(spec):
    """One step per batch, each sequence canonical or reverse complement with probability 1/2 (earlier ALBench-S2F)."""
    return lambda key, low, high: Draw(view=jax.random.bernoulli(key, 0.5, (1, len(low))).astype(jnp.int32))


def multi_shift(spec):
    """As `no_shift`, each row on each strand at one of the K cached shifts, drawn anew in each epoch."""
    count = len(shifts(spec))

    def draw(key, low, high):
        chosen = jax.random.randint(key, (2, len(low)), 0, count)
        return Draw(view=chosen + count * jnp.arange(2)[:, None])

    return draw
