"""Draw one dependency map, with planted base pairs if they are known."""

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import InputError, run
from s2f.plots import dependency_map
from s2f.representation import map_files, planted_pairs


def main():
    """Take one sequence of the file and write its picture."""
    parser = Parser(description=__doc__)
    parser.add_argument("--maps", required=True, help="file of dependency maps (HDF5)")
    parser.add_argument("--place", required=True, type=int, help="which sequence of the file, counted from 1")
    parser.add_argument("--title", required=True, help="title of the picture, before the row's name")
    parser.add_argument(
        "--source", type=json_option, help="for source simulated_rbp: its options (JSON), to mark planted pairs"
    )
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    mapped, about = map_files.read(arguments.maps)
    if not 1 <= arguments.place <= len(mapped):
        raise InputError(
            f"{arguments.maps}: --place is {arguments.place}, expected 1 to {len(mapped)}, the sequences in the file"
        )
    one, pairs = mapped[arguments.place - 1], ()
    if arguments.source is not None:
        ((kind, first),) = planted_pairs.hairpins([one], arguments.source, arguments.maps)
        pairs = planted_pairs.planted(first) if kind in planted_pairs.PAIRED else ()
    dependency_map.dependency_map(arguments.out, one, arguments.title, about["provenance"], pairs)


if __name__ == "__main__":
    run(main)
