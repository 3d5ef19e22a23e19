"""Plot training loss and validation metric per epoch of one or more runs."""

import argparse

from s2f import plots
from s2f.files import InputError, numbers, read_table, run


def main():
    """Read the histories, write one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", required=True, nargs="+", help="history.tsv of each run")
    parser.add_argument("--labels", required=True, nargs="+", help="model of each run, in the same order")
    parser.add_argument("--seeds", required=True, nargs="+", type=int, help="seed of each run, in the same order")
    parser.add_argument("--title", required=True, help="title of the picture")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    runs = list(zip(arguments.labels, arguments.seeds, strict=False))
    if not len(arguments.history) == len(arguments.labels) == len(arguments.seeds) == len(set(runs)):
        raise InputError(f"--labels, --seeds: {runs}, expected another pair for each of {len(arguments.history)} files")
    histories = {}
    for path, (model, seed) in zip(arguments.history, runs, strict=True):
        table = read_table(path, ["epoch", "train_loss"], "history")
        shown = ["epoch", "train_loss", *(column for column in table if column.startswith("val_"))]
        table = table.assign(**{column: numbers(table, column, path) for column in shown})
        histories.setdefault(model, {})[seed] = table
    plots.training_curves(arguments.out, histories, arguments.title)


if __name__ == "__main__":
    run(main)
