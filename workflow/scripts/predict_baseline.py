"""Predict the rows of a panel with a trained baseline."""

import argparse
from pathlib import Path

from s2f import baselines
from s2f.checkpoint import read_record
from s2f.devices import keep_to_share, print_report
from s2f.files import read_table, run, write_table
from s2f.panels import panel_rows
from s2f.predictions import prediction_table, strands
from s2f.rows import read_rows


def main():
    """Predict each strand that the strand rule of the checkpoint needs, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--panel", required=True, help="table of the panel")
    parser.add_argument("--model", required=True, help="folder best_model")
    parser.add_argument("--threads", required=True, type=int, help="CPU threads")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs of the job; with 0 it computes on the CPU")
    parser.add_argument("--out", required=True, help="table to write")
    a = parser.parse_args()
    keep_to_share(a.threads, a.gpus)
    record = read_record(a.model)
    kind = baselines.get(record["kind"])  # may import torch, which reads the thread count once
    print_report()
    rows = panel_rows(read_rows(a.rows), read_table(a.panel))
    predict = kind.load(Path(a.model), record)
    inserts = list(rows["sequence"])
    by_strand = {strand: predict(inserts, strand) for strand in strands(record["strand_rule"])}
    write_table(a.out, prediction_table(rows, by_strand, record["strand_rule"]))


if __name__ == "__main__":
    run(main)
