"""Measure the models of learning curves at each number of training rows."""

from pathlib import Path

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.evaluation.learning_curve import learning_curve
from s2f.evaluation.measured_runs import Comparison, measured_run
from s2f.models.checkpoint import read_record


def main():
    """Read what each run says of itself, measure the runs, write the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("--study", required=True, type=json_option, help="datasets, panels, points and settings (JSON)")
    parser.add_argument("--metrics", required=True, nargs="+", help="metrics.tsv of every run, beside its best_model/")
    parser.add_argument("--out", required=True, help="table to write (TSV)")
    arguments = parser.parse_args()
    study, runs, train_rows = arguments.study, [], {}
    points = study.pop("points")
    for path in arguments.metrics:
        found = measured_run(Path(path).parent, study["datasets"])
        place = found["dataset"], found["split"], found["model"], found["seed"]
        train_rows[place] = read_record(Path(path).parent / "best_model")["train_rows"]
        # each seed has its own training rows, so another seed gives another model
        drawn = {"stochastic": True, "drawn_per_seed": True} if found["split"] in points[found["dataset"]] else {}
        runs.append(found | drawn)
    write_table(arguments.out, learning_curve(Comparison.parse({**study, "runs": runs}, "--study"), points, train_rows))


if __name__ == "__main__":
    run(main)
