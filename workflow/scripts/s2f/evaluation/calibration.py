"""How certain a prediction is: intervals and probabilities calibrated on rows that training did not fit, and how to
check them.

A function that takes `counts` (C, N) answers for C resamples of N rows at once: `counts` says how often each row is
taken. A line of ones means the rows as they are.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from s2f.common.errors import InputError

LEVELS = (0.5, 0.8, 0.9, 0.95)  # whose coverage is checked
BINS = 15
CLIP = 2.0**-24  # probabilities are kept this far from 0 and 1, as near as float32 can come
TEMPERATURES = (0.01, 100.0)  # the range that is searched for a temperature


def check_confidence(confidence: float) -> None:
    """Raise `InputError` for a confidence that is not between 0 and 1."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}, expected a number between 0 and 1, such as 0.95")


def half_width(errors: ArrayLike, confidence: float) -> float:
    """Half the width of the interval around a prediction, by split conformal prediction (Lei et al. 2018,
    doi:10.1080/01621459.2017.1307116) from the `errors` (N,), measured minus predicted, of rows like the new one.

    With n rows it is the ceil((n + 1) * confidence)-th smallest |error|: a new row of the same kind then lies within
    the interval with at least that probability. It is infinite if there are too few rows. Missing errors (NaN) do not
    count. Raises `InputError` as `check_confidence`.
    """
    check_confidence(confidence)
    sizes = np.asarray(errors, np.float64)
    sizes = sizes[np.isfinite(sizes)]
    return float(half_widths(sizes, (confidence,), np.ones((1, len(sizes))))[0, 0])


def half_widths(errors: NDArray[np.float64], levels: ArrayLike, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """`half_width` for each of L levels and C resamples of the `errors` (N,): (L, C)."""
    levels, sizes = np.asarray(levels, np.float64), np.abs(errors)
    order = np.argsort(sizes, kind="stable")
    taken = np.cumsum(counts[:, order], axis=1)
    total = taken[:, -1] if len(sizes) else np.zeros(len(counts))
    ranks = np.ceil(np.multiply.outer(levels, total + 1) - 1e-9)
    places = [(taken < ranks_of_level[:, None]).sum(axis=1) for ranks_of_level in ranks]
    return np.append(sizes[order], np.inf)[np.array(places, np.int64)]


def fewest_rows(confidence: float) -> int:
    """The fewest rows that give a finite interval at a confidence."""
    return int(np.ceil(confidence / (1 - confidence) - 1e-9))


def coverage(
    errors: NDArray[np.float64], half: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of N rows with `errors` (N,) of at most `half` (L, C), half the width of an interval: (L, C)."""
    sizes = np.abs(errors)
    order = np.argsort(sizes, kind="stable")
    taken = np.zeros((len(counts), len(sizes) + 1))
    np.cumsum(counts[:, order], axis=1, out=taken[:, 1:])
    places = np.searchsorted(sizes[order], half, "right")
    return taken[np.arange(len(counts)), places] / taken[:, -1]


def crps(
    residuals: NDArray[np.float64], errors: NDArray[np.float64], counts: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Continuous ranked probability score of N predictions from their `errors` (N,), measured minus predicted: (C, N),
    or (N,) without `counts` (C, n).

    The predictive distribution X is the prediction plus one of the `residuals` (n,) of validation rows, all equally
    likely (a split conformal predictive system: Vovk et al. 2018, PMLR 91:37). For a measured y the score is E|X - y| -
    E|X - X'| / 2 (Gneiting and Raftery 2007, doi:10.1198/016214506000001437, equation 21), in the unit of the label.
    Smaller is better; for a distribution without spread it is the absolute error.
    """
    order = np.argsort(residuals, kind="stable")
    ordered = residuals[order]
    shares = np.ones((1, len(residuals))) if counts is None else counts[:, order]
    shares = shares / shares.sum(axis=1, keepdims=True)
    below, sums = (np.zeros((len(shares), len(residuals) + 1)) for _ in range(2))
    np.cumsum(shares, axis=1, out=below[:, 1:])
    np.cumsum(shares * ordered, axis=1, out=sums[:, 1:])
    # sum over i < j of w_i w_j (r_j - r_i), from the weights below and above each j
    spread = (shares * ordered * (2 * below[:, 1:] - shares - 1)).sum(axis=1, keepdims=True)
    places = np.searchsorted(ordered, errors, "right")
    distance = errors * (2 * below[:, places] - 1) - 2 * sums[:, places] + sums[:, -1:]
    scores = distance - spread
    return scores[0] if counts is None else scores


def scaled_by(spread: NDArray[np.float64], of_validation: NDArray[np.float64]) -> NDArray[np.float64]:
    """What errors are divided by if the members of a model differ by `spread` (N,): normalised conformal prediction
    (Papadopoulos et al. 2008; Lei et al. 2018, section 5.2).

    Members may agree on a row by chance, so a spread below a hundredth of the mean spread `of_validation` (n,) counts
    as that hundredth. All values are 1 if the members never differ.
    """
    least = 0.01 * float(np.mean(of_validation))
    return np.maximum(spread, least) if least > 0 else np.ones_like(spread)


def log_odds(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Log-odds of probabilities, finite for 0 and 1 too (`CLIP`)."""
    return logit(np.clip(np.asarray(probabilities, np.float64), CLIP, 1 - CLIP))


def temperature(
    logits: NDArray[np.float64],
    labels: NDArray[np.float64],
    counts: NDArray[np.float64] | None = None,
    start: float = 1.0,
) -> NDArray[np.float64]:
    """The divisor of the `logits` (n,) of labels 0 and 1 that gives the least log loss: (C,), for `counts` (C, n).

    Temperature scaling (Guo et al. 2017, arXiv:1706.04599). The loss is convex in 1 / T, so its slope has one zero,
    which Newton's method finds within a shrinking bracket, to 1e-9 of T. The result lies within `TEMPERATURES`: at the
    upper limit the logits rank no better than chance, at the lower limit they separate the classes.
    """
    weights = np.ones((1, len(logits))) if counts is None else counts
    low, high = (np.full(len(weights), 1 / limit) for limit in reversed(TEMPERATURES))
    value = np.full(len(weights), 1 / start)
    for _ in range(200):
        p = expit(np.multiply.outer(value, logits))
        slope = (weights * (p - labels)) @ logits
        low, high = np.where(slope < 0, value, low), np.where(slope < 0, high, value)
        curvature = (weights * p * (1 - p)) @ logits**2
        with np.errstate(divide="ignore", invalid="ignore"):
            step = value - slope / curvature
        new = np.where((step > low) & (step < high), step, np.sqrt(low * high))
        done = np.abs(new - value) <= 1e-9 * value
        value = new
        if done.all():
            break
    return 1 / value


def bins_of(probabilities: NDArray[np.float64], count: int = BINS) -> NDArray[np.int64]:
    """The bin of each row (N,), numbered from 0 by rising probability: `count` bins with as equal numbers of rows as
    possible, since equal probabilities share a bin."""
    _, inverse, times = np.unique(probabilities, return_inverse=True, return_counts=True)
    middle = (np.cumsum(times) - times / 2) / len(probabilities)
    return np.unique(np.floor(count * middle)[inverse], return_inverse=True)[1]


def calibration_error(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.float64],
    bins: NDArray[np.int64],
    counts: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Expected calibration error: the mean over `bins` (N,), weighted by rows, of |share of positives - mean
    probability|: (C,).

    `probabilities` are (N,) or (C, N). Naeini et al. 2015 (doi:10.1609/aaai.v29i1.9602) and Guo et al. 2017, but with
    bins of equal mass (`bins_of`) instead of equal width. Even a calibrated model does not reach 0 (see
    `chance_error`).
    """
    order = np.argsort(bins, kind="stable")
    starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
    gaps = np.add.reduceat((counts * (labels - probabilities))[:, order], starts, axis=1)
    return np.abs(gaps).sum(axis=1) / counts.sum(axis=1)


def chance_error(
    probabilities: NDArray[np.float64], bins: NDArray[np.int64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean of `calibration_error` if each label is 1 with exactly its predicted probability: (C,).

    The number of positives in a bin then has a standard deviation of sqrt(sum p (1 - p)), and the mean absolute
    deviation of a normal variable is sqrt(2 / pi) times its standard deviation: with 15 bins of 20 rows and
    probabilities near 0.5 this gives 0.09.
    """
    order = np.argsort(bins, kind="stable")
    starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
    variances = np.add.reduceat((counts * (probabilities * (1 - probabilities)))[:, order], starts, axis=1)
    return np.sqrt(2 / np.pi * variances).sum(axis=1) / counts.sum(axis=1)


def brier(probabilities: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance of each probability from its label (Brier 1950)."""
    return (probabilities - labels) ** 2


def log_loss(probabilities: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the logarithm of the probability of each label, in nats: the logarithmic score; smaller is better."""
    p = np.clip(probabilities, CLIP, 1 - CLIP)
    return -(labels * np.log(p) + (1 - labels) * np.log1p(-p))
