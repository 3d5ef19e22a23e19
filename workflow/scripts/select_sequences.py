"""Choose the sequences of a panel for which predictions are explained."""

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import read_table, write_table
from s2f.interpretation.selection import select
from s2f.rows.canonical import read_rows
from s2f.rows.stages import Stages, beside


def main():
    """Read rows and panel, write the table of chosen rows."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--panel", required=True, help="table of the panel")
    parser.add_argument("--top", type=int, default=0, help="number of rows with the highest labels")
    parser.add_argument("--bottom", type=int, default=0, help="number of rows with the lowest labels")
    parser.add_argument("--pairs", type=int, default=0, help="number of pairs with the largest measured effects")
    parser.add_argument("--ids", nargs="*", default=[], help="row ids")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--out", required=True, help="table to write")
    parser.add_argument("--stages", help="table to write: rows kept by each stage (default: beside --out)")
    arguments = parser.parse_args()
    rows = read_rows(arguments.rows, ["row_id", "sequence", "label", "allele"])
    stages = Stages()
    table = select(
        rows,
        read_table(arguments.panel),
        arguments.top,
        arguments.bottom,
        arguments.pairs,
        arguments.ids,
        arguments.study_seed,
        stages,
    )
    print(table.to_string(index=False))
    write_table(arguments.stages or beside(arguments.out), stages.table())
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
