"""The sequences that a design begins with: records of a FASTA, rows of a panel, or random sequences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.tables import read_table
from s2f.design.constraints import Rules
from s2f.design.problem import Codes
from s2f.rows.canonical import read_rows
from s2f.sequences import dna
from s2f.sequences.genome import records

DRAWS = 1000  # attempts to draw a random sequence that keeps the constraints


def of_fasta(path: str | Path, bp: Mapping[str, int]) -> tuple[list[str], Codes]:
    """Names and codes (N, L) of the records of a FASTA, plain or compressed; the first word of a header is the name.

    Raises `InputError` for letters other than A, C, G, T and U, a length on which the model with these `insert_bp` was
    not trained, a length other than that of the first record, and a name that is missing or occurs twice.
    """
    names: list[str] = []
    texts: list[str] = []
    for header, line, letters in records(path):
        where = f"{path}: line {line}"
        if not header.split():
            raise InputError(f"{where}: header is empty, expected a name")
        name = header.split()[0]
        try:
            text = dna.clean(letters.decode("latin-1"))
        except ValueError as error:
            raise InputError(f"{where}: {name!r}: {error}") from None
        if "N" in text:
            raise InputError(f"{where}: {name!r}: N at position {text.index('N')}; a start may hold only A, C, G and T")
        if not bp["shortest"] <= len(text) <= bp["longest"]:
            lengths = f"{bp['shortest']}" + (f" to {bp['longest']}" if bp["longest"] > bp["shortest"] else "")
            raise InputError(
                f"{where}: {name!r} has {len(text)} bp, but the model was trained on inserts of {lengths} bp"
            )
        if texts and len(text) != len(texts[0]):
            raise InputError(
                f"{where}: {name!r} has {len(text)} bp, but {names[0]!r} has {len(texts[0])}; all starts of a "
                f"design must "
                "have one length, so make a design for each length"
            )
        if name in names:
            raise InputError(f"{where}: {name!r} occurs twice; names must differ")
        names.append(name)
        texts.append(text)
    return names, np.stack([dna.encode(text) for text in texts])


def of_panel(
    rows: str | Path, panel: str | Path, take: str, count: int, rules: Rules, seed: int
) -> tuple[list[str], Codes]:
    """Row ids and codes (N, L) of `count` rows of a panel of rows: `drawn` at random by `seed`, or the rows with the
    `lowest` or `highest` labels (of the first cell). Rows with a length other than that of `rules`, with N, or that
    break a constraint are dropped. Raises `InputError` if too few remain."""
    table = read_rows(rows, ["row_id", "sequence", "label"]).set_index("row_id")
    ids = read_table(panel, ("row_id",), "a panel of rows")["row_id"]
    lost = set(ids) - set(table.index)
    if lost:
        raise InputError(f"{panel}: row {sorted(lost)[0]!r} is not among the rows of {rows}")
    own = table.loc[ids]
    own = own[(own["sequence"].str.len() == rules.length) & ~own["sequence"].str.contains("N")]
    if take != "drawn":
        own = own[own["label"].notna()]
    order = np.array([derived_seed(seed, "design", "start", row) for row in own.index])
    label = {"drawn": np.zeros(len(own)), "lowest": own["label"], "highest": -own["label"]}[take]
    own = own.iloc[np.lexsort((order, np.asarray(label, np.float64)))]
    codes = dna.encode("".join(own["sequence"])).reshape(-1, rules.length)
    legal = np.flatnonzero(rules.legal(codes, codes))
    if len(legal) < count:
        raise InputError(
            f"{panel}: expected {count} starts, but of {len(ids):,} rows {len(own):,} have {rules.length} bp and no "
            "N, and "
            f"{len(legal):,} of these meet the constraints; take fewer, or relax the constraints"
        )
    return own.index[legal[:count]].tolist(), codes[legal[:count]]


def random_starts(count: int, rules: Rules, seed: int) -> tuple[list[str], Codes]:
    """Names and codes (N, L) of random sequences that keep the constraints. All bases are equally likely; with a range
    of GC content, each sequence draws its share of G and C from it. Raises `InputError` if none is found."""
    gc = rules.constraints.gc or (0.5, 0.5)
    names, found = [f"random_{number:03d}" for number in range(1, count + 1)], []
    for name in names:
        random = np.random.Generator(np.random.PCG64(derived_seed(seed, "design", "start", name)))
        share = random.uniform(*gc, DRAWS)[:, None]
        strong = random.random((DRAWS, rules.length)) < share
        which = random.integers(0, 2, (DRAWS, rules.length), np.uint8)
        codes = np.where(strong, 1 + which, 3 * which).astype(np.uint8)  # C or G, else A or T
        legal = np.flatnonzero(rules.legal(codes, codes))
        if not len(legal):
            often = {reason: broken.mean() for reason, broken in rules.broken(codes, codes).items()}
            reason, broken = max(often.items(), key=lambda item: item[1])
            raise InputError(
                f"none of {DRAWS:,} random sequences of {rules.length} bp meets the constraints; {broken:.0%} break "
                f"{reason!r}: relax it, or give starts that meet it"
            )
        found.append(codes[legal[0]])
    return names, np.stack(found)


def check_starts(names: list[str], codes: Codes, rules: Rules, where: Any) -> None:
    """Raise `InputError` for starts that break a constraint: a design keeps them from its first sequence on."""
    for reason, broken in rules.broken(codes, codes).items():
        if broken.any():
            raise InputError(
                f"{where}: {names[int(broken.argmax())]!r} breaks the constraint {reason!r} "
                f"({int(broken.sum())} of {len(names)} starts do); change these, or relax the constraint"
            )
