"""Measure how similar the test and val rows of a split are to its train rows."""

from functools import partial

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import read_rows
from s2f.splits.audit import audit, summary
from s2f.splits.units_table import read_units

COLUMNS = ["row_id", "sequence", "published"]


def main():
    """Read rows and split, align the evaluated rows with the others, write one line per row, print a summary."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--units", required=True, help="units.tsv of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--threads", type=int, default=1, help="threads to use")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    split = read_table(arguments.split, ["row_id", "split"], "split")
    rows, report = read_rows(arguments.rows, COLUMNS), partial(print, flush=True)
    table = audit(rows, split, read_units(arguments.units, rows), arguments.threads, report)
    print(summary(table).to_string(index=False, float_format="{:.4g}".format))
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
