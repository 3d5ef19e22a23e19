"""Write one table of all designs: models, judges, what both predict, and the cost."""

import pandas as pd

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.design import files, summary


def main():
    """Read all folders of designs, write a line for each."""
    parser = Parser(description=__doc__)
    parser.add_argument("--designs", required=True, nargs="+", help="folders of designs")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    lines = []
    for folder in arguments.designs:
        designs, _, about = files.read(folder)
        lines.append(summary.line(designs, about))
    table = pd.DataFrame(lines, columns=summary.COLUMNS)
    print(table.to_string(index=False))
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
