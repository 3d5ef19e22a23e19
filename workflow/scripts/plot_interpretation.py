"""Draw attributions by several methods: logos, and for mutagenesis the effect of each substitution."""

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.tables import read_table
from s2f.interpretation import attributions
from s2f.plots import interpretation


def main():
    """Read attributions and the selections they were made for; write one picture for each file of attributions."""
    parser = Parser(description=__doc__)
    parser.add_argument("--attributions", required=True, nargs="+", help="files of attributions")
    parser.add_argument("--selections", required=True, nargs="+", help="table of the chosen rows for each file")
    parser.add_argument(
        "--most",
        required=True,
        nargs="+",
        type=int,
        help="largest number of sequences of each role, and of pairs, in each picture",
    )
    parser.add_argument("--titles", required=True, nargs="+", help="title of each picture")
    parser.add_argument("--out", required=True, nargs="+", help="pictures to write (PNG)")
    arguments = parser.parse_args()
    for path, selection, most, title, out in zip(
        arguments.attributions, arguments.selections, arguments.most, arguments.titles, arguments.out, strict=True
    ):
        found, about = attributions.read(path)
        interpretation.explained(out, found, about, read_table(selection), title, most)


if __name__ == "__main__":
    run(main)
