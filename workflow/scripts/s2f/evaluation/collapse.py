"""Collapsed runs: failed trainings, whose predictions hardly depend on the sequence. Their metrics say nothing about
the model, and a mean over seeds that includes one describes no run at all.

A weak model is not a collapsed one, and flat predictions are no proof of collapse: with a correlation r to the labels,
least squares gives predictions a spread of r times the spread of the labels. If predictions are flat, `collapsed`
therefore checks whether the run has learned anything, on the panel or, if the panel is hard, in validation. Differences
between alleles are never checked, nor are solved or published models: a large penalty shrinks predictions as it should,
and no training of ours can have failed. What a single run cannot show, a comparison with its other seeds does: see
`odd_seeds`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from s2f.evaluation.metrics import METRICS, SAME, score
from s2f.models.validation import score_of_task

# Shares of the standard deviation of the labels. In a classification, whose labels have no log odds, these are the
# standard deviation of the predicted log odds itself: odds that vary by a hundredth or by a tenth.
CONSTANT = 0.01  # below it, predictions are constant whatever their correlation: a ten-thousandth of the variance
FLAT = 0.1  # below it, they cannot explain 1 % of the variance and must be shown to rank rows
# What shows that: a correlation (2 AUROC - 1) that explains 1 % of the variance and is above 0 by `ERRORS` of its
# standard errors. With 60,000 rows, even a meaningless correlation of 0.01 is significantly above 0.
LEAST = 0.1
ERRORS = 2.0
# A seed that is not above chance must be below the best seed by this many standard errors of the difference. Seeds
# share the rows of a panel, so the true error is smaller, and chance does not put the seeds of a weak model this far
# apart.
FAR = 3.0


def errors_above_chance(task: str, value: float, units: int, prevalence: float = 0.5) -> float:
    """By how many standard errors under chance a Pearson r is above 0, or an AUROC above 0.5; 0 if it is undefined.

    `units` are the independent rows. Pearson: Fisher's z = artanh(r) has the standard error 1 / sqrt(units - 3) (Fisher
    1921). AUROC: Mann and Whitney (1947); `prevalence` is the share of positives, and 0.5 gives the smallest error.
    """
    if not np.isfinite(value):
        return 0.0
    if task == "regression":
        return float(np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12)) * np.sqrt(max(units - 3, 0)))
    return float((value - 0.5) * np.sqrt(12 * units**2 * prevalence * (1 - prevalence) / (units + 1)))


def ranks(task: str, value: float, units: int, prevalence: float = 0.5) -> bool:
    """Whether a Pearson r or an AUROC shows that predictions rank rows, by `LEAST` and `ERRORS`."""
    correlation = value if task == "regression" else 2 * value - 1
    return correlation >= LEAST and errors_above_chance(task, value, units, prevalence) >= ERRORS


def learned(task: str, validation: Mapping[str, Any], rows: int) -> bool:
    """Whether a run ranks its validation rows, `rows` in number; `validation` as in model.json, where a floor has no
    value."""
    value = score_of_task(task, validation)
    return value is not None and ranks(task, value, rows)


def learned_by_cell(task: str, validation: Mapping[str, Any], rows: Mapping[str, int]) -> dict[str, bool]:
    """As `learned`, for a model with an output for each cell: {cell: whether it ranks the validation rows with a label
    there}; `rows` is {cell: how many}. A mean over cells would hide an output that has learned nothing."""
    scores = validation.get("cells", {})
    return {cell: learned(task, {"value": scores.get(cell)}, count) for cell, count in rows.items()}


def collapsed(task: str, labels: np.ndarray, by_strand: Mapping[str, np.ndarray], units: int, has_learned: bool) -> str:
    """Why a run is collapsed on a panel, or "".

    `labels` (N,) are of rows in `units` independent units, `by_strand` {strand: predictions (N,)} has each predicted
    strand: the mean of both would hide that one is constant. `has_learned` is what `learned` returns for the run.
    Constant labels, or a single class in a classification, cannot show a collapse.
    """
    if len(labels) < 3 or np.ptp(labels) == 0:
        return ""
    found = []
    for strand, predictions in by_strand.items():
        spread, (value, _) = _spread(task, labels, predictions), score(METRICS[task][0], labels, predictions)
        blind = not ranks(task, value, units, _prevalence(task, labels))
        if spread < CONSTANT or (spread < FLAT and blind and not has_learned):
            found.append((spread, _reason(task, strand, spread, value)))
    return min(found)[1] if found else ""


def odd_seeds(task: str, values: Sequence[float], labels: np.ndarray, units: int) -> list[str]:
    """For each seed of a model: why it is collapsed compared with the others, or "".

    `values` (S,) are Pearson r or AUROC of the seeds on one panel with `labels` (N,). A seed is odd if its value is not
    above chance while another seed's is so far above it that the two trainings cannot be of the same quality.
    """
    above = np.array([errors_above_chance(task, value, units, _prevalence(task, labels)) for value in values])
    odd = (above < ERRORS) & (above.max() - above > FAR * np.sqrt(2))
    best = values[int(above.argmax())]
    reason = (
        f"{METRICS[task][0]} {{:.3f}} is less than {ERRORS:g} standard errors above chance, but another seed has "
        f"{best:.3f}"
    )
    return [reason.format(value) if is_odd else "" for value, is_odd in zip(values, odd, strict=True)]


def _spread(task: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    if np.ptp(predictions) <= SAME * np.abs(predictions).max():
        return 0.0
    if task == "regression":
        return float(np.std(predictions) / np.std(labels))
    probabilities = np.clip(predictions, 1e-9, 1 - 1e-9)
    return float(np.std(np.log(probabilities / (1 - probabilities))))


def _prevalence(task: str, labels: np.ndarray) -> float:
    return float(np.mean(labels)) if task == "classification" else 0.5


def _reason(task: str, strand: str, spread: float, value: float) -> str:
    if spread == 0:
        return f"constant predictions on the {strand} strand"
    of_what = "times that of the labels" if task == "regression" else "in log odds"
    found = f", {METRICS[task][0]} {value:.3f}" if np.isfinite(value) else ""
    return f"nearly constant predictions on the {strand} strand: standard deviation {spread:.2g} {of_what}{found}"
