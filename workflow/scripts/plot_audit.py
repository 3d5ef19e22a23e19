"""Draw the leak audit of a split."""

from s2f.common.arguments import Parser
from s2f.common.errors import run
from s2f.plots.audit import best_scores, read_audit


def main():
    """Read the table of `audit_split`, write the picture."""
    parser = Parser(description=__doc__)
    for name in ("dataset", "split"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} to plot")
    parser.add_argument("--audit", required=True, help="table of audit_split")
    parser.add_argument("--out", required=True, help="PNG to write")
    arguments = parser.parse_args()
    title = f"{arguments.dataset}, split {arguments.split}"
    best_scores(arguments.out, read_audit(arguments.audit), title)


if __name__ == "__main__":
    run(main)
