"""Rows: the canonical form of an assay table, with its checks, fingerprint and file."""

import hashlib
import string
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.common.files import atomic
from s2f.common.tables import LINE, refuse_repeated
from s2f.sequences import dna
from s2f.sequences.chromosomes import chromosomes

# column -> pandas dtype; `label` is the measured value (log2FC, or 0/1 in a classification); `variant` is the variant
# for which the insert was made, as chr7:70038969:G:T (position from 1, as in VCF)
COLUMNS = {
    "row_id": "str", "sequence": "str", "label": "float64", "stderr": "float64",
    "chrom": "str", "start": "Int64", "end": "Int64", "strand": "str",
    "allele": "str", "variant": "str", "pair_id": "str", "group": "str", "published": "str",
}  # fmt: skip
NUMBERS = ("label", "stderr", "start", "end")
TASKS = ("regression", "classification")
# prefix of `published` in rows that are only ever evaluated: designed sequences, "ood:METHOD"
EVALUATED_ONLY = "ood:"
# fewest labels of a cell in a part of a split in which its model is trained: with fewer validation rows, an epoch would
# be chosen by chance (the error of a correlation over 10 rows is 0.38)
LEAST_LABELS = {"train": 2, "val": 10}
# labels and standard errors must be below this: models compute in float32, in which the square of a larger number, or
# the sum of many, is infinite
LARGEST = 1e15
NAMES = ("row_id", "variant", "pair_id", "group", "published")  # columns whose texts distinguish rows or link them
OF_CELL = {"label.": "label", "stderr.": "stderr"}  # columns `label.{cell}` and `stderr.{cell}`, and what they hold


def canonical(
    table: pd.DataFrame, path: str | Path, task: str = "regression", cells: Sequence[str] = ()
) -> pd.DataFrame:
    """Check a table and return it in canonical form.

    `table` needs `row_id`, `sequence` and `label`; the other columns of `COLUMNS` are filled with missing values, and
    unknown columns are refused. Text columns become text, sequences upper-case ACGTN with U as T, and chromosomes
    `chr7` (never `7`). With `cells`, the table has a column `label.{cell}` for each, in which a missing label is NaN,
    and `stderr.{cell}` if it is known; `label` and `stderr` become those of the first cell. `path` names the source in
    messages. Raises `InputError` with the faulty row for: a row_id that is empty, a duplicate or contains a tab or line
    break; an invisible character in one of the `NAMES`; an illegal base; an empty sequence; a non-finite label; a row
    without a label in any cell; a cell without a label in any row; a label other than 0 and 1 in a classification; a
    negative or infinite stderr; a label or stderr of `LARGEST` or more; an end without a start (or the reverse) or not
    after it; strands other than + and -; and alleles other than ref and alt.
    """
    of_cells = [f"{column}{cell}" for column in OF_CELL for cell in cells]
    unknown = set(table.columns) - set(COLUMNS) - set(of_cells)
    if unknown:
        raise ValueError(f"unknown row columns {sorted(unknown)}")
    if len(table) == 0:
        raise InputError(f"{path}: no rows remain; check the filters and the label column")
    lines = table.index
    table = table.reset_index(drop=True)
    if cells:
        first = {name: table[f"{name}.{cells[0]}"] for name in OF_CELL.values() if f"{name}.{cells[0]}" in table}
        table = table.assign(**first)
    known = [name for name in of_cells if name.startswith("label.") or (name in table and table[name].notna().any())]
    columns = COLUMNS | dict.fromkeys(known, "float64")
    out = pd.DataFrame({name: _column(table, name, dtype) for name, dtype in columns.items()})

    ids = out["row_id"]
    if (ids == "").any():
        raise InputError(f"{path}: row {int((ids == '').argmax()) + 1}: row_id is empty, expected a unique name")
    if not ids.is_unique:
        fix = "expected a unique name for each row: rename or remove one"
        if lines.name == LINE:
            refuse_repeated(ids.to_frame().set_axis(lines), ["row_id"], path, fix)
        raise InputError(f"{path}: row_id {ids[ids.duplicated()].iloc[0]!r} occurs more than once; {fix}")
    letters = letters_of(ids)[0].tobytes()
    if any(letter in letters for letter in (b"\t", b"\n", b"\r")):
        broken = ids.str.contains("[\t\n\r]")
        raise InputError(f"{path}: row_id {ids[broken].iloc[0]!r} holds a tab or a line break")
    for name in NAMES:
        _refuse_unseen(out[name], ids, path)
    sequences = out["sequence"]
    if (sequences == "").any() or letters_other_than(b"ACGTN", sequences):
        out["sequence"] = [_clean(s, row, path) for s, row in zip(sequences, ids, strict=True)]
    out["chrom"] = chromosomes(out["chrom"], lambda row: f"{path}: row {ids.iloc[row]!r}")

    def refuse(bad: Any, column: str, expected: str) -> None:
        """Name the first row in the mask `bad`, its value in `column` and what is expected there."""
        if bad.any():
            row = out.iloc[int(np.argmax(bad))]
            value = repr(row[column]) if isinstance(row[column], str) else row[column]
            raise InputError(f"{path}: row {row['row_id']!r}: {column} is {value}, {expected}")

    label, stderr, start, end = (out[name].to_numpy(np.float64, na_value=np.nan) for name in NUMBERS)
    for cell in cells:
        refuse(np.isinf(out[f"label.{cell}"].to_numpy()), f"label.{cell}", "expected a finite number or none")
        errors = out.get(f"stderr.{cell}", pd.Series(np.nan, out.index)).to_numpy()
        refuse((errors < 0) | np.isinf(errors), f"stderr.{cell}", "expected a number of at least 0")
        if out[f"label.{cell}"].isna().all():
            raise InputError(f"{path}: no row has a label of {cell}; remove it from the cells of the dataset")
    labels = labels_of(out).reshape(len(out), -1)
    refuse(~np.isfinite(labels).any(axis=1), "label", f"missing {'in every cell' if cells else 'or not finite'}")
    if task == "classification":
        refuse(~np.isin(label, (0.0, 1.0)), "label", "expected 0 or 1, as labels of a classification")
    refuse((stderr < 0) | np.isinf(stderr), "stderr", "expected a number of at least 0")
    for name in known or ["label", "stderr"]:
        too_large = np.abs(out[name].to_numpy()) >= LARGEST
        refuse(too_large, name, f"expected less than {LARGEST:g} in size; does it mean a missing value?")
    refuse(np.isnan(start) != np.isnan(end), "end", "expected both start and end, or neither")
    refuse(end <= start, "end", "expected a number above start (coordinates are 0-based and half-open)")
    refuse(~out["strand"].isin(["", "+", "-"]), "strand", "expected +, - or empty")
    refuse(~out["allele"].isin(["", "ref", "alt"]), "allele", "expected ref, alt or empty")
    return out


def _refuse_unseen(names: pd.Series, ids: pd.Series, path: str | Path) -> None:
    """Refuse a name with an invisible character, such as a byte order mark or a zero-width or no-break space: it would
    not equal the same name without it."""
    if not letters_other_than(string.printable.strip().encode() + b" ", names):
        return
    for row, name in zip(ids, names, strict=True):
        unseen = next((letter for letter in name if not letter.isprintable()), None)
        if unseen is not None:
            known = unicodedata.name(unseen, "a control character")
            raise InputError(
                f"{path}: row {row!r}: {names.name} is {name!r}, which holds U+{ord(unseen):04X} ({known}), an "
                "invisible character; remove it"
            )


def cells_of(table: pd.DataFrame) -> list[str]:
    """The cells whose labels a table of rows holds, in order; empty if rows have a single label."""
    return [str(name).removeprefix("label.") for name in table.columns if str(name).startswith("label.")]


def labels_of(table: pd.DataFrame) -> NDArray[np.float64]:
    """The labels of rows: (N,), or (N, C) for a table with C cells; missing labels are NaN."""
    columns = [f"label.{cell}" for cell in cells_of(table)]
    return table[columns].to_numpy(np.float64) if columns else table["label"].to_numpy(np.float64)


def errors_of(table: pd.DataFrame) -> NDArray[np.float64]:
    """The standard errors of the labels of rows, in the shape of `labels_of`; unknown ones are NaN."""
    columns = [f"stderr.{cell}" for cell in cells_of(table)]
    return table.reindex(columns=columns or ["stderr"]).to_numpy(np.float64).reshape(labels_of(table).shape)


def few_labels(parts: Mapping[str, pd.DataFrame], cells: Sequence[str]) -> list[str]:
    """One line for each part of a split {part: rows} and each of the `cells` with fewer than `LEAST_LABELS` labels."""
    counts = {(part, cell): int(parts[part][f"label.{cell}"].notna().sum()) for part in LEAST_LABELS for cell in cells}
    return [
        f"part {part}: {count:,} of {len(parts[part]):,} rows have a label of {cell}, expected {LEAST_LABELS[part]} or "
        "more"
        for (part, cell), count in counts.items()
        if count < LEAST_LABELS[part]
    ]


def of_first_cell(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a label of the first cell, as rows with a single label; a table without cells is unchanged."""
    if not cells_of(table):
        return table
    table = table[table["label"].notna()]
    return table[[name for name in table.columns if not str(name).startswith(tuple(OF_CELL))]]


def _column(table: pd.DataFrame, name: str, dtype: str) -> pd.Series:
    """One column of the canonical form in its dtype, filled with missing values if the table does not have it."""
    if name in table:
        column = table[name].astype(dtype)
        return column.fillna("") if dtype == "str" else column
    missing = {"str": "", "float64": np.nan, "Int64": pd.NA}[dtype]
    return pd.Series(missing, index=table.index, dtype=dtype)


def letters_of(column: pd.Series) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """The bytes of all texts of a column, end to end, and the beginning and length of each of the N texts."""
    texts = pa.array(column, pa.large_string())
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    ends = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return _letters(texts), ends[:-1] - ends[0], np.diff(ends)


def letters_other_than(known: bytes, column: pd.Series) -> bool:
    """Whether any text in a column contains a byte that is not among the bytes `known`."""
    texts = pa.array(column, pa.large_string())
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    return any(_letters(chunk).tobytes().translate(None, known) for chunk in chunks)


def _letters(texts: pa.Array) -> NDArray[np.uint8]:
    """The bytes of all texts in an arrow array, end to end."""
    ends = np.frombuffer(texts.buffers()[1], np.int64)
    return np.frombuffer(texts.buffers()[2] or b"", np.uint8)[ends[texts.offset] : ends[texts.offset + len(texts)]]


def _clean(sequence: str, row: str, path: str | Path) -> str:
    try:
        if not sequence:
            raise ValueError("sequence is empty; fill it or delete the row")
        return dna.clean(sequence)
    except ValueError as error:
        raise InputError(f"{path}: row {row!r}: {error}") from None


def rows_sha256(table: pd.DataFrame) -> str:
    """SHA-256 over the sorted (row_id, sequence, label) of rows: the fingerprint that every result table carries.

    Labels enter as the shortest text that gives the same float64 (Python repr), so the value does not depend on files
    or platforms. Only the column `label` counts, even in a table with cells.
    """
    columns = (table["row_id"].tolist(), table["sequence"].tolist(), table["label"].to_numpy(np.float64).tolist())
    return _sha256([f"{row}\t{sequence}\t{label!r}\n" for row, sequence, label in zip(*columns, strict=True)])


def labels_sha256(table: pd.DataFrame) -> str:
    """As `rows_sha256`, but over the labels of all cells: what a model with one output per cell was trained on."""
    if not cells_of(table):
        return rows_sha256(table)
    columns = (table["row_id"].tolist(), table["sequence"].tolist(), labels_of(table).tolist())
    return _sha256([f"{row}\t{sequence}\t{labels!r}\n" for row, sequence, labels in zip(*columns, strict=True)])


def sequences_sha256(row_ids: Sequence[str], sequences: Sequence[str]) -> str:
    """SHA-256 over the sorted (row_id, sequence): what an embedding cache was made from, regardless of labels."""
    columns = (np.asarray(row_ids, object), np.asarray(sequences, object))
    return _sha256([f"{row}\t{sequence}\n" for row, sequence in zip(*columns, strict=True)])


def _sha256(lines: list[str]) -> str:
    lines.sort()
    digest = hashlib.sha256()
    for start in range(0, len(lines), 100_000):  # the lines of millions of rows exist once, not as one text too
        digest.update("".join(lines[start : start + 100_000]).encode())
    return digest.hexdigest()


def write_rows(path: str | Path, table: pd.DataFrame) -> None:
    """Write canonical rows as parquet, atomically."""
    with atomic(path) as temporary:
        # lz4 is read in half the time of snappy but is 12 % larger; a dictionary pays off only if texts recur
        recurring = [name for name in ("chrom", "strand", "allele", "published") if name in table]
        table.to_parquet(temporary, index=False, compression="lz4", use_dictionary=recurring)


def read_rows(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read rows written by `write_rows`; `columns` limits what is read, and `label` among them includes the labels of
    all cells. Raises `InputError` if the file is broken."""
    try:
        if columns and "label" in columns:
            there = pyarrow.parquet.read_schema(path).names
            columns = [*columns, *(name for name in there if name.startswith("label."))]
        return pd.read_parquet(path, columns=columns)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; it is made by the rule make_rows") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not a readable table of rows: {error}") from None
