"""Keep a part of a split's training rows, drawn for a seed: a point of a learning curve."""

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import read_rows
from s2f.splits.subsets import make_subset, seed_of_subset
from s2f.splits.table import ROW_COLUMNS
from s2f.splits.units_table import read_units


def main():
    """Read rows, units and split, draw the part for a seed; write row_id, split, reason."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--units", required=True, help="units.tsv of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    for name in ("dataset", "split-name"):
        parser.add_argument(f"--{name}", required=True, help="name of the point in the study")
    parser.add_argument("--fraction", required=True, type=float, help="fraction of the training rows")
    parser.add_argument("--seed", required=True, type=int, help="number of the replicate run")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    rows = read_rows(arguments.rows, ROW_COLUMNS)
    split = read_table(arguments.split, ["row_id", "split", "reason"], "split")
    seed = seed_of_subset(arguments.study_seed, arguments.dataset, arguments.split_name, arguments.seed)
    table = make_subset(rows, split, read_units(arguments.units, rows), arguments.fraction, seed)
    print(table.groupby(["split", "reason"]).size().to_string())
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
