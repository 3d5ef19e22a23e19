"""Write the comparison as a single page with its pictures, which opens in a browser without a network."""

from pathlib import Path

from s2f.common.arguments import Parser
from s2f.common.errors import InputError, run
from s2f.common.files import write_text
from s2f.evaluation.web_page import web_page

ENDING = ".comparison.png"


def main():
    """Read compare.md and the pictures of its panels, {dataset}/{split}/{panel}.comparison.png; write the page."""
    parser = Parser(description=__doc__)
    parser.add_argument("--text", required=True, help="compare.md")
    parser.add_argument("--pictures", nargs="+", type=Path, default=[], help="pictures of the panels")
    parser.add_argument("--out", required=True, help="page to write (HTML)")
    arguments = parser.parse_args()
    pictures = {}
    for path in arguments.pictures:
        if not path.name.endswith(ENDING):
            raise InputError(f"{path}: expected a file name that ends in {ENDING}")
        pictures[path.parts[-3], path.parts[-2], path.name.removesuffix(ENDING)] = path.read_bytes()
    write_text(arguments.out, web_page(Path(arguments.text).read_text(encoding="utf-8"), pictures))


if __name__ == "__main__":
    run(main)
