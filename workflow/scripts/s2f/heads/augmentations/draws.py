"""What a mode draws for one batch, and how the drawn windows are cut. Runs inside the compiled training step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from s2f.sequences.dna import N_CODE


class Draw(NamedTuple):
    """The views of one batch of B rows, V gradient steps. Fields that a mode does not use are None.

    view: int32 (V, B), the number of a cache in `augmentations.views`. shift: int32 (V, B) in bp, and reverse: bool (V,
    B), for windows that are encoded in the step. encode: bool (), whether this batch is encoded (None: always).
    """

    view: Any = None
    shift: Any = None
    reverse: Any = None
    encode: Any = None


def steps_per_batch(draw: Callable) -> int:
    """V, the number of gradient steps on a batch, found from the draw of a mode without running it."""
    low = jax.ShapeDtypeStruct((1,), jnp.int32)
    drawn = jax.eval_shape(draw, jax.eval_shape(lambda: jax.random.key(0)), low, low)
    return (drawn.shift if drawn.view is None else drawn.view).shape[0]


def cut(codes: Array, low: Array, shift: Array, reverse: Array, length: int) -> Array:
    """Windows uint8 (V, B, length) of the rows' stretches.

    `codes` uint8 (B, stretch) hold each row's windows at all its shifts from `low` (B,) up; `shift` and `reverse` (V,
    B) are drawn. The window at shift s starts s - low bp into the stretch; `reverse` turns the whole window.
    """
    positions = (shift - low)[..., None] + jnp.arange(length)
    windows = jnp.take_along_axis(jnp.broadcast_to(codes, (*shift.shape, codes.shape[-1])), positions, axis=-1)
    return jnp.where(reverse[..., None], reverse_complement(windows), windows)


def reverse_complement(codes: Array) -> Array:
    """Reverse complement of uint8 codes (..., L) along the last axis; N stays N."""
    turned = lax.rev(codes, (codes.ndim - 1,))
    return jnp.where(turned == N_CODE, turned, 3 - turned)
