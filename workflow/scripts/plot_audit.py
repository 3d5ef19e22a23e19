"""Plot the leak audit of a split: best alignment scores of test and val rows with train rows."""

import argparse

from s2f.audit_plot import best_scores, read_audit
from s2f.files import run


def main():
    """Read the audit, write one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audit", required=True, help="table of audit_split")
    parser.add_argument("--threshold", type=int, default=60, help="score to mark")
    parser.add_argument("--title", required=True, help="title of the picture")
    parser.add_argument("--out", required=True, help="picture to write (PNG)")
    arguments = parser.parse_args()
    best_scores(arguments.out, read_audit(arguments.audit), arguments.threshold, arguments.title)


if __name__ == "__main__":
    run(main)
