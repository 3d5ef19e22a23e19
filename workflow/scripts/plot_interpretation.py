"""Draw attributions of one model by one method: logos, and for mutagenesis what each substitution does."""

import argparse

from s2f import logo_plots
from s2f.files import read_table, run
from s2f.interpretation import attributions


def main():
    """Read attributions and the selection they were made for, write one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attributions", required=True, help="file of attributions")
    parser.add_argument("--selection", required=True, help="table of the chosen rows")
    parser.add_argument("--most", type=int, default=6, help="most sequences of each role, and pairs, in the picture")
    parser.add_argument("--title", required=True, help="title of the picture")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    a = parser.parse_args()
    found, about = attributions.read(a.attributions)
    logo_plots.explained(a.out, found, about, read_table(a.selection), a.title, a.most)


if __name__ == "__main__":
    run(main)
