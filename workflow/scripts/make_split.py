"""Assign the rows of a dataset to train, val and test."""

import sys
from pathlib import Path

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.rows.canonical import cells_of, few_labels, read_rows
from s2f.rows.stages import beside
from s2f.splits.kinds import need_units
from s2f.splits.make import make_split, stages_of
from s2f.splits.table import ROW_COLUMNS
from s2f.splits.units_table import loci_alone, read_units


def main():
    """Read rows and units, split them as the spec says; write row_id, split, reason."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument(
        "--units", nargs="?", help="units.tsv of the dataset; needed for a split by homology or with train_rows"
    )
    parser.add_argument("--spec", required=True, type=json_option, help="split section of the study (JSON)")
    parser.add_argument("--seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--out", required=True, help="table to write")
    parser.add_argument("--stages", help="table to write: rows kept by each stage (default: beside --out)")
    arguments = parser.parse_args()
    if need_units(arguments.spec) and not arguments.units:
        parser.error("--units is missing: the split needs it, because it goes by homology or has train_rows")
    rows = read_rows(arguments.rows, ROW_COLUMNS)
    units = read_units(arguments.units, rows) if arguments.units else loci_alone(rows)
    table = make_split(rows, arguments.spec, arguments.seed, units, Path(arguments.out).stem)
    print(table.groupby(["split", "reason"]).size().to_string())
    parts = {part: rows[(table["split"] == part).to_numpy()] for part in ("train", "val")}
    for found in few_labels(parts, cells_of(rows)):
        print(f"no model can be trained on this cell: {found}", file=sys.stderr)
    stages = stages_of(table, rows, arguments.spec)
    for note in stages.notes:
        print(f"warning: {note}")
    write_table(arguments.stages or beside(arguments.out), stages.table())
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
