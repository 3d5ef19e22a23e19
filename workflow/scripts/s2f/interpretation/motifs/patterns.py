"""Patterns read from a file: what tables, pages and other models need to know about them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.common.hdf5 import open_hdf5
from s2f.sequences import dna

SAME = ("dataset", "split", "panel", "model", "method", "strand_rule", "score_unit")
SIGNS = {"pos_patterns": "raises", "neg_patterns": "lowers"}  # groups of the file: what a pattern does to the score
CORE = 0.3  # a position is in the core from this share of the highest contribution (as in the package's report)


@dataclass(frozen=True)
class Pattern:
    """A pattern of a file. `matrix` (W, 4) are the probabilities of its bases, `contribution` (W, 4) the mean
    contribution of the bases in its seqlets, both only for its core."""

    name: str
    sign: str  # of `SIGNS`
    seqlets: int
    matrix: np.ndarray
    contribution: np.ndarray

    @property
    def consensus(self) -> str:
        """The most frequent base of each position, in lower case if fewer than half of the seqlets have it."""
        letters = dna.decode(self.matrix.argmax(axis=1).astype(np.uint8))
        frequent = self.matrix.max(axis=1) >= 0.5
        return "".join(a if often else a.lower() for a, often in zip(letters, frequent, strict=True))


def read(path: str | Path) -> tuple[list[Pattern], dict[str, Any]]:
    """The patterns in a file written by `write`, by sign and then by the number of seqlets, and the file's
    attributes."""
    patterns = []
    try:
        with open_hdf5(path) as file:
            about = dict(file.attrs)
            for group, sign in SIGNS.items():
                names = sorted(file.get(group, ()), key=lambda name: int(name.rpartition("_")[2]))
                for name in names:
                    entry = file[group][name]
                    matrix, contribution = entry["sequence"][:], entry["contrib_scores"][:]
                    core = core_of(contribution)
                    matrix = matrix[core] / matrix[core].sum(axis=1, keepdims=True)
                    seqlets = int(entry["seqlets"]["n_seqlets"][0])
                    patterns.append(Pattern(f"{group}.{name}", sign, seqlets, matrix, contribution[core]))
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: is not a readable file of patterns ({error}); find the motifs again") from None
    patterns.sort(key=lambda pattern: (list(SIGNS.values()).index(pattern.sign), -pattern.seqlets))
    missing = [name for name in SAME if name not in about]
    if missing:
        raise InputError(f"{path}: has no attribute {missing[0]}, so it is not a file of patterns of this workflow")
    return patterns, about


def core_of(contribution: np.ndarray) -> slice:
    """The positions from the first to the last whose contributions (W, 4) sum to `CORE` of the highest sum or more, in
    size."""
    size = np.abs(contribution).sum(axis=1)
    kept = np.flatnonzero(size >= CORE * size.max())
    return slice(int(kept[0]), int(kept[-1]) + 1)
