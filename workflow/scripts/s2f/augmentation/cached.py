"""Modes that read embedding caches only."""

import jax
import jax.numpy as jnp


def none(key, tables, rows):
    """The canonical strand alone: one step per batch (strand-specific RNA assays)."""
    return tables["forward"][rows][None]


def no_shift(key, tables, rows):
    """The canonical strand, then the reverse complement with the same labels: two steps per batch (ALBench-S2F)."""
    return jnp.stack([tables["forward"][rows], tables["reverse"][rows]])


def random_rc(key, tables, rows):
    """One step per batch, each sequence canonical or reverse complement with probability 1/2 (earlier ALBench-S2F)."""
    coin = jax.random.bernoulli(key, 0.5, (len(rows), 1, 1))
    return jnp.where(coin, tables["reverse"][rows], tables["forward"][rows])[None]
