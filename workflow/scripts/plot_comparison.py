"""Plot all models of one dataset and split on one panel, with their intervals."""

import argparse

from s2f import plots
from s2f.comparison import read_compare
from s2f.files import InputError, run


def main():
    """Take the lines of one panel from compare.tsv, write one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", required=True, help="compare.tsv")
    for name in ("dataset", "split", "panel"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} to plot")
    parser.add_argument("--baseline", default="", help="model that differences refer to")
    parser.add_argument("--floors", nargs="*", default=[], help="models that every other one should beat")
    parser.add_argument("--title", default="", help="title; by default dataset, split and panel")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    table = read_compare(arguments.compare)
    place = {name: getattr(arguments, name) for name in ("dataset", "split", "panel")}
    for name, value in place.items():
        table = table[table[name] == value]
        if table.empty:
            raise InputError(f"{arguments.compare}: no line for {name} {value!r} (of {place})")
    title = arguments.title or "{dataset}, split {split}, panel {panel}".format(**place)
    plots.comparison(arguments.out, table, title, arguments.baseline, arguments.floors)


if __name__ == "__main__":
    run(main)
