"""Panels and predictions read and measured."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table
from s2f.evaluation.metrics import METRICS, SAME, VIEWS, score
from s2f.models.predictions import RULES
from s2f.rows import canonical as row_tables

PREDICTION_COLUMNS = ("row_id", "label", "prediction", "forward", "reverse", "strand_rule")
METRIC_COLUMNS = ("panel", "metric", "value", "n", "rows_sha256", "strand_rule", "note")


@dataclass(frozen=True)
class Panel:
    """An evaluation set joined with its rows.

    `rows` is a frame of the R rows it needs (row_id, label), each once; `scored` (N,) are the positions in it of the
    items to score: every row of a `rows` panel, the alternate allele of every pair of a `pairs` panel, whose
    `reference` (N,) is the position of the other allele. `clusters` (N,) numbers the group of each item from 0: items
    of one group are resampled together.
    """

    name: str
    kind: str
    rows: pd.DataFrame
    scored: np.ndarray
    reference: np.ndarray | None
    clusters: np.ndarray
    rows_sha256: str

    def views(self, values):
        """Suffix of the metric -> the (N,) values it is computed from, given one value per row of `rows`.

        Reference alleles enter only the difference: counted among the absolute values they would contaminate them.
        """
        if self.kind == "rows":
            return {"": values[self.scored]}
        return {"_abs": values[self.scored], "_delta": values[self.scored] - values[self.reference]}

    def metrics(self, task):
        """Names of the metrics of this panel, in the order of tables."""
        return [metric + suffix for suffix in VIEWS[self.kind] for metric in METRICS[task]]


def read_panel(name, kind, path, rows, task="regression"):
    """Read a panel file and join it with canonical rows (row_id, sequence, label, allele) of its dataset.

    Raises `InputError` for a row the dataset lacks, a row or alternate allele that occurs twice, an empty group, a
    pair whose alleles are not ref and alt, and pairs in a classification.
    """
    if kind not in VIEWS:
        raise InputError(f"{path}: kind of panel is {kind!r}, expected one of {', '.join(VIEWS)}")
    if kind == "pairs" and task != "regression":
        raise InputError(f"{path}: a panel of pairs needs a regression, the task is {task}")
    scored = "row_id" if kind == "rows" else "alt_row_id"
    references = [] if kind == "rows" else ["ref_row_id"]
    table = read_table(path, [scored, *references, "group"], f"panel {name}")
    if len(table) == 0:
        raise InputError(f"{path}: panel {name} is empty")
    if (table["group"] == "").any():
        raise InputError(f"{path}: line {int((table['group'] == '').argmax()) + 2}: group is empty, expected a cluster")
    if table[scored].duplicated().any():
        raise InputError(f"{path}: {scored} {table[scored][table[scored].duplicated()].iloc[0]!r} occurs twice")

    position = pd.Series(np.arange(len(rows)), index=rows["row_id"])
    found = {column: position.reindex(table[column]) for column in [scored, *references]}
    for column, places in found.items():
        if places.isna().any():
            row = places.index[places.isna()][0]
            raise InputError(f"{path}: {column} {row!r} is no row of the dataset; make the panel again")
    needed = np.unique(np.concatenate([places.to_numpy(np.int64) for places in found.values()]))
    where = {column: np.searchsorted(needed, places.to_numpy(np.int64)) for column, places in found.items()}
    own = rows.iloc[needed].reset_index(drop=True)
    if kind == "pairs":
        for column, allele in ((scored, "alt"), ("ref_row_id", "ref")):
            wrong = own["allele"].to_numpy()[where[column]] != allele
            if wrong.any():
                raise InputError(f"{path}: {column} {table[column][wrong].iloc[0]!r} is not the {allele} allele")
    # the order of the panel file has no meaning: items follow the rows, so that equal sets give equal numbers
    order = np.argsort(where[scored], kind="stable")
    where = {column: places[order] for column, places in where.items()}
    return Panel(
        name=name, kind=kind, rows=own[["row_id", "label"]],
        scored=where[scored], reference=where.get("ref_row_id"),
        clusters=pd.factorize(table["group"], sort=True)[0][order], rows_sha256=row_tables.rows_sha256(own),
    )  # fmt: skip


def read_predictions(path, panel):
    """Predictions of one model for a panel in the order of `panel.rows`, float64 (R,), and their strand rule.

    Raises `InputError`, naming a row, when the file lacks a row of the panel, holds another or one twice, when a
    prediction is missing or not finite, when its label is not the label of the dataset (the file is older than the
    rows), when there is more than one strand rule or the prediction is not what its strand rule says.
    """
    table = read_table(path, PREDICTION_COLUMNS, "predictions")
    ids = table["row_id"]
    if ids.duplicated().any():
        raise InputError(f"{path}: row {ids[ids.duplicated()].iloc[0]!r} is predicted twice")
    position = pd.Series(np.arange(len(table)), index=ids).reindex(panel.rows["row_id"])
    if position.isna().any():
        raise InputError(f"{path}: row {position.index[position.isna()][0]!r} of panel {panel.name} has no prediction")
    if len(table) > len(position):
        extra = ids[~ids.isin(panel.rows["row_id"])].iloc[0]
        raise InputError(f"{path}: row {extra!r} does not belong to panel {panel.name}; predict the panel again")
    rules = table["strand_rule"].unique()
    if len(rules) > 1 or rules[0] not in RULES:
        raise InputError(f"{path}: strand_rule is {', '.join(map(repr, rules))}, expected one of {RULES}")
    rule = str(rules[0])

    columns = ("label", "prediction", "forward", "reverse")
    values = {column: numbers(table, column, path).to_numpy()[position.to_numpy(np.int64)] for column in columns}
    stale = ~_same(values["label"], panel.rows["label"].to_numpy())
    if stale.any():
        row = panel.rows[stale].iloc[0]
        raise InputError(
            f"{path}: row {row['row_id']!r}: label is {values['label'][stale][0]}, the dataset has {row['label']}; "
            "the predictions are older than the rows: predict the panel again"
        )
    for column in ("prediction", "forward", *(["reverse"] if rule == "mean" else [])):
        bad = ~np.isfinite(values[column])
        if bad.any():
            row = panel.rows["row_id"][bad].iloc[0]
            raise InputError(f"{path}: row {row!r}: {column} is {values[column][bad][0]}, expected a number")
    expected = (values["forward"] + values["reverse"]) / 2 if rule == "mean" else values["forward"]
    wrong = ~_same(values["prediction"], expected)
    if wrong.any():
        row = panel.rows["row_id"][wrong].iloc[0]
        raise InputError(
            f"{path}: row {row!r}: prediction is {values['prediction'][wrong][0]}, "
            f"strand rule {rule} gives {expected[wrong][0]}"
        )
    return values["prediction"], rule


def _same(values, expected):
    return np.abs(values - expected) <= SAME * np.maximum(1.0, np.abs(expected))


def measure(rows, panels, task):
    """All metrics of one model with one seed: a frame of `METRIC_COLUMNS`, one line per panel and metric.

    `rows` are the canonical rows of the dataset; `panels` maps name -> {kind, panel, predictions}, the last two being
    paths. An undefined metric has the value NaN and its reason as note. Raises `InputError` as `read_panel`,
    `read_predictions` and `score` do.
    """
    lines = []
    for name, spec in panels.items():
        panel = read_panel(name, spec["kind"], spec["panel"], rows, task)
        predictions, rule = read_predictions(spec["predictions"], panel)
        for metric, (value, note) in scores(panel, predictions, task, spec["predictions"]).items():
            lines.append((name, metric, value, len(panel.clusters), panel.rows_sha256, rule, note))
    return pd.DataFrame(lines, columns=list(METRIC_COLUMNS))


def scores(panel, predictions, task, path):
    """Name of the metric -> (value, reason) for the predictions (R,) of one model; `path` names them in messages."""
    labels, predicted = panel.views(panel.rows["label"].to_numpy()), panel.views(predictions)
    try:
        return {
            metric + view: score(metric, labels[view], predicted[view])
            for view in VIEWS[panel.kind]
            for metric in METRICS[task]
        }
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
