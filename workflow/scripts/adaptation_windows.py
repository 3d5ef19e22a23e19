"""Choose the windows for an adaptation: training rows of datasets, without what any of their splits holds out."""

from functools import partial

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.rows.canonical import write_rows
from s2f.rows.stages import Stages
from s2f.splits.adaptation_windows import of_datasets


def main():
    """Read rows, units and splits, search for homologs between datasets, write the windows of train and val."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, nargs="+", help="rows.parquet of each dataset")
    parser.add_argument("--units", required=True, nargs="+", help="units.tsv of each dataset, in the same order")
    parser.add_argument("--split", required=True, nargs="+", help="table of each dataset's split, in the same order")
    parser.add_argument("--positives", action="store_true", help="use only windows with label 1")
    parser.add_argument("--threads", type=int, default=1, help="threads to use")
    for part in ("train", "val"):
        parser.add_argument(f"--{part}", required=True, help=f"windows of {part} to write (parquet)")
    parser.add_argument("--stages", required=True, help="table to write: rows kept by each stage")
    arguments = parser.parse_args()
    tables = (arguments.rows, arguments.units, arguments.split)
    counts = [len(given) for given in tables]
    if len(set(counts)) > 1:
        parser.error("{} --rows, {} --units and {} --split, expected as many of each".format(*counts))
    report = partial(print, flush=True)
    stages = Stages()
    parts = of_datasets(list(zip(*tables, strict=True)), arguments.positives, arguments.threads, report, stages)
    report(*[f"{part}: {len(rows):,} windows" for part, rows in parts.items()], sep="; ")
    write_table(arguments.stages, stages.table())
    for part, rows in parts.items():
        write_rows(getattr(arguments, part), rows)


if __name__ == "__main__":
    run(main)
