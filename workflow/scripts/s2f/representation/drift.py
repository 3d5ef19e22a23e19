"""Drift: how far fine-tuning moved each layer of an encoder, by linear CKA with the start on the same sequences.

Linear CKA (centred kernel alignment; Kornblith et al., ICML 2019, arXiv:1905.00414) of two representations X (n, p) and
Y (n, q) of n sequences, features centred, is

    CKA = ||Y^T X||_F^2 / (||X^T X||_F ||Y^T Y||_F) = <K, L> / (||K||_F ||L||_F),   K = X X^T, L = Y Y^T

which is 1 if one is a rotation of the other times a number, and in particular if nothing moved: rotating or scaling all
features together does not count. The features of a sequence are all positions and channels of a layer. With more
features than sequences, the CKA of two unrelated representations is far above 0 and approaches 1 as features are added.
It is therefore reported together with an estimate without that bias, in which K and L are centred without their
diagonals (HSIC_1 of Song et al., JMLR 2012; for CKA Nguyen et al., ICLR 2021, arXiv:2010.15327), which is 0 on average
for unrelated representations and may be negative.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.representation.isoscore import POINT, measure

FEWEST = 4  # sequences
BLOCK_BYTES = 64 << 20  # features in float64 that are in memory at a time
COLUMNS = (
    "model", "seed", "stage", "trained", "cka", "cka_debiased", "isoscore_start", "isoscore", "n", "features", "note",
    "stands_on", "sequences_sha256", "licence",
)  # fmt: skip


def gram(x: np.ndarray) -> np.ndarray | None:
    """The matrix K (n, n) of representations x (n, ...), features centred, divided by its trace; None if all are one
    point, within `isoscore.POINT`. Raises `InputError` for fewer than `FEWEST` sequences, and for values that are not
    finite."""
    n = len(x)
    if n < FEWEST:
        raise InputError(f"{n} sequences, but CKA needs {FEWEST} or more")
    table, total = x.reshape(n, -1), 0.0
    kernel, step = np.zeros((n, n)), max(1, BLOCK_BYTES // (8 * n))
    for first in range(0, table.shape[1], step):
        part = table[:, first : first + step].astype(np.float64)
        if not np.isfinite(part).all():
            raise InputError("a representation holds a value that is not finite")
        total += float(np.vdot(part, part))
        part -= part.mean(0)
        kernel += part @ part.T
    trace = float(np.trace(kernel))
    return None if trace <= POINT**2 * total else kernel / trace


def debiased(kernel: np.ndarray) -> np.ndarray:
    """The matrix (n, n) centred without its diagonal, which is 0: the sum of products of two such matrices is HSIC_1
    times n (n - 3)."""
    n = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    rows = kernel.sum(1)
    centred = kernel - (rows[:, None] + rows) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred


def cka(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """(linear CKA, its estimate without bias) of representations (n, ...) of the same n sequences; NaN if all of x or
    of y are one point; the estimate also if all distances are equal. Raises `InputError` as `gram`."""
    same = x.shape == y.shape and np.array_equal(x, y)
    k = gram(x)
    other = k if same else gram(y)
    if k is None or other is None:
        return np.nan, np.nan
    return _alignment(k, other), _alignment(debiased(k), debiased(other))


def _alignment(k: np.ndarray, other: np.ndarray) -> float:
    products = [np.vdot(a, b) for a, b in ((k, other), (k, k), (other, other))]
    if not products[1] * products[2] > 0:
        return np.nan
    return float(products[0] / np.sqrt(products[1] * products[2]))


def table_of(
    names: Sequence[str], trained: Sequence[bool], start: Sequence[np.ndarray], tuned: Sequence[np.ndarray],
    about: Mapping[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    """A line of `COLUMNS` for each layer, from its outputs for the same sequences at the start and after fine-tuning,
    arrays (n, positions, channels). IsoScores are computed from means over positions. `about`: columns that all lines
    share.
    """
    lines = []
    for name, learns, before, after in zip(names, trained, start, tuned, strict=True):
        plain, unbiased = cka(before, after)
        scores = [measure([x.astype(np.float64).mean(1)]) for x in (before, after)]
        note = "" if np.isfinite(plain) else "the representations of all sequences are the same"
        lines.append(
            {
                **about, "stage": name, "trained": "yes" if learns else "no", "cka": plain, "cka_debiased": unbiased,
                "isoscore_start": scores[0]["isoscore"], "isoscore": scores[1]["isoscore"], "n": len(before),
                "features": int(np.prod(before.shape[1:])), "note": note,
            }
        )  # fmt: skip
    return [{column: line[column] for column in COLUMNS} for line in lines]
