"""Measure how strongly the planted base pairs of simulated binding sites show in dependency maps."""

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.representation import map_files, planted_pairs
from s2f.rows.stages import Stages, beside


def main():
    """Read the maps, run the simulation again, write a line per mapped sequence with a hairpin."""
    parser = Parser(description=__doc__)
    parser.add_argument("--maps", required=True, help="file of dependency maps (HDF5)")
    parser.add_argument("--source", required=True, type=json_option, help="options of the source simulated_rbp (JSON)")
    parser.add_argument("--out", required=True, help="table to write")
    parser.add_argument("--stages", help="table to write: rows kept by each stage (default: beside --out)")
    arguments = parser.parse_args()
    stages = Stages()
    table = planted_pairs.table(map_files.read(arguments.maps)[0], arguments.source, arguments.maps, stages)
    print(table.drop(columns=["row_id", "kind"]).mean().to_string(), flush=True)
    write_table(arguments.stages or beside(arguments.out), stages.table())
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
