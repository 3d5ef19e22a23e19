"""Judge attributions by what is known: planted positions in simulated rows, and motifs of proteins."""

import pandas as pd

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.interpretation import attributions, truth


def main():
    """Read all attributions, write one table: a line per model, method and panel, and one per oracle."""
    parser = Parser(description=__doc__)
    parser.add_argument("--datasets", required=True, type=json_option, help="{name: {kind, spec, motif}} (JSON)")
    parser.add_argument("--attributions", required=True, nargs="+", help="files of attributions")
    parser.add_argument("--study-seed", required=True, type=int, help="seed of the study")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    lines = []
    for path in arguments.attributions:
        found, about = attributions.read(path)
        lines += truth.judge(found, about, arguments.datasets[about["dataset"]], arguments.study_seed)
    table = pd.DataFrame(lines, columns=truth.COLUMNS).drop_duplicates(ignore_index=True)
    print(table.to_string(index=False))
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
