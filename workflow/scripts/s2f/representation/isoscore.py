"""IsoScore: how evenly a cloud of embeddings spreads over its dimensions, from 0 (one direction) to 1 (a sphere).

Rudman et al., Findings of ACL 2022 (2022.findings-acl.262). Their steps (principal components, variances scaled to norm
sqrt(d), distance to a vector of ones) reduce to a closed form in the covariance C with its participation ratio PR:

    IsoScore = (PR - 1) / (d - 1),   PR = (trace C)^2 / ||C||_F^2

so no decomposition is needed, and C comes from one pass over embedding caches of any length. The score does not depend
on shift, scale or rotation of the cloud. A sample of N points spans at most N - 1 dimensions, so even an isotropic
cloud scores below 1: about (PR - 1) / (d - 1) with PR = 1 / (1/d + 1/N), which is reported with each score. Only
compare scores of the same sequences. A low score is not a bad sign: models are often better for it (Rudman and
Eickhoff, ICLR 2024).

`k90_ratio` is a different measure: how many singular values of the centred points make up 90 % of the sum of all, as a
share of min(N, d). It is coarse and rarely low: 0.75 for variances that fall as 1/k^2, 0.94 for a sphere of 1,000
points in 16 dimensions. It is also sensitive to rounding, which enlarges small singular values: for one trained
lamar-mini it is 0.023 in float32 and 0.12 in bfloat16 (tokens: 0.17), while IsoScore, which squares them, changes by
only 2 %. Tables therefore state the dtype of the stored embeddings.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.files import read_json
from s2f.embeddings.cache import Cache, open_cache

LEVELS = ("pooled", "tokens")
COLUMNS = (
    "encoder", "level", "isoscore", "isotropic", "k90_ratio", "n", "d", "dtype", "note", "provenance", "licence",
    "encoder_fingerprint", "sequences_sha256",
)  # fmt: skip
BLOCK_BYTES = 64 << 20  # bytes of a cache, and about as many of float64, that are in memory at a time
# A cloud counts as a point if its root mean square distance from its mean is below this share of the mean's length:
# float32 resolves 6e-8
POINT = 1e-7


def moments(blocks: Iterable[np.ndarray]) -> tuple[int, np.ndarray, np.ndarray]:
    """(N, mean (d,), covariance (d, d)) in float64 of points given in blocks (n, d), in one pass.

    Blocks are centred by their own mean and combined by the rule of Chan, Golub and LeVeque (1983), so a common shift
    costs no precision. The covariance divides by N - 1 and is 0 for one point. Raises `InputError` for no points and
    for values that are not finite.
    """
    count, mean, scatter = 0, np.empty(0), np.empty((0, 0))
    for block in blocks:
        block = np.asarray(block, np.float64)
        if not np.isfinite(block).all():
            index = count + int((~np.isfinite(block)).any(1).argmax())
            raise InputError(f"embedding {index} holds a value that is not finite")
        if not len(block):
            continue
        own_mean = block.mean(0)
        centred = block - own_mean
        if not count:
            count, mean, scatter = len(block), own_mean, centred.T @ centred
            continue
        step, total = own_mean - mean, count + len(block)
        scatter += centred.T @ centred
        scatter += np.outer(step, step) * (count * len(block) / total)
        mean += step * (len(block) / total)
        count = total
    if not count:
        raise InputError("there are no embeddings, expected at least 2")
    return count, mean, scatter / max(1, count - 1)


def undefined(count: int, mean: np.ndarray, covariance: np.ndarray) -> str:
    """Why a cloud has no score, or ""."""
    if len(mean) < 2:
        return "one channel, but at least 2 are needed"
    if count < 2:
        return "one point, but at least 2 are needed"
    if np.sqrt(np.trace(covariance)) <= POINT * np.linalg.norm(mean):
        return "constant embeddings: all points are the same"
    return ""


def isoscore(covariance: np.ndarray) -> float:
    """IsoScore of a cloud from its covariance (d, d), d >= 2 and not all zero."""
    d = len(covariance)
    unit = covariance / np.trace(covariance)  # squares of very small or large variances would under- or overflow
    return float((1 / np.vdot(unit, unit) - 1) / (d - 1))


def isotropic(count: int, d: int) -> float:
    """Approximate IsoScore of a sample of `count` points from an isotropic cloud in d dimensions."""
    return (1 / (1 / d + 1 / count) - 1) / (d - 1)


def k90_ratio(count: int, covariance: np.ndarray) -> float:
    """How many singular values of the centred points make up 90 % of their sum, as a share of min(N, d)."""
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(covariance)[::-1], 0, None))
    most = min(count, len(covariance))
    running = np.cumsum(singular[:most])
    return float((np.searchsorted(running, 0.9 * running[-1]) + 1) / most)


def measure(blocks: Iterable[np.ndarray]) -> dict[str, Any]:
    """Dict of isoscore, isotropic, k90_ratio, n, d and note of points in blocks (n, d).

    If the score is undefined (one channel, one point, constant points), all three are NaN and `note` says why.
    """
    count, mean, covariance = moments(blocks)
    note = undefined(count, mean, covariance)
    names = ("isoscore", "isotropic", "k90_ratio")
    values = (np.nan,) * 3 if note else (
        isoscore(covariance), isotropic(count, len(mean)), k90_ratio(count, covariance)
    )  # fmt: skip
    return {**dict(zip(names, values, strict=True)), "n": count, "d": len(mean), "note": note}


def blocks(cache: Cache, level: str) -> Iterator[np.ndarray]:
    """Points of an open cache, each unique sequence once, in blocks (n, D) float64: the mean over the tokens of each
    embedding (`pooled`), or every token (`tokens`)."""
    if level not in LEVELS:
        raise InputError(f"level is {level!r}, expected one of: {', '.join(LEVELS)}")
    table = cache.embedding
    step = max(1, BLOCK_BYTES // (8 * table.shape[1] * table.shape[2]))
    for start in range(0, len(table), step):
        part = table[start : start + step].astype(np.float64)
        yield part.mean(1) if level == "pooled" else part.reshape(-1, part.shape[2])


def table(paths: Iterable[Path], levels: Sequence[str] = ("pooled",)) -> pd.DataFrame:
    """Scores of encoders on one dataset, from their caches: a data frame of `COLUMNS`, a line per encoder and level.

    `paths` are caches of one shift and strand, each with its manifest beside it. Raises `InputError` if a cache is
    incomplete, or if two caches do not have the same sequences in the same construct, shift and strand: their scores
    would not be comparable.
    """
    lines = []
    expected: dict[str, tuple[Any, Path]] = {}
    for path in paths:
        manifest = read_json(path.with_suffix(".json"))
        for key, (value, first) in expected.items():
            if manifest[key] != value:
                raise InputError(
                    f"{path}: {key} is {manifest[key]}, but in {first} it is {value}; scores are comparable only on "
                    "equal windows"
                )
        same = ("sequences_sha256", "construct", "shift", "strand")
        expected = expected or {key: (manifest[key], path) for key in same}
        with open_cache(path, manifest) as cache:
            for level in levels:
                about = {
                    "encoder": manifest["encoder"], "level": level, "provenance": manifest["provenance"],
                    "licence": manifest["licence"], "dtype": manifest["dtype"],
                    "encoder_fingerprint": manifest["encoder_fingerprint"],
                    "sequences_sha256": manifest["sequences_sha256"],
                }  # fmt: skip
                lines.append({**about, **measure(blocks(cache, level))})
    return pd.DataFrame(lines)[list(COLUMNS)]
