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
from s2f.rows.survey import NoSequencesError
from s2f.sequences.bed import HEADER
from s2f.study.starters import fasta_pairs, peaks, table
from s2f.study.starters.draft import WIDTH, Draft, scalar
from s2f.study.validate import validated

CHECKOUT = kinds.S2F.parents[2]
SEQUENCE = re.compile("[ACGTUNRYSWKMBDHV]{6,}", re.IGNORECASE)  # in a cell


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
    elif _looks_like_bed(_cells(head)):
        peaks.write(draft, files[0])
    else:
        try:
            table.write(draft, files[0])
        except NoSequencesError as error:
            raise InputError(_on_header(head, files[0]) or str(error)) from None
    validated(yaml.safe_load(draft.text()))
    return draft


def _cells(head: bytes) -> list[tuple[int, list[str]]]:
    """The first lines of a file, without comments and what browsers read above BED: their numbers and cells, divided by
    tabs or, if there are none, by blanks, without quotation marks."""
    lines = [(number, line) for number, line in enumerate(head.decode("utf-8", "replace").splitlines()[:50], 1)]
    return [(number, [cell.strip(" \"'") for cell in line.split("\t" if "\t" in line else None)])
            for number, line in lines if line.strip() and not HEADER.match(line)]  # fmt: skip


def _looks_like_bed(rows: Sequence[tuple[int, Sequence[str]]]) -> bool:
    """Whether lines begin with a name and two whole numbers and contain no sequence."""
    return bool(rows) and all(
        len(row) >= 3
        and row[1].isdigit()
        and row[2].isdigit()
        and not any(SEQUENCE.fullmatch(cell) for cell in (row[0], *row[3:]))
        for _, row in rows
    )


def _on_header(head: bytes, path: Path) -> str:
    """What to do about a table without sequences that is BED but for its first line, a header; otherwise empty."""
    (number, first), *others = _cells(head) or [(0, [])]
    if not _looks_like_bed(others) or len(first) < 3 or any(cell.isdigit() for cell in first[1:3]):
        return ""
    return (
        f"{path}: looks like BED, but line {number} is a header ({' '.join(first)[:60]}): delete it, or put # before "
        "it. If this is the table of an assay, add the sequences of the intervals instead (bedtools getfasta)"
    )


if __name__ == "__main__":
    run(main)
