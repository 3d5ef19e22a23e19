"""Plot predicted against measured values of one or more models on one panel."""

import argparse

from s2f import plots
from s2f.files import InputError, run
from s2f.metrics import VIEWS, read_panel, read_predictions
from s2f.rows import TASKS, read_rows


def main():
    """Read rows, panel and predictions, write one picture: of the effects where the panel has pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--task", required=True, choices=TASKS, help="what the labels are")
    parser.add_argument("--panel", required=True, help="table of the panel")
    parser.add_argument("--kind", required=True, choices=list(VIEWS), help="kind of the panel")
    parser.add_argument("--predictions", required=True, nargs="+", help="table of predictions of each model")
    parser.add_argument("--labels", required=True, nargs="+", help="name of each model, in the same order")
    parser.add_argument("--title", required=True, help="title of the picture")
    parser.add_argument("--unit", default=plots.UNIT, help="what the labels measure, with unit")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    if len(arguments.predictions) != len(set(arguments.labels)):
        raise InputError(
            f"--labels: {arguments.labels}, expected a name for each of {len(arguments.predictions)} files"
        )
    rows = read_rows(arguments.rows, ["row_id", "sequence", "label", "allele"])
    panel = read_panel(arguments.panel, arguments.kind, arguments.panel, rows, arguments.task)
    view = VIEWS[panel.kind][-1]
    measured = panel.views(panel.rows["label"].to_numpy())[view]
    models = {
        name: panel.views(read_predictions(path, panel)[0])[view]
        for name, path in zip(arguments.labels, arguments.predictions, strict=True)
    }
    if arguments.task == "classification":
        plots.probability_by_class(arguments.out, measured, models, arguments.title)
    else:
        unit, items = (f"effect (alt - ref), {arguments.unit}", "pairs") if view else (arguments.unit, "rows")
        plots.predicted_against_measured(arguments.out, measured, models, arguments.title, unit, items)


if __name__ == "__main__":
    run(main)
