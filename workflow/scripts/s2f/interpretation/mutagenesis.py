"""Mutagenesis: how a prediction changes when a base, or a window of bases, is replaced. It needs no gradient.

Every variant is scored in one batch with the sequence itself and with variants at neighbouring positions: an encoder
then computes only once what none of them changes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.sequences import dna

FILLS = ("shuffle", "N")
WIDTH = 10  # bp of a window, by default


def differences(
    scorer: Any, codes: np.ndarray, variants: np.ndarray, spans: np.ndarray | Sequence[tuple[int, int]]
) -> tuple[np.ndarray, float]:
    """float64 (M,): score of each variant minus the score of the sequence, and the latter score.

    `codes` uint8 (L,); `variants` uint8 (M, L), the i-th of which differs from `codes` only within `spans[i]` (first,
    end); ascending order is faster.
    """
    spans, size = np.asarray(spans), max(1, scorer.batch_size - 1)
    out, reference = np.empty(len(variants)), np.nan
    for start in range(0, len(variants), size):
        part = slice(start, start + size)
        span = int(spans[part, 0].min()), int(spans[part, 1].max())
        scores = scorer.score(np.concatenate([codes[None], variants[part]]), span)
        out[part] = scores[1:] - scores[0]
        reference = float(scores[0]) if start == 0 else reference
    return out, reference


def substitutions(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All single substitutions of a sequence, uint8 (3 L, L), by position and then in the order of codes after the
    present one; their positions int64 (3 L,) and new codes uint8 (3 L,)."""
    positions = np.repeat(np.arange(len(codes)), 3)
    bases = ((codes[:, None] + np.arange(1, 4, dtype=np.uint8)) % 4).ravel()
    variants = np.repeat(codes[None], len(positions), axis=0)
    variants[np.arange(len(positions)), positions] = bases
    return variants, positions, bases


def saturation(scorer: Any, codes: np.ndarray) -> tuple[np.ndarray, float]:
    """In-silico saturation mutagenesis: (L, 4) score differences float64, 0 at the sequence's own base, and its score.

    `codes` uint8 (L,) without N.
    """
    variants, positions, bases = substitutions(codes)
    changes, score = differences(scorer, codes, variants, np.column_stack([positions, positions + 1]))
    out = np.zeros((len(codes), 4))
    out[positions, bases] = changes
    return out, score


def importance_of_substitutions(changes: np.ndarray) -> np.ndarray:
    """How much the sequence's own base raises the score above the mean of its three substitutions, (L,)."""
    return -changes.sum(axis=1) / 3


def window_starts(length: int, width: int, step: int) -> np.ndarray:
    """First positions int64 of windows that cover a sequence; the last one ends with the sequence."""
    if not 1 <= width <= length:
        raise InputError(f"window of {width} bp: expected 1 to {length} bp, the length of the sequence")
    if not 1 <= step <= width:
        raise InputError(f"step of {step} bp: expected 1 to {width} bp, the window, so that no position is skipped")
    return np.unique(np.append(np.arange(0, length - width, step), length - width))


def sliding(
    scorer: Any,
    codes: np.ndarray,
    width: int = WIDTH,
    step: int = 5,
    fill: str = "shuffle",
    draws: int = 8,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Sliding-window mutagenesis: (importance (L,), starts (W,), effects (W,), score).

    An effect is the score of the sequence minus the mean score with that window destroyed: its bases shuffled in
    `draws` ways, or all N. The importance of a position is the mean effect of the windows that cover it. Shuffles
    depend on `seed` and the sequence, not on the model. Raises `InputError` for an impossible width, step or fill.
    """
    if fill not in FILLS:
        raise InputError(f"fill is {fill!r}, expected one of: {', '.join(FILLS)}")
    starts = window_starts(len(codes), width, step)
    positions = starts[:, None] + np.arange(width)
    draws = draws if fill == "shuffle" else 1
    letters = np.repeat(codes[positions], draws, axis=0)
    if fill == "shuffle":
        rng = np.random.Generator(np.random.PCG64(derived_seed(seed, "window", dna.decode(codes))))
        letters = rng.permuted(letters, axis=1)
    else:
        letters[:] = dna.N_CODE
    first = np.repeat(starts, draws)
    variants = np.repeat(codes[None], len(first), axis=0)
    variants[np.arange(len(first))[:, None], np.repeat(positions, draws, axis=0)] = letters
    changes, score = differences(scorer, codes, variants, np.column_stack([first, first + width]))
    effects = -changes.reshape(len(starts), draws).mean(axis=1)
    total, covered = np.zeros(len(codes)), np.zeros(len(codes))
    np.add.at(total, positions, effects[:, None])
    np.add.at(covered, positions, 1)
    return total / covered, starts, effects, score
