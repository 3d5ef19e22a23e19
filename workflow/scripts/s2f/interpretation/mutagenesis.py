"""Mutagenesis: what a model says when a base, or a window of bases, is another one. Needs no gradient.

Every variant is scored in one batch with the sequence itself, next to variants of its neighbourhood, so that an encoder
can compute once what none of them changes.
"""

import numpy as np

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.sequences import dna

FILLS = ("shuffle", "N")
WIDTH = 10  # bp of a window, by default


def differences(scorer, codes, variants, spans):
    """(float64 (M,), float): score of each variant minus that of the sequence, and the latter.

    `codes` uint8 (L,); `variants` uint8 (M, L), of which the i-th differs from `codes` within `spans[i]` (first, end)
    only, in ascending order for speed.
    """
    spans, size = np.asarray(spans), max(1, scorer.batch_size - 1)
    out, reference = np.empty(len(variants)), None
    for start in range(0, len(variants), size):
        part = slice(start, start + size)
        span = int(spans[part, 0].min()), int(spans[part, 1].max())
        scores = scorer.score(np.concatenate([codes[None], variants[part]]), span)
        out[part] = scores[1:] - scores[0]
        reference = float(scores[0]) if reference is None else reference
    return out, reference


def substitutions(codes):
    """All single substitutions of a sequence, uint8 (3 L, L), by position and then in the order of codes after its own;
    their positions int64 (3 L,) and new codes uint8 (3 L,)."""
    places = np.repeat(np.arange(len(codes)), 3)
    bases = ((codes[:, None] + np.arange(1, 4, dtype=np.uint8)) % 4).ravel()
    variants = np.repeat(codes[None], len(places), axis=0)
    variants[np.arange(len(places)), places] = bases
    return variants, places, bases


def saturation(scorer, codes):
    """In-silico saturation mutagenesis: (L, 4) score differences float64, 0 at the sequence's own base, and its score.

    `codes` uint8 (L,) without N.
    """
    variants, places, bases = substitutions(codes)
    found, score = differences(scorer, codes, variants, np.column_stack([places, places + 1]))
    out = np.zeros((len(codes), 4))
    out[places, bases] = found
    return out, score


def importance_of_substitutions(changes):
    """(L,) how much the sequence's own base raises the score over the mean of its three substitutions."""
    return -changes.sum(axis=1) / 3


def window_starts(length, width, step):
    """First positions int64 of windows that cover a sequence; the last one ends where the sequence does."""
    if not 1 <= width <= length:
        raise InputError(f"window of {width} bp: expected 1 to {length} bp, the length of the sequence")
    if not 1 <= step <= width:
        raise InputError(f"step of {step} bp: expected 1 to {width} bp, or positions are left out")
    return np.unique(np.append(np.arange(0, length - width, step), length - width))


def sliding(scorer, codes, width=WIDTH, step=5, fill="shuffle", draws=8, seed=0):
    """Sliding-window mutagenesis: (importance (L,), starts (W,), effects (W,), score).

    An effect is the score of the sequence minus the mean score with that window spoiled: its bases shuffled in `draws`
    ways, or all N. The importance of a position is the mean effect of the windows over it. Shuffles depend on `seed`
    and the sequence, not on the model. Raises `InputError` for a width, step or fill that is impossible.
    """
    if fill not in FILLS:
        raise InputError(f"fill is {fill!r}, expected one of: {', '.join(FILLS)}")
    starts = window_starts(len(codes), width, step)
    places = starts[:, None] + np.arange(width)
    draws = draws if fill == "shuffle" else 1
    letters = np.repeat(codes[places], draws, axis=0)
    if fill == "shuffle":
        rng = np.random.Generator(np.random.PCG64(derived_seed(seed, "window", dna.decode(codes))))
        letters = rng.permuted(letters, axis=1)
    else:
        letters[:] = dna.N_CODE
    first = np.repeat(starts, draws)
    variants = np.repeat(codes[None], len(first), axis=0)
    variants[np.arange(len(first))[:, None], np.repeat(places, draws, axis=0)] = letters
    found, score = differences(scorer, codes, variants, np.column_stack([first, first + width]))
    effects = -found.reshape(len(starts), draws).mean(axis=1)
    total, covered = np.zeros(len(codes)), np.zeros(len(codes))
    np.add.at(total, places, effects[:, None])
    np.add.at(covered, places, 1)
    return total / covered, starts, effects, score
