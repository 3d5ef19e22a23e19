"""Make the evaluation panels of a dataset from the test rows of a split."""

import argparse
import json

from s2f.files import InputError, read_table, run, write_table
from s2f.panels import COLUMNS, make_panels
from s2f.rows import read_rows


def main():
    """Read rows and split, make all panels, then write them: where one fails, none is written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument(
        "--specs", required=True, type=json.loads, help="JSON object, panel -> its section of the study"
    )
    parser.add_argument("--out", required=True, nargs="+", help="tables to write, in the order of the panels")
    arguments = parser.parse_args()
    if len(arguments.out) != len(arguments.specs):
        found, wanted, names = len(arguments.out), len(arguments.specs), ", ".join(arguments.specs)
        raise InputError(f"--out: {found} path(s), expected {wanted}, one for each of {names}")
    split = read_table(arguments.split, ["row_id", "split"])
    panels = make_panels(read_rows(arguments.rows, COLUMNS), split, arguments.specs)
    for path, (name, panel) in zip(arguments.out, panels.items(), strict=True):
        print(f"panel {name}: {len(panel)} {arguments.specs[name]['kind']}")
        write_table(path, panel)


if __name__ == "__main__":
    run(main)
