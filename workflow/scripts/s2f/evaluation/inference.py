"""Inference over procedures: intervals and p values from two levels, units of rows and replicates.

What is compared is a procedure (architecture, encoder, training), and a run is one draw of it. Write the metric of
replicate i of a procedure as m + a_i + r + e_i: a_i is how good this network happens to be, r is the effect of the
sample of rows on all networks of the procedure, and e_i its effect on this network only. The mean over k replicates
then has the variance (Var a + Var e) / k + Var r, and

* the variance s^2 over replicates of the measured metric estimates Var a + Var e: its share s^2 / k needs no bootstrap,
  has k - 1 degrees of freedom, and is exact even for small k (Student, Welch);
* the bootstrap of the mean over units, which holds the networks fixed, estimates Var r + Var e / k.

Their plain sum SE_boot^2 + s^2 / k counts Var e twice: for two trainings of one procedure, which share r, it finds
fewer differences than it should. So the part e of the bootstrap is subtracted; it shows in how far the replicates
deviate from their mean in each resample:

    SE^2 = max(0, SE_boot^2 - e_a / k_a - e_b / k_b) + s_a^2 / k_a + s_b^2 / k_b

with Student's t and the degrees of freedom of Satterthwaite (1946) and Welch (1947). Each s^2 has k - 1 of them. The
first term has one less than the number of units, or of effective units: if a few large families make most of the
variance, it is known no better than from that few units (`effective_units`). This term is the effect of the rows on the
difference of the procedures, common to all replicates. It vanishes for equal procedures, which leaves Welch's t test
over trainings. The alternative was a two-level bootstrap, which also draws replicates with replacement: with 3
replicates it has 2 / 3 of their variance, ten distinct draws, and no t to make up for either.

A model that is made from another one (fine-tuned from it, or an ensemble in which it is a member) has the run of the
other with the same seed in it: a_i is similar on both sides, and Welch's formula, which takes them for independent,
gives intervals up to four times too wide. There, the differences of the two runs of each seed are the replicates of one
procedure, with one s^2, k - 1 degrees of freedom and one part e (a paired t test). It costs degrees of freedom where
seeds have nothing in common, 5 % of the width at three seeds, and holds its level within the error of the simulation
(`false_alarms.py paired`).

A deterministic procedure (k-mer ridge, published weights) has no second term. If a side is stochastic and has fewer
than three replicates, its s^2 says next to nothing: the interval then comes from the rows only, holds only for these
trained networks, and there is no p value.

Intervals use t on a scale on which the metric is nearly normal with a stable variance: Fisher's z for correlations, log
for positive numbers such as the mean squared error, and logit for shares and areas. The standard error there is SE
times the slope of the scale. Unlike bootstrap percentiles, these intervals keep their coverage for an AUROC or AUPRC of
120 rows (Newcombe, Statistics in Medicine 25:559, 2006, on AUROC). Differences use t without such a scale, and so does
an expected calibration error, whose interval is cut at 0 and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from s2f.evaluation.metrics import METRICS, TWO_CLASSES

PROCEDURES, NETWORKS = "procedures", "trained networks"  # what an interval holds for
ENOUGH = 3  # fewest replicates of a stochastic procedure that give a p value
MOST_UNDEFINED = 0.05  # share of resamples in which a metric may be undefined before its interval is omitted
BOUNDED = (*METRICS["classification"], "coverage")  # between 0 and 1
POSITIVE = ("mse", "width", "crps", "brier", "logloss", "temperature")
# a spread below this share of a value is rounding error
ROUNDING = 1e-10


@dataclass(frozen=True)
class Replicates:
    """What `values` (k,), the metric of a procedure's replicates, say about the variance of their mean.

    `variance` is s^2 / k with its degrees of freedom `df`, 0 for a deterministic procedure and NaN for one replicate;
    `of_rows` is the part of it that comes from rows, Var e / k above, which the bootstrap of the mean contains too.
    """

    values: np.ndarray
    variance: float
    df: float
    of_rows: float

    @property
    def count(self) -> int:
        """Number of replicates (in each fold, for a mean over folds)."""
        return len(self.values)

    @staticmethod
    def of(values: np.ndarray, resamples: np.ndarray, stochastic: bool = True) -> "Replicates":
        """From the metric of V replicates (V,) and their resamples (V, B)."""
        count = len(values)
        if not stochastic and np.ptp(values) <= ROUNDING * np.abs(values).max():
            return Replicates(values, 0.0, np.inf, 0.0)
        if count == 1:
            return Replicates(values, np.nan, 0.0, 0.0)
        apart = resamples - resamples.mean(axis=0)
        apart = apart[:, np.isfinite(apart).all(axis=0)]
        # the deviations of k replicates from their own mean have (k - 1) / k of the variance
        of_rows = apart.var(axis=1, ddof=1).mean() / (count - 1) if apart.shape[1] > 1 else 0.0
        return Replicates(values, float(np.var(values, ddof=1)) / count, count - 1.0, float(of_rows))

    @staticmethod
    def mean_over_folds(folds: Sequence["Replicates"], common: bool = False) -> "Replicates":
        """For the mean over F folds, each with its own replicates: their variances add up, divided by F^2.

        Their degrees of freedom add up too: seeds of a procedure are assumed to spread alike in all folds. If replicate
        i has something random in `common` in all folds, such as encoder weights drawn anew for each seed, the means
        over folds are the replicates.
        """
        square = len(folds) ** 2
        count = min(fold.count for fold in folds)
        values = np.mean([fold.values[:count] for fold in folds], axis=0)
        variance, df = sum(fold.variance for fold in folds) / square, sum(fold.df for fold in folds)
        if common and np.isfinite(df) and count > 1:
            variance, df = float(np.var(values, ddof=1)) / count, count - 1.0
        elif common and np.isfinite(df):
            variance, df = np.nan, 0.0
        return Replicates(values, variance, df, sum(fold.of_rows for fold in folds) / square)

    @property
    def sd(self) -> float:
        """Standard deviation over replicates of the metric (of its mean over folds); NaN for one."""
        return float(np.sqrt(self.variance * self.count)) if self.count > 1 else np.nan

    @property
    def enough(self) -> bool:
        """Whether their spread is known: `ENOUGH` replicates, or the corresponding degrees of freedom over folds."""
        return self.df >= ENOUGH - 1


@dataclass(frozen=True)
class Influence:
    """Influence `values` (U,) of large units on a statistic (see `bootstrap.influences`), the size class of each,
    `classes` (U,), and the `count` of all units of a panel or of the union of the folds."""

    values: np.ndarray
    classes: np.ndarray
    count: int

    def __sub__(self, other: "Influence") -> "Influence":
        """The influence on the difference of two statistics of the same units."""
        return replace(self, values=self.values - other.values)

    @staticmethod
    def mean(parts: Sequence["Influence"], count: int) -> "Influence":
        """The influence on the mean of statistics."""
        return replace(parts[0], values=np.mean([part.values for part in parts], axis=0), count=count)


@dataclass(frozen=True)
class Error:
    """Standard error of a mean or of a difference, with its degrees of freedom; or NaN and why there is none."""

    se: float
    df: float
    reason: str = ""


def standard_error(
    resamples: np.ndarray, influence: Influence, units: int, replicates: Sequence[Replicates] = ()
) -> Error:
    """Standard error of a statistic, from its resamples (B,) over `units` units and the replicates of its one or two
    sides.

    `influence` is the influence of large units. Without `replicates` the error holds for the trained networks as they
    are. The bootstrap of n units has (n - 1) / n of the variance; its degrees of freedom follow from the effective
    number of units.
    """
    undefined = int((~np.isfinite(resamples)).sum())
    if undefined > MOST_UNDEFINED * len(resamples):
        return Error(np.nan, np.nan, f"no interval: undefined in {undefined:,} of {len(resamples):,} resamples")
    if units < 2:
        return Error(np.nan, np.nan, f"no interval: {units} unit of rows, but at least 2 are needed")
    variance = float(resamples[np.isfinite(resamples)].var(ddof=1))
    of_rows = max(0.0, variance - sum(side.of_rows for side in replicates))
    df = float(np.clip(effective_units(variance, influence) - 1, 1, units - 1))
    parts = [(of_rows * units / (units - 1), df)]
    parts += [(side.variance, side.df) for side in replicates]
    return Error(float(np.sqrt(sum(variance for variance, _ in parts))), satterthwaite(parts))


def effective_units(variance: float, influence: Influence) -> float:
    """How many equal units would estimate the `variance` over resamples equally well.

    That variance is the sum of c^2 over all units, where c is a unit's influence. If each c is normal with its own
    variance v, the sum has the mean and the variance of a sum over G = (sum v)^2 / sum v^2 equal units: Satterthwaite's
    approximation, and the effective number of clusters of Carter, Schnepel and Steigerwald (Review of Economics and
    Statistics 99:698, 2017). Only c is observed, not v, so v is assumed to be the same for all units of a size class: m
    units with S = sum c^2 have E S^2 = (m^2 + 2 m) v^2, which gives their part of sum v^2 as S^2 / (m + 2), and E (sum
    c^2)^2 = (sum v)^2 + 2 sum v^2. One odd row among many thus makes the variance large, but not its degrees of freedom
    few. The units that `influence` does not list form one class with the rest of the variance. Infinite if the
    influence is not known or there is no variance.
    """
    squares = influence.values**2
    if not np.isfinite(squares).all() or variance <= 0:
        return np.inf
    classes = [of[of > 0] for of in (squares[influence.classes == level] for level in np.unique(influence.classes))]
    others = influence.count - sum(map(len, classes))
    of_variances = sum(of.sum() ** 2 / (len(of) + 2) for of in classes)
    if others > 0:
        of_variances += max(0.0, variance - squares.sum()) ** 2 / (others + 2)
    return float(variance**2 / of_variances - 2) if of_variances > 0 else np.inf


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of independent variances (Satterthwaite, Biometrics Bulletin 2:110, 1946).

    `parts` are (variance, degrees of freedom); parts of variance 0 do not count. If all are 0, it is the sum of their
    degrees of freedom.
    """
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return float(sum(df for _, df in parts))
    return float(total**2 / sum(variance**2 / df for variance, df in parts if variance > 0))


def interval(value: float, error: Error, metric: str, units: int, confidence: float) -> tuple[float, float, str]:
    """Interval of a metric's value, computed on its scale: (low, high, ""), or NaN, NaN and why there is none.

    If all rows are separated perfectly, resamples do not differ. The interval of a share or area of 1 then reaches down
    to `boundary`, and of 0 up to its mirror image; a perfect correlation or an error of 0 has no interval. Any other
    value without spread is exact, such as the AUROC of a constant.
    """
    if error.reason:
        return np.nan, np.nan, error.reason
    name = metric.split("_")[0]
    if at_boundary(value, metric):
        low = boundary(units, confidence)
        return (low, 1.0, "") if value > 0.5 else (0.0, 1 - low, "")
    if error.se <= ROUNDING * abs(value):
        if name in BOUNDED:
            return value, value, ""
        return np.nan, np.nan, f"no interval: every resample gives {value:.6g}"
    half = quantile(confidence, error.df) * error.se
    if name in POSITIVE:
        with np.errstate(over="ignore"):  # infinite if the error is many times the value
            return float(value * np.exp(-half / value)), float(value * np.exp(half / value)), ""
    if name == "ece":
        return max(0.0, value - half), min(1.0, value + half), ""
    if name in BOUNDED:
        centre, half = np.log(value / (1 - value)), half / (value * (1 - value))
        low, high = (1 / (1 + np.exp(-limit)) for limit in (centre - half, centre + half))
    else:
        centre, half = np.arctanh(value), half / (1 - value**2)
        low, high = np.tanh(centre - half), np.tanh(centre + half)
    return float(low), float(high), ""


def at_boundary(value: float, metric: str) -> bool:
    """Whether a share or area is 0 or 1."""
    return metric.split("_")[0] in BOUNDED and min(abs(value), abs(1 - value)) <= ROUNDING


def boundary(units: int, confidence: float) -> float:
    """Lower limit of a share or area that is 1 on a sample of `units` independent units (see `independent_units`).

    For a share it is the exact limit of Clopper and Pearson (1934). For AUROC it is conservative: a perfect sample
    orders each of its m disjoint pairs of a positive and a negative correctly, which happens with probability AUROC^m.
    """
    return float(((1 - confidence) / 2) ** (1 / units))


def boundary_error(value: float, metric: str, units: int) -> float:
    """Standard error that represents `boundary` in differences; 0 for values that are not at the boundary."""
    return (1 - boundary(units, 0.95)) / quantile(0.95, np.inf) if at_boundary(value, metric) else 0.0


def difference(
    value: float, error: Error, confidence: float, p_value: bool, boundary_errors: Sequence[float] = ()
) -> tuple[float, float, float, str]:
    """Interval of a difference, its two-sided p value if asked for, and why there is none.

    `boundary_errors` belong to the two sides. Equal models, which differ in no resample, have [0, 0] and p = 1.
    """
    from scipy.special import stdtr

    if error.reason:
        return np.nan, np.nan, np.nan, error.reason
    se = float(np.sqrt(error.se**2 + sum(one**2 for one in boundary_errors)))
    half = quantile(confidence, error.df) * se
    if se > 0:
        p = 2 * float(stdtr(error.df, -abs(value) / se))
    else:
        p = 1.0 if value == 0 else np.nan
    return value - half, value + half, p if p_value else np.nan, ""


def quantile(confidence: float, df: float) -> float:
    """Two-sided quantile of Student's t."""
    from scipy.special import stdtrit  # takes a third of a second to load

    return float(stdtrit(df, (1 + confidence) / 2))


def independent_units(labels: np.ndarray, clusters: np.ndarray, metric: str) -> int:
    """Number of independent units behind a metric, from labels (N,) and clusters (N,) numbered from 0.

    All clusters; for a metric of two classes, the most disjoint pairs of a cluster with a positive and one with a
    negative: this is the number of clusters of the rarer class, but at most half of all clusters if clusters have both.
    """
    total = int(clusters.max()) + 1
    if metric.split("_")[0] not in TWO_CLASSES:
        return total
    positive, negative = (len(np.unique(clusters[labels == label])) for label in (1, 0))
    return min(positive, negative, max(1, total // 2))


def holm(p: np.ndarray) -> np.ndarray:
    """P values (M,) adjusted for their number (Holm, Scandinavian Journal of Statistics 6:65, 1979); NaN stays NaN."""
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted
