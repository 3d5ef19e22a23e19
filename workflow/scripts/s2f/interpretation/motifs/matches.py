"""Which known motif a pattern resembles (TOMTOM), and where the pattern occurs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from s2f.interpretation.motifs.clustering import Contributions
from s2f.interpretation.motifs.meme import Motif
from s2f.interpretation.motifs.patterns import Pattern
from s2f.interpretation.motifs.tomtom import compare

PSEUDOCOUNT, STEP = 0.001, 0.01  # added to probabilities; in bits, to which the scores of a scan are rounded
MATCHES = ("pattern", "sign", "seqlets", "consensus", "match", "strand", "p_value", "q_value")
HITS = ("pattern", "row_id", "start", "end", "strand", "score", "p_value", "importance")


def best(patterns: Sequence[Pattern], known: Sequence[Motif], one_strand: bool) -> pd.DataFrame:
    """Table of `MATCHES`: for each pattern the most similar known motif, with its p and q value."""
    p, q, turned = compare([pattern.matrix for pattern in patterns], [motif.matrix for motif in known], one_strand)
    lines = []
    for row, pattern in enumerate(patterns):
        k = int(p[row].argmin())
        strand = "-" if turned[row, k] else "+"
        of_pattern = pattern.name, pattern.sign, pattern.seqlets, pattern.consensus
        lines.append((*of_pattern, known[k].title, strand, p[row, k], q[row, k]))
    return pd.DataFrame(lines, columns=MATCHES)


def hits(patterns: Sequence[Pattern], found: Contributions, p_value: float) -> tuple[pd.DataFrame, list[str]]:
    """Table of `HITS`: where each pattern's core occurs in the sequences with a p value of at most `p_value`; and the
    names of patterns whose core is so short that no place can reach that.

    The scan uses log-odds against equally likely bases: `score` in bits, with the `p_value` of a random place. A place
    is one hit, also if the core occurs there on both strands, as a palindrome always does: the hit has the strand with
    the higher score, and "+" if both are equal. `start` and `end` are 0-based, half open; `importance` is the sum of
    the contributions of the bases there, which distinguishes a place that the model reads from one that only looks like
    the pattern.
    """
    columns: dict[str, list[Any]] = {name: [] for name in HITS}
    too_short = []
    sums = np.pad(np.cumsum(found.importance, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    inside = found.one_hot.any(axis=2)
    for pattern in patterns:
        bits, width = np.log2((pattern.matrix + PSEUDOCOUNT) / (1 + 4 * PSEUDOCOUNT) / 0.25), len(pattern.matrix)
        steps = np.round(bits / STEP).astype(np.int64)
        survival, lowest = _survival(steps)
        if survival[-1] > p_value:
            too_short.append(pattern.name)
            continue
        places = found.one_hot.shape[1] - width + 1
        of_strands = [
            sum(found.one_hot[:, k : k + places] @ table[k] for k in range(width)).astype(np.int64)
            for table in (steps, steps[::-1, ::-1])[: 1 if found.one_strand else 2]
        ]
        scores, turned = np.max(of_strands, axis=0), np.argmax(of_strands, axis=0)
        whole = np.lib.stride_tricks.sliding_window_view(inside, width, axis=1).all(axis=2)
        p = np.where(whole, survival[np.where(whole, scores - lowest, 0)], 1.0)
        for row, start in np.argwhere(p <= p_value):
            values = (
                pattern.name, found.row_ids[row], start, start + width, "+-"[turned[row, start]],
                scores[row, start] * STEP, p[row, start], sums[row, start + width] - sums[row, start],
            )  # fmt: skip
            for name, value in zip(HITS, values, strict=True):
                columns[name].append(value)
    return pd.DataFrame(columns), too_short


def _survival(steps: np.ndarray) -> tuple[np.ndarray, int]:
    """(P(score >= s) for each sum s of whole steps (W, 4) from the lowest to the highest, the lowest sum), for random,
    equally likely bases."""
    chance = np.ones(1)
    for row in steps - steps.min(axis=1, keepdims=True):
        chance = np.convolve(chance, np.bincount(row) / 4)
    return np.minimum(1, np.cumsum(chance[::-1])[::-1]), int(steps.min(axis=1).sum())
