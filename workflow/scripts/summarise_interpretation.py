"""Write one table of all attributions: models, methods, sequences, completeness, cost and provenance."""

import pandas as pd

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.interpretation import attributions, summary


def main():
    """Read all attributions, write a line per file."""
    parser = Parser(description=__doc__)
    parser.add_argument("--attributions", required=True, nargs="+", help="files of attributions")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    lines = [summary.line(*attributions.read(path)) for path in arguments.attributions]
    table = pd.DataFrame(lines, columns=summary.COLUMNS)
    print(table.to_string(index=False))
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
