"""Comparison of models: the tidy table compare.tsv, its intervals and tests, and the refusal to join unlike numbers."""

import itertools
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.tables import numbers, read_table
from s2f.evaluation.bootstrap import bootstrap
from s2f.evaluation.estimates import COLUMNS, Estimate, PanelResult, mean_over_folds
from s2f.evaluation.measure import METRIC_COLUMNS, read_panel, read_predictions, scores
from s2f.evaluation.metrics import METRICS, VIEWS
from s2f.rows.canonical import read_rows, rows_sha256


def compare(comparison):
    """All models on all their panels: (frame with `COLUMNS`, {(dataset, split, panel): number of clusters}).

    Per dataset, split, panel and metric: `value` is the mean over seeds of the metric of each seed, `sd` their
    standard deviation (ddof 1). `ci_low`, `ci_high` are percentiles of the same mean over B resamples of the panel's
    clusters. `delta_vs_baseline` is value minus the baseline's value, its interval the percentiles of the difference
    within each resample, and `p_value` = min(1, 2 (1 + min(#{d <= 0}, #{d >= 0})) / (B + 1)) over these differences d
    (Davison and Hinkley, Bootstrap Methods and their Application, 1997, chapter 4: the +1 counts the sample itself).
    A missing number is NaN and the note says why. Of a k-fold split there are the lines of its folds and of their mean
    (see `estimates.mean_over_folds`), which stands under its name. Raises `InputError` when a run's split, panel,
    strand rule or rows are not those of its baseline (of the first model where no baseline is configured), and for
    stale files.
    """
    frames, results, rows, done = [], {}, {}, set()
    for dataset, split in dict.fromkeys((run.dataset, run.split) for run in comparison.runs):
        spec = comparison.datasets[dataset]
        models = _models([run for run in comparison.runs if (run.dataset, run.split) == (dataset, split)])
        _check_panels(comparison, models, dataset, split)
        if dataset not in rows:
            rows[dataset] = read_rows(spec.rows, ["row_id", "sequence", "label", "allele"])
        new = []
        for name, panel_spec in spec.panels[split].items():
            panel = read_panel(name, panel_spec["kind"], panel_spec["path"], rows[dataset], spec.task)
            new.append(_panel_result(comparison, dataset, split, panel, models))
        results |= {(dataset, split, one.panel): one for one in new}
        done.add((dataset, split))
        for family, folds in spec.folds.items():
            if split in folds and all((dataset, fold) in done for fold in folds):
                new += _means(family, folds, dataset, results, rows[dataset])
        results |= {(dataset, one.split, one.panel): one for one in new}
        frames += [one.lines(spec.baseline, comparison.confidence) for one in new]
    for dataset in rows:
        for family, folds in comparison.datasets[dataset].folds.items():
            lacking = [fold for fold in folds if (dataset, fold) not in done]
            if lacking:
                raise InputError(f"{dataset}: split {family!r} lacks the runs of its fold {lacking[0]!r}")
    clusters = {place: one.clusters for place, one in results.items()}
    return pd.concat(frames, ignore_index=True), clusters


def _means(family, folds, dataset, results, rows):
    """The means over the folds of a k-fold split, a `PanelResult` per panel."""
    means = []
    for panel in [panel for own, split, panel in results if (own, split) == (dataset, folds[0])]:
        own = [results[dataset, split, panel] for split in folds]
        means.append(mean_over_folds(family, own, lambda ids: rows_sha256(rows[rows["row_id"].isin(ids)])))
    return means


def _models(runs):
    """{model: its runs, ordered by seed}; models keep their order. Seeds of one model must agree in all but numbers."""
    models = {}
    for run in runs:
        models.setdefault(run.model, []).append(run)
    for name, own in models.items():
        own.sort(key=lambda run: run.seed)
        for first, other in itertools.pairwise(own):
            if first.seed == other.seed:
                raise InputError(f"{first}: listed twice")
            for key in ("encoder", "augmentation", "head", "provenance", "excluded"):
                if getattr(first, key) != getattr(other, key):
                    raise InputError(
                        f"{first} and {other}: {key} is {getattr(first, key)!r} and {getattr(other, key)!r}, "
                        f"expected one value for all seeds of {name}"
                    )
    return models


def _check_panels(comparison, models, dataset, split):
    """The baseline was run in this split, and every run has each of its panels or a reason why not."""
    spec = comparison.datasets[dataset]
    if spec.baseline and spec.baseline not in models:
        first = next(iter(models.values()))[0]
        others = [run for run in comparison.runs if (run.dataset, run.model) == (dataset, spec.baseline)]
        found = f"{others[0]} has split {others[0].split!r}" if others else "no run of it is listed"
        raise InputError(f"{first} has split {split!r}, but its baseline {spec.baseline!r} not: {found}")
    trained = [run for own in models.values() for run in own if run.trained_on]
    for run in trained:
        if run.trained_on != trained[0].trained_on:
            raise InputError(
                f"{run} and {trained[0]} were trained on different rows of one split: train the older of them again"
            )
    for run in (run for own in models.values() for run in own):
        for panel in sorted({*spec.panels[split], *run.predictions, *run.excluded}):
            if panel not in spec.panels[split]:
                raise InputError(f"{run}: panel {panel!r} is not one of {', '.join(spec.panels[split])}")
            if (panel in run.predictions) == (panel in run.excluded):
                wrong = "both predictions and" if panel in run.predictions else "neither predictions nor"
                raise InputError(f"{run}: panel {panel!r} has {wrong} a reason in `excluded`, expected one of them")


def _panel_result(comparison, dataset, split, panel, models):
    """The `PanelResult` of one panel."""
    spec = comparison.datasets[dataset]
    scored = {name: runs for name, runs in models.items() if panel.name not in runs[0].excluded}
    runs = [run for own in scored.values() for run in own]
    read = [_Scored.read(run, panel, spec.task) for run in runs]
    if runs:
        _check_comparable(runs, read, scored.get(spec.baseline, runs)[0], panel)
    print(
        f"{dataset} {split} {panel.name}: {len(scored)} models, {len(runs)} runs, {len(panel.clusters):,} items in "
        f"{panel.clusters.max() + 1:,} clusters, {comparison.resamples:,} resamples",
        file=sys.stderr,
        flush=True,
    )
    resampled = _resample(comparison, dataset, split, panel, [one.predictions for one in read])
    estimates = {}
    for name in scored:
        own = [place for place, run in enumerate(runs) if run.model == name]
        estimates[name] = {
            metric: Estimate.over(
                [read[place].values[metric][0] for place in own],
                resampled[metric][own],
                read[own[0]].strand_rule,
                [
                    f"seed {runs[place].seed}: {read[place].values[metric][1]}"
                    for place in own
                    if read[place].values[metric][1]
                ],
            )
            for metric in panel.metrics(spec.task)
        }
    keys = ("model", "encoder", "augmentation", "head", "provenance")
    return PanelResult(
        dataset, split, panel.name, panel.metrics(spec.task), n=len(panel.clusters),
        clusters=int(panel.clusters.max()) + 1, rows_sha256=panel.rows_sha256,
        row_ids=panel.rows["row_id"].to_numpy(object), estimates=estimates,
        about={name: {key: getattr(own[0], key) for key in keys} | {"seeds": len(own)} for name, own in models.items()},
        excluded={name: own[0].excluded[panel.name] for name, own in models.items() if name not in scored},
        notes={name: [run.note for run in own] for name, own in models.items()},
        no_interval="one cluster: nothing to resample" if panel.clusters.max() == 0 else "",
    )  # fmt: skip


@dataclass(frozen=True)
class _Scored:
    """A run on a panel: `predictions` (R,), `values` {metric: (value, reason)}, and what its metrics.tsv states."""

    predictions: np.ndarray
    values: dict
    strand_rule: str
    stated: pd.DataFrame

    @staticmethod
    def read(run, panel, task):
        stated = read_table(run.metrics, METRIC_COLUMNS, "metrics")
        stated = stated.assign(value=numbers(stated, "value", run.metrics))
        stated = stated[stated["panel"] == panel.name].set_index("metric")
        if list(stated.index) != panel.metrics(task):
            raise InputError(
                f"{run.metrics}: panel {panel.name!r} has the metrics {', '.join(stated.index) or 'none'}, expected "
                f"{', '.join(panel.metrics(task))}; measure the run again"
            )
        path = run.predictions[panel.name]
        predictions, rule = read_predictions(path, panel)
        return _Scored(predictions, scores(panel, predictions, task, path), rule, stated)


def _check_comparable(runs, scored, reference, panel):
    """Refuse a run whose rows or strand rule differ from those of the `reference` run, then any that is stale."""
    stated = {run: one.stated for run, one in zip(map(str, runs), scored, strict=True)}
    for run, one in zip(runs, scored, strict=True):
        for key in ("rows_sha256", "strand_rule"):
            own, expected = (sorted(set(stated[str(r)][key])) for r in (run, reference))
            if own != expected or len(own) != 1:
                raise InputError(
                    f"{run} and {reference} are not comparable on panel {panel.name!r}: {key} is "
                    f"{', '.join(own)} and {', '.join(expected)}"
                )
        stale = (one.stated["rows_sha256"] != panel.rows_sha256) | (one.stated["strand_rule"] != one.strand_rule)
        values = np.array([value for value, _ in one.values.values()])
        stale |= ~np.isclose(one.stated["value"], values, rtol=1e-9, atol=1e-12, equal_nan=True)
        if stale.any():
            metric = stale.index[stale][0]
            raise InputError(
                f"{run.metrics}: panel {panel.name!r}: {metric} was {one.stated['value'][metric]} on rows "
                f"{one.stated['rows_sha256'][metric][:12]}, predictions and panel now give {one.values[metric][0]} on "
                f"rows {panel.rows_sha256[:12]}: measure the run again"
            )


def _resample(comparison, dataset, split, panel, predictions):
    """Metric -> (runs, resamples), the same resamples for every run and for both views of a panel of pairs."""
    task = comparison.datasets[dataset].task
    if not predictions or panel.clusters.max() == 0:  # with one cluster every resample is the panel itself
        return {m: np.full((len(predictions), comparison.resamples), np.nan) for m in panel.metrics(task)}
    seed = derived_seed(comparison.seed, "bootstrap", dataset, split, panel.name)
    labels = panel.views(panel.rows["label"].to_numpy())
    predicted = [panel.views(values) for values in predictions]
    resampled = {}
    for view in VIEWS[panel.kind]:
        stacked = np.stack([views[view] for views in predicted])
        found = bootstrap(task, labels[view], stacked, panel.clusters, comparison.resamples, seed)
        resampled |= {metric + view: found[metric] for metric in METRICS[task]}
    return resampled


def read_compare(path):
    """compare.tsv as a frame with numbers where numbers are; raises `InputError` for a missing column or a bad cell."""
    table = read_table(path, COLUMNS, "comparison")
    numeric = COLUMNS[COLUMNS.index("value") : COLUMNS.index("n") + 1]
    return table.assign(**{column: numbers(table, column, path) for column in numeric})
