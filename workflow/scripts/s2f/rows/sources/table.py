"""A user's own table: any TSV or CSV with a header, and a map from our columns to its columns.

files: `rows`; or one file for each part of a published split, by the names of the parts (train, dev, test). spec:

* `columns`: our name -> the file's name. sequence and label (in a dataset with cells a `label.{cell}` for each, and
  `stderr.{cell}` where there is one) are needed; row_id, stderr, chrom, start, end, strand,
  allele, pair_id, group and published are optional. Coordinates are 0-based and half-open. Without row_id a row is
  called after its file and line, `train:17`; without published, rows of several files get the names of these.
* `separator`: one character, tab by default.
* `max_stderr`: keep rows with a standard error below it (strictly); a row without one is dropped, since nothing is
  known of its precision. With cells it is single labels that are kept. Default: no filter.
* `drop_missing_label`: drop rows without a label (default) or refuse them.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import MISSING, numbers, read_table
from s2f.rows.canonical import COLUMNS, OF_CELL
from s2f.rows.sources import complete_pairs, file_of, measured
from s2f.rows.stages import Stages
from s2f.sequences import dna


def read(files: dict[str, str], spec: dict[str, Any], cells: Sequence[str] = ()) -> tuple[pd.DataFrame, Stages]:
    """Rows and stages, as the module says. Raises `InputError` with file, line or column, and what is expected."""
    options = kinds.settings("sources", "table", spec)
    columns = _check_options(options, cells)
    if not files:
        file_of(files, "rows", "table")  # says which name is missing
    parts = []
    for name, path in files.items():
        part = _read_file(path, columns, options, cells)
        if "row_id" not in columns:
            part["row_id"] = [f"{name}:{line}" for line in part.index + 2]
        if "published" not in columns and len(files) > 1:
            part["published"] = name
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)

    stages = Stages()
    table = stages.keep("read", table)
    table = measured(table, stages, cells)
    most = options["max_stderr"]
    if most is not None and cells:
        for cell in cells:
            precise = table[f"stderr.{cell}"] < most
            table[f"label.{cell}"] = table[f"label.{cell}"].where(precise)
            stages.part(f"label of {cell} with stderr below {most}", int(table[f"label.{cell}"].notna().sum()))
        has_label = table[[f"label.{cell}" for cell in cells]].notna()
        table = stages.keep(f"stderr below {most} in a cell", table, has_label.any(axis=1))
    elif most is not None:
        table = stages.keep(f"stderr below {most}", table, table["stderr"] < most)
    return (complete_pairs(table, path) if "pair_id" in table else table), stages


def _read_file(path: str, columns: dict[str, str], options: dict[str, Any], cells: Sequence[str]) -> pd.DataFrame:
    """All rows of one file under our names, numbers as numbers; row i is line i + 2."""
    raw = read_table(path, list(columns.values()), separator=options["separator"])
    table = pd.DataFrame({ours: raw[theirs].str.strip() for ours, theirs in columns.items()})

    if "row_id" in table:
        _refuse(table["row_id"] == "", raw, columns["row_id"], path, "a name")
        _refuse(table["row_id"].duplicated(), raw, columns["row_id"], path, "a name that no earlier row has")
    _refuse(~table["sequence"].map(_is_dna), raw, columns["sequence"], path, "letters A, C, G, T, U, N")
    labels, errors = _measures("label", cells), _measures("stderr", cells)
    for name in (*labels, *errors, "start", "end"):
        if name in table:
            table[name] = numbers(raw, columns[name], path)
    for name in errors:
        if name in table:
            _refuse(table[name] < 0, raw, columns[name], path, "a number of at least 0")
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
        missing = table[labels].isna().all(axis=1)
        where = columns[labels[0]]
        _refuse(missing, raw, where, path, "a number (or set drop_missing_label: true)")
    return table


def _measures(name: str, cells: Sequence[str]) -> list[str]:
    """`name` of the one label, or `name.{cell}` of each cell."""
    return [f"{name}.{cell}" for cell in cells] or [name]


def _check_options(options: dict[str, Any], cells: Sequence[str]) -> dict[str, str]:
    """The map of columns, with every mistake refused that can be seen without the file."""
    columns = options.get("columns", {})
    known = [*(name for name in COLUMNS if not cells or name not in OF_CELL.values())]
    known += [name for what in OF_CELL.values() for name in _measures(what, cells) if cells]
    for name in columns:
        if name not in known:
            raise InputError(f"source table: 'columns' has no {name!r}; known: {', '.join(known)}")
    for name in ("sequence", *_measures("label", cells)):
        if name not in columns:
            raise InputError(f"source table: 'columns' lacks {name!r}: say which column of the file holds it")
    if len(options["separator"]) != 1:
        raise InputError(f"source table: separator is {options['separator']!r}, expected one character")
    for key, needs in (("start", "chrom"), ("end", "chrom"), ("pair_id", "allele")):
        if key in columns and needs not in columns:
            raise InputError(f"source table: 'columns' has {key!r} but lacks {needs!r}, which it needs")
    for name in _measures("stderr", cells):
        if options["max_stderr"] is not None and name not in columns:
            raise InputError(f"source table: max_stderr is set, but 'columns' lacks {name!r}")
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
