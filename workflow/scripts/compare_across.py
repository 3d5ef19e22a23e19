"""Compare all models across the datasets of each series, in a table, a text for people and a picture."""

from s2f.common.arguments import Parser, json_option
from s2f.common.errors import run
from s2f.common.files import write_text
from s2f.common.tables import write_table
from s2f.evaluation.across_datasets import across, markdown
from s2f.evaluation.comparison import read_compare
from s2f.plots.across_datasets import values_by_dataset


def main():
    """Read compare.tsv; write the table over datasets, its text and its picture."""
    parser = Parser(description=__doc__)
    parser.add_argument("--compare", required=True, help="compare.tsv")
    parser.add_argument(
        "--study", required=True, type=json_option, help="series with datasets, splits, baseline (JSON)"
    )
    parser.add_argument("--out", required=True, help="table to write (TSV)")
    parser.add_argument("--text", required=True, help="the comparison as text for people to write (Markdown)")
    parser.add_argument("--plot", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    compared = read_compare(arguments.compare)
    table = across(compared, arguments.study["series"])
    write_table(arguments.out, table)
    write_text(arguments.text, markdown(table, arguments.study))
    values_by_dataset(arguments.plot, compared, table, arguments.study["series"])


if __name__ == "__main__":
    run(main)
