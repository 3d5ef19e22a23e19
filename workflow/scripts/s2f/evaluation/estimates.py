"""Estimates of models on a panel: means over seeds and over folds, their errors, their differences, and lines of the
table."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.evaluation import inference
from s2f.evaluation.inference import ENOUGH, NETWORKS, PROCEDURES, Error, Influence, Replicates

COMPARISON_COLUMNS = (
    "dataset", "split", "panel", "cell", "metric", "model", "encoder", "augmentation", "head", "seeds", "value", "sd",
    "ci_low", "ci_high", "delta_vs_baseline", "delta_ci_low", "delta_ci_high", "p_value", "p_holm", "delta_vs_start",
    "start_ci_low", "start_ci_high", "start_p_value", "val_value", "n", "start", "inference", "rows_sha256",
    "strand_rule", "trials", "seconds", "provenance", "seen", "collapsed", "ended", "note",
)  # fmt: skip
# matches the provenance of a model whose encoder is untrained and frozen, not of one that was trained from such weights
RANDOM_WEIGHTS = re.compile(r"(?:^|encoder |encoder frozen, from )random weights")
DETERMINISTIC = "deterministic: its training adds no variance"


@dataclass(frozen=True)
class Estimate:
    """A metric of a model: its mean over seeds (or the mean of that over folds), its resamples (B,), and its spread
    over seeds.

    `influence` is the influence of large units of rows; `units` determine the metric (see
    `inference.independent_units`).
    """

    value: float
    resamples: np.ndarray
    influence: Influence
    replicates: Replicates
    units: int
    strand_rule: str
    notes: list[str]

    @staticmethod
    def over_seeds(
        values: Sequence[float],
        resamples: np.ndarray,
        influence: Influence,
        units: int,
        strand_rule: str,
        notes: list[str],
        stochastic: bool = True,
    ) -> "Estimate":
        """The estimate from the values of V seeds, their resamples (V, B) and the influence of units on their mean."""
        array = np.asarray(values, np.float64)
        replicates = Replicates.of(array, resamples, stochastic)
        draws = np.mean(resamples, axis=0)
        return Estimate(float(array.mean()), draws, influence, replicates, units, strand_rule, notes)

    @staticmethod
    def over_folds(folds: Sequence["Estimate"], units: int, shared: bool, common: bool, notes: list[str]) -> "Estimate":
        """The mean over folds, which have `units` distinct units in all.

        Nothing can be resampled if rows are `shared`; `common` as in `Replicates.mean_over_folds`.
        """
        once = units / sum(fold.influence.count for fold in folds)
        resamples = np.mean([fold.resamples for fold in folds], axis=0)
        return Estimate(
            float(np.mean([fold.value for fold in folds])),
            np.full_like(resamples, np.nan) if shared else resamples,
            Influence.mean([fold.influence for fold in folds], units),
            Replicates.mean_over_folds([fold.replicates for fold in folds], common),
            round(once * sum(fold.units for fold in folds)),
            folds[0].strand_rule,
            notes,
        )

    @property
    def error(self) -> Error:
        """Standard error of the value: of the procedure if it has enough replicates, otherwise of these networks."""
        replicates = [self.replicates] * self.replicates.enough
        return inference.standard_error(self.resamples, self.influence, self.units, replicates)

    def boundary_error(self, metric: str) -> float:
        """What a value of 0 or 1 adds to the error of a difference, because its resamples do not spread."""
        return inference.boundary_error(self.value, metric, self.units)

    def collapsed(self, reasons: Mapping[int, str]) -> "Estimate":
        """The estimate without its numbers, of a model whose runs with these seeds {seed: reason} are collapsed."""
        notes = [f"seed {seed} is collapsed: {why}" for seed, why in reasons.items()]
        nothing = np.full_like(self.resamples, np.nan)
        replicates = replace(self.replicates, variance=np.nan)
        return replace(self, value=np.nan, replicates=replicates, resamples=nothing, notes=notes)


@dataclass(frozen=True)
class PanelResult:
    """All models on one panel: `estimates` {model: {metric: Estimate}}, or the reason in `excluded` {model: reason}.

    `about` {model: its columns of the table}, `notes` {model: texts}, `one_draw` {model: what random thing all its
    seeds share}, `drawn_per_seed` {model: whether each seed has its own weights, the same in all folds}; `paired`
    {(model, one that it is made from): {metric: its differences from that one, seed by seed}}; `n` is the number of
    items, `units` (K,) are the names of their units, `row_ids` (R,) the rows needed. `no_interval` says why nothing can
    be resampled; `cell` is the cell of the labels if the dataset has several.
    """

    dataset: str
    split: str
    panel: str
    metrics: list[str]
    n: int
    units: np.ndarray
    rows_sha256: str
    row_ids: np.ndarray
    about: dict[str, dict[str, Any]]
    estimates: dict[str, dict[str, Estimate]]
    excluded: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    one_draw: dict[str, str] = field(default_factory=dict)
    drawn_per_seed: dict[str, bool] = field(default_factory=dict)
    paired: dict[tuple[str, str], dict[str, Replicates]] = field(default_factory=dict)
    no_interval: str = ""
    cell: str = ""

    def lines(self, baseline: str, confidence: float) -> pd.DataFrame:
        """Frame of `COMPARISON_COLUMNS`, by metric, then by model, with differences from model `baseline` (empty: none)
        and, for stage-2 models, from the model that they start from.

        `inference` is "procedures" if value and difference hold for new trainings too; only then is there a p value;
        `p_holm` corrects the p values of the first metric for the number of models compared with the baseline.
        """
        lines = []
        for metric in self.metrics:
            of_metric = [self._line(model, metric, baseline, confidence) for model in self.about]
            if metric.split("_")[0] == self.metrics[0].split("_")[0]:
                adjusted = inference.holm(np.array([line.get("p_value", np.nan) for line in of_metric]))
                of_metric = [line | {"p_holm": p} for line, p in zip(of_metric, adjusted, strict=True)]
            lines += of_metric
        table = pd.DataFrame(lines).reindex(columns=list(COMPARISON_COLUMNS))
        numeric = COMPARISON_COLUMNS[COMPARISON_COLUMNS.index("value") : COMPARISON_COLUMNS.index("n")]
        return table.astype(dict.fromkeys(numeric, "float64") | {"n": "Int64", "trials": "Int64"})

    def _line(self, model: str, metric: str, baseline: str, confidence: float) -> dict[str, Any]:
        """The line of one model and metric."""
        line = dict.fromkeys(["inference", "seen", "collapsed", "ended", "start"], "") | self.about[model]
        line |= {"dataset": self.dataset, "split": self.split, "panel": self.panel, "cell": self.cell, "metric": metric}
        notes = ["baseline" if model == baseline else ""]
        if model in self.excluded:
            notes.append(f"not comparable: {self.excluded[model]}")
        else:
            estimate = self.estimates[model][metric]
            line |= {"n": self.n, "rows_sha256": self.rows_sha256, "strand_rule": estimate.strand_rule}
            line |= {"value": estimate.value, "sd": estimate.replicates.sd}
            notes += estimate.notes
            if np.isfinite(estimate.value):
                low, high, reason = inference.interval(
                    estimate.value, estimate.error, metric, estimate.units, confidence
                )
                networks = self._networks(model, metric)
                line |= {"ci_low": low, "ci_high": high, "inference": NETWORKS if networks else PROCEDURES}
                notes.append(self.no_interval if reason and self.no_interval else reason)
                notes.append(networks or (DETERMINISTIC if np.isinf(estimate.replicates.df) else ""))
                if baseline and model != baseline and metric != "prevalence":
                    difference, reasons = self._difference(model, baseline, metric, confidence)
                    line |= difference
                    notes += [self.no_interval] if difference and self.no_interval else reasons
                if line["start"] and metric != "prevalence":
                    difference, reasons = self._difference(model, line["start"], metric, confidence, "start")
                    names = {"delta_vs_baseline": "delta_vs_start", "p_value": "start_p_value"}
                    names |= {"delta_ci_low": "start_ci_low", "delta_ci_high": "start_ci_high"}
                    line |= {names[key]: value for key, value in difference.items() if key in names}
                    notes += reasons if line["start"] != baseline and not self.no_interval else []
        notes += self.notes.get(model, [])
        return line | {"note": "; ".join(dict.fromkeys(note for note in notes if note))}

    def _networks(self, model: str, metric: str) -> str:
        """Why the numbers of a model hold only for its trained networks; empty if they hold for the procedure."""
        replicates = self.estimates[model][metric].replicates
        if self.one_draw.get(model):
            return f"one draw of {self.one_draw[model]}: holds only for this draw"
        if not replicates.enough:
            count = f"{replicates.count} replicate" + ("s" if replicates.count > 1 else "")
            return f"{count}, but {ENOUGH} are needed: holds only for these trained networks"
        return ""

    def _difference(
        self, model: str, baseline: str, metric: str, confidence: float, word: str = "baseline"
    ) -> tuple[dict[str, Any], list[str]]:
        """Columns of the difference from the baseline, which is called `word`, and why any of them is missing.

        A model and one that it is made from share what a seed draws: their replicates are the differences of the two.
        """
        estimate, other = self.estimates[model][metric], self.estimates.get(baseline, {}).get(metric)
        if other is None:
            return {}, [f"no difference: the {word} is not comparable here"]
        if not np.isfinite(other.value):
            return {}, [f"no difference: the {word} is undefined here"]
        sides = [estimate, other]
        paired = self.paired.get((model, baseline)) or self.paired.get((baseline, model))
        replicates = [paired[metric]] if paired else [side.replicates for side in sides]
        enough = all(one.enough for one in replicates)
        error = inference.standard_error(
            estimate.resamples - other.resamples,
            estimate.influence - other.influence,
            estimate.units,
            replicates if enough else [],
        )
        of_baseline = self._networks(baseline, metric)
        networks = self._networks(model, metric) or of_baseline
        delta = estimate.value - other.value
        low, high, p, reason = inference.difference(
            delta, error, confidence, not networks, [side.boundary_error(metric) for side in sides]
        )
        columns: dict[str, Any] = {"inference": NETWORKS if networks else PROCEDURES}
        columns |= {"delta_vs_baseline": delta, "delta_ci_low": low, "delta_ci_high": high, "p_value": p}
        return columns, [reason, f"no p value: {word}: {of_baseline}" if of_baseline else ""]


def mean_over_folds(name: str, results: Sequence[PanelResult], sha256_of: Callable[[np.ndarray], str]) -> PanelResult:
    """The `PanelResult` of the k-fold split `name` from the results of its folds; `sha256_of(row_ids)` fingerprints
    rows.

    Metrics are averaged over folds and never computed on pooled predictions: predictions of different models have
    different scales. The mean of the folds' resamples is a resample of the mean, because units with rows in several
    folds are drawn alike in all of them. If rows are test rows in several folds (designed rows, which are only
    evaluated), there is no interval. The spread over seeds is taken within each fold (see
    `Replicates.mean_over_folds`): folds differ in their rows, seeds do not.
    """
    first, count = results[0], len(results)
    for other in results[1:]:
        for model in sorted(set(first.about) ^ set(other.about)):
            has, lacks = (first, other) if model in first.about else (other, first)
            raise InputError(
                f"{first.dataset}: model {model!r} was run in split {has.split!r}, but not in {lacks.split!r}; a "
                f"mean over the folds of {name!r} needs it in all of them"
            )
    ids = np.concatenate([result.row_ids for result in results])
    union = np.unique(ids)
    shared = len(union) < len(ids)
    units = np.unique(np.concatenate([result.units for result in results]))
    estimates: dict[str, dict[str, Estimate]] = {}
    excluded, about, notes = {}, {}, {}
    for model in first.about:
        reasons = [f"{result.split}: {result.excluded[model]}" for result in results if model in result.excluded]
        provenance = list(dict.fromkeys(result.about[model]["provenance"] for result in results))
        text = provenance[0] + (f" (and likewise in the other {count - 1} folds)" if len(provenance) > 1 else "")
        validation = float(np.mean([result.about[model]["val_value"] for result in results]))
        about[model] = {**first.about[model], "provenance": text, "val_value": validation}
        for column in ("collapsed", "ended"):
            about[model][column] = _of_folds({result.split: result.about[model][column] for result in results})
        if "seconds" in first.about[model]:
            about[model]["seconds"] = float(np.mean([result.about[model]["seconds"] for result in results]))
        notes[model] = [f"mean over {count} folds, sd over seeds of that mean"]
        notes[model] += [note for result in results for note in result.notes.get(model, [])]
        if reasons:
            excluded[model] = "; ".join(reasons)
            continue
        estimates[model] = {}
        for metric in first.metrics:
            estimates[model][metric] = Estimate.over_folds(
                [result.estimates[model][metric] for result in results],
                len(units),
                shared,
                first.drawn_per_seed.get(model, False),
                [f"{result.split}: {note}" for result in results for note in result.estimates[model][metric].notes],
            )
    paired = {
        pair: {
            metric: Replicates.mean_over_folds(
                [result.paired[pair][metric] for result in results],
                any(first.drawn_per_seed.get(model, False) for model in pair),
            )
            for metric in first.metrics
        }
        for pair in first.paired
        if all(pair in result.paired for result in results)
    }
    return PanelResult(
        first.dataset, name, first.panel, first.metrics, cell=first.cell,
        n=max(result.n for result in results) if shared else sum(result.n for result in results),
        units=units,
        rows_sha256=sha256_of(union), row_ids=union, about=about, estimates=estimates, excluded=excluded, notes=notes,
        one_draw=first.one_draw, drawn_per_seed=first.drawn_per_seed, paired=paired,
        no_interval="no interval: some rows are evaluated in several folds" if shared
        else next((result.no_interval for result in results if result.no_interval), ""),
    )  # fmt: skip


def _of_folds(texts: Mapping[str, str]) -> str:
    """The texts of the folds {split: text} as one text; only once if all folds have the same."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{split}: {text}" for split, text in texts.items() if text)
