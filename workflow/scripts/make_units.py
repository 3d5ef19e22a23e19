"""Find which rows of a dataset are not independent: at one locus, or with homologous inserts."""

import time
from functools import partial

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.rows.canonical import read_rows
from s2f.splits.units import BACKENDS, ROW_COLUMNS, make_units, summary


def main():
    """Read rows, write the table of units, print how many units there are and how large."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument(
        "--identity", required=True, type=float, help="identity: share of the best possible alignment score"
    )
    parser.add_argument("--backend", choices=list(BACKENDS), default="exact", help="program that searches")
    parser.add_argument("--threads", type=int, default=1, help="threads to use")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    rows = read_rows(arguments.rows, ROW_COLUMNS)
    print(f"searching {len(rows):,} inserts for homologs on {arguments.threads} thread(s)", flush=True)
    start = time.monotonic(), time.process_time()
    table = make_units(rows, arguments.identity, arguments.backend, arguments.threads, partial(print, flush=True))
    print(f"{time.monotonic() - start[0]:.1f} s, {time.process_time() - start[1]:.1f} s of CPU")
    print(summary(rows, table))
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
