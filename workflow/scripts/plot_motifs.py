"""Make the page of a model's motifs, with logos, known motifs and effects, and the same as a table."""

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.common.files import write_text
from s2f.common.tables import read_table, write_table
from s2f.interpretation.motifs import insertion, meme, patterns
from s2f.plots import motifs


def main():
    """Read patterns, matches, hits and effects; write page and table."""
    parser = Parser(description=__doc__)
    parser.add_argument("--patterns", required=True, help="patterns (HDF5)")
    parser.add_argument("--known", required=True, help="known motifs (MEME format)")
    parser.add_argument("--matches", required=True, help="table of the best match of each pattern")
    parser.add_argument("--hits", required=True, help="table of where the patterns occur")
    parser.add_argument(
        "--effects", required=True, nargs="+", help="tables of the effects of inserted patterns, one per seed"
    )
    parser.add_argument("--q-value", required=True, type=float, help="largest q value of a match")
    parser.add_argument("--title", required=True, help="title of the page")
    parser.add_argument("--table", required=True, help="table to write")
    parser.add_argument("--out", required=True, help="page to write (HTML)")
    arguments = parser.parse_args()
    found, about = patterns.read(arguments.patterns)
    known = meme.read(arguments.known, about["strand_rule"] == "forward")
    effects = [insertion.read(path) for path in arguments.effects]
    table = insertion.joined(read_table(arguments.matches), read_table(arguments.hits), effects)
    backgrounds = effects[0]["background"].nunique()
    page = motifs.page(
        found, known, table, about, arguments.title, arguments.q_value, len(effects), backgrounds, meme.note(len(known))
    )
    write_table(arguments.table, table)
    write_text(arguments.out, page)


if __name__ == "__main__":
    run(main)
