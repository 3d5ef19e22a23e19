"""Reading and measuring panels and predictions."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.tables import line_of, numbers, read_table
from s2f.evaluation.cells import View, labelled, views_of
from s2f.evaluation.collapse import collapsed
from s2f.evaluation.metrics import METRICS, SAME, SUFFIXES, score
from s2f.models.predictions import RULES, strands
from s2f.rows import canonical as row_tables
from s2f.rows.canonical import cells_of

PREDICTION_COLUMNS = ("row_id", "label", "prediction", "forward", "reverse", "strand_rule")
METRIC_COLUMNS = ("panel", "metric", "value", "n", "rows_sha256", "strand_rule", "note", "collapsed")


@dataclass(frozen=True)
class Panel:
    """An evaluation set joined with its rows.

    `rows` is a frame of the R rows it needs (row_id, label), each once. `scored` (N,) are the positions in it of the
    items to score: every row of a `rows` panel, or the alternate allele of every pair of a `pairs` panel, where
    `reference` (N,) is the position of the other allele. `clusters` (N,) numbers the group of each item from 0, in the
    order of the names `groups` (K,): items of one group are resampled together. In a dataset with cells, a panel
    belongs to one `view` and has the items that are measured in it, and `rows` has the labels of the view's cells too.
    """

    name: str
    kind: str
    rows: pd.DataFrame
    scored: np.ndarray
    reference: np.ndarray | None
    clusters: np.ndarray
    groups: np.ndarray
    rows_sha256: str
    view: View | None = None

    @property
    def cell(self) -> str:
        """Name of the cell or pseudo-cell; empty if rows have a single label."""
        return self.view.name if self.view else ""

    def by_suffix(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """{suffix of the metric: the (N,) values it is computed from}, given one value per row of `rows`.

        Reference alleles only enter the difference: they would contaminate the absolute values.
        """
        if self.kind == "rows":
            return {"": values[self.scored]}
        return {"_abs": values[self.scored], "_delta": values[self.scored] - values[self.reference]}

    @property
    def units(self) -> int:
        """Number of groups, that is of independent items."""
        return len(self.groups)

    def of_rows(self, values: np.ndarray) -> np.ndarray:
        """The (N,) values of the items as rows, never as differences, given one value per row of `rows`."""
        return self.by_suffix(values)[SUFFIXES[self.kind][0]]

    def metrics(self, task: str) -> list[str]:
        """Names of the metrics of this panel, in the order of tables."""
        return [metric + suffix for suffix in SUFFIXES[self.kind] for metric in METRICS[task]]


def read_panels(name: str, kind: str, path: str | Path, rows: pd.DataFrame, task: str = "regression") -> list[Panel]:
    """As `read_panel`; rows with cells give a panel for each view, the cells first.

    A view with fewer than three measured items has no panel, and is named on standard error. Raises `InputError` as
    `read_panel`, and if no cell has three items.
    """
    if not cells_of(rows):
        return [read_panel(name, kind, path, rows, task)]
    whole = read_panel(name, kind, path, rows, task)
    rows = rows[rows["row_id"].isin(whole.rows["row_id"])]
    panels = []
    for view in views_of(rows):
        panel = read_panel(name, kind, path, labelled(rows, view), task, view)
        if len(panel.clusters) >= 3:
            panels.append(panel)
        else:
            print(
                f"panel {name}: {view.name} is skipped, because {len(panel.clusters)} of {len(whole.clusters):,} "
                "items were measured in it, fewer than 3",
                file=sys.stderr,
            )
    if not panels:
        raise InputError(f"{path}: panel {name}: no cell has labels of at least 3 items")
    return panels


def read_panel(
    name: str,
    kind: str,
    path: str | Path,
    rows: pd.DataFrame,
    task: str = "regression",
    view: View | None = None,
) -> Panel:
    """Read a panel file and join it with canonical rows (row_id, sequence, label, allele) of its dataset.

    With a `view`, whose values are the column `label` (see `cells.labelled`), items without a label are dropped. Raises
    `InputError` for a row the dataset lacks, a row or alternate allele that occurs twice, an empty group, a pair whose
    alleles are not ref and alt, and pairs in a classification.
    """
    if kind not in SUFFIXES:
        raise InputError(f"{path}: kind of panel is {kind!r}, expected one of {', '.join(SUFFIXES)}")
    if kind == "pairs" and task != "regression":
        raise InputError(f"{path}: a panel of pairs needs the task regression, but the task is {task}")
    scored = "row_id" if kind == "rows" else "alt_row_id"
    references = [] if kind == "rows" else ["ref_row_id"]
    table = read_table(path, [scored, *references, "group"], f"panel {name}")
    if len(table) == 0:
        raise InputError(f"{path}: panel {name} is empty; make the panel again")
    empty = table["group"] == ""
    if empty.any():
        raise InputError(f"{path}: line {line_of(table, int(empty.argmax()))}: group is empty, expected a unit")
    if table[scored].duplicated().any():
        raise InputError(f"{path}: {scored} {table[scored][table[scored].duplicated()].iloc[0]!r} occurs twice")

    position = pd.Series(np.arange(len(rows)), index=rows["row_id"])
    positions_of = {column: position.reindex(table[column]) for column in [scored, *references]}
    for column, positions in positions_of.items():
        if positions.isna().any():
            row = positions.index[positions.isna()][0]
            raise InputError(f"{path}: {column} {row!r} is not a row of the dataset; make the panel again")
    if view:
        lacking = rows["label"].isna().to_numpy()
        kept = ~np.any([lacking[positions.to_numpy(np.int64)] for positions in positions_of.values()], axis=0)
        table, positions_of = table[kept], {column: positions[kept] for column, positions in positions_of.items()}
    needed = np.unique(np.concatenate([positions.to_numpy(np.int64) for positions in positions_of.values()]))
    in_needed = {
        column: np.searchsorted(needed, positions.to_numpy(np.int64)) for column, positions in positions_of.items()
    }
    needed_rows = rows.iloc[needed].reset_index(drop=True)
    if kind == "pairs":
        for column, allele in ((scored, "alt"), ("ref_row_id", "ref")):
            wrong = needed_rows["allele"].to_numpy()[in_needed[column]] != allele
            if wrong.any():
                raise InputError(f"{path}: {column} {table[column][wrong].iloc[0]!r} is not the {allele} allele")
    # the order of the panel file has no meaning: items follow the rows, and equal sets give equal numbers
    order = np.argsort(in_needed[scored], kind="stable")
    in_needed = {column: positions[order] for column, positions in in_needed.items()}
    clusters, groups = pd.factorize(table["group"], sort=True)
    return Panel(
        name=name, kind=kind, rows=needed_rows[["row_id", "label", *(f"label.{cell}" for cell in cells_of(rows))]],
        scored=in_needed[scored], reference=in_needed.get("ref_row_id"),
        clusters=clusters[order], groups=np.asarray(groups, object), rows_sha256=row_tables.rows_sha256(needed_rows),
        view=view,
    )  # fmt: skip


def read_predictions(path: str | Path, panel: Panel) -> tuple[np.ndarray, str, dict[str, np.ndarray]]:
    """Predictions of one model for a panel, float64 (R,) in the order of `panel.rows`; their strand rule; and the
    predictions (R,) of each strand that the rule needs.

    Raises `InputError`, naming a row, if the file lacks a row of the panel or has an extra row or one twice; if a
    prediction is missing or not finite; if its label is not the label of the dataset (the file is older than the rows);
    if there is more than one strand rule; or if the prediction does not follow from its strand rule. In a dataset with
    cells, predictions are formed for the panel's view from those of its cells, and a difference of cells has no
    predictions of single strands. The file may then hold other rows too, because which rows are measured depends on the
    cell.
    """
    if panel.view is None:
        return _read_predictions(read_table(path, PREDICTION_COLUMNS, "predictions"), path, panel)
    values, rules, by_strand = {}, set(), dict[str, np.ndarray]()
    table = read_table(path, ("cell", *PREDICTION_COLUMNS), "predictions")
    table = table[table["row_id"].isin(panel.rows["row_id"])]
    for cell in panel.view.cells:
        of_cell = replace(panel, rows=panel.rows.assign(label=panel.rows[f"label.{cell}"]))
        own = table[table["cell"] == cell]
        values[cell], rule, by_strand = _read_predictions(own, f"{path}: cell {cell}", of_cell)
        rules.add(rule)
    if len(rules) > 1:
        raise InputError(f"{path}: strand_rule is {', '.join(sorted(rules))}, expected the same one for all cells")
    return panel.view.of(values), rules.pop(), {} if panel.view.others else by_strand


def _read_predictions(
    table: pd.DataFrame, path: str | Path, panel: Panel
) -> tuple[np.ndarray, str, dict[str, np.ndarray]]:
    """As `read_predictions`, from lines with a single label per row."""
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
            f"{path}: row {row['row_id']!r}: label is {values['label'][stale][0]}, but the dataset has {row['label']}; "
            "the predictions are older than the rows; predict the panel again"
        )
    for column in ("prediction", *strands(rule)):
        bad = ~np.isfinite(values[column])
        if bad.any():
            row = panel.rows["row_id"][bad].iloc[0]
            raise InputError(f"{path}: row {row!r}: {column} is {values[column][bad][0]}, expected a number")
    by_strand = {strand: values[strand] for strand in strands(rule)}
    expected = np.mean(list(by_strand.values()), axis=0)
    wrong = ~_same(values["prediction"], expected)
    if wrong.any():
        row = panel.rows["row_id"][wrong].iloc[0]
        raise InputError(
            f"{path}: row {row!r}: prediction is {values['prediction'][wrong][0]}, but strand rule {rule} gives "
            f"{expected[wrong][0]}"
        )
    return values["prediction"], rule, by_strand


def _same(values: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.abs(values - expected) <= SAME * np.maximum(1.0, np.abs(expected))


def measure(
    rows: pd.DataFrame,
    panels: Mapping[str, Mapping[str, Any]],
    task: str,
    never_collapsed: bool = False,
    has_learned: Mapping[str, bool] | None = None,
) -> pd.DataFrame:
    """All metrics of one model with one seed: a frame of `METRIC_COLUMNS`, one line per panel and metric; for rows with
    cells also per view, with a column `cell`, except views of a cell that the model does not predict.

    `rows` are the canonical rows of the dataset; `panels` is {name: {kind, panel, predictions}}, the last two as paths.
    An undefined metric has the value NaN and its reason as note. If the run is collapsed on a panel, all of the panel's
    lines say why (see `collapse`; `has_learned` is {cell: what `collapse.learned` says of its training}, with an empty
    cell if rows have a single label). With `never_collapsed`, for floors and models that were not trained in epochs,
    predictions may be flat. Raises `InputError` as `read_panel`, `read_predictions` and `score` do.
    """
    lines = []
    for name, files in panels.items():
        there = cells_in_file(files["predictions"]) if cells_of(rows) else set()
        reasons: dict[str, str] = {}
        for panel in read_panels(name, files["kind"], files["panel"], rows, task):
            if panel.view and not there.issuperset(panel.view.cells):
                continue
            predictions, rule, by_strand = read_predictions(files["predictions"], panel)
            found = scores(panel, predictions, task, files["predictions"])
            labels = panel.of_rows(panel.rows["label"].to_numpy())
            by_strand = {strand: panel.of_rows(values) for strand, values in by_strand.items()}
            learned = has_learned.get(panel.cell, False) if has_learned else False
            why = "" if never_collapsed else collapsed(task, labels, by_strand, panel.units, learned)
            if panel.view and panel.view.others:  # differences are never checked: they collapse with their cells
                why = next((f"cell {cell}: {reasons[cell]}" for cell in panel.view.cells if reasons.get(cell)), "")
            reasons[panel.cell] = why
            for metric, (value, note) in found.items():
                line = (name, metric, value, len(panel.clusters), panel.rows_sha256, rule, note, why, panel.cell)
                lines.append(line)
    table = pd.DataFrame(lines, columns=[*METRIC_COLUMNS, "cell"])
    if cells_of(rows):
        table.insert(1, "cell", table.pop("cell"))
        return table
    return table[list(METRIC_COLUMNS)]


def cells_in_file(path: str | Path) -> set[str]:
    """The cells in a file of predictions of rows with cells."""
    return set(read_table(path, ("cell",), "predictions")["cell"])


def scores(panel: Panel, predictions: np.ndarray, task: str, path: str | Path) -> dict[str, tuple[float, str]]:
    """{name of the metric: (value, reason)} for the predictions (R,) of one model; `path` names them in messages."""
    labels, predicted = panel.by_suffix(panel.rows["label"].to_numpy()), panel.by_suffix(predictions)
    try:
        return {
            metric + suffix: score(metric, labels[suffix], predicted[suffix])
            for suffix in SUFFIXES[panel.kind]
            for metric in METRICS[task]
        }
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
