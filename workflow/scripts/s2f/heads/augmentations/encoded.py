"""Modes that run the frozen encoder in the training step. Each function takes the mode's section, returns its draw.

`low` and `high` (B,) are the smallest and largest shift of each row in bp.
"""

import jax
import jax.numpy as jnp

from s2f.heads.augmentations.draws import Draw


def full(spec):
    """One step per batch: with probability 1/2 a shift drawn from -reach to +reach (else 0), and with probability 1/2
    the reverse complement (ALBench-S2F, which rolled the construct: here the window is re-cut)."""

    def draw(key, low, high):
        moved, where, turned = jax.random.split(key, 3)
        shape = (1, len(low))
        shift = jax.random.randint(where, shape, low, high + 1)
        shift = jnp.where(jax.random.bernoulli(moved, 0.5, shape), shift, 0)
        return Draw(shift=shift, reverse=jax.random.bernoulli(turned, 0.5, shape))

    return draw


def compact(spec):
    """One step per batch: the compact window at a shift drawn evenly from all that the real flank allows, and with
    probability 1/2 the reverse complement (compact window of ALBench-S2F)."""

    def draw(key, low, high):
        where, turned = jax.random.split(key)
        shape = (1, len(low))
        return Draw(
            shift=jax.random.randint(where, shape, low, high + 1), reverse=jax.random.bernoulli(turned, 0.5, shape)
        )

    return draw


def hybrid(spec):
    """One step per batch, by a coin: cached embeddings, each row canonical or reverse complement with probability 1/2,
    or the encoder on windows drawn as in `full` (ALBench-S2F)."""
    draw_windows = full(spec)

    def draw(key, low, high):
        coin, strand, windows = jax.random.split(key, 3)
        view = jax.random.bernoulli(strand, 0.5, (1, len(low))).astype(jnp.int32)
        return draw_windows(windows, low, high)._replace(view=view, encode=jax.random.bernoulli(coin))

    return draw
