"""How good models are when trained on parts of their training rows: learning_curve.tsv."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.tables import numbers, read_table
from s2f.evaluation.comparison import compare
from s2f.evaluation.learning_curve_table import CURVE_COLUMNS
from s2f.evaluation.measure import METRIC_COLUMNS
from s2f.evaluation.measured_runs import Comparison

Points = Mapping[str, Mapping[str, Mapping[str, Any]]]  # {dataset: {name of a point: {split, fraction}}}
Place = tuple[str, str, str, int]  # dataset, name of a point, model, seed


def learning_curve(comparison: Comparison, points: Points, train_rows: Mapping[Place, int]) -> pd.DataFrame:
    """Frame of `CURVE_COLUMNS`: a line per dataset, split, panel, cell, metric, model and fraction of training rows.

    `comparison` has the runs of all points, whose splits are the names in `points`. `train_rows` is how many rows each
    run was trained on; the table has the mean over seeds (and folds), because parts are drawn by units. Value, sd and
    interval are computed as in `compare`. At fractions below 1 each seed has its own training rows, so even the seeds
    of a model without other randomness are replicates, and the interval includes what other rows would change.
    `by_seed` has the value of each seed that has one. The line for all rows is the one in compare.tsv. Raises
    `InputError` as `compare`: at each point all models must have been trained, seed by seed, on the same rows.
    """
    table, _ = compare(comparison)
    sizes, values = _mean_sizes(comparison, train_rows), _values(comparison)
    lines = []
    for line in table.to_dict("records"):
        place = line["dataset"], line["split"], line["model"]
        seeds = values.get((*place, line["panel"], line["cell"], line["metric"]), [])
        line |= {"train_rows": sizes[place], "by_seed": " ".join(f"{value:.6g}" for value in seeds)}
        line |= points[line["dataset"]].get(line["split"], {"fraction": 1.0})
        lines.append(line)
    found = pd.DataFrame(lines, columns=list(CURVE_COLUMNS)).astype({"n": "Int64"})
    curve = found.groupby(["dataset", "split", "panel", "cell", "metric", "model"], sort=False).ngroup()
    order = np.lexsort((found["fraction"], curve))
    return found.iloc[order].reset_index(drop=True)


def _families(comparison: Comparison, dataset: str, split: str) -> list[str]:
    """The names under which a run of a split has lines: the split and, if it is a fold, its k-fold split."""
    folds = comparison.datasets[dataset].folds
    return [split, *(name for name, members in folds.items() if split in members)]


def _mean_sizes(comparison: Comparison, train_rows: Mapping[Place, int]) -> dict[tuple[str, str, str], int]:
    """{(dataset, split, model): number of training rows, mean over seeds and folds}."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for (dataset, split, model, _), count in train_rows.items():
        for name in _families(comparison, dataset, split):
            found.setdefault((dataset, name, model), []).append(count)
    return {place: round(float(np.mean(counts))) for place, counts in found.items()}


def _values(comparison: Comparison) -> dict[tuple[str, ...], list[float]]:
    """{(dataset, split, model, panel, cell, metric): the value of each seed that has one, for folds their mean}."""
    found: dict[tuple[str, ...], dict[int, list[float]]] = {}
    for run in comparison.runs:
        table = read_table(run.metrics, METRIC_COLUMNS, "metrics")
        cells = table["cell"] if "cell" in table else [""] * len(table)
        lines = zip(table["panel"], cells, table["metric"], numbers(table, "value", run.metrics), strict=True)
        for panel, cell, metric, value in lines:
            for name in _families(comparison, run.dataset, run.split):
                place = run.dataset, name, run.model, panel, cell, metric
                found.setdefault(place, {}).setdefault(run.seed, []).append(value)
    means = {place: [float(np.mean(values)) for _, values in sorted(own.items())] for place, own in found.items()}
    return {place: [value for value in values if np.isfinite(value)] for place, values in means.items()}
