"""Variants, and pairs of sequences, from delimited tables with a header."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.contents import opened
from s2f.common.errors import InputError
from s2f.common.tables import line_of, read_table, refuse, stripped
from s2f.sequences import dna
from s2f.sequences.variants import LAST_POSITION, OK, Variant, Variants, parsed_key, texts, trimmed

COLUMNS = ("chrom", "pos", "ref", "alt")
KEY = "variant"
_VCF = b"##fileformat=VCF"


@dataclass(frozen=True)
class SequencePairs:
    """N pairs of sequences, whose lengths may differ: texts in upper case and where they differ, all (N,).

    Before `first` and behind `ref_end` and `alt_end`, from 0 and half-open, they are the same. `reason` is `OK`, or
    ref_equals_alt.
    """

    id: NDArray[np.object_]
    ref: NDArray[np.object_]
    alt: NDArray[np.object_]
    line: NDArray[np.int64]
    reason: NDArray[np.object_]
    first: NDArray[np.int64]
    ref_end: NDArray[np.int64]
    alt_end: NDArray[np.int64]


def read_variants(path: str | Path, separator: str = "\t") -> Variants:
    """The variants of a table, in its order: one in each row, of columns chrom, pos (from 1), ref and alt, or of one
    column `variant` with keys (`variants.parsed_key`). `id`, `strand` (+, - or empty) and `offset` (place of the first
    changed base in the window, from 0, in the orientation that is read, or empty) may stand beside them.

    Raises `InputError` with line and cell for what is none of this, and as `tables.read_table`.
    """
    with opened(path, "variants") as stream:
        if stream.read(len(_VCF)) == _VCF:
            raise InputError(f"{path}: is VCF, expected a table of variants; give it as a VCF")
    table = read_table(path, text="variants", separator=separator, numbered=True)
    if not set(COLUMNS) <= set(table):
        wanted = (KEY,) if KEY in table else COLUMNS  # finds a header that begins with #, or says what is missing
        table = read_table(path, wanted, "variants", separator, numbered=True)
    if set(COLUMNS) <= set(table):
        variants = _of_columns(table, path)
    else:
        keys = [parsed_key(key, f"{path}: line {line_of(table, row)}") for row, key in enumerate(table[KEY])]
        variants = Variants.of(keys)
    columns = {name: getattr(variants, name) for name in ("contig", "pos", "ref", "alt", "alt_index", "record")}
    return Variants(
        **columns,
        id=_ids(table) if "id" in table else variants.id,
        line=table.index.to_numpy(np.int64),
        strand=_strands(table, path),
        offset=_offsets(table, path),
    )


def _of_columns(table: pd.DataFrame, path: str | Path) -> Variants:
    columns = {name: stripped(table[name]) for name in COLUMNS}
    for name, column in columns.items():
        refuse((column == "").to_numpy(), table, [name], path, "a value")
    digits = columns["pos"].str.fullmatch("[0-9]{1,10}").to_numpy(bool)
    refuse(~digits, table, ["pos"], path, "a whole number, counted from 1")
    pos = columns["pos"].astype("int64").to_numpy()
    refuse(pos > LAST_POSITION, table, ["pos"], path, f"at most {LAST_POSITION:,}")
    several = columns["alt"].str.contains(",", regex=False).to_numpy(bool)
    refuse(several, table, ["alt"], path, "one allele; write a row for each")
    return Variants.of(
        [
            Variant(*fields)
            for fields in zip(columns["chrom"], pos.tolist(), columns["ref"], columns["alt"], strict=True)
        ]
    )


def _ids(table: pd.DataFrame) -> NDArray[np.object_]:
    return texts([name or "." for name in stripped(table["id"])])


def _strands(table: pd.DataFrame, path: str | Path) -> NDArray[np.object_]:
    if "strand" not in table:
        return texts([""] * len(table))
    strand = stripped(table["strand"]).replace(".", "")
    refuse(~strand.isin(["+", "-", ""]).to_numpy(), table, ["strand"], path, "+ or -, or nothing where it is not known")
    return texts(strand)


def _offsets(table: pd.DataFrame, path: str | Path) -> NDArray[np.int64]:
    if "offset" not in table:
        return np.full(len(table), -1)
    offset = stripped(table["offset"])
    digits = offset.str.fullmatch("[0-9]{1,6}").to_numpy(bool) | (offset == "").to_numpy()
    refuse(~digits, table, ["offset"], path, "a place in the window, counted from 0, or nothing")
    return offset.replace("", "-1").astype("int64").to_numpy()


def read_pairs(path: str | Path, separator: str = "\t") -> SequencePairs:
    """Pairs of sequences of a table with the columns ref and alt, and perhaps id (else the pair is named by its line).

    Raises `InputError` with line and column for an empty cell and for letters other than ACGTUN, and as
    `tables.read_table`.
    """
    table = read_table(path, ("ref", "alt"), "pairs of sequences", separator, numbered=True)
    cleaned = {}
    for name in ("ref", "alt"):
        column = stripped(table[name])
        refuse((column == "").to_numpy(), table, [name], path, "a sequence")
        try:
            cleaned[name] = texts([dna.clean(sequence) for sequence in column])
        except ValueError:
            for row, sequence in enumerate(column):
                _refuse_letters(sequence, f"{path}: line {line_of(table, row)}: {name}")
            raise
    ref, alt = cleaned["ref"], cleaned["alt"]
    changes = [trimmed(*pair) for pair in zip(ref, alt, strict=True)]
    first = np.array([head for head, _, _ in changes], np.int64)
    lines = table.index.to_numpy(np.int64)
    return SequencePairs(
        id=_ids(table) if "id" in table else texts([f"line {line}" for line in lines]),
        ref=ref,
        alt=alt,
        line=lines,
        reason=np.where(ref == alt, "ref_equals_alt", texts([OK] * len(table))),
        first=first,
        ref_end=first + np.array([len(gone) for _, gone, _ in changes], np.int64),
        alt_end=first + np.array([len(new) for _, _, new in changes], np.int64),
    )


def _refuse_letters(sequence: str, where: str) -> None:
    try:
        dna.clean(sequence)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
