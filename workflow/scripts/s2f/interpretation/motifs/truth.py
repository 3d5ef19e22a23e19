"""Are the patterns true? Compared with the motifs planted in simulated rows, and with the known motifs of a protein."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from s2f.common import kinds
from s2f.interpretation.motifs.meme import Motif, note
from s2f.interpretation.motifs.patterns import Pattern
from s2f.interpretation.motifs.tomtom import compare
from s2f.sequences import dna
from s2f.sequences.iupac import IUPAC

SUBJECT = ("dataset", "split", "panel", "model", "method")
COLUMNS = (
    *SUBJECT, "seeds", "truth", "motifs", "found", "recall", "patterns", "true", "precision", "rank", "q_value", "note",
)  # fmt: skip
BASE = 0.94  # probability of the bases that a motif given in letters allows


def planted(kind: str) -> list[Motif]:
    """Motifs that a simulation plants, from `motifs()` of its source."""
    return [Motif(name, "planted", matrix) for name, matrix in kinds.module("sources", kind).motifs().items()]


def of_letters(motif: str) -> Motif:
    """A motif given in IUPAC letters."""
    rows = []
    for letter in motif:
        allowed = np.array([base in IUPAC[letter] for base in dna.ALPHABET[:4]])
        rest = 4 - allowed.sum()
        share = BASE if rest else 1.0
        rows.append(np.where(allowed, share / allowed.sum(), (1 - share) / max(1, rest)))
    return Motif(motif, "", np.array(rows))


def of_protein(protein: str, known: Sequence[Motif]) -> list[Motif]:
    """The motifs of a file that have the name of a protein."""
    return [motif for motif in known if protein.upper() in {*motif.name.upper().split(), motif.identifier.upper()}]


def judge(
    patterns: Sequence[Pattern],
    about: Mapping[str, Any],
    dataset: Mapping[str, Any],
    known: Sequence[Motif],
    q_value: float,
) -> list[dict[str, Any]]:
    """Lines of the table of truth, dicts of `COLUMNS`, for one file of patterns.

    `dataset`: {kind} of its source if that is a simulation; {protein, motif} if the rows are sites of a protein. A
    pattern matches a motif if TOMTOM's q value is at most `q_value`; q values are taken over all patterns and all
    motifs, both of the truth and of the file `known`. recall: the share of planted motifs that a pattern matches; for a
    protein, whose motifs are versions of one, whether any is matched. precision: the share of patterns that match a
    true motif. rank: the rank, by number of seqlets, of the first matching pattern among those that raise the score.
    """
    truths = []
    if dataset.get("kind"):
        truths.append(("planted", planted(dataset["kind"])))
    if dataset.get("protein") or dataset.get("motif"):
        named = of_protein(dataset["protein"], known) if dataset.get("protein") else []
        truths.append(("protein", [*named, *([of_letters(dataset["motif"])] if dataset.get("motif") else [])]))
    lines = []
    for name, motifs in truths:
        line = {key: about[key] for key in SUBJECT} | {"seeds": about["seeds"], "truth": name, "motifs": len(motifs)}
        line |= {"patterns": len(patterns), "q_value": q_value}
        if motifs:
            line |= _line(
                patterns, motifs, known, about["strand_rule"] == "forward", q_value, any_will_do=name == "protein"
            )
        else:
            line["note"] = f"no known motif is called {dataset['protein']}"
        lines.append({column: line.get(column, np.nan) for column in COLUMNS})
    return lines


def _line(
    patterns: Sequence[Pattern],
    motifs: Sequence[Motif],
    known: Sequence[Motif],
    one_strand: bool,
    q_value: float,
    any_will_do: bool,
) -> dict[str, Any]:
    """The columns of a line that compare patterns with the true `motifs`, among all that are `known`."""
    targets = [*motifs, *(motif for motif in known if all(motif is not true for true in motifs))]
    _, q, _ = compare([pattern.matrix for pattern in patterns], [motif.matrix for motif in targets], one_strand)
    matched = q[:, : len(motifs)] <= q_value
    true, found = np.logical_or.reduce(matched, axis=1), np.logical_or.reduce(matched, axis=0)
    raising = [bool(hit) for hit, pattern in zip(true, patterns, strict=True) if pattern.sign == "raises"]
    return {
        "found": " ".join(motif.identifier for motif, hit in zip(motifs, found, strict=True) if hit),
        "recall": float(found.any() if any_will_do else found.mean()), "true": int(true.sum()),
        "precision": float(true.mean()) if len(true) else np.nan,
        "rank": raising.index(True) + 1 if any(raising) else np.nan, "note": note(len(targets)),
    }  # fmt: skip
