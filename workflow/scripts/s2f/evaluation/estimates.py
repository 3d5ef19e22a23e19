"""Estimates of models on a panel: means over seeds and over folds, bootstrap intervals, differences, table lines."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError

COMPARISON_COLUMNS = (
    "dataset", "split", "panel", "metric", "model", "encoder", "augmentation", "head", "seeds", "value", "sd",
    "ci_low", "ci_high", "delta_vs_baseline", "delta_ci_low", "delta_ci_high", "p_value", "n", "rows_sha256",
    "strand_rule", "seen", "provenance", "collapsed", "note",
)  # fmt: skip
# in the provenance of a model whose encoder is untrained and frozen; not of one that was trained from such weights
RANDOM_WEIGHTS = re.compile(r"(?:^|encoder |encoder frozen, from )random weights")
# resamples in which a metric may be undefined before its interval is left out
MOST_UNDEFINED = 0.05


@dataclass(frozen=True)
class Estimate:
    """A metric of a model: mean and standard deviation over seeds (or folds), and the mean in each resample (B,)."""

    value: float
    sd: float
    resamples: np.ndarray
    strand_rule: str
    notes: list[str]

    @staticmethod
    def over(
        values: Sequence[float], resamples: Sequence[np.ndarray] | np.ndarray, strand_rule: str, notes: list[str]
    ) -> "Estimate":
        """Estimate from V values and their resamples (V, B)."""
        array = np.asarray(values, np.float64)
        sd = float(array.std(ddof=1)) if len(array) > 1 else np.nan
        return Estimate(float(array.mean()), sd, np.mean(resamples, axis=0), strand_rule, notes)

    def collapsed(self, reasons: Mapping[int, str]) -> "Estimate":
        """The estimate without its numbers, of a model whose runs with these seeds {seed: reason} are collapsed."""
        notes = [f"seed {seed} is collapsed: {why}" for seed, why in reasons.items()]
        nothing = np.full_like(self.resamples, np.nan)
        return replace(self, value=np.nan, sd=np.nan, resamples=nothing, notes=notes)


@dataclass(frozen=True)
class PanelResult:
    """All models on one panel: `estimates` {model: {metric: Estimate}}, or the reason in `excluded` {model: reason}.

    `about` {model: its columns of the table}, `notes` {model: texts}; `n` items in `clusters` clusters, `row_ids` (R,)
    of the rows needed; `no_interval` says why nothing can be resampled.
    """

    dataset: str
    split: str
    panel: str
    metrics: list[str]
    n: int
    clusters: int
    rows_sha256: str
    row_ids: np.ndarray
    about: dict[str, dict[str, Any]]
    estimates: dict[str, dict[str, Estimate]]
    excluded: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    no_interval: str = ""

    def lines(self, baseline: str, confidence: float) -> pd.DataFrame:
        """Frame of `COMPARISON_COLUMNS`, by metric, then by model; differences from model `baseline` (empty: none)."""
        lines = []
        for metric in self.metrics:
            for model, about in self.about.items():
                line = {**about, "dataset": self.dataset, "split": self.split, "panel": self.panel, "metric": metric}
                notes = ["baseline" if model == baseline else ""]
                if model in self.excluded:
                    notes.append(f"not comparable: {self.excluded[model]}")
                else:
                    estimate = self.estimates[model][metric]
                    line |= {"n": self.n, "rows_sha256": self.rows_sha256, "strand_rule": estimate.strand_rule}
                    line |= {"value": estimate.value, "sd": estimate.sd}
                    notes += estimate.notes
                    if np.isfinite(estimate.value):
                        line["ci_low"], line["ci_high"], reason = interval(estimate.resamples, confidence)
                        notes.append(self.no_interval if reason and self.no_interval else reason)
                        if baseline and model != baseline and metric != "prevalence":
                            other = self.estimates.get(baseline, {}).get(metric)
                            difference, reason = _difference(estimate, other, confidence)
                            line |= difference
                            notes.append(self.no_interval if difference and self.no_interval else reason)
                notes += self.notes.get(model, [])
                lines.append(line | {"note": "; ".join(dict.fromkeys(note for note in notes if note))})
        table = pd.DataFrame(lines).reindex(columns=list(COMPARISON_COLUMNS))
        numeric = COMPARISON_COLUMNS[COMPARISON_COLUMNS.index("value") : COMPARISON_COLUMNS.index("n")]
        return table.astype(dict.fromkeys(numeric, "float64") | {"n": "Int64"})


def mean_over_folds(name: str, results: Sequence[PanelResult], sha256_of: Callable[[np.ndarray], str]) -> PanelResult:
    """The `PanelResult` of a k-fold split `name` from those of its folds; `sha256_of(row_ids)` fingerprints rows.

    Metrics are averaged over folds and never computed on pooled predictions: those of different models have different
    scales. The mean of the folds' resamples is a resample of the mean, as no row is test in two folds: clusters are
    drawn within each fold. Where rows are (designed ones, only ever evaluated), there is no interval.
    """
    first, count = results[0], len(results)
    for other in results[1:]:
        for model in sorted(set(first.about) ^ set(other.about)):
            has, lacks = (first, other) if model in first.about else (other, first)
            raise InputError(
                f"{first.dataset}: model {model!r} was run in split {has.split!r}, but not in {lacks.split!r}; a mean "
                f"over the folds of {name!r} needs all"
            )
    ids = np.concatenate([result.row_ids for result in results])
    union = np.unique(ids)
    shared = len(union) < len(ids)
    estimates: dict[str, dict[str, Estimate]] = {}
    excluded, about, notes = {}, {}, {}
    for model in first.about:
        reasons = [f"{result.split}: {result.excluded[model]}" for result in results if model in result.excluded]
        provenance = list(dict.fromkeys(result.about[model]["provenance"] for result in results))
        text = provenance[0] + (f" (and alike in the other {count - 1} folds)" if len(provenance) > 1 else "")
        about[model] = {**first.about[model], "provenance": text}
        seeds = [(result.split, result.about[model]["collapsed"]) for result in results]
        about[model]["collapsed"] = "; ".join(f"{split}: {named}" for split, named in seeds if named)
        notes[model] = [f"mean over {count} folds, sd over folds"]
        notes[model] += [note for result in results for note in result.notes.get(model, [])]
        if reasons:
            excluded[model] = "; ".join(reasons)
            continue
        estimates[model] = {}
        for metric in first.metrics:
            of_folds = [result.estimates[model][metric] for result in results]
            estimates[model][metric] = Estimate.over(
                [fold.value for fold in of_folds],
                [np.full_like(fold.resamples, np.nan) if shared else fold.resamples for fold in of_folds],
                of_folds[0].strand_rule,
                [
                    f"{result.split}: {note}"
                    for result, fold in zip(results, of_folds, strict=True)
                    for note in fold.notes
                ],
            )
    return PanelResult(
        first.dataset, name, first.panel, first.metrics,
        n=max(result.n for result in results) if shared else sum(result.n for result in results),
        clusters=max(result.clusters for result in results) if shared else sum(result.clusters for result in results),
        rows_sha256=sha256_of(union), row_ids=union, about=about, estimates=estimates, excluded=excluded, notes=notes,
        no_interval="no interval: rows are evaluated in several folds" if shared
        else next((result.no_interval for result in results if result.no_interval), ""),
    )  # fmt: skip


def _difference(estimate: Estimate, baseline: Estimate | None, confidence: float) -> tuple[dict[str, float], str]:
    """Columns of the difference from the baseline's estimate (None: not scored), and the reason for missing ones."""
    if baseline is None:
        return {}, "no difference: the baseline is not comparable here"
    if not np.isfinite(baseline.value):
        return {}, "no difference: the baseline is undefined here"
    differences = estimate.resamples - baseline.resamples
    low, high, reason = interval(differences, confidence)
    return {
        "delta_vs_baseline": estimate.value - baseline.value,
        "delta_ci_low": low,
        "delta_ci_high": high,
        "p_value": np.nan if reason else p_value(differences),
    }, reason


def interval(resamples: np.ndarray, confidence: float) -> tuple[float, float, str]:
    """Percentile interval of a statistic's resamples (B,): (low, high, ""), or NaN, NaN and why there is none."""
    undefined = int((~np.isfinite(resamples)).sum())
    if undefined > MOST_UNDEFINED * len(resamples):
        return np.nan, np.nan, f"no interval: undefined in {undefined} of {len(resamples)} resamples"
    defined = resamples[np.isfinite(resamples)]
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), ""


def p_value(differences: np.ndarray) -> float:
    """Two-sided bootstrap p value of a difference from its resamples (B,): the formula is at `comparison.compare`."""
    defined = differences[np.isfinite(differences)]
    fewer = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (1 + fewer) / (len(defined) + 1)))
