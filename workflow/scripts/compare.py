"""Compare all models of the study on their panels, in a table and in a text for people."""

from pathlib import Path

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.files import write_text
from s2f.common.tables import write_table
from s2f.evaluation.calibration_table import read_calibration
from s2f.evaluation.comparison import compare
from s2f.evaluation.learning_curve_table import read_curve
from s2f.evaluation.left_out import left_out
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measured_runs import Comparison, measured_run


def main():
    """Read what each run says of itself, compare the runs, write the table and its text."""
    parser = Parser(description=__doc__)
    parser.add_argument("--study", required=True, type=json_option, help="datasets, panels and settings (JSON)")
    parser.add_argument("--metrics", required=True, nargs="+", help="metrics.tsv of every run, beside its best_model/")
    parser.add_argument("--calibration", help="calibration.tsv; without it the text has no section on calibration")
    parser.add_argument("--curve", nargs="?", help="learning_curve.tsv, treated likewise")
    parser.add_argument("--out", required=True, help="table to write (TSV)")
    parser.add_argument("--text", required=True, help="the comparison as text for people to write (Markdown)")
    arguments = parser.parse_args()
    runs = [measured_run(Path(path).parent, arguments.study["datasets"]) for path in arguments.metrics]
    comparison = Comparison.parse({**arguments.study, "runs": runs}, "--study")
    table, units = compare(comparison)
    write_table(arguments.out, table)
    calibration = read_calibration(arguments.calibration) if arguments.calibration else None
    curve = read_curve(arguments.curve) if arguments.curve else None
    write_text(arguments.text, markdown(table, units, comparison, left_out(comparison.datasets), calibration, curve))


if __name__ == "__main__":
    run(main)
