"""Compare all models of a study on their panels: compare.tsv for programs, compare.md for people."""

import argparse
import json
from pathlib import Path

from s2f.common.errors import run
from s2f.common.files import write_text
from s2f.common.tables import write_table
from s2f.evaluation.comparison import compare
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measured_runs import Comparison, measured_run


def main():
    """Read what each run says of itself, compare the runs, write the table and its text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, type=json.loads, help="datasets, panels and settings (JSON)")
    parser.add_argument("--metrics", required=True, nargs="+", help="metrics.tsv of every run, beside its best_model/")
    parser.add_argument("--out", required=True, help="table to write (TSV)")
    parser.add_argument("--text", required=True, help="the same for people (Markdown)")
    a = parser.parse_args()
    runs = [measured_run(Path(path).parent, a.study["datasets"]) for path in a.metrics]
    comparison = Comparison.parse({**a.study, "runs": runs}, "--study")
    table, clusters = compare(comparison)
    write_table(a.out, table)
    write_text(a.text, markdown(table, clusters, comparison))


if __name__ == "__main__":
    run(main)
