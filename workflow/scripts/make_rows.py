"""Read or simulate an assay table, convert it to canonical rows, and count what each filter keeps."""

from pathlib import Path

from s2f.common import kinds
from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.rows import sources
from s2f.rows.canonical import TASKS, write_rows
from s2f.sequences.constructs import Construct


def main():
    """Read the source, check its inserts against the construct, write rows and counts, and print warnings."""
    parser = Parser(description=__doc__)
    parser.add_argument("--kind", required=True, help=f"one of: {', '.join(kinds.names('sources'))}")
    parser.add_argument("--files", type=json_option, default={}, help="paths of the files by name (JSON)")
    parser.add_argument("--spec", type=json_option, default={}, help="settings of the source (JSON)")
    parser.add_argument("--construct", type=json_option, required=True, help="construct section of the study (JSON)")
    parser.add_argument("--task", choices=TASKS, default="regression", help="what the labels are")
    parser.add_argument(
        "--cells", nargs="*", default=[], help="cells in which rows have a label each; none if rows have one label"
    )
    parser.add_argument(
        "--strand-rule",
        choices=["mean", "forward"],
        default="forward",
        help="strands that models read; mean: both strands",
    )
    parser.add_argument("--rows", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--stages", type=Path, required=True, help="TSV to write: rows kept by each filter")
    arguments = parser.parse_args()

    files = {name: Path(path) for name, path in arguments.files.items()}
    given = (arguments.spec, arguments.task, arguments.cells, arguments.strand_rule)
    table, stages = sources.read(arguments.kind, files, *given)
    Construct.from_spec(arguments.construct).check_inserts(table, sources.names_of(files) or arguments.kind)
    write_rows(arguments.rows, table)
    write_table(arguments.stages, stages.table())
    print(stages.table().to_string(index=False))
    for warning in stages.warnings():
        print(f"warning: {warning}")


if __name__ == "__main__":
    run(main)
