"""Draw the runs of one dataset and split: predicted against measured for each panel, and training curves; each if a
path is given for its pictures."""

import argparse

from s2f.common.errors import InputError, run
from s2f.common.tables import numbers, read_table
from s2f.evaluation.measure import read_panel, read_predictions
from s2f.evaluation.metrics import VIEWS
from s2f.plots import predictions, training_curves
from s2f.rows.canonical import TASKS, read_rows


def main():
    """Read what each kind of picture needs, write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("dataset", "split"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} to plot")
    parser.add_argument("--names", nargs="*", default=[], help="names of the panels")

    parser.add_argument("--prediction-pictures", nargs="*", default=[], help="PNG to write, per panel")
    parser.add_argument("--rows", nargs="?", help="rows.parquet of the dataset")
    parser.add_argument("--task", choices=TASKS, default="regression", help="what the labels are")
    parser.add_argument("--unit", default=predictions.UNIT, help="what the labels measure, with unit")
    parser.add_argument("--kinds", nargs="*", choices=list(VIEWS), default=[], help="kind of each panel")
    parser.add_argument("--panels", nargs="*", default=[], help="table of each panel")
    parser.add_argument("--models", nargs="*", default=[], help="models whose predictions are drawn")
    parser.add_argument(
        "--predictions", nargs="*", default=[], help="their tables of predictions, all of a panel together"
    )

    parser.add_argument("--training-picture", nargs="?", help="PNG to write")
    parser.add_argument("--histories", nargs="*", default=[], help="history.tsv of each run")
    parser.add_argument("--history-models", nargs="*", default=[], help="model of each run, in the same order")
    parser.add_argument("--history-seeds", nargs="*", type=int, default=[], help="seed of each run, in the same order")
    a = parser.parse_args()
    title = f"{a.dataset}, split {a.split}"
    if a.prediction_pictures:
        draw_predictions(a, title)
    if a.training_picture:
        draw_training(a, title)


def draw_predictions(a, title):
    """Predicted against measured on each panel: of the effects where the panel has pairs."""
    count = len(set(a.models))
    if not count or len(a.models) != count or len(a.predictions) != count * len(a.names):
        raise InputError(
            f"--models: {a.models}, expected different names, and for each of {len(a.names)} panels as many "
            f"--predictions as names, not {len(a.predictions)}"
        )
    rows = read_rows(a.rows, ["row_id", "sequence", "label", "allele"])
    panels = zip(a.names, a.kinds, a.panels, a.prediction_pictures, strict=True)
    for place, (name, kind, path, picture) in enumerate(panels):
        panel = read_panel(name, kind, path, rows, a.task)
        view = VIEWS[panel.kind][-1]
        measured = panel.views(panel.rows["label"].to_numpy())[view]
        files = a.predictions[place * count : (place + 1) * count]
        models = {
            model: panel.views(read_predictions(file, panel)[0])[view]
            for model, file in zip(a.models, files, strict=True)
        }
        heading = f"{title}, panel {name}"
        if a.task == "classification":
            predictions.probability_by_class(picture, measured, models, heading)
        else:
            unit, items = (f"effect (alt - ref), {a.unit}", "pairs") if view else (a.unit, "rows")
            predictions.predicted_against_measured(picture, measured, models, heading, unit, items)


def draw_training(a, title):
    """Training loss and validation metric per epoch of each run."""
    runs = list(zip(a.history_models, a.history_seeds, strict=False))
    if not len(a.histories) == len(a.history_models) == len(a.history_seeds) == len(set(runs)):
        raise InputError(
            f"--history-models, --history-seeds: {runs}, expected another pair for each of {len(a.histories)} files"
        )
    histories = {}
    for path, (model, seed) in zip(a.histories, runs, strict=True):
        table = read_table(path, ["epoch", "train_loss"], "history")
        shown = ["epoch", "train_loss", *(column for column in table if column.startswith("val_"))]
        table = table.assign(**{column: numbers(table, column, path) for column in shown})
        histories.setdefault(model, {})[seed] = table
    training_curves.training_curves(a.training_picture, histories, title)


if __name__ == "__main__":
    run(main)
