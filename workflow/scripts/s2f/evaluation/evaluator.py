"""The evaluation of runs: their predictions for every panel, and the metrics computed from them.

The programs for heads and for baselines share it. One job evaluates a run on all panels, and all heads that were
trained in one job together: starting a program costs more than the evaluation.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from s2f.common import kinds
from s2f.common.tables import read_table, write_table
from s2f.evaluation.collapse import learned, learned_by_cell
from s2f.evaluation.measure import measure
from s2f.models.checkpoint import ENSEMBLE, predicted_cells
from s2f.models.predictions import predict_rows
from s2f.rows.canonical import TASKS
from s2f.splits.table import panel_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that both programs share: the models, the panels, and the files to write."""
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--models", required=True, nargs="+", help="folders best_model of the runs")
    parser.add_argument("--names", required=True, nargs="+", help="names of the panels")
    parser.add_argument("--kinds", required=True, nargs="+", help="kinds of the panels, in the same order")
    parser.add_argument("--panels", required=True, nargs="+", help="tables of the panels, in the same order")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--predictions", required=True, nargs="+", help="tables to write: for each run, one per panel")
    parser.add_argument("--metrics", required=True, nargs="+", help="tables of metrics to write, one per run")


def runs(arguments: argparse.Namespace) -> Iterator[argparse.Namespace]:
    """The arguments of each run, with its own `model`, `metrics` and `predictions`."""
    size = len(arguments.names)
    for number, (model, metrics) in enumerate(zip(arguments.models, arguments.metrics, strict=True)):
        predictions = arguments.predictions[number * size : (number + 1) * size]
        yield argparse.Namespace(**{**vars(arguments), "model": model, "metrics": metrics, "predictions": predictions})


def evaluate(
    arguments: argparse.Namespace, rows: Any, record: Mapping[str, Any], predict: Callable[[Any, str], Any]
) -> None:
    """Write the predictions of a run for each panel and, computed from these files, the metrics of all.

    `arguments` are those of one run (`runs`), `rows` the rows of the dataset, `record` the run's model.json.
    ``predict(rows, strand)`` returns the values (N,), or (N, C) for C cells, of a panel's rows on one strand, and is
    called for each strand that the strand rule of the record needs. Raises `InputError` as `panel_rows`,
    `checkpoint.predicted_cells`, `predictions.prediction_table` and `measure.measure` do.
    """
    panels, rule, cells = {}, record["strand_rule"], predicted_cells(arguments.model, record, rows)
    for name, kind, path, out in zip(
        arguments.names, arguments.kinds, arguments.panels, arguments.predictions, strict=True
    ):
        chosen = panel_rows(rows, read_table(path))
        write_table(out, predict_rows(chosen, predict, rule, cells))
        panels[name] = {"kind": kind, "panel": path, "predictions": out}
    table = measure(rows, panels, arguments.task, may_be_flat(record), learned_cells(arguments.task, record))
    report(table)
    write_table(arguments.metrics, table)


def may_be_flat(record: Mapping[str, Any]) -> bool:
    """Whether a run with this model.json cannot collapse: a floor, or a model that is not trained in epochs, such as
    an ensemble of published weights."""
    is_baseline = record["kind"] in kinds.names("baselines")
    facts = kinds.facts("baselines", record["kind"]) if is_baseline else {"floor": False, "epochs": True}
    ended = record["validation"].get("ended", "")
    return facts["floor"] or not facts["epochs"] or ended == "solved" or (record["kind"] == ENSEMBLE and not ended)


def learned_cells(task: str, record: Mapping[str, Any]) -> dict[str, bool]:
    """{cell: what `collapse.learned` says} for a run with this model.json; the cell is "" if rows have a single
    label."""
    cells = record.get("cells", [])
    if len(cells) > 1:
        return learned_by_cell(task, record["validation"], record["val_rows_of_cells"])
    # the validation score belongs to the only cell, or to rows with a single label
    return {"".join(cells): learned(task, record["validation"], record["val_rows"])}


def report(table: Any) -> None:
    """Print the metrics of a run, and the panels on which it is collapsed."""
    place = ["panel", *(["cell"] if "cell" in table else [])]
    print(table[[*place, "metric", "value", "n", "note"]].to_string(index=False))
    for *panel, why in table.loc[table["collapsed"] != "", [*place, "collapsed"]].drop_duplicates().to_numpy():
        print(f"panel {', cell '.join(panel)}: the run is collapsed: {why}")
