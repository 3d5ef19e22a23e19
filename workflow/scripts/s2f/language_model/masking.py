"""Masking for the language-model loss: 15 % of the bases are targets; 80 % of them hidden, 10 % replaced, 10 % kept.

Targets and replacements are A, C, G and T only. The collator of transformers draws replacements from the whole
vocabulary: with this one, half of them would be special tokens.
"""

import numpy as np

from s2f.language_model.tokenizer import BASES, MASK

IGNORED = -100  # label of what is no target, as torch's cross-entropy expects it


def mask(ids: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(inputs uint8, labels int64), both (B, T), from token ids uint8 (B, T).

    Each base is a target with probability `share`, drawn from the `generator`; labels are the ids at targets and
    `IGNORED` elsewhere.
    """
    bases = (ids >= BASES.start) & (ids < BASES.stop)
    targets = bases & (generator.random(ids.shape) < share)
    fate = generator.random(ids.shape)
    inputs = ids.copy()
    inputs[targets & (fate < 0.8)] = MASK
    replaced = targets & (fate >= 0.8) & (fate < 0.9)
    inputs[replaced] = generator.integers(BASES.start, BASES.stop, int(replaced.sum()), np.uint8)
    return inputs, np.where(targets, ids.astype(np.int64), IGNORED)
