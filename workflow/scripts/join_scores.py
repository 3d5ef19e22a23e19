"""Put the scores of several models into one table, and what they skipped into another."""

from pathlib import Path

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.common.files import atomic


def main():
    """Copy line by line: tables of millions of variants do not fit into memory."""
    parser = Parser(description=__doc__)
    parser.add_argument("--tables", required=True, nargs="+", type=Path, help="scores of each model")
    parser.add_argument("--skipped", required=True, nargs="+", type=Path, help="what each model skipped")
    parser.add_argument("--out", required=True, type=Path, help="table to write")
    parser.add_argument("--skipped-out", required=True, type=Path, help="table to write: lines that some model skipped")
    arguments = parser.parse_args()
    seen = set()
    with atomic(arguments.skipped_out) as temporary, temporary.open("wb") as out:
        for path in arguments.skipped:
            with path.open("rb") as lines:
                for line in lines:
                    if line not in seen:  # models of one dataset skip the same
                        seen.add(line)
                        out.write(line)
    with atomic(arguments.out) as temporary, temporary.open("wb") as out:
        header = b""
        for path in arguments.tables:
            with path.open("rb") as lines:
                first = next(lines, b"")
                header = header or first
                if first != header:
                    raise InputError(f"{path}: its columns are not those of {arguments.tables[0]}; score it again")
                out.write(b"" if out.tell() else header)
                out.writelines(lines)


if __name__ == "__main__":
    run(main)
