"""Measure one run (one model with one seed) on its panels, from its predictions."""

import argparse

from s2f.files import run, write_table
from s2f.metrics import measure
from s2f.rows import TASKS, read_rows


def main():
    """Read rows, panels and predictions, write the table of metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--names", required=True, nargs="+", help="names of the panels")
    parser.add_argument("--kinds", required=True, nargs="+", help="their kinds, in the same order")
    parser.add_argument("--panels", required=True, nargs="+", help="their tables, in the same order")
    parser.add_argument("--predictions", required=True, nargs="+", help="tables of predictions, in the same order")
    parser.add_argument("--out", required=True, help="table to write")
    a = parser.parse_args()
    panels = {
        name: {"kind": kind, "panel": panel, "predictions": predictions}
        for name, kind, panel, predictions in zip(a.names, a.kinds, a.panels, a.predictions, strict=True)
    }
    table = measure(read_rows(a.rows, ["row_id", "sequence", "label", "allele"]), panels, a.task)
    print(table[["panel", "metric", "value", "n", "note"]].to_string(index=False))
    write_table(a.out, table)


if __name__ == "__main__":
    run(main)
