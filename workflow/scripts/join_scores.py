"""Put the scores of all models into one table, and the skipped items into another."""

from collections.abc import Sequence
from pathlib import Path

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.common.files import atomic


def main():
    """Copy line by line: tables of millions of variants do not fit into memory."""
    parser = Parser(description=__doc__)
    parser.add_argument("--tables", required=True, nargs="+", type=Path, help="scores of each model")
    parser.add_argument("--skipped", required=True, nargs="+", type=Path, help="table of skipped lines of each model")
    parser.add_argument("--out", required=True, type=Path, help="table to write")
    parser.add_argument("--skipped-out", required=True, type=Path, help="table to write")
    arguments = parser.parse_args()
    with atomic(arguments.skipped_out) as skipped, atomic(arguments.out) as out:
        join(arguments.skipped, skipped)
        join(arguments.tables, out)


def join(tables: Sequence[Path], out: Path) -> None:
    """Write tables with the same header one after another. Raises `InputError` for a table with another header."""
    with out.open("wb") as joined:
        header = None
        for path in tables:
            with path.open("rb") as lines:
                first = next(lines, b"")
                if header is None:
                    header = first
                    joined.write(header)
                if first != header:
                    raise InputError(f"{path}: its columns differ from those of {tables[0]}; score it again")
                joined.writelines(lines)


if __name__ == "__main__":
    run(main)
