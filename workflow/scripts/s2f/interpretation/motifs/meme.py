"""Files of motifs in the MEME format (https://meme-suite.org/meme/doc/meme-format.html): probabilities of bases.

Motifs of RNA use the alphabet ACGU and have one strand. In memory U is T, as everywhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2f.common import contents
from s2f.common.errors import InputError
from s2f.common.files import write_text

DNA, RNA = "ACGT", "ACGU"
FEWEST = 25  # motifs: with fewer, memelite warns, p values depend on which motifs they are
SUM = 0.01  # how far the sum of a position's probabilities may be from 1, because files round them


@dataclass(frozen=True)
class Motif:
    """A motif of a file: its identifier, its alternative name (may be empty), probabilities float64 (W, 4)."""

    identifier: str
    name: str
    matrix: np.ndarray

    @property
    def title(self) -> str:
        """Name and identifier as shown in tables and pages."""
        return f"{self.name} ({self.identifier})" if self.name else self.identifier


def read(path: str | Path, one_strand: bool) -> list[Motif]:
    """The motifs of a file in MEME format, plain or compressed, in the order of the file.

    Raises `InputError`, naming file and line, for another format, an alphabet that does not fit sequences with
    `one_strand` or with two, an identifier that occurs twice, and a matrix that is broken or does not hold
    probabilities.
    """
    lines = [line for _, line in contents.lines(path, "motifs in MEME format")]
    if not any(line.startswith("MEME version") for line in lines[:20]):
        raise InputError(f"{path}: there is no line 'MEME version' at its beginning, expected motifs in MEME format")
    _check_alphabet(path, lines, one_strand)
    starts = [number for number, line in enumerate(lines) if line.split()[:1] == ["MOTIF"]]
    if not starts:
        raise InputError(f"{path}: holds no motif, expected lines that begin with MOTIF")
    motifs: dict[str, Motif] = {}
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        where = f"{path}: line {start + 1}"
        identifier, *rest = lines[start].split()[1:] or [""]
        if not identifier:
            raise InputError(f"{where}: MOTIF has no identifier, expected MOTIF and a unique name")
        if identifier in motifs:
            raise InputError(f"{where}: motif {identifier} occurs twice; give each motif a unique identifier")
        motifs[identifier] = Motif(identifier, " ".join(rest), _matrix(path, lines, start, end, identifier))
    return list(motifs.values())


def _check_alphabet(path: str | Path, lines: Sequence[str], one_strand: bool) -> None:
    found = [(number, line) for number, line in enumerate(lines, 1) if line.upper().startswith("ALPHABET")]
    number, line = found[0] if found else (1, f"ALPHABET= {DNA}")  # the format's own default
    match = re.match(r"ALPHABET\s*=\s*(\w+)\s*$", line, re.IGNORECASE)
    alphabet = match[1].upper() if match else line.strip()
    if alphabet not in (DNA, RNA):
        raise InputError(f"{path}: line {number}: alphabet is {alphabet!r}, expected {DNA} or {RNA}")
    if alphabet == RNA and not one_strand:
        raise InputError(
            f"{path}: line {number}: alphabet is {RNA}, so motifs are of RNA, but the sequences have two strands "
            "(strand_rule "
            f"mean): expected {DNA}; give a file of motifs of DNA"
        )
    strands = next((line.split(":", 1)[1].split() for line in lines if line.startswith("strands:")), ["+", "-"])
    if alphabet == DNA and one_strand and "-" in strands:
        raise InputError(
            f"{path}: line {number}: alphabet is {DNA} with motifs of both strands, but the sequences have one strand "
            f"(strand_rule forward): expected {RNA}, as of CISBP-RNA, or {DNA} and a line 'strands: +'"
        )


def _matrix(path: str | Path, lines: Sequence[str], start: int, end: int, identifier: str) -> np.ndarray:
    head = next((k for k in range(start, end) if lines[k].startswith("letter-probability matrix")), None)
    if head is None:
        raise InputError(f"{path}: line {start + 1}: motif {identifier} has no letter-probability matrix")
    width = re.search(r"\bw\s*=\s*(\d+)", lines[head])
    rows: list[list[float]] = []
    for number in range(head + 1, end):
        words = lines[number].split()
        if not words and not rows:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            break
        if len(values) != 4:
            break
        if not (min(values) >= 0 and abs(sum(values) - 1) <= SUM):
            raise InputError(
                f"{path}: line {number + 1}: motif {identifier}: {lines[number].strip()!r} is not a row of four "
                "probabilities that sum to 1"
            )
        rows.append(values)
    if not rows or (width and len(rows) != int(width[1])):
        expected = f"{width[1]} (w= of line {head + 1})" if width else "at least 1"
        raise InputError(
            f"{path}: line {head + 1}: motif {identifier} has {len(rows)} lines of four numbers, expected {expected}"
        )
    matrix = np.array(rows)
    return matrix / matrix.sum(axis=1, keepdims=True)


def write(path: str | Path, matrices: Mapping[str, np.ndarray], sites: Sequence[int], one_strand: bool) -> None:
    """Write {identifier: probabilities (W, 4)} with the number of sites of each, atomically; for `one_strand` in RNA
    letters."""
    alphabet = RNA if one_strand else DNA
    background = " ".join(f"{letter} 0.25" for letter in alphabet)
    parts = [
        "MEME version 4", f"ALPHABET= {alphabet}", f"strands: {'+' if one_strand else '+ -'}",
        f"Background letter frequencies\n{background}",
    ]  # fmt: skip
    for (identifier, matrix), count in zip(matrices.items(), sites, strict=True):
        head = f"MOTIF {identifier}\nletter-probability matrix: alength= 4 w= {len(matrix)} nsites= {count} E= 0\n"
        parts.append(head + "\n".join(" ".join(f"{value:.6f}" for value in row) for row in matrix))
    write_text(path, "\n\n".join(parts) + "\n")


def note(targets: int) -> str:
    """A note on p values against `targets` motifs; empty if none is needed."""
    if targets >= FEWEST:
        return ""
    return (
        f"with only {targets} known motifs, p and q values depend on the choice of motifs; use a whole database for "
        "better ones."
    )
