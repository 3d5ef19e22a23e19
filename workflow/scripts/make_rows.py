"""Read one assay table into canonical rows and count what each filter keeps."""

import argparse
import json
from pathlib import Path

from s2f.common.errors import run
from s2f.common.tables import write_table
from s2f.rows import sources
from s2f.rows.canonical import TASKS, write_rows
from s2f.sequences.constructs import Construct


def main():
    """Command line: python -m make_rows --kind table --files '{"rows": "x.tsv"}' --spec '{...}' --rows R --stages S."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", required=True, help=f"one of: {', '.join(sources.known())}")
    parser.add_argument("--files", type=json.loads, default={}, help="JSON object, name of a file -> path")
    parser.add_argument("--spec", type=json.loads, default={}, help="JSON object, settings of the source")
    parser.add_argument("--construct", type=json.loads, required=True, help="construct section of the study (JSON)")
    parser.add_argument("--task", choices=TASKS, default="regression")
    parser.add_argument("--rows", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--stages", type=Path, required=True, help="TSV to write: rows kept by each filter")
    args = parser.parse_args()

    files = {name: Path(path) for name, path in args.files.items()}
    table, stages = sources.read(args.kind, files, args.spec, args.task)
    Construct.from_spec(args.construct).check_inserts(table, files.get("rows", args.kind))
    write_rows(args.rows, table)
    write_table(args.stages, stages.table())
    print(stages.table().to_string(index=False))
    for warning in stages.warnings():
        print(f"warning: {warning}")


if __name__ == "__main__":
    run(main)
