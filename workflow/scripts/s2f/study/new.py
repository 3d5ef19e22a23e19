"""Write a first study of your own data, after a look at it: ``python -m s2f.study.new my_table.csv``.

The file is a table of sequences and labels, peaks (BED6 or narrowPeak), or two FASTA files, of positives and of
negatives; for each there is a module in `starters`. What the file shows is written into the study with a comment;
anything else is guessed, marked QUESTION, and listed at the end. The study is valid as written: its rows are read by
the source that it names, their inserts fit its construct, and its text is checked as Snakemake checks it. The Snakefile
does not load this module.
"""

import argparse
import os
import re
import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path

import yaml

from s2f.common import kinds
from s2f.common.contents import read_text
from s2f.common.errors import InputError, run
from s2f.common.files import check_writable, write_text
from s2f.sequences.bed import HEADER
from s2f.study.starters import fasta_pairs, peaks, table
from s2f.study.starters.draft import WIDTH, Draft, scalar
from s2f.study.validate import validated

CHECKOUT = kinds.S2F.parents[2]


def main() -> None:
    """Write the study; print its questions and what to type next."""
    parser = argparse.ArgumentParser(
        prog="python -m s2f.study.new",
        description="Write a first, commented study of your own data after a look at it.",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, help="a table; or peaks (BED6, narrowPeak); or two FASTA files, positives first"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("my_study.yaml"), help="study to write, a new file (my_study.yaml)"
    )
    arguments = parser.parse_args()
    # a wrong name of a file is said first, by its reader
    if arguments.out.exists() and all(file.exists() for file in arguments.files):
        raise InputError(f"{arguments.out}: exists and is not overwritten; choose another name with --out FILE")
    check_writable(arguments.out)
    draft = drafted(arguments.files, arguments.out.stem)
    write_text(arguments.out, draft.text())
    print(f"{arguments.out} is written: a study of {' and '.join(map(str, arguments.files))}. {draft.summary}")
    if draft.asked:
        count = f"{len(draft.asked)} questions" if len(draft.asked) > 1 else "1 question"
        print(f"\n{count}. The study has a guess below each; change it if it is wrong:")
    for line, text in draft.asked:
        print(textwrap.fill(f"line {line}: {text}", WIDTH, initial_indent="  ", subsequent_indent="      "))
    print(f"\nTo run it (with -n at the end, only the plan is shown):\n  {shlex.join(_command(arguments.out))}")


def _command(study: Path) -> list[str]:
    """The command that runs a study from this folder: the checkout, a folder in it, or elsewhere."""
    snakefile, here = CHECKOUT / "Snakefile", Path.cwd()
    path = os.path.relpath(snakefile) if here.is_relative_to(CHECKOUT) else str(snakefile)
    elsewhere = ["--snakefile", path] if snakefile.exists() and here != CHECKOUT else []
    return ["snakemake", *elsewhere, "results/compare.tsv", "results/compare.html", "--configfile", str(study)]


def drafted(files: Sequence[Path], name: str) -> Draft:
    """The study for files, under a name. Raises `InputError` for files of an unknown type, and as their readers do."""
    draft = Draft(name)
    head = read_text(files[0], "a table, peaks (BED) or FASTA")[: 2**20]
    fasta = head.lstrip().startswith(b">")
    if len(files) > 2 or (len(files) == 2) != fasta:
        found = "one FASTA file" if fasta and len(files) == 1 else f"{len(files)} files"
        raise InputError(
            f"{files[-1]}: {found}, expected one table, one file of peaks, or two FASTA files, of the positives and of "
            "the negatives"
        )
    names = " and ".join(file.name for file in files)
    draft.say(
        0,
        f"A first study of {names}, written after a look at it. A QUESTION asks what the file does not say; the line "
        "below it is a guess: keep or change it. Paths are relative to the folder in which you run snakemake. "
        "config/README.md explains all keys.",
    )
    draft.add(f"study: {scalar(draft.name)}")
    draft.add("seeds: [1, 2, 3]  # trainings of each model; p values need three", "", "datasets:")
    if fasta:
        fasta_pairs.write(draft, files)
    elif _is_bed(head, files[0]):
        peaks.write(draft, files[0])
    else:
        table.write(draft, files[0])
    validated(yaml.safe_load(draft.text()))
    return draft


def _is_bed(head: bytes, path: Path) -> bool:
    """Whether the lines of a file begin with a name and two whole numbers, divided by tabs or blanks, and contain no
    sequence. Raises `InputError` if only the first of them is different: it must be a header, which a BED lacks."""
    lines = [(number, line) for number, line in enumerate(head.decode("utf-8", "replace").splitlines()[:50], 1)]
    rows = [(number, line.split("\t" if "\t" in line else None)) for number, line in lines
            if line.strip() and not HEADER.match(line)]  # fmt: skip
    if not rows or not all(_is_interval(row) for _, row in rows[1:]):
        return False
    number, first = rows[0]
    if _is_interval(first):
        return True
    if len(rows) == 1 or len(first) < 3 or any(cell.isdigit() for cell in first[1:3]):
        return False
    raise InputError(
        f"{path}: looks like BED, but line {number} is a header ({' '.join(first)[:60]}): delete it, or put # before "
        "it. If this is the table of an assay, add the sequences of the intervals instead (bedtools getfasta)"
    )


def _is_interval(row: Sequence[str]) -> bool:
    """Whether cells are those of a line of BED, without a sequence."""
    whole = len(row) >= 3 and row[1].isdigit() and row[2].isdigit()
    return whole and not any(re.fullmatch("[ACGTUNacgtun]{6,}", cell) for cell in (row[0], *row[3:]))


if __name__ == "__main__":
    run(main)
