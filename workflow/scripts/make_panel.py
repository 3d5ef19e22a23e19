"""Make one evaluation panel of a dataset from the test rows of a split."""

from pathlib import Path

from s2f.common import kinds
from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import read_table, write_table
from s2f.rows.canonical import read_rows
from s2f.rows.stages import Stages, beside
from s2f.splits.panels import make_panel
from s2f.splits.table import PANEL_COLUMNS
from s2f.splits.units_table import read_units


def main():
    """Read rows, units and split, write the panel."""
    parser = Parser(description=__doc__)
    parser.add_argument("--rows", required=True, help="rows.parquet of the dataset")
    parser.add_argument("--units", required=True, help="units.tsv of the dataset")
    parser.add_argument("--split", required=True, help="table of the split")
    parser.add_argument("--name", required=True, help="name in the study")
    parser.add_argument("--spec", required=True, type=json_option, help="section of the study (JSON)")
    parser.add_argument("--out", required=True, help="table to write")
    parser.add_argument("--stages", help="table to write: rows kept by each stage (default: beside --out)")
    arguments = parser.parse_args()
    split = read_table(arguments.split, ["row_id", "split"])
    rows = read_rows(arguments.rows, PANEL_COLUMNS)
    stages = Stages()
    units, split_name = read_units(arguments.units, rows), Path(arguments.split).stem
    panel = make_panel(rows, split, arguments.spec, arguments.name, units, stages, split_name)
    print(f"panel {arguments.name}: {len(panel)} {kinds.facts('panels', arguments.spec['kind'])['items']}")
    write_table(arguments.stages or beside(arguments.out), stages.table())
    write_table(arguments.out, panel)


if __name__ == "__main__":
    run(main)
