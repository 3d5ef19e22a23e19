"""Baseline `kmer_ridge`: ridge regression on the counts of all 3-, 5- and 6-mers of the insert.

Features are counts of overlapping k-mers (windows with N are skipped), by default standardised to mean 0 and standard
deviation 1 over the training rows (`scaling: standard`), otherwise unscaled (`scaling: count`). With
`reverse_complement` (not for RNA: one strand), a k-mer and its reverse complement are one feature, so both strands
of a sequence get the same prediction: 2,624 features instead of 5,184. A standardised feature then counts as the k-mers
that it represents (two, or one for a palindrome): the solution for a penalty is that of a regression on the counts of
all 5,184 k-mers on both strands, in which each is penalised alike. The penalty is chosen from `alphas` by the Pearson r
on the validation rows. Rows with several cells give one solution per cell, from the rows with a label for it, and a
single penalty for all cells, the one with the best mean r over cells, because the models compared with it also have one
setting for all cells. With `weighting: stderr`, rows are weighted by the standard errors of their labels
(`weighting.weights_by_error`), also in the means and standard deviations of features.

Size: for p features and n rows, the n x n dual is solved if n < p, otherwise the p x p normal equations, summed over
blocks of rows (dense float32 counts, float64 sums): 600,000 rows need one matrix product of 4e12 multiply-adds and a
few hundred MB. Prediction sums one weight per window and never builds the feature matrix.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg

from s2f.baselines import check_strand, write_details
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.models.validation import comparable, mean_of, pearson
from s2f.models.weighting import weights_by_error
from s2f.rows.canonical import cells_of
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

BLOCK = 4096  # rows per dense block: 85 MB of float32 at 5,184 features


def windows(inserts: Sequence[str], sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) int64 arrays, one entry per k-mer window without N of every insert.

    `sizes` lists the k in order. The column numbers go through the k-mers of the first k, then of the next, and within
    one k through AAA, AAC, AAG ... TTT.
    """
    codes = dna.encode("".join(insert + "N" for insert in inserts))  # the N keeps windows inside their insert
    owner = np.repeat(np.arange(len(inserts)), [len(insert) + 1 for insert in inserts])
    unknown = np.concatenate([[0], np.cumsum(codes == dna.N_CODE)])
    rows, columns, offset = [], [], 0
    for k in sizes:
        starts = np.flatnonzero(unknown[k:] == unknown[:-k]) if len(codes) >= k else np.empty(0, np.int64)
        column = np.zeros(len(starts), np.int64)
        for step in range(k):
            column = 4 * column + codes[starts + step]
        rows.append(owner[starts])
        columns.append(column + offset)
        offset += 4**k
    return np.concatenate(rows), np.concatenate(columns)


def counts(inserts: Sequence[str], sizes: Sequence[int], feature: np.ndarray) -> np.ndarray:
    """Counts (N, p) float32 of the k-mers of each insert; `feature` (see `features`) maps columns to the p features."""
    width = int(feature.max()) + 1
    rows, columns = windows(inserts, sizes)
    flat = np.bincount(rows * width + feature[columns], minlength=len(inserts) * width)
    return flat.reshape(len(inserts), width).astype(np.float32)


def features(sizes: Sequence[int], reverse_complement: bool) -> np.ndarray:
    """int64 array: the feature of each column of `windows`, shared with its reverse complement if that is asked for."""
    columns = np.arange(sum(4**k for k in sizes))
    first = np.minimum(columns, reverse_columns(sizes)) if reverse_complement else columns
    return np.unique(first, return_inverse=True)[1]


def reverse_columns(sizes: Sequence[int]) -> np.ndarray:
    """int64 array: for each column, the column of its k-mer's reverse complement."""
    out, offset = [], 0
    for k in sizes:
        digits = np.arange(4**k)[:, None] // 4 ** np.arange(k) % 4  # last base first
        out.append((3 - digits) @ 4 ** np.arange(k)[::-1] + offset)
        offset += 4**k
    return np.concatenate(out)


def fit(
    inserts: Sequence[str],
    labels: np.ndarray,
    sizes: Sequence[int],
    feature: np.ndarray,
    alphas: Sequence[float],
    scaling: str,
    importance: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge solutions for every penalty: (weights (A, p) per count, intercepts (A,)), float64.

    Minimises ``sum over rows of v (y - b - X w)^2 + alpha |w|^2``, where X is the (standardised) counts, b is not
    penalised and v is the `importance` of rows, (N,) with mean 1 (None: all 1). scikit-learn's `Ridge` after a
    `StandardScaler` does the same for the columns `feature`, each repeated for every k-mer in it. The scale is folded
    into the weights.
    """
    n, p, kmers = len(inserts), int(feature.max()) + 1, np.bincount(feature)
    weights = np.ones(n) if importance is None else importance
    mean = weights @ labels / n
    solved: Iterable[np.ndarray]
    if n < p:
        x = counts(inserts, sizes, feature).astype(np.float64)
        centre = weights @ x / n
        x -= centre
        scale = _scale(weights @ x**2 / n, scaling, kmers)
        x *= np.sqrt(weights)[:, None] / scale
        solved = [x.T @ z for z in _solve(x @ x.T, np.sqrt(weights) * (labels - mean), alphas)]
    else:
        gram, total, product = np.zeros((p, p)), np.zeros(p), np.zeros(p)
        for start in range(0, n, BLOCK):
            x = counts(inserts[start : start + BLOCK], sizes, feature)
            part = weights[start : start + BLOCK]
            gram += x.T @ x if importance is None else x.T @ (part.astype(np.float32)[:, None] * x)
            total += part @ x
            product += (part * (labels[start : start + BLOCK] - mean)) @ x
        centre = total / n
        scale = _scale(np.diag(gram) / n - centre**2, scaling, kmers)
        gram = (gram - n * np.outer(centre, centre)) / np.outer(scale, scale)
        solved = _solve(gram, product / scale, alphas)
    found = np.stack(list(solved)) / scale
    return found, mean - found @ centre


def _scale(variance: np.ndarray, scaling: str, kmers: np.ndarray) -> np.ndarray:
    """Divisor of each feature, which represents `kmers` k-mers. A feature whose count never varies keeps weight 0 with
    any divisor."""
    if scaling != "standard":
        return np.ones_like(variance)
    # two equal columns with half the weight each are penalised like one column that is sqrt(2) times as large
    return np.sqrt(np.where(variance > 1e-12, variance, 1) / kmers)


def _solve(gram: np.ndarray, target: np.ndarray, alphas: Sequence[float]) -> Iterator[np.ndarray]:
    """Solutions z of (gram + alpha I) z = target, one per penalty."""
    for alpha in alphas:
        shifted = gram.copy()
        np.fill_diagonal(shifted, np.diag(gram) + alpha)
        yield scipy.linalg.cho_solve(scipy.linalg.cho_factor(shifted, overwrite_a=True, check_finite=False), target)


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Fit on `train`, choose the penalty on `val`, write `weights.npz`. Nothing is random; `seed` is not used.

    Raises `InputError` for unknown keys or values, if there are no validation rows but a penalty to choose, and for a
    weighting without standard errors.
    """
    settings = kinds.settings("baselines", "kmer_ridge", spec)
    sizes, alphas = [int(k) for k in settings["k"]], sorted(float(alpha) for alpha in settings["alphas"])
    if not sizes or min(sizes) < 1 or max(sizes) > 8:
        raise InputError(f"baseline kmer_ridge: k is {sizes}, expected one or more sizes from 1 to 8")
    if not alphas or alphas[0] <= 0:
        raise InputError(f"baseline kmer_ridge: alphas is {alphas}, expected positive numbers")
    if settings["scaling"] not in ("standard", "count"):
        raise InputError(f"baseline kmer_ridge: scaling is {settings['scaling']!r}, expected standard or count")
    if len(val) == 0 and len(alphas) > 1:
        raise InputError("baseline kmer_ridge: alpha cannot be chosen without validation rows; give one alpha")

    feature = features(sizes, settings["reverse_complement"])
    cells = cells_of(train)
    solutions = [
        _of_label(train, val, label, sizes, feature, alphas, settings)
        for label in [f"label.{cell}" for cell in cells] or ["label"]
    ]
    by_alpha = [mean_of(scores) for scores in zip(*(solution.scores for solution in solutions), strict=True)]
    best = max(range(len(alphas)), key=lambda index: comparable(by_alpha[index]))
    if len(alphas) > 1 and best in (0, len(alphas) - 1):
        print(f"the best alpha, {alphas[best]:g}, is at the end of the list: extend the list")
    values = [solution.scores[best] for solution in solutions]
    for cell, solution, value in zip(cells or [""], solutions, values, strict=True):
        shown = "undefined" if value is None else f"{value:.4f}"
        print(
            f"{f'{cell}: ' if cell else ''}{solution.rows} rows, {feature.max() + 1} k-mers, "
            f"alpha {alphas[best]:g}: validation r {shown}"
        )

    def of_all(values: list[Any]) -> Any:
        """One value per cell, or the value itself for rows with one label."""
        return values if cells else values[0]

    np.savez(
        Path(directory) / "weights.npz", k=sizes, weights=of_all([solution.weights[best] for solution in solutions]),
        intercept=of_all([solution.intercepts[best] for solution in solutions]),
    )  # fmt: skip
    write_details(
        directory, alpha=alphas[best], alphas=alphas,
        val_pearson=of_all([solution.scores for solution in solutions]), scaling=settings["scaling"],
        reverse_complement=settings["reverse_complement"], weighting=settings["weighting"],
        parameters=(int(feature.max()) + 2) * len(solutions),
        provenance=f"trained from scratch on {len(train)} rows", licence="as the training data",
    )  # fmt: skip
    by_cell = {"cells": dict(zip(cells, values, strict=True))} if cells else {}
    tried = list(zip(alphas, by_alpha, strict=True))
    return [], {"metric": "pearson", "value": by_alpha[best], "epoch": 0, "ended": "solved", "tried": tried, **by_cell}


@dataclass(frozen=True)
class _Solution:
    """The solutions for one label with each of A penalties: validation `scores`, `weights` (A, columns of `windows`)
    and `intercepts` (A,); `rows` is the number of training rows with the label."""

    rows: int
    scores: list[float | None]
    weights: np.ndarray
    intercepts: np.ndarray


def _of_label(
    train: Any,
    val: Any,
    label: str,
    sizes: Sequence[int],
    feature: np.ndarray,
    alphas: Sequence[float],
    settings: dict[str, Any],
) -> _Solution:
    """Fit on the rows of `train` with a label in column `label`, and score every penalty on such rows of `val`."""
    train, val = (rows[rows[label].notna()] for rows in (train, val))
    labels, importance = train[label].to_numpy(np.float64), None
    if settings["weighting"] == "stderr":
        column = label.replace("label", "stderr", 1)
        errors = train[column].to_numpy(np.float64) if column in train else np.full(len(train), np.nan)
        importance = weights_by_error(errors, settings["tau"])
    weights, intercepts = fit(list(train["sequence"]), labels, sizes, feature, alphas, settings["scaling"], importance)
    weights = weights[:, feature]
    rows, columns = windows(list(val["sequence"]), sizes)  # once for all penalties
    scores = [
        pearson(np.bincount(rows, weights=own[columns], minlength=len(val)) + intercept, val[label])
        for own, intercept in zip(weights, intercepts, strict=True)
    ]
    return _Solution(len(train), scores, weights, intercepts)


def score(inserts: Sequence[str], sizes: Sequence[int], weights: np.ndarray, intercept: float) -> np.ndarray:
    """Predictions (N,) float64: the intercept plus one weight per window of an insert, on the strand as given."""
    rows, columns = windows(inserts, sizes)
    return np.bincount(rows, weights=weights[columns], minlength=len(inserts)) + intercept


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``, or (N, C) for C cells, see `scorer`."""
    scores = scorer(directory)
    return lambda inserts, strand="forward": scores(inserts, strand).astype(np.float32)


def scorer(directory: str | Path) -> Callable[[Sequence[str], str], np.ndarray]:
    """``scores(inserts, strand) -> float64 (N,)`` from the weights in a folder, or (N, C) if these are for C cells;
    `reverse` counts the reverse complement.

    Raises `InputError` when `weights.npz` is missing, broken or not finite.
    """
    path = Path(directory) / "weights.npz"
    try:
        with np.load(path, allow_pickle=False) as saved:
            sizes, weights, intercept = saved["k"].tolist(), saved["weights"], saved["intercept"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: does not hold the weights of a k-mer regression ({error}); train this model again"
        ) from None
    shape = (*intercept.shape, sum(4**k for k in sizes))
    if weights.shape != shape or not (np.isfinite(weights).all() and np.isfinite(intercept).all()):
        raise InputError(
            f"{path}: weights have shape {weights.shape}, expected {shape} for k {sizes}, or are not "
            "finite; train this model again"
        )
    of_strand = {"forward": weights, "reverse": weights[..., reverse_columns(sizes)]}

    def of_output(inserts: Sequence[str], weights: np.ndarray, intercept: float) -> np.ndarray:
        blocks = (inserts[start : start + BLOCK] for start in range(0, len(inserts), BLOCK))
        return np.concatenate([[], *(score(block, sizes, weights, intercept) for block in blocks)])

    def scores(inserts: Sequence[str], strand: str) -> np.ndarray:
        check_strand(strand)
        if not intercept.ndim:
            return of_output(inserts, of_strand[strand], float(intercept))
        outputs = zip(of_strand[strand], intercept, strict=True)
        return np.stack([of_output(inserts, of_cell, float(constant)) for of_cell, constant in outputs], axis=1)

    return scores
