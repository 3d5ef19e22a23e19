"""Plot the IsoScore of every encoder of a dataset beside that of an isotropic cloud."""

import argparse

from s2f.common.errors import run
from s2f.common.tables import numbers, read_table
from s2f.plots import isoscore


def main():
    """Read the table, write one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True, help="isoscore.tsv")
    parser.add_argument("--title", required=True, help="title of the picture")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    a = parser.parse_args()
    shown = ["isoscore", "isotropic", "n", "d"]
    table = read_table(a.table, ["encoder", "level", "note", "provenance", *shown], "IsoScores")
    isoscore.isoscores(a.out, table.assign(**{name: numbers(table, name, a.table) for name in shown}), a.title)


if __name__ == "__main__":
    run(main)
