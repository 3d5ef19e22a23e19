"""A user's own table: any TSV or CSV with a header, and a map from our columns to its columns.

files: `rows`; or one file for each part of a published split, by the names of the parts (train, dev, test). spec:

* `columns`: our name -> the file's name. sequence and label are needed; row_id, stderr, chrom, start, end, strand,
  allele, pair_id, group and published are optional. Coordinates are 0-based and half-open. Without row_id a row is
  called after its file and line, `train:17`; without published, rows of several files get the names of these.
* `separator`: one character, tab by default.
* `max_stderr`: keep rows with a standard error below it (strictly); a row without one is dropped, since nothing is
  known of its precision. Default: no filter.
* `drop_missing_label`: drop rows without a label (default) or refuse them.
"""

from typing import Any

import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import MISSING, numbers, read_table
from s2f.rows.canonical import COLUMNS
from s2f.rows.sources import complete_pairs, file_of
from s2f.rows.stages import Stages
from s2f.sequences import dna

NEEDED = ("sequence", "label")


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as the module says. Raises `InputError` with file, line or column, and what is expected."""
    options = kinds.settings("sources", "table", spec)
    columns = _check_options(options)
    if not files:
        file_of(files, "rows", "table")  # says which name is missing
    parts = []
    for name, path in files.items():
        part = _read_file(path, columns, options)
        if "row_id" not in columns:
            part["row_id"] = [f"{name}:{line}" for line in part.index + 2]
        if "published" not in columns and len(files) > 1:
            part["published"] = name
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)

    stages = Stages()
    table = stages.keep("read", table)
    table = stages.keep("label measured", table, table["label"].notna())
    if options["max_stderr"] is not None:
        table = stages.keep(f"stderr below {options['max_stderr']}", table, table["stderr"] < options["max_stderr"])
    return (complete_pairs(table, path) if "pair_id" in table else table), stages


def _read_file(path: str, columns: dict[str, str], options: dict[str, Any]) -> pd.DataFrame:
    """All rows of one file under our names, numbers as numbers; row i is line i + 2."""
    raw = read_table(path, list(columns.values()), separator=options["separator"])
    table = pd.DataFrame({ours: raw[theirs].str.strip() for ours, theirs in columns.items()})

    if "row_id" in table:
        _refuse(table["row_id"] == "", raw, columns["row_id"], path, "a name")
        _refuse(table["row_id"].duplicated(), raw, columns["row_id"], path, "a name that no earlier row has")
    _refuse(~table["sequence"].map(_is_dna), raw, columns["sequence"], path, "letters A, C, G, T, U, N")
    for name in ("label", "stderr", "start", "end"):
        if name in table:
            table[name] = numbers(raw, columns[name], path)
    if "stderr" in table:
        _refuse(table["stderr"] < 0, raw, columns["stderr"], path, "a number of at least 0")
    for name in ("start", "end"):
        if name in table:
            whole = table[name].isna() | ((table[name] >= 0) & (table[name] % 1 == 0))
            _refuse(~whole, raw, columns[name], path, "a whole number of at least 0")
            table[name] = table[name].astype("Int64")
    if "start" in table and "end" in table:
        _refuse((table["end"] <= table["start"]).fillna(False), raw, columns["end"], path, "an end after the start")
    for name, allowed in (("strand", ("+", "-", ".", "")), ("allele", ("ref", "alt", ""))):
        if name in table:
            _refuse(~table[name].isin(allowed), raw, columns[name], path, f"{', '.join(allowed[:-1])} or nothing")
    if "strand" in table:
        table["strand"] = table["strand"].replace(".", "")
    if not options["drop_missing_label"]:
        _refuse(table["label"].isna(), raw, columns["label"], path, "a number (or set drop_missing_label: true)")
    return table


def _check_options(options: dict[str, Any]) -> dict[str, str]:
    """The map of columns, with every mistake refused that can be seen without the file."""
    columns = options.get("columns", {})
    for name in columns:
        if name not in COLUMNS:
            raise InputError(f"source table: 'columns' has no {name!r}; known: {', '.join(COLUMNS)}")
    for name in NEEDED:
        if name not in columns:
            raise InputError(f"source table: 'columns' lacks {name!r}: say which column of the file holds it")
    if len(options["separator"]) != 1:
        raise InputError(f"source table: separator is {options['separator']!r}, expected one character")
    for key, needs in (("start", "chrom"), ("end", "chrom"), ("pair_id", "allele")):
        if key in columns and needs not in columns:
            raise InputError(f"source table: 'columns' has {key!r} but lacks {needs!r}, which it needs")
    if options["max_stderr"] is not None and "stderr" not in columns:
        raise InputError("source table: max_stderr is set, but 'columns' lacks 'stderr'")
    return columns


def _is_dna(sequence: str) -> bool:
    """Whether a cell is a sequence; `NA` and `NaN` are missing values, though they could be read as bases."""
    try:
        return sequence not in MISSING and len(dna.encode(sequence)) > 0
    except ValueError:
        return False


def _refuse(bad: pd.Series, raw: pd.DataFrame, column: str, path: str, expected: str) -> None:
    """Raise `InputError` for the first row of the mask `bad`, with its line in the file and the cell as it stands."""
    if bad.any():
        index = bad.index[bad.to_numpy().argmax()]
        cell = raw[column][index]
        cell = cell if len(cell) <= 40 else cell[:40] + "..."
        raise InputError(f"{path}: line {index + 2}: {column} is {cell!r}, expected {expected}")
