"""Draw the runs of one dataset and split: predicted against measured on each panel, and training curves."""

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.common.tables import numbers, read_table
from s2f.evaluation.measure import cells_in_file, read_panels, read_predictions
from s2f.evaluation.metrics import SUFFIXES
from s2f.plots import predictions, training_curves
from s2f.rows.canonical import TASKS, cells_of, read_rows


def main():
    """Read what each kind of picture needs, write the pictures."""
    parser = Parser(description=__doc__)
    for name in ("dataset", "split"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} to plot")
    parser.add_argument("--names", nargs="*", default=[], help="names of the panels")

    parser.add_argument("--prediction-pictures", nargs="*", default=[], help="PNG to write, per panel")
    parser.add_argument("--rows", nargs="?", help="rows.parquet of the dataset")
    parser.add_argument("--task", choices=TASKS, default="regression", help="what the labels are")
    parser.add_argument("--unit", default=predictions.UNIT, help="quantity that the labels measure, with its unit")
    parser.add_argument("--kinds", nargs="*", choices=list(SUFFIXES), default=[], help="kind of each panel")
    parser.add_argument("--panels", nargs="*", default=[], help="table of each panel")
    parser.add_argument("--models", nargs="*", default=[], help="model of each run whose predictions are drawn")
    parser.add_argument("--seeds", nargs="*", type=int, default=[], help="seed of each run, in the same order")
    parser.add_argument(
        "--predictions", nargs="*", default=[], help="tables of predictions of the runs, panel by panel"
    )

    parser.add_argument("--training-picture", nargs="?", help="PNG to write")
    parser.add_argument("--histories", nargs="*", default=[], help="history.tsv of each run")
    parser.add_argument("--history-models", nargs="*", default=[], help="model of each run, in the same order")
    parser.add_argument("--history-seeds", nargs="*", type=int, default=[], help="seed of each run, in the same order")
    arguments = parser.parse_args()
    title = f"{arguments.dataset}, split {arguments.split}"
    if arguments.prediction_pictures:
        draw_predictions(arguments, title)
    if arguments.training_picture:
        draw_training(arguments, title)


def draw_predictions(arguments, title):
    """Draw predicted against measured values on each panel, or effects if the panel has pairs."""
    runs, names = list(zip(arguments.models, arguments.seeds, strict=False)), arguments.names
    count = len(set(runs))
    given = {len(arguments.models), len(arguments.seeds), len(runs)}
    if not count or given != {count} or len(arguments.predictions) != count * len(names):
        raise InputError(
            f"--models, --seeds: {arguments.models}, {arguments.seeds}, expected a different pair for each run, and "
            f"as many --predictions as runs for each of {len(names)} panels, not {len(arguments.predictions)}"
        )
    rows = read_rows(arguments.rows, ["row_id", "sequence", "label", "allele"])
    panels = zip(names, arguments.kinds, arguments.panels, arguments.prediction_pictures, strict=True)
    for place, (name, kind, path, picture) in enumerate(panels):
        files = dict(zip(runs, arguments.predictions[place * count : (place + 1) * count], strict=True))
        there = {run: cells_in_file(file) if cells_of(rows) else set() for run, file in files.items()}
        # in a dataset with cells, the first that was measured here and that a model predicts
        found = (
            (panel, {run: file for run, file in files.items() if not panel.view or panel.cell in there[run]})
            for panel in read_panels(name, kind, path, rows, arguments.task)
        )
        panel, files = next((one for one in found if one[1]), (None, {}))
        if panel is None:
            predictions.nothing(
                picture, f"{title}, panel {name}", "no model predicts a cell that was measured in this panel"
            )
            continue
        suffix = SUFFIXES[panel.kind][-1]
        measured = panel.by_suffix(panel.rows["label"].to_numpy())[suffix]
        predicted = {run: panel.by_suffix(read_predictions(file, panel)[0])[suffix] for run, file in files.items()}
        heading = f"{title}, panel {name}" + (f", cell {panel.cell}" if panel.cell else "")
        if arguments.task == "classification":
            predictions.probability_by_class(picture, measured, predicted, heading)
        else:
            unit, items = (f"effect (alt - ref), {arguments.unit}", "pairs") if suffix else (arguments.unit, "rows")
            predictions.predicted_against_measured(picture, measured, predicted, heading, unit, items)


def draw_training(arguments, title):
    """Draw training loss and validation metric per epoch of each run."""
    runs = list(zip(arguments.history_models, arguments.history_seeds, strict=False))
    if not len(arguments.histories) == len(arguments.history_models) == len(arguments.history_seeds) == len(set(runs)):
        raise InputError(
            f"--history-models, --history-seeds: {runs}, expected a different pair for each of "
            f"{len(arguments.histories)} files"
        )
    histories = {}
    for path, (model, seed) in zip(arguments.histories, runs, strict=True):
        table = read_table(path, ["epoch", "train_loss"], "history")
        shown = ["epoch", "train_loss", *(column for column in table if column.startswith("val_"))]
        table = table.assign(**{column: numbers(table, column, path) for column in shown})
        histories.setdefault(model, {})[seed] = table
    training_curves.training_curves(arguments.training_picture, histories, title)


if __name__ == "__main__":
    run(main)
