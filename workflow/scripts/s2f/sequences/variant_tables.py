"""Variants from delimited tables with a header."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.contents import opened
from s2f.common.errors import InputError
from s2f.common.tables import line_of, read_table, refuse, stripped
from s2f.sequences.variants import LAST_POSITION, Variant, Variants, parsed_key, texts

COLUMNS = ("chrom", "pos", "ref", "alt")
KEY = "variant"
_VCF = b"##fileformat=VCF"


def read_variants(path: str | Path, separator: str = "\t") -> Variants:
    """The variants of a table, in its order, one per row: in the columns chrom, pos (from 1), ref and alt, or as keys
    in one column `variant` (`variants.parsed_key`). There may also be columns `id`, `strand` (+, - or empty) and
    `offset` (position of the first changed base in the window, from 0, in the orientation that is read, or empty).

    Raises `InputError` with line and cell for anything else, and as `tables.read_table` does.
    """
    with opened(path, "variants") as stream:
        if stream.read(len(_VCF)) == _VCF:
            raise InputError(f"{path}: is VCF, expected a table of variants; give it with --vcf")
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
    refuse(~strand.isin(["+", "-", ""]).to_numpy(), table, ["strand"], path, "+ or -, or nothing if it is not known")
    return texts(strand)


def _offsets(table: pd.DataFrame, path: str | Path) -> NDArray[np.int64]:
    if "offset" not in table:
        return np.full(len(table), -1)
    offset = stripped(table["offset"])
    digits = offset.str.fullmatch("[0-9]{1,6}").to_numpy(bool) | (offset == "").to_numpy()
    refuse(~digits, table, ["offset"], path, "a position in the window, counted from 0, or nothing")
    return offset.replace("", "-1").astype("int64").to_numpy()
