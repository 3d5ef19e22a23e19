"""Comparison of models: the tidy table compare.tsv, its intervals and tests; incomparable numbers are refused."""

import functools
import itertools
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table
from s2f.evaluation.cells import labelled, views_of
from s2f.evaluation.collapse import odd_seeds
from s2f.evaluation.estimates import COMPARISON_COLUMNS, Estimate, PanelResult, mean_over_folds
from s2f.evaluation.inference import Influence, Replicates, independent_units
from s2f.evaluation.measure import METRIC_COLUMNS, Panel, read_panels, read_predictions, scores
from s2f.evaluation.measured_runs import ComparedDataset, Comparison, MeasuredRun
from s2f.evaluation.resampling import Units, resample
from s2f.rows.canonical import read_rows, rows_sha256


@dataclass(frozen=True)
class Measured:
    """The measures of V runs on a panel, by name: V pairs (value, note), the values in B resamples of its units (V, B),
    the influence of its large units (V, U), and how many units each measure is based on."""

    values: dict[str, list[tuple[float, str]]]
    resampled: dict[str, np.ndarray]
    influence: dict[str, np.ndarray]
    units: dict[str, int]


class Measures(Protocol):
    """A set of measures to compare: the columns of rows that it reads, its names on a panel, and their values."""

    @property
    def columns(self) -> Sequence[str]:
        """Columns of the rows that are read, labels included."""
        ...

    def names(self, panel: Panel, task: str) -> list[str]:
        """Names of the measures of a panel, in the order of tables."""
        ...

    def of(
        self,
        comparison: Comparison,
        place: tuple[str, str],
        panel: Panel,
        rows: pd.DataFrame,
        runs: Sequence[MeasuredRun],
        read: Sequence["Scored"],
        units: Units,
    ) -> Measured:
        """The measures of `runs` on a panel of a `place` (dataset, split), whose results were `read`; `rows` are those
        of the dataset, `units` how units are drawn."""
        ...


class Metrics:
    """The metrics of `metrics.METRICS`."""

    columns = ("row_id", "sequence", "label", "allele")

    def names(self, panel: Panel, task: str) -> list[str]:
        """As `Measures.names`."""
        return panel.metrics(task)

    def of(
        self,
        comparison: Comparison,
        place: tuple[str, str],
        panel: Panel,
        rows: pd.DataFrame,
        runs: Sequence[MeasuredRun],
        read: Sequence["Scored"],
        units: Units,
    ) -> Measured:
        """As `Measures.of`."""
        task = comparison.datasets[place[0]].task
        resampled, influence = resample(task, panel, units, [item.predictions for item in read], comparison.resamples)
        labels, names = panel.rows["label"].to_numpy()[panel.scored], panel.metrics(task)
        independent = {name: independent_units(labels, panel.clusters, name) for name in names}
        return Measured(
            {name: [item.values[name] for item in read] for name in names}, resampled, influence, independent
        )


METRICS_OF_PANELS = Metrics()


def compare(
    comparison: Comparison, measures: Measures = METRICS_OF_PANELS
) -> tuple[pd.DataFrame, dict[tuple[str, str, str, str], int]]:
    """All models on all their panels: frame with `COMPARISON_COLUMNS`, {(dataset, split, panel, cell): units}.

    Per dataset, split, panel, cell (empty if rows have a single label) and metric: `value` is the mean over seeds of
    the metric of each seed, `sd` their standard deviation (ddof 1), `val_value` the mean over seeds of the validation
    score. `ci_low` and `ci_high`, `delta_vs_baseline` (value minus the baseline's value), its interval and `p_value`
    come from `inference`: from B resamples of the panel's units and from the spread over seeds. `delta_vs_start` of
    stage-2 models is likewise the difference from the model in column `start`. A model and one that it is made from
    (its start, or a member of an ensemble) are compared seed by seed. `p_holm` corrects the p values of the first
    metric for the number of models that are compared with the baseline on this panel and cell. A missing number is NaN
    and the note says why. A mean over seeds is missing too if one of them is collapsed (see `collapse`); column
    `collapsed` names these seeds. A k-fold split has lines for its folds and, under its own name, for their mean (see
    `estimates.mean_over_folds`). A cell that is measured in too few items of a panel has lines without numbers. Raises
    `InputError` if a run's split, panel, strand rule or rows differ from those of its baseline (of the first model if
    no baseline is configured), and for stale files.
    """
    results: dict[tuple[str, str, str, str], PanelResult] = {}
    frames, rows, done = [], {}, set()
    groups = functools.cache(lambda path: read_table(path, ("group",))["group"].to_numpy(object))
    for dataset, split in dict.fromkeys((run.dataset, run.split) for run in comparison.runs):
        compared = comparison.datasets[dataset]
        if split in compared.folds:  # ensembles over folds, listed beside the means over the folds
            continue
        models = _models([run for run in comparison.runs if (run.dataset, run.split) == (dataset, split)])
        _check_panels(comparison, models, dataset, split)
        if dataset not in rows:
            rows[dataset] = read_rows(compared.rows, list(measures.columns))
        family, folds = next(
            ((name, folds) for name, folds in compared.folds.items() if split in folds), (split, [split])
        )
        new = []
        for name, panel_file in compared.panels[split].items():
            of_folds = [groups(compared.panels[fold][name]["path"]) for fold in folds]
            drawn = Units.of(of_folds, comparison.seed, dataset, split, family, name)
            panels = read_panels(name, panel_file["kind"], panel_file["path"], rows[dataset], compared.task)
            odd: dict[str, dict[str, dict[int, str]]] = {}  # filled cell by cell, before the differences of cells
            measured = {
                panel.cell: _panel_result(
                    comparison, measures, (dataset, split), panel, rows[dataset], models, drawn, odd
                )
                for panel in panels
            }
            names = [view.name for view in views_of(rows[dataset])] or [""]
            metrics = measures.names(panels[0], compared.task)
            new += [measured.get(cell) or _unmeasured(dataset, split, name, cell, metrics, models) for cell in names]
        results |= {(dataset, split, result.panel, result.cell): result for result in new}
        done.add((dataset, split))
        if family in compared.folds and all((dataset, fold) in done for fold in folds):
            means = _means(family, folds, dataset, results, rows[dataset])
            new += _with_ensembles(comparison, measures, (dataset, family), means, rows[dataset])
        results |= {(dataset, result.split, result.panel, result.cell): result for result in new}
        frames += [result.lines(compared.in_split(result.split).baseline, comparison.confidence) for result in new]
    for dataset in rows:
        for family, folds in comparison.datasets[dataset].folds.items():
            lacking = [fold for fold in folds if (dataset, fold) not in done]
            if lacking:
                raise InputError(
                    f"{dataset}: split {family!r} lacks the runs of its fold {lacking[0]!r}; run them first"
                )
    return pd.concat(frames, ignore_index=True), {key: len(result.units) for key, result in results.items()}


def _means(
    family: str,
    folds: Sequence[str],
    dataset: str,
    results: Mapping[tuple[str, str, str, str], PanelResult],
    rows: pd.DataFrame,
) -> list[PanelResult]:
    """The means over the folds of a k-fold split: a `PanelResult` per panel."""
    means = []
    of_cell = {view.name: view for view in views_of(rows)}
    for panel, cell in [places for name, split, *places in results if (name, split) == (dataset, folds[0])]:
        of_folds = [results[dataset, split, panel, cell] for split in folds]
        if not any(of_fold.n for of_fold in of_folds):  # a cell with too few labels in every fold
            about = {
                model: columns | {"val_value": float(np.mean([fold.about[model]["val_value"] for fold in of_folds]))}
                for model, columns in of_folds[0].about.items()
            }
            means.append(replace(of_folds[0], split=family, about=about))
            continue
        own = labelled(rows, of_cell[cell]) if cell else rows
        means.append(mean_over_folds(family, of_folds, functools.partial(_sha256_of, own)))
    return means


def _with_ensembles(
    comparison: Comparison,
    measures: Measures,
    place: tuple[str, str],
    means: list[PanelResult],
    rows: pd.DataFrame,
) -> list[PanelResult]:
    """The `means` over the folds of a k-fold split, joined by the ensembles over its folds.

    The ensembles are the runs of `place` (dataset, name of the split), scored on panels whose rows are test rows in all
    folds.
    """
    dataset, family = place
    compared = comparison.datasets[dataset]
    models = _models([run for run in comparison.runs if (run.dataset, run.split) == place])
    if not models:
        return means
    _check_panels(comparison, models, dataset, family)
    found, odd = [], dict[str, dict[str, dict[str, dict[int, str]]]]()
    for mean in means:
        panel_file = compared.panels_in(family)[mean.panel]
        panels = read_panels(mean.panel, panel_file["kind"], panel_file["path"], rows, compared.task)
        panel = next((panel for panel in panels if panel.cell == mean.cell), None)
        if panel is None:
            own = _unmeasured(dataset, family, mean.panel, mean.cell, mean.metrics, models)
        else:
            groups = read_table(panel_file["path"], ("group",))["group"].to_numpy(object)
            # as often as there are folds, so that the same units count as large as for the means
            folds = compared.folds[family]
            units = Units.of([groups] * len(folds), comparison.seed, dataset, family, family, mean.panel)
            seeds = odd.setdefault(mean.panel, {})
            own = _panel_result(comparison, measures, place, panel, rows, models, units, seeds)
        if own.estimates and own.rows_sha256 != mean.rows_sha256:
            raise InputError(
                f"{dataset}, split {family!r}, panel {mean.panel!r}: ensembles over folds were scored on rows "
                f"{own.rows_sha256[:12]}, and the folds on {mean.rows_sha256[:12]}; make the panels again"
            )
        both = {name: getattr(mean, name) | getattr(own, name)
                for name in ("about", "estimates", "excluded", "notes", "one_draw", "drawn_per_seed")}  # fmt: skip
        found.append(replace(mean, **both))
    return found


def _sha256_of(rows: pd.DataFrame, ids: np.ndarray) -> str:
    """Fingerprint of the rows with these `ids` (R,)."""
    return rows_sha256(rows[rows["row_id"].isin(ids)])


def _models(runs: Sequence[MeasuredRun]) -> dict[str, list[MeasuredRun]]:
    """{model: its runs, ordered by seed}; models keep their order. Seeds of one model may differ only in numbers."""
    models: dict[str, list[MeasuredRun]] = {}
    for run in runs:
        models.setdefault(run.model, []).append(run)
    for name, of_model in models.items():
        of_model.sort(key=lambda run: run.seed)
        for first, other in itertools.pairwise(of_model):
            if first.seed == other.seed:
                raise InputError(f"{first}: listed twice")
            same = ("encoder", "augmentation", "head", "excluded", "stochastic", "one_draw", "drawn_per_seed")
            for key in (*same, *(() if first.drawn_per_seed else ("provenance",))):
                if getattr(first, key) != getattr(other, key):
                    raise InputError(
                        f"{first} and {other}: {key} is {getattr(first, key)!r} and {getattr(other, key)!r}, "
                        f"expected one value for all seeds of {name}"
                    )
    return models


def _check_panels(comparison: Comparison, models: Mapping[str, list[MeasuredRun]], dataset: str, split: str) -> None:
    """Check that the baseline was run in this split, and that every run has each of its panels or a reason why not."""
    compared = comparison.datasets[dataset].in_split(split)
    panels = compared.panels_in(split)
    if compared.baseline and compared.baseline not in models and split not in compared.folds:
        first = next(iter(models.values()))[0]
        others = [run for run in comparison.runs if (run.dataset, run.model) == (dataset, compared.baseline)]
        elsewhere = f"{others[0]} has split {others[0].split!r}" if others else "no run of it is listed"
        raise InputError(
            f"{first} has split {split!r}, but its baseline {compared.baseline!r} was not run in it: {elsewhere}"
        )
    trained = [run for runs in models.values() for run in runs if run.trained_on]
    first_of: dict[int, MeasuredRun] = {}
    for run in trained:
        first = first_of.setdefault(run.seed if split in compared.drawn else 0, run)
        if run.trained_on != first.trained_on:
            raise InputError(
                f"{run} and {first} were trained on different rows of one split: train the older of them again"
            )
    for run in (run for runs in models.values() for run in runs):
        for panel in sorted({*panels, *run.predictions, *run.excluded}):
            if panel not in panels:
                raise InputError(f"{run}: panel {panel!r} is not one of {', '.join(panels)}")
            if (panel in run.predictions) == (panel in run.excluded):
                wrong = "both predictions and" if panel in run.predictions else "neither predictions nor"
                raise InputError(
                    f"{run}: panel {panel!r} has {wrong} a reason in `excluded`, expected exactly one of them"
                )


def _panel_result(
    comparison: Comparison,
    measures: Measures,
    place: tuple[str, str],
    panel: Panel,
    rows: pd.DataFrame,
    models: Mapping[str, list[MeasuredRun]],
    units: Units,
    odd: dict[str, dict[str, dict[int, str]]],
) -> PanelResult:
    """The `PanelResult` of one panel; `odd` {cell: {model: {seed: why}}} as in `_collapsed`."""
    dataset, split = place
    compared = comparison.datasets[dataset].in_split(split)
    cells = panel.view.cells if panel.view else ()
    against = {name: runs[0].reason_against(panel.name, cells) for name, runs in models.items()}
    scored = {name: runs for name, runs in models.items() if not against[name]}
    runs = [run for of_model in scored.values() for run in of_model]
    read = [Scored.read(run, panel, compared.task) for run in runs]
    if runs:
        _check_comparable(runs, read, scored.get(compared.baseline, runs)[0], panel)
    print(
        f"{' '.join(filter(None, (dataset, split, panel.name, panel.cell)))}: {len(scored)} models, {len(runs)} runs, "
        f"{len(panel.clusters):,} items in {panel.units:,} units, {comparison.resamples:,} resamples",
        file=sys.stderr,
        flush=True,
    )
    measured = measures.of(comparison, place, panel, rows, runs, read, units)
    names, estimates = measures.names(panel, compared.task), {}
    for name in scored:
        indices = [index for index, run in enumerate(runs) if run.model == name]
        estimates[name] = {
            metric: Estimate.over_seeds(
                [measured.values[metric][index][0] for index in indices],
                measured.resampled[metric][indices],
                Influence(measured.influence[metric][indices].mean(axis=0), units.classes, panel.units),
                measured.units[metric],
                read[indices[0]].strand_rule,
                [
                    f"seed {runs[index].seed}: {note}"
                    for index in indices
                    for note in [measured.values[metric][index][1]]
                    if note
                ],
                runs[indices[0]].stochastic,
            )
            for metric in names
        }
    collapsed = _collapsed(runs, read, panel, compared, odd)
    for name, reasons in collapsed.items():  # prevalence belongs to the labels, not to the model
        estimates[name] |= {m: e.collapsed(reasons) for m, e in estimates[name].items() if m != "prevalence"}
    return PanelResult(
        dataset, split, panel.name, names, cell=panel.cell, n=len(panel.clusters),
        units=panel.groups, rows_sha256=panel.rows_sha256,
        row_ids=panel.rows["row_id"].to_numpy(object), estimates=estimates,
        about={name: _about(runs, panel.name, panel.cell, collapsed.get(name, ())) for name, runs in models.items()},
        excluded={name: reason for name, reason in against.items() if reason},
        notes={name: [run.note for run in runs] for name, runs in models.items()},
        one_draw={name: runs[0].one_draw for name, runs in models.items()},
        drawn_per_seed={name: runs[0].drawn_per_seed for name, runs in models.items()},
        paired=_paired(scored, runs, measured, names),
        no_interval="one unit: there is nothing to resample" if panel.units == 1 else "",
    )  # fmt: skip


def _paired(
    scored: Mapping[str, list[MeasuredRun]], runs: Sequence[MeasuredRun], measured: Measured, names: Sequence[str]
) -> dict[tuple[str, str], dict[str, Replicates]]:
    """`PanelResult.paired` of the models `scored`, whose `runs` were `measured`: of each model and one that it is made
    from, if both have the same seeds."""
    found: dict[tuple[str, str], dict[str, Replicates]] = {}
    place = {(run.model, run.seed): index for index, run in enumerate(runs)}
    for name, own in scored.items():
        for part in own[0].made_from:
            seeds = [run.seed for run in own]
            if [run.seed for run in scored.get(part, ())] != seeds:
                continue
            mine, its = ([place[model, seed] for seed in seeds] for model in (name, part))
            stochastic = own[0].stochastic or scored[part][0].stochastic
            found[name, part] = {}
            for metric in names:
                values = np.array([value for value, _ in measured.values[metric]], np.float64)
                resampled = measured.resampled[metric]
                found[name, part][metric] = Replicates.of(
                    values[mine] - values[its], resampled[mine] - resampled[its], stochastic
                )
    return found


def _unmeasured(
    dataset: str, split: str, panel: str, cell: str, metrics: list[str], models: Mapping[str, list[MeasuredRun]]
) -> PanelResult:
    """The `PanelResult` of a cell, or a difference of cells, that too few items of a panel are measured in: lines
    without numbers that say so."""
    nothing, why = np.empty(0, object), "fewer than 3 items of this panel were measured in this cell"
    return PanelResult(
        dataset, split, panel, metrics, n=0, units=nothing, rows_sha256="", row_ids=nothing, estimates={}, cell=cell,
        about={name: _about(runs, panel, cell) for name, runs in models.items()},
        excluded=dict.fromkeys(models, why),
        notes={name: [run.note for run in runs] for name, runs in models.items()},
    )  # fmt: skip


def _about(runs: Sequence[MeasuredRun], panel: str, cell: str, collapsed: Collection[int] = ()) -> dict[str, Any]:
    """The columns that say what a model is, on a panel and cell; `collapsed` are its collapsed seeds."""
    return {
        **{key: getattr(runs[0], key) for key in ("model", "encoder", "augmentation", "head")},
        "provenance": _provenance(runs), "seeds": len(runs), "start": runs[0].start,
        "val_value": np.nan if collapsed else float(np.mean([run.val_of(cell) for run in runs])),
        "collapsed": ", ".join(map(str, collapsed)), "ended": _ended(runs), "seen": runs[0].seen.get(panel, ""),
        **_spent(runs),
    }  # fmt: skip


def _collapsed(
    runs: Sequence[MeasuredRun],
    read: Sequence["Scored"],
    panel: Panel,
    compared: ComparedDataset,
    odd: dict[str, dict[str, dict[int, str]]],
) -> dict[str, dict[int, str]]:
    """{model: {seed: why its run is collapsed}} of models with such a run: collapsed by itself, or compared with other
    seeds.

    Floors and solved models are never checked (see `collapse`), nor are differences of cells: a difference has the
    seeds that are odd in one of its cells. `odd` {cell: {model: {seed: why}}} holds the odd seeds of the cells found so
    far and is added to.
    """
    labels = panel.of_rows(panel.rows["label"].to_numpy())
    first = panel.metrics(compared.task)[0]
    found: dict[str, dict[int, str]] = {}
    here = odd[panel.cell] = {}
    for model in dict.fromkeys(run.model for run in runs if run.model not in compared.floors and run.ended != "solved"):
        own = [(run, item) for run, item in zip(runs, read, strict=True) if run.model == model]
        if panel.view and panel.view.others:
            of_cells = {seed: f"cell {cell}: {why}" for cell in reversed(panel.view.cells)
                        for seed, why in odd[cell].get(model, {}).items()}  # fmt: skip
        else:
            reasons = odd_seeds(compared.task, [item.values[first][0] for _, item in own], labels, panel.units)
            of_cells = here[model] = {run.seed: why for (run, _), why in zip(own, reasons, strict=True) if why}
        for run, item in own:
            why = item.stated["collapsed"][first] or of_cells.get(run.seed, "")
            if why:
                found.setdefault(model, {})[run.seed] = why
    return found


def _spent(runs: Sequence[MeasuredRun]) -> dict[str, Any]:
    """Columns of a search: how many settings each run of a model tried, and the mean of the seconds that this took."""
    if not all(run.search for run in runs):
        return {}
    return {"trials": runs[0].search["trials"], "seconds": float(np.mean([run.search["seconds"] for run in runs]))}


def _provenance(runs: Sequence[MeasuredRun]) -> str:
    """Where the weights of a model come from; if weights are drawn anew for each seed, those of the first seed are
    named."""
    first = runs[0]
    return first.provenance + (f" (seed {first.seed}; drawn anew for each seed)" if first.drawn_per_seed else "")


def _ended(runs: Sequence[MeasuredRun]) -> str:
    """How the trainings of a model ended: `limit` and the seeds, if any ended at their last epoch."""
    limited = [str(run.seed) for run in runs if run.ended == "limit"]
    if limited:
        return f"limit: seed{'s' if len(limited) > 1 else ''} {', '.join(limited)}"
    return ", ".join(dict.fromkeys(run.ended for run in runs if run.ended))


@dataclass(frozen=True)
class Scored:
    """A run on a panel: `predictions` (R,), `values` {metric: (value, reason)}, and what its metrics.tsv says."""

    predictions: np.ndarray
    values: dict[str, tuple[float, str]]
    strand_rule: str
    stated: pd.DataFrame

    @staticmethod
    def read(run: MeasuredRun, panel: Panel, task: str) -> "Scored":
        """The run's predictions for a panel; `InputError` as `read_predictions`, and for metrics of other panels."""
        stated = read_table(run.metrics, METRIC_COLUMNS, "metrics")
        stated = stated.assign(value=numbers(stated, "value", run.metrics))
        stated = stated[(stated["panel"] == panel.name) & (stated.get("cell", "") == panel.cell)].set_index("metric")
        if list(stated.index) != panel.metrics(task):
            raise InputError(
                f"{run.metrics}: panel {panel.name!r} has the metrics {', '.join(stated.index) or 'none'}, expected "
                f"{', '.join(panel.metrics(task))}; measure the run again"
            )
        path = run.predictions[panel.name]
        predictions, rule, _ = read_predictions(path, panel)
        return Scored(predictions, scores(panel, predictions, task, path), rule, stated)


def _check_comparable(
    runs: Sequence[MeasuredRun], scored: Sequence[Scored], reference: MeasuredRun, panel: Panel
) -> None:
    """Refuse a run whose rows or strand rule differ from those of the `reference` run, then any stale run."""
    stated = {run: item.stated for run, item in zip(map(str, runs), scored, strict=True)}
    for run, item in zip(runs, scored, strict=True):
        for key in ("rows_sha256", "strand_rule"):
            found, expected = (sorted(set(stated[str(r)][key])) for r in (run, reference))
            if found != expected or len(found) != 1:
                raise InputError(
                    f"{run} and {reference} are not comparable on panel {panel.name!r}: {key} is "
                    f"{', '.join(found)} and {', '.join(expected)}"
                )
        stale = (item.stated["rows_sha256"] != panel.rows_sha256) | (item.stated["strand_rule"] != item.strand_rule)
        values = np.array([value for value, _ in item.values.values()])
        stale |= ~np.isclose(item.stated["value"], values, rtol=1e-9, atol=1e-12, equal_nan=True)
        if stale.any():
            metric = stale.index[stale][0]
            raise InputError(
                f"{run.metrics}: panel {panel.name!r}: {metric} was {item.stated['value'][metric]} on rows "
                f"{item.stated['rows_sha256'][metric][:12]}, but predictions and panel now give "
                f"{item.values[metric][0]} "
                f"on rows {panel.rows_sha256[:12]}: measure the run again"
            )


def read_compare(path: str | Path) -> pd.DataFrame:
    """compare.tsv as a frame, its numbers parsed; raises `InputError` for a missing column or a bad cell."""
    table = read_table(path, COMPARISON_COLUMNS, "comparison")
    numeric = COMPARISON_COLUMNS[COMPARISON_COLUMNS.index("value") : COMPARISON_COLUMNS.index("n") + 1]
    return table.assign(**{column: numbers(table, column, path) for column in numeric})
