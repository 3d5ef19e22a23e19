"""Sequences of two classes in two FASTA files, as published with RNA-binding benchmarks.

files: `positives` and `negatives`, FASTA, plain or gzip, DNA or RNA letters in upper or lower case. spec: `first_base`,
the number of a chromosome's first base in headers: 0 (end exclusive, as written by bedtools getfasta) or 1 (end
inclusive, as written by samtools faidx); `molecule`, RNA or DNA: rows of RNA have one strand, so the study must set
strand_rule: forward; rows of DNA contain no U.

A header `chr7:100-250`, `chr7:100-250(-)` or `name::chr7:100-250(-)` gives coordinates and strand; any other is a name.
Row ids begin with `positive|` or `negative|`. A sequence that recurs in its class is kept once, and one that occurs in
both classes is dropped from both; of DNA, a sequence and its reverse complement are the same.
"""

import re
from typing import Any

import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.rows.sources import file_of
from s2f.rows.stages import Stages
from s2f.sequences import dna
from s2f.sequences.genome import records

COORDINATES = re.compile(r"(?:.*::)?(?P<chrom>[^\s:]+):(?P<start>\d+)-(?P<end>\d+)(?:\((?P<strand>[+.-])\))?")
PLACE = re.compile(r":[\d,]+[:-][\d,]+")  # what may be meant as coordinates


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as in the module's docstring. Raises `InputError` with the file, line and what is expected."""
    settings = kinds.settings("sources", "fasta_pairs", spec)
    first_base = settings["first_base"]
    if first_base not in (0, 1):
        raise InputError(f"source fasta_pairs: first_base is {first_base!r}, expected 0 or 1")
    paths = {label: file_of(files, name, "fasta_pairs") for label, name in ((1.0, "positives"), (0.0, "negatives"))}
    stages = Stages()
    given = (first_base, settings["molecule"], stages.notes)
    table = pd.concat([_read_class(path, label, *given) for label, path in paths.items()], ignore_index=True)
    stages.keep("read", table)
    both_strands = settings["molecule"] == "DNA"
    table["same"] = dna.canonical_sequences(table["sequence"].tolist()) if both_strands else table["sequence"]
    table = stages.keep("once in its class", table, ~table.duplicated(["same", "label"]))
    table = stages.keep("in one class", table, ~table["same"].duplicated(keep=False)).drop(columns="same")
    for label, path in paths.items():
        if not (table["label"] == label).any():
            turned = (
                ", as it is or as its reverse complement, expected sequences of another class (if orientation matters, "
                "write molecule: RNA, and strand_rule: forward for the dataset)"
            )
            rest = turned if both_strands else ", expected sequences of another class"
            raise InputError(f"{path}: every sequence is in the other file too{rest}")
        stages.part("positives" if label else "negatives", (table["label"] == label).sum())
    return table, stages


def _read_class(path: str, label: float, first_base: int, molecule: str, notes: list[str]) -> pd.DataFrame:
    """The rows of one file; a sentence about headers that may give coordinates in another form is added to `notes`."""
    rows: list[dict[str, Any]] = []
    unread: list[tuple[str, int]] = []
    lines: dict[str, int] = {}
    for header, line, letters in records(path):
        if not header:
            raise InputError(f"{path}: line {line}: header is empty, expected a name or chr7:100-250(-)")
        control = next((letter for letter in header if letter < " "), "")
        if control:
            what = "a tab" if control == "\t" else f"the control character {control!r}"
            raise InputError(
                f"{path}: line {line}: header {header!r} holds {what}, expected none, because the header becomes a "
                "cell of tables; write a space instead"
            )
        if header in lines:
            raise InputError(f"{path}: line {line}: {header!r} is also the header of line {lines[header]}")
        lines[header] = line
        if molecule == "DNA" and b"u" in letters.lower():
            raise InputError(
                f"{path}: line {line}: record {header!r} has the letter U, but molecule is DNA; write molecule: RNA, "
                "and strand_rule: forward for the dataset"
            )
        try:
            sequence = dna.clean(letters.decode("latin-1"))
        except ValueError as error:
            raise InputError(f"{path}: line {line}: record {header!r}: {error}") from None
        if not sequence:
            raise InputError(f"{path}: line {line}: record {header!r} has no sequence")
        row = {"row_id": f"{'positive' if label else 'negative'}|{header}", "sequence": sequence, "label": label}
        coordinates = COORDINATES.fullmatch(header.split()[0])
        if coordinates:
            start, end = int(coordinates["start"]) - first_base, int(coordinates["end"])
            if end - start != len(sequence) or start < 0:
                fix = len(sequence) == end - int(coordinates["start"]) + 1 - first_base
                raise InputError(
                    f"{path}: line {line}: {header!r} has {len(sequence)} bases, expected {end - start} from its "
                    f"coordinates with first_base: {first_base}" + (f"; try {1 - first_base}" if fix else "")
                )
            strand = (coordinates["strand"] or "").replace(".", "")
            row |= {"chrom": coordinates["chrom"], "start": start, "end": end, "strand": strand}
        elif PLACE.search(header):
            unread.append((header, line))
        rows.append(row)
    if unread:
        header, line = unread[0]
        notes.append(
            f"{path}: line {line}: {header!r} may hold coordinates, but not in the form chr7:100-250(-), so it is "
            f"read as a name; {len(unread):,} such rows have no coordinates, and it is not known which of them "
            "overlap"
        )
    return pd.DataFrame(rows)
