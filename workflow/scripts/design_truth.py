"""Compare what models predict for designs with their true activity, which is known for simulated rows."""

import pandas as pd

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import read_table, write_table
from s2f.design import files, truth


def main():
    """Read folders of designs, write one table."""
    parser = Parser(description=__doc__)
    parser.add_argument("--sources", required=True, type=json_option, help="{dataset: {kind, spec}} (JSON)")
    parser.add_argument("--designs", required=True, nargs="+", help="folders of designs")
    parser.add_argument(
        "--splits", required=True, nargs="+", help="table of the split of each folder, in the same order"
    )
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    lines = []
    for folder, split in zip(arguments.designs, arguments.splits, strict=True):
        designs, _, about = files.read(folder)
        source = arguments.sources[about["dataset"]]
        table = read_table(split, ("row_id", "split"), "a split")
        lines += truth.judge(designs, about, source["kind"], source["spec"], table)
    found = pd.DataFrame(lines, columns=truth.COLUMNS)
    print(found.to_string(index=False))
    write_table(arguments.out, found)


if __name__ == "__main__":
    run(main)
