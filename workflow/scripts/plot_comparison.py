"""Draw the comparison of all models on each panel of a dataset and split."""

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.evaluation.comparison import read_compare
from s2f.plots import comparison


def main():
    """Read compare.tsv, write a picture for each panel: all models with their intervals."""
    parser = Parser(description=__doc__)
    for name in ("dataset", "split"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} to plot")
    parser.add_argument("--names", required=True, nargs="+", help="names of the panels")
    parser.add_argument("--compare", required=True, help="compare.tsv")
    parser.add_argument("--baseline", nargs="?", default="", help="model that differences refer to")
    parser.add_argument("--floors", nargs="*", default=[], help="models that every other one should beat")
    parser.add_argument("--out", required=True, nargs="+", help="PNG to write, per panel")
    arguments = parser.parse_args()
    place, table = {"dataset": arguments.dataset, "split": arguments.split}, read_compare(arguments.compare)
    for name, value in place.items():
        table = lines(arguments.compare, table, name, value, place)
    for name, picture in zip(arguments.names, arguments.out, strict=True):
        own = lines(arguments.compare, table, "panel", name, {**place, "panel": name})
        cell = own["cell"].iloc[0]  # of a dataset with cells the first; the others are in the tables
        own = own[own["cell"] == cell]
        title = f"{arguments.dataset}, split {arguments.split}, panel {name}" + (f", cell {cell}" if cell else "")
        comparison.comparison(picture, own, title, arguments.baseline, arguments.floors)


def lines(path, table, name, value, place):
    """Lines of the table with a value in a column; `InputError` where there is none."""
    found = table[table[name] == value]
    if found.empty:
        raise InputError(f"{path}: no line for {name} {value!r} (of {place})")
    return found


if __name__ == "__main__":
    run(main)
