"""Metrics of a model on a panel, computed once over the whole panel and never averaged over batches."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from s2f import rows as row_tables
from s2f.files import InputError, numbers, read_table
from s2f.predictions import RULES

# task -> its metrics, the one that stands for the model first
METRICS = {
    "regression": ("pearson", "spearman", "mse"),
    "classification": ("auroc", "auprc", "accuracy", "f1", "precision", "recall", "prevalence"),
}
LOWER_IS_BETTER = ("mse",)
TWO_CLASSES = ("auroc", "auprc", "f1", "precision", "recall")  # undefined with one
# kind of panel -> suffix of the metrics of each view of it
VIEWS = {"rows": ("",), "pairs": ("_abs", "_delta")}
PREDICTION_COLUMNS = ("row_id", "label", "prediction", "forward", "reverse", "strand_rule")
METRIC_COLUMNS = ("panel", "metric", "value", "n", "rows_sha256", "strand_rule", "note")
# two float32 numbers closer than this share of their size are one number; float32 itself resolves 6e-8
SAME = 1e-6


def score(metric, labels, predictions):
    """One metric over whole arrays in float64: (value, reason), where reason says why the value is NaN, else "".

    `labels` and `predictions` have shape (N,). Pearson and Spearman (average ranks) are undefined for constant input
    (a spread below 1e-6 of the largest value, which is rounding of float32), AUROC, AUPRC, F1, precision and recall
    with one class, and all of them below three rows. AUPRC is the average precision of scikit-learn; accuracy, F1,
    precision (0 where nothing is called) and recall cut at .5; prevalence is the share of positive labels, the AUPRC of
    a random guess. Raises `InputError` when a prediction is not finite, and in a classification when a label is not 0
    or 1 or a prediction is no probability.
    """
    labels, predictions = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    if not np.isfinite(predictions).all():
        place = int(np.argmin(np.isfinite(predictions)))
        raise InputError(f"prediction {place + 1} of {len(predictions)} is {predictions[place]}, expected a number")
    if metric in METRICS["classification"]:
        _check_probabilities(labels, predictions)
    if len(labels) < 3:
        return np.nan, f"{len(labels)} rows, at least 3 are needed"
    if metric == "mse":
        return float(np.mean((predictions - labels) ** 2)), ""
    if metric in ("pearson", "spearman"):
        for name, values in (("labels", labels), ("predictions", predictions)):
            if np.ptp(values) <= SAME * np.abs(values).max():
                return np.nan, f"constant {name}"
        if metric == "spearman":
            labels, predictions = (pd.Series(values).rank().to_numpy() for values in (labels, predictions))
        return _pearson(labels, predictions), ""
    if metric in TWO_CLASSES and np.ptp(labels) == 0:
        return np.nan, f"one class: every label is {labels[0]:g}"
    from sklearn import metrics as sklearn_metrics  # half of the start of a program, which a regression does not need

    compute = {
        "auroc": lambda: sklearn_metrics.roc_auc_score(labels, predictions),
        "auprc": lambda: sklearn_metrics.average_precision_score(labels, predictions),
        "accuracy": lambda: sklearn_metrics.accuracy_score(labels, predictions >= 0.5),
        "f1": lambda: sklearn_metrics.f1_score(labels, predictions >= 0.5),
        "precision": lambda: sklearn_metrics.precision_score(labels, predictions >= 0.5, zero_division=0),
        "recall": lambda: sklearn_metrics.recall_score(labels, predictions >= 0.5),
        "prevalence": lambda: labels.mean(),
    }
    return float(compute[metric]()), ""


def _pearson(x, y):
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def _check_probabilities(labels, predictions):
    if not np.isin(labels, (0.0, 1.0)).all():
        raise InputError(f"label {labels[~np.isin(labels, (0, 1))][0]:g}: a classification expects labels 0 and 1")
    outside = (predictions < 0) | (predictions > 1)
    if outside.any():
        raise InputError(
            f"prediction {predictions[outside][0]:g}: a classification expects probabilities from 0 to 1, not logits"
        )


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
