"""Reading and writing files so that a file under its final name is always whole, and errors name file, place and mend."""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd


class InputError(ValueError):
    """Bad input of the user: the message names the file, the row or key, what is wrong and what is expected."""


@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path beside `path`; on success flush it to disk and rename it, on any error remove it.

    A job that is killed therefore leaves either the whole file or none under the final name. The temporary name is
    fixed (``.{name}.tmp``), so that a later run replaces what a kill left behind. Directories work like files.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    remove(temporary)
    try:
        yield temporary
        _flush(temporary)
        if path.is_dir():
            remove(path)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path):
    """Delete a file or a folder with all it holds; nothing happens where there is none."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path):
    """fsync a file, or every file of a folder, so that a rename never outlives its content in a power cut."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path, text):
    """Write `text` (UTF-8) atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write `value` as stable, readable JSON: sorted keys, so equal values give equal bytes. NaN is refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path):
    """Parse a JSON file; `InputError` names the file and the place where it is broken or that it is missing."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: line {error.lineno}: not JSON ({error.msg})") from None


def write_table(path, table):
    """Write a data frame as TSV, atomically; floats keep their shortest exact form, missing values are empty."""
    with atomic(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def read_table(path, columns=(), text=(), separator="\t"):
    """Read a delimited text file with header into a data frame of strings.

    Every cell comes back as the text it is (empty where missing), so `7`, `007` and `X` of a chromosome column
    survive; `numbers` converts. Parameters: `columns` that must exist; `text` is the human name of the table for
    messages; `separator` one character. Raises `InputError` when the file or a column is missing or a line has a
    different number of cells.
    """
    what = text or "table"
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, na_filter=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file ({what})") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table separated by {separator!r}: {error}") from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(
            f"{path}: column {missing[0]!r} is missing; the file has: {', '.join(map(repr, table.columns))}"
        )
    return table


MISSING = ("", "NA", "NaN", "nan", "None", "null")


def numbers(table, column, path):
    """Convert a text column to float64; cells of `MISSING` become NaN.

    Raises `InputError` naming file, line (header is line 1) and cell when a cell is neither a number nor missing,
    or is infinite.
    """
    cells = table[column].str.strip()
    values = pd.to_numeric(cells.mask(cells.isin(MISSING)), errors="coerce")
    bad = (values.isna() & ~cells.isin(MISSING)) | values.isin([float("inf"), float("-inf")])
    if bad.any():
        place = int(bad.to_numpy().argmax())
        raise InputError(f"{path}: line {place + 2}: {column} is {cells.iloc[place]!r}, expected a number")
    return values.astype("float64")


def sha256_file(path):
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
