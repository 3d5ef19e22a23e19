"""Draw the IsoScore of every encoder on a dataset beside that of an isotropic cloud."""

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import numbers, read_table
from s2f.plots import isoscore


def main():
    """Read the table, write one picture."""
    parser = Parser(description=__doc__)
    parser.add_argument("--table", required=True, help="isoscore.tsv")
    parser.add_argument("--title", required=True, help="title of the picture")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    shown = ["isoscore", "isotropic", "n", "d"]
    table = read_table(arguments.table, ["encoder", "level", "note", "provenance", *shown], "IsoScores")
    table = table.assign(**{name: numbers(table, name, arguments.table) for name in shown})
    isoscore.isoscores(arguments.out, table, arguments.title)


if __name__ == "__main__":
    run(main)
