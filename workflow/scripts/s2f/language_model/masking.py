"""Masking for the language-model loss: 15 % of the tokens are targets; 80 % of them hidden, 10 % replaced, 10 % kept.

Targets and replacements are only A, C, G and T, or pieces made of them, never N or a special token (with DNABERT-2,
too, N is no target). The collator of transformers draws replacements from the whole vocabulary; with LAMAR's, half of
them would be special tokens.
"""

import numpy as np

from s2f.language_model.families import Tokens

IGNORED = -100  # label of tokens that are no target, as torch's cross-entropy expects it


def mask(
    ids: np.ndarray, share: float, generator: np.random.Generator, tokens: Tokens
) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, labels int64), both (B, T), from token ids (B, T); inputs have the dtype of the ids.

    Each id in `tokens.pieces` is a target with probability `share`, drawn from the `generator`; labels are the ids at
    targets and `IGNORED` elsewhere.
    """
    pieces = (ids >= tokens.pieces.start) & (ids < tokens.pieces.stop)
    targets = pieces & (generator.random(ids.shape) < share)
    fate = generator.random(ids.shape)
    inputs = ids.copy()
    inputs[targets & (fate < 0.8)] = tokens.mask
    replaced = targets & (fate >= 0.8) & (fate < 0.9)
    inputs[replaced] = generator.integers(tokens.pieces.start, tokens.pieces.stop, int(replaced.sum()), ids.dtype.type)
    return inputs, np.where(targets, ids.astype(np.int64), IGNORED)
