"""How sure a prediction is: intervals whose coverage follows from rows that training did not fit."""

import numpy as np
from numpy.typing import ArrayLike

from s2f.common.errors import InputError


def check_confidence(confidence: float) -> None:
    """Raise `InputError` for a confidence that is not between 0 and 1."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}, expected a number between 0 and 1, such as 0.95")


def half_width(errors: ArrayLike, confidence: float) -> float:
    """Half the width of the interval around a prediction: split conformal prediction (Lei et al. 2018,
    doi:10.1080/01621459.2017.1307116) by the `errors` (N,) of rows that are like the new one, measured minus predicted.

    Of n rows it is the ceil((n + 1) * confidence)-th smallest |error|: a new row of the same kind then lies within the
    interval at least so often. Infinite for too few rows. Missing errors (NaN) do not count. Raises `InputError`
    as `check_confidence`.
    """
    check_confidence(confidence)
    sizes = np.abs(np.asarray(errors, np.float64))
    sizes = np.sort(sizes[np.isfinite(sizes)])
    rank = int(np.ceil((len(sizes) + 1) * confidence - 1e-9))
    return float(sizes[rank - 1]) if rank <= len(sizes) else float("inf")
