"""Draw, for each panel of a dataset and split, how good models are at each number of training rows."""

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.evaluation.learning_curve_table import read_curve
from s2f.plots.learning_curve import learning_curve


def main():
    """Read learning_curve.tsv, draw the lines of one dataset and split."""
    parser = Parser(description=__doc__)
    for name in ("dataset", "split"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} to plot")
    parser.add_argument("--curve", required=True, help="learning_curve.tsv")
    parser.add_argument("--baseline", default="", help="model that the others are compared with")
    parser.add_argument("--floors", nargs="*", default=[], help="models that every other one should beat")
    parser.add_argument("--out", required=True, help="PNG to write")
    arguments = parser.parse_args()
    table = read_curve(arguments.curve)
    table = table[(table["dataset"] == arguments.dataset) & (table["split"] == arguments.split)]
    if table.empty:
        raise InputError(f"{arguments.curve}: has no line for dataset {arguments.dataset!r}, split {arguments.split!r}")
    # in a dataset with cells, the first in which models were scored; the others are in the table
    cell = table["cell"][table["n"].notna().idxmax()]
    title = f"{arguments.dataset}, split {arguments.split}" + (f", cell {cell}" if cell else "")
    learning_curve(arguments.out, table[table["cell"] == cell], title, arguments.baseline, arguments.floors)


if __name__ == "__main__":
    run(main)
