"""Make the evaluation panels of a dataset from the test rows of a split."""

import argparse
import json

from s2f.files import read_table, run, write_table
from s2f.panels import COLUMNS, make_panel
from s2f.rows import read_rows


def main():
    """Read rows and split, write the panels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--specs", required=True, type=json.loads, help="panel sections of the study by name (JSON)")
    parser.add_argument("--out", required=True, nargs="+", help="tables to write, in the order of --specs")
    a = parser.parse_args()
    rows, split = read_rows(a.rows, COLUMNS), read_table(a.split, ["row_id", "split"])
    panels = [make_panel(rows, split, spec, name) for name, spec in a.specs.items()]
    for panel, (name, spec), out in zip(panels, a.specs.items(), a.out, strict=True):
        print(f"panel {name}: {len(panel)} {spec['kind']}")
        write_table(out, panel)


if __name__ == "__main__":
    run(main)
