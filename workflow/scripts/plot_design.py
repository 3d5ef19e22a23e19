"""Draw the path of each method of a design, and what the judge says of its designs."""

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.design import files
from s2f.design.options import AGREES
from s2f.plots import designs


def main():
    """Read the folders of all methods of one design; write one picture."""
    parser = Parser(description=__doc__)
    parser.add_argument("--designs", required=True, nargs="+", help="folders of designs, one per method")
    parser.add_argument("--unit", help="unit of the predictions (default: that of the model)")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    methods = [files.read(folder) for folder in arguments.designs]
    designs.drawn(arguments.out, methods, AGREES, arguments.unit)


if __name__ == "__main__":
    run(main)
