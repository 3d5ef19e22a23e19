"""Judge patterns by what is known: planted motifs in simulated rows, and motifs of proteins."""

import pandas as pd

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.interpretation.motifs import meme, patterns, truth


def main():
    """Read all patterns, write one table: a line per model, method and panel."""
    parser = Parser(description=__doc__)
    parser.add_argument("--datasets", required=True, type=json_option, help="{name: {kind, protein, motif}} (JSON)")
    parser.add_argument("--patterns", required=True, nargs="+", help="files of patterns (HDF5)")
    parser.add_argument("--known", required=True, nargs="+", help="known motifs for each of these files (MEME format)")
    parser.add_argument(
        "--q-values", required=True, nargs="+", type=float, help="largest q value of a match for each of these files"
    )
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    lines = []
    for path, known, q_value in zip(arguments.patterns, arguments.known, arguments.q_values, strict=True):
        found, about = patterns.read(path)
        motifs = meme.read(known, about["strand_rule"] == "forward")
        lines += truth.judge(found, about, arguments.datasets[about["dataset"]], motifs, q_value)
    table = pd.DataFrame(lines, columns=truth.COLUMNS)
    print(table.to_string(index=False))
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
