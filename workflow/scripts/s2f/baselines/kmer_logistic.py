"""Baseline `kmer_logistic`: logistic regression on the counts of all 1- to 4-mers of the insert, for classification.

The features are those of `kmer_ridge`: counts of overlapping k-mers, by default unscaled, or standardised over the
training rows (`scaling: standard`). RNA has one strand, so a k-mer and its reverse complement are two features; with
`reverse_complement`, for datasets of `strand_rule: mean`, they are one. The inverse penalty C is chosen from a list by
the AUROC on the validation rows. Predictions are probabilities.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from s2f.baselines import write_details
from s2f.baselines.kmer_ridge import counts, features, score, scorer
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.models.validation import UnsolvedError, auroc
from s2f.sequences.constructs import Construct

ITERATIONS = 200


def classes(rows: Any, kind: str) -> np.ndarray:
    """Labels of training rows, int (N,). Raises `InputError` unless they are 0 and 1 and both occur."""
    labels = rows["label"].to_numpy(np.float64)
    other = labels[~np.isin(labels, (0, 1))]
    if len(other):
        raise InputError(f"baseline {kind}: a training row has label {other[0]:g}, expected 0 or 1 (a classification)")
    if len(np.unique(labels)) < 2:
        raise InputError(f"baseline {kind}: {len(labels)} training rows of one class, expected labels 0 and 1")
    return labels.astype(np.int64)


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Fit on `train`, choose C on `val`, write `weights.npz`. Nothing is random; `seed` is not used.

    Raises `InputError` for unknown keys or values, for training rows of one class, and, if there is a C to choose, for
    validation rows of fewer than two classes; `UnsolvedError` for a C without a solution.
    """
    settings = kinds.settings("baselines", "kmer_logistic", spec)
    sizes, strengths = [int(k) for k in settings["k"]], sorted(float(c) for c in settings["C"])
    if not sizes or min(sizes) < 1 or max(sizes) > 6:
        raise InputError(f"baseline kmer_logistic: k is {sizes}, expected one or more sizes from 1 to 6")
    if not strengths or strengths[0] <= 0:
        raise InputError(f"baseline kmer_logistic: C is {strengths}, expected positive numbers")
    if settings["scaling"] not in ("standard", "count"):
        raise InputError(f"baseline kmer_logistic: scaling is {settings['scaling']!r}, expected standard or count")
    if val["label"].nunique() < 2 and len(strengths) > 1:
        raise InputError(
            "baseline kmer_logistic: C cannot be chosen without validation rows of both classes; give one C"
        )

    labels = classes(train, "kmer_logistic")
    feature = features(sizes, settings["reverse_complement"])
    x = counts(list(train["sequence"]), sizes, feature).astype(np.float64)
    deviation = x.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, 1) if settings["scaling"] == "standard" else np.ones(x.shape[1])
    centre = x.mean(axis=0)
    x = (x - centre) / scale
    model = LogisticRegression(solver="newton-cholesky", max_iter=ITERATIONS, warm_start=True)  # from C to C
    fitted, scores = [], []
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                model.fit(x, labels)
            except ConvergenceWarning:
                raise UnsolvedError(
                    f"baseline kmer_logistic: no solution was found for C {strength:g} in {ITERATIONS} steps",
                    "remove it from C",
                    strength,
                ) from None
        weights = model.coef_[0] / scale
        fitted.append((weights[feature], model.intercept_[0] - weights @ centre))
        scores.append(auroc(val["label"], score(list(val["sequence"]), sizes, *fitted[-1])))
    comparable = [-np.inf if value is None else value for value in scores]
    best = max(range(len(strengths)), key=lambda index: comparable[index])
    if len(strengths) > 1 and best in (0, len(strengths) - 1):
        print(f"the best C, {strengths[best]:g}, is at the end of the list: extend the list")
    shown = "undefined" if scores[best] is None else f"{scores[best]:.4f}"
    print(f"{len(train)} rows, {x.shape[1]} k-mers, C {strengths[best]:g}: validation AUROC {shown}")
    weights, intercept = fitted[best]
    np.savez(Path(directory) / "weights.npz", k=sizes, weights=weights, intercept=intercept)
    write_details(
        directory, C=strengths[best], C_tried=strengths, val_auroc=scores, scaling=settings["scaling"],
        reverse_complement=settings["reverse_complement"], parameters=x.shape[1] + 1,
        provenance=f"trained from scratch on {len(train)} rows", licence="as the training data",
    )  # fmt: skip
    tried = list(zip(strengths, scores, strict=True))
    return [], {"metric": "auroc", "value": scores[best], "epoch": 0, "ended": "solved", "tried": tried}


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float64 (N,)``, see `kmer_ridge.scorer`; float32 would tie near 1."""
    of = logits(directory, record)
    return lambda inserts, strand="forward": expit(of(inserts, strand))


def logits(directory: str | Path, record: dict[str, Any]) -> Callable[[Sequence[str], str], np.ndarray]:
    """``logits(inserts, strand) -> float64 (N,)`` from the fit in a folder."""
    return scorer(directory)
