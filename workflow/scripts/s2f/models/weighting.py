"""Weights of labels according to the precision of their measurement."""

import numpy as np

from s2f.common.errors import InputError


def weights_by_error(errors: np.ndarray, tau: float | None = None) -> np.ndarray:
    """Weights of labels whose standard errors are `errors`, of any shape: 1 / (se^2 + tau^2), with mean 1.

    This is the best linear weighting if a model misses the true activity by `tau` (standard deviation, in the unit of
    the labels) in addition to the error of measurement, as in a random-effects meta-analysis (DerSimonian and Laird
    1986, doi:10.1016/0197-2456(86)90046-2). By default tau^2 is the mean of se^2: the most precise label then counts
    twice as much as one with average error, and not more, however small the standard error of two replicates happened
    to be. A label without a standard error (NaN) has the weight of one with average error. Raises `InputError` if no
    label has one.
    """
    known = np.isfinite(errors)
    if not known.any():
        raise InputError("weighting is stderr, but no training row has a standard error; omit the key for this dataset")
    squared = np.asarray(errors, np.float64) ** 2
    average = squared[known].mean()
    spread = average if tau is None else tau**2
    if not average + spread:
        return np.ones(errors.shape)
    with np.errstate(divide="ignore"):
        weights = 1 / (np.where(known, squared, average) + spread)
    if not np.isfinite(weights).all():
        raise InputError(
            "weighting is stderr: with tau 0 a label with standard error 0 would have infinite weight; "
            "give a tau above 0"
        )
    return weights / weights.mean()
