"""Estimates of models on a panel: means over seeds and over folds, bootstrap intervals, differences, table lines."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from s2f.common.errors import InputError

COLUMNS = (
    "dataset", "split", "panel", "metric", "model", "encoder", "augmentation", "head", "seeds", "value", "sd",
    "ci_low", "ci_high", "delta_vs_baseline", "delta_ci_low", "delta_ci_high", "p_value", "n", "rows_sha256",
    "strand_rule", "provenance", "note",
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
    notes: list

    @staticmethod
    def over(values, resamples, strand_rule, notes):
        """Estimate from V values and their resamples (V, B)."""
        values = np.asarray(values, np.float64)
        sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        return Estimate(float(values.mean()), sd, np.mean(resamples, axis=0), strand_rule, notes)


@dataclass(frozen=True)
class PanelResult:
    """All models on one panel: `estimates` {model: {metric: Estimate}}, or the reason in `excluded` {model: reason}.

    `about` {model: its columns of the table}, `notes` {model: texts}; `n` items in `clusters` clusters, `row_ids` (R,)
    of the rows needed; `no_interval` says why nothing can be resampled.
    """

    dataset: str
    split: str
    panel: str
    metrics: list
    n: int
    clusters: int
    rows_sha256: str
    row_ids: np.ndarray
    about: dict
    estimates: dict
    excluded: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    no_interval: str = ""

    def lines(self, baseline, confidence):
        """Frame of `COLUMNS`, by metric and then by model; differences refer to the model `baseline` (empty: none)."""
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
        table = pd.DataFrame(lines).reindex(columns=list(COLUMNS))
        numeric = COLUMNS[COLUMNS.index("value") : COLUMNS.index("n")]
        return table.astype(dict.fromkeys(numeric, "float64") | {"n": "Int64"})


def mean_over_folds(name, results, sha256_of):
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
    ids = np.concatenate([one.row_ids for one in results])
    union = np.unique(ids)
    shared = len(union) < len(ids)
    excluded, estimates, about, notes = {}, {}, {}, {}
    for model in first.about:
        reasons = [f"{one.split}: {one.excluded[model]}" for one in results if model in one.excluded]
        provenance = list(dict.fromkeys(one.about[model]["provenance"] for one in results))
        text = provenance[0] + (f" (and alike in the other {count - 1} folds)" if len(provenance) > 1 else "")
        about[model] = {**first.about[model], "provenance": text}
        notes[model] = [f"mean over {count} folds, sd over folds"]
        notes[model] += [note for one in results for note in one.notes.get(model, [])]
        if reasons:
            excluded[model] = "; ".join(reasons)
            continue
        estimates[model] = {}
        for metric in first.metrics:
            own = [one.estimates[model][metric] for one in results]
            estimates[model][metric] = Estimate.over(
                [one.value for one in own],
                [np.full_like(one.resamples, np.nan) if shared else one.resamples for one in own],
                own[0].strand_rule,
                [f"{of.split}: {note}" for of, one in zip(results, own, strict=True) for note in one.notes],
            )
    return PanelResult(
        first.dataset, name, first.panel, first.metrics,
        n=max(one.n for one in results) if shared else sum(one.n for one in results),
        clusters=max(one.clusters for one in results) if shared else sum(one.clusters for one in results),
        rows_sha256=sha256_of(union), row_ids=union, about=about, estimates=estimates, excluded=excluded, notes=notes,
        no_interval="no interval: rows are evaluated in several folds" if shared
        else next((one.no_interval for one in results if one.no_interval), ""),
    )  # fmt: skip


def _difference(estimate, baseline, confidence):
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


def interval(resamples, confidence):
    """Percentile interval of a statistic's resamples (B,): (low, high, ""), or NaN, NaN and why there is none."""
    undefined = int((~np.isfinite(resamples)).sum())
    if undefined > MOST_UNDEFINED * len(resamples):
        return np.nan, np.nan, f"no interval: undefined in {undefined} of {len(resamples)} resamples"
    defined = resamples[np.isfinite(resamples)]
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), ""


def p_value(differences):
    """Two-sided bootstrap p value of a difference from its resamples (B,): the formula is at `comparison.compare`."""
    defined = differences[np.isfinite(differences)]
    fewer = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (1 + fewer) / (len(defined) + 1)))
