"""Draw the comparison of all models on each panel of a dataset and split."""

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.common.tables import numbers, read_table
from s2f.evaluation.comparison import read_compare
from s2f.evaluation.measure import METRIC_COLUMNS
from s2f.plots import comparison


def main():
    """Read compare.tsv, write a picture for each panel: all models with their intervals."""
    parser = Parser(description=__doc__)
    for name in ("dataset", "split"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} to plot")
    parser.add_argument("--names", required=True, nargs="+", help="names of the panels")
    parser.add_argument("--compare", required=True, help="compare.tsv")
    parser.add_argument("--baseline", default="", help="model from which differences are taken")
    parser.add_argument("--floors", nargs="*", default=[], help="models that every other one should beat")
    parser.add_argument("--metrics", nargs="*", default=[], help="metrics.tsv of each run")
    parser.add_argument("--models", nargs="*", default=[], help="model of each run, in the same order")
    parser.add_argument("--seeds", nargs="*", default=[], help="seed of each run, in the same order")
    parser.add_argument("--out", required=True, nargs="+", help="PNG to write, per panel")
    parser.add_argument("--slides", nargs="*", default=[], help="SVG to write, per panel, for slides")
    arguments = parser.parse_args()
    place, table = {"dataset": arguments.dataset, "split": arguments.split}, read_compare(arguments.compare)
    for name, value in place.items():
        table = lines(arguments.compare, table, name, value, place)
    runs = list(zip(arguments.models, arguments.seeds, arguments.metrics, strict=True))
    measured = {path: read_metrics(path) for _, _, path in runs}
    slides = arguments.slides or [None] * len(arguments.out)
    for name, *pictures in zip(arguments.names, arguments.out, slides, strict=True):
        own = lines(arguments.compare, table, "panel", name, {**place, "panel": name})
        # in a dataset with cells, the first in which models were scored; the others are in the tables
        cell = own["cell"][own["n"].notna().idxmax()]
        own = own[own["cell"] == cell]
        title = f"{arguments.dataset}, split {arguments.split}, panel {name}" + (f", cell {cell}" if cell else "")
        seeds = seeds_of(own, name, cell, runs, measured)
        for picture in filter(None, pictures):
            comparison.comparison(picture, own, title, arguments.baseline, arguments.floors, seeds)


def read_metrics(path):
    """A metrics.tsv with its values parsed."""
    table = read_table(path, METRIC_COLUMNS, "metrics")
    return table.assign(value=numbers(table, "value", path))


def seeds_of(own, panel, cell, runs, measured):
    """{model: its seeds on a panel and cell}; a seed is collapsed if its metrics or the comparison say so."""
    named = {line.model: line.collapsed.split(", ") for line in own.itertuples()}
    found = {}
    for model, seed, path in runs:
        table = measured[path]
        table = table[(table["panel"] == panel) & (table.get("cell", "") == cell)]
        values = {(cell, metric): value for metric, value in zip(table["metric"], table["value"], strict=True)}
        collapsed = (table["collapsed"] != "").any() or seed in named.get(model, ())
        found.setdefault(model, []).append(comparison.Seed(values, bool(collapsed)))
    return found


def lines(path, table, name, value, place):
    """Lines of the table with a value in a column; raises `InputError` if there are none."""
    found = table[table[name] == value]
    if found.empty:
        raise InputError(f"{path}: has no line for {name} {value!r} (of {place})")
    return found


if __name__ == "__main__":
    run(main)
