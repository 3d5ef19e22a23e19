"""Calibrate all models on their validation rows, and check on their panels how confident they may be."""

from pathlib import Path

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.evaluation.calibrated import calibration
from s2f.evaluation.measured_runs import Comparison, measured_run


def main():
    """Read what each run says of itself, calibrate the runs, write the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("--study", required=True, type=json_option, help="datasets, panels and settings (JSON)")
    parser.add_argument("--metrics", required=True, nargs="+", help="metrics.tsv of every run, beside its best_model/")
    parser.add_argument("--out", required=True, help="table to write (TSV)")
    arguments = parser.parse_args()
    runs = [measured_run(Path(path).parent, arguments.study["datasets"]) for path in arguments.metrics]
    write_table(arguments.out, calibration(Comparison.parse({**arguments.study, "runs": runs}, "--study")))


if __name__ == "__main__":
    run(main)
