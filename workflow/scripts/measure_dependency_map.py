"""Measure how bright the planted base pairs of simulated binding sites are in dependency maps."""

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.representation import map_files, planted_pairs


def main():
    """Read the maps, run the simulation again, write a line per mapped sequence that holds a hairpin."""
    parser = Parser(description=__doc__)
    parser.add_argument("--maps", required=True, help="file of dependency maps (HDF5)")
    parser.add_argument("--source", required=True, type=json_option, help="options of the source simulated_rbp (JSON)")
    parser.add_argument("--out", required=True, help="table to write")
    arguments = parser.parse_args()
    table = planted_pairs.table(map_files.read(arguments.maps)[0], arguments.source, arguments.maps)
    print(table.drop(columns=["row_id", "kind"]).mean().to_string(), flush=True)
    write_table(arguments.out, table)


if __name__ == "__main__":
    run(main)
