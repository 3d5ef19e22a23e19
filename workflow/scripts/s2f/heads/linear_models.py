"""Linear and logistic regression with an L2 penalty, solved to the optimum for all penalties of a list at once.

Rows are read in blocks, so they may stay in files. Columns are standardised by the statistics of these rows
(`Moments`), weights refer to the standardised columns, and the intercept is not penalised: scikit-learn's `Ridge` and
`LogisticRegression` minimise the same after a `StandardScaler`, with the same names of the penalties. Everything is in
float64.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize
from scipy.special import expit

from s2f.common.errors import InputError
from s2f.models.validation import UnsolvedError

# starts a pass over the rows: x (B, D) and labels (B,); for a ridge regression also weights (B,), if rows have any
Pass = Callable[[], Iterable[tuple[np.ndarray, ...]]]

STEPS = 2000  # largest number of steps of the logistic regression; some tens are usual
# largest derivative at the solution, per square root of a row: a step along it would hardly lower the loss of all rows
# together
GRADIENT = 1e-7


@dataclass(frozen=True)
class Moments:
    """Statistics of n rows: `mean` and `sd` (D,) of the columns, with sd 1 for a constant one; `gram` (D, D), the
    products of the standardised columns, and `product` (D,), their products with the labels, both summed over rows;
    mean and variance of the labels. If rows have weights, with mean 1, all of these are weighted. `axes` (D, D) and
    `spread` (D,) are the eigenvectors (columns) and eigenvalues of `gram`."""

    n: int
    mean: np.ndarray
    sd: np.ndarray
    gram: np.ndarray
    product: np.ndarray
    label_mean: float
    label_variance: float
    axes: np.ndarray
    spread: np.ndarray


def moments(rows: Pass) -> Moments:
    """One pass: n D^2 multiply-adds, and a decomposition of about 10 D^3; two float64 D x D matrices in memory."""
    n, origin = 0, None
    for x, labels, *weights in rows():
        if origin is None:  # sums around a row lose no digits to columns far from 0
            origin = np.asarray(x[0], np.float64)
            gram = np.zeros((len(origin), len(origin)))
            total, product, of_labels = np.zeros_like(origin), np.zeros_like(origin), np.zeros(2)
        x, labels = np.asarray(x, np.float64) - origin, np.asarray(labels, np.float64)
        n += len(x)
        if weights:
            gram += x.T @ (weights[0][:, None] * x)
            total += weights[0] @ x
            product += (weights[0] * labels) @ x
            of_labels += weights[0] @ labels, weights[0] @ labels**2
            continue
        gram += x.T @ x
        total += x.sum(0)
        product += labels @ x
        of_labels += labels.sum(), labels @ labels
    if origin is None:
        raise InputError("no training rows")
    mean, label_mean = total / n, of_labels[0] / n
    product -= n * mean * label_mean
    gram -= n * np.outer(mean, mean)
    sd = np.sqrt(np.maximum(np.diag(gram) / n, 0))
    mean += origin
    sd[sd <= 1e-6 * np.abs(mean)] = 1.0  # constant up to rounding of float32
    gram /= np.outer(sd, sd)
    product /= sd
    spread, axes = linalg.eigh(gram)
    variance = max(0.0, of_labels[1] / n - label_mean**2)
    return Moments(n, mean, sd, gram, product, label_mean, variance, axes, np.maximum(spread, 0))


def ridge(of: Moments, alphas: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (A, D), intercepts (A,) and mean squared errors (A,) that minimise ``|y - b - Z w|^2 + alpha |w|^2`` over
    the rows y, Z of `of` for each alpha, in closed form; the weights of rows weight the squares."""
    along = of.axes.T @ of.product
    rotated = along / (of.spread + np.asarray(alphas, np.float64)[:, None])
    errors = of.label_variance - (2 * rotated @ along - rotated**2 @ of.spread) / of.n
    return rotated @ of.axes.T, np.full(len(alphas), of.label_mean), errors


def logistic(rows: Pass, of: Moments, strengths: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (C, D), intercepts (C,) and mean log losses (C,) that minimise ``sum of log losses + |w|^2 / (2 C)`` over
    `rows` with labels 0 and 1 for each C in `strengths`; `of` holds their `moments`.

    L-BFGS (scipy) runs on all C at once, so one pass over the rows serves all. Columns may be nearly collinear, and
    first-order steps would get stuck on them. So the variables are scaled by the square root of the Hessian's bound,
    gram / 4 + 1 / C (Böhning and Lindsay 1988), after which no direction is much steeper than another. Raises
    `UnsolvedError` if that does not converge.
    """
    count, penalties = len(strengths), 1 / np.asarray(strengths, np.float64)
    # variables (C, D + 1) -> weights and intercept for standardised columns, and for the original columns
    scale = 1 / np.sqrt(of.spread / 4 + penalties[:, None])
    unit = 2 / np.sqrt(of.n)

    def weights_of(variables):
        weights = (variables[:, :-1] * scale) @ of.axes.T
        return weights, variables[:, -1] * unit

    losses = np.empty(count)

    def objective(flat):
        weights, intercepts = weights_of(flat.reshape(count, -1))
        direct = (weights / of.sd).T
        shift = intercepts - of.mean @ direct
        losses[:] = 0.0
        pull, total = np.zeros_like(direct), np.zeros(count)
        for x, labels in rows():
            x, labels = np.asarray(x, np.float64), np.asarray(labels, np.float64)[:, None]
            margins = x @ direct + shift
            losses[:] += (np.logaddexp(0, margins) - labels * margins).sum(0)
            residuals = expit(margins) - labels
            pull += x.T @ residuals
            total += residuals.sum(0)
        by_weight = (pull.T - np.outer(total, of.mean)) / of.sd + penalties[:, None] * weights
        gradient = np.column_stack([(by_weight @ of.axes) * scale, total * unit])
        return losses.sum() + (penalties * (weights**2).sum(1)).sum() / 2, gradient.ravel()

    start = np.zeros((count, len(of.mean) + 1))
    found = optimize.minimize(
        objective, start.ravel(), method="L-BFGS-B", jac=True,
        options={"gtol": GRADIENT * np.sqrt(of.n), "ftol": 0, "maxiter": STEPS, "maxfun": 2 * STEPS, "maxcor": 30},
    )  # fmt: skip
    value, gradient = objective(found.x)
    steepest = np.abs(gradient).max()
    if not np.isfinite(value) or steepest > 100 * GRADIENT * np.sqrt(of.n):
        raise UnsolvedError(
            f"logistic regression: no solution for C {', '.join(f'{c:g}' for c in strengths)} after {found.nit} steps "
            f"({found.message})",
            "take the largest out of C",
            max(strengths),
        )
    return *weights_of(found.x.reshape(count, -1)), losses / of.n
