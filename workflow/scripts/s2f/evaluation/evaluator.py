"""The evaluation of one run: its predictions for every panel, and the metrics computed from them.

Programs of heads and of baselines share it. A run is evaluated by one job: a start costs more than a panel.
"""

import argparse
from collections.abc import Callable
from typing import Any

from s2f.common.tables import read_table, write_table
from s2f.evaluation.measure import measure
from s2f.models.predictions import prediction_table, strands
from s2f.rows.canonical import TASKS
from s2f.splits.table import panel_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what both programs ask for: the model, the panels, and the files to write."""
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--model", required=True, help="folder best_model")
    parser.add_argument("--names", required=True, nargs="+", help="names of the panels")
    parser.add_argument("--kinds", required=True, nargs="+", help="their kinds, in the same order")
    parser.add_argument("--panels", required=True, nargs="+", help="their tables, in the same order")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--predictions", required=True, nargs="+", help="tables to write, in the same order")
    parser.add_argument("--metrics", required=True, help="table of metrics to write")


def evaluate(arguments: argparse.Namespace, rows: Any, strand_rule: str, predict: Callable[[Any, str], Any]) -> None:
    """Write the predictions for each panel and, computed from these files, the metrics of all.

    `rows` are those of the dataset; ``predict(rows, strand)`` gives the values (N,) of the rows of a panel on one
    strand, and is called for each strand that `strand_rule` needs. Raises `InputError` as `panel_rows`,
    `predictions.prediction_table` and `metrics.measure` do.
    """
    panels = {}
    for name, kind, path, out in zip(
        arguments.names, arguments.kinds, arguments.panels, arguments.predictions, strict=True
    ):
        chosen = panel_rows(rows, read_table(path))
        by_strand = {strand: predict(chosen, strand) for strand in strands(strand_rule)}
        write_table(out, prediction_table(chosen, by_strand, strand_rule))
        panels[name] = {"kind": kind, "panel": path, "predictions": out}
    table = measure(rows, panels, arguments.task)
    print(table[["panel", "metric", "value", "n", "note"]].to_string(index=False))
    write_table(arguments.metrics, table)
