"""Draw how far fine-tuning moved each layer of the encoders of a dataset and split."""

import pandas as pd

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import numbers, read_table
from s2f.plots import drift


def main():
    """Read the tables of all runs, write one picture."""
    parser = Parser(description=__doc__)
    parser.add_argument("--tables", required=True, nargs="+", help="drift.tsv of each run")
    parser.add_argument("--title", required=True, help="title of the picture")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    found = []
    for path in arguments.tables:
        table = read_table(
            path, ["model", "seed", "stage", "trained", "cka", "isoscore_start", "isoscore", "n"], "drift"
        )
        shown = ("cka", "isoscore_start", "isoscore", "n")
        found.append(table.assign(**{name: numbers(table, name, path) for name in shown}))
    drift.drifts(arguments.out, pd.concat(found, ignore_index=True), arguments.title)


if __name__ == "__main__":
    run(main)
