"""Gradient methods: how the score changes with each base, at the sequence (saliency) or on the path to it (integrated).

Gradients of models of one-hot input contain a part that is irrelevant for sequences, because the four numbers of a
position always sum to 1: subtracting the mean over A, C, G, T removes it (Majdandzic et al. 2023, Genome Biology 24,
109).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.sequences import dna

BASELINES = ("uniform", "zeros")


def corrected(gradient: np.ndarray) -> np.ndarray:
    """Gradient (..., L, 4) minus its mean over A, C, G, T."""
    return gradient - gradient.mean(axis=-1, keepdims=True)


def on_observed(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Values (..., L, 4) at the bases of a sequence, codes (..., L): (..., L)."""
    return np.take_along_axis(values, codes[..., None].astype(np.int64), axis=-1)[..., 0]


def saliency(scorer: Any, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(gradient float32 (N, L, 4), scores (N,)) at sequences, uint8 codes (N, L). Input x gradient is `on_observed` of
    the gradient; applying `corrected` first gives the corrected form."""
    scores, gradient = scorer.gradient(dna.one_hot(codes))
    return gradient, scores


@dataclass(frozen=True)
class Integrated:
    """Integrated gradients of one sequence: `attribution` float64 (L, 4); its sum should be `difference`, the score
    minus the baseline's score, and is off by `gap`; `steps` is how many steps were taken."""

    attribution: np.ndarray
    score: float
    difference: float
    gap: float
    steps: int

    @property
    def relative_gap(self) -> float:
        """|gap| in units of |difference|; infinite if the difference is 0 and the gap is not."""
        if self.difference == 0:
            return 0.0 if self.gap == 0 else float("inf")
        return abs(self.gap / self.difference)


def integrated(
    scorer: Any,
    codes: np.ndarray,
    steps: int = 64,
    most_steps: int = 1024,
    tolerance: float = 0.01,
    baseline: str = "uniform",
) -> Integrated:
    """`Integrated` gradients (Sundararajan et al. 2017) of a sequence, uint8 codes (L,), by the midpoint rule.

    `baseline` uniform: 0.25 for each base at every position. The sequence minus the baseline then sums to 0 at every
    position, and the irrelevant part of the gradient drops out. zeros: no base anywhere, which is N for encoders of
    one-hot input. The number of steps is doubled while the gap is above `tolerance` times the difference, up to
    `most_steps`; the caller compares `relative_gap` with the tolerance.
    """
    if baseline not in BASELINES:
        raise InputError(f"baseline is {baseline!r}, expected one of: {', '.join(BASELINES)}")
    if not 1 <= steps <= most_steps:
        raise InputError(f"steps is {steps}, expected 1 to most_steps ({most_steps})")
    x = dna.one_hot(codes)
    start = np.full_like(x, 0.25 if baseline == "uniform" else 0.0)
    score, low = scorer.gradient(np.stack([x, start]))[0]
    while True:
        way = ((np.arange(steps) + 0.5) / steps).astype(np.float32)[:, None, None]
        gradient = scorer.gradient(start + way * (x - start))[1].mean(axis=0, dtype=np.float64)
        attribution = gradient * (x - start)
        result = Integrated(attribution, score, score - low, attribution.sum() - (score - low), steps)
        if result.relative_gap <= tolerance or 2 * steps > most_steps:
            return result
        steps *= 2
