"""Compare all models over the datasets of each series: across.tsv for programs, across.md for people, and a picture."""

import argparse
import json

from s2f.across import across, markdown
from s2f.across_plot import values_by_dataset
from s2f.comparison import read_compare
from s2f.files import run, write_table, write_text


def main():
    """Read compare.tsv, write the table over datasets, its text and its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", required=True, help="compare.tsv")
    parser.add_argument("--study", required=True, type=json.loads, help="series with datasets, splits, baseline (JSON)")
    parser.add_argument("--out", required=True, help="table to write (TSV)")
    parser.add_argument("--text", required=True, help="the same for people (Markdown)")
    parser.add_argument("--plot", required=True, help="picture to write (PNG)")
    a = parser.parse_args()
    compared = read_compare(a.compare)
    table = across(compared, a.study["series"])
    write_table(a.out, table)
    write_text(a.text, markdown(table, a.study))
    values_by_dataset(a.plot, compared, table, a.study["series"])


if __name__ == "__main__":
    run(main)
