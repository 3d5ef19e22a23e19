"""Tables of text: written whole, read with checks."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.errors import InputError
from s2f.common.files import atomic

MISSING = ("", "NA", "NaN", "nan", "None", "null")


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a data frame as TSV, atomically; floats keep their shortest exact form, missing values are empty."""
    with atomic(path) as temporary:
        if not _write_plain(temporary, table):
            table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def _write_plain(path: Path, table: pd.DataFrame) -> bool:
    """Write a table of text and whole numbers that needs no quotes: the bytes of pandas in a tenth of its time.

    False, and nothing worth keeping at `path`, for any other table.
    """
    import pyarrow
    from pyarrow import csv

    try:
        plain = pyarrow.Table.from_pandas(table, preserve_index=False)
        simple = (pyarrow.types.is_integer, pyarrow.types.is_string, pyarrow.types.is_large_string)
        if not all(any(is_type(field.type) for is_type in simple) for field in plain.schema):
            return False
        csv.write_csv(plain, path, csv.WriteOptions(delimiter="\t", quoting_style="none", quoting_header="none"))
        return len(table.columns) > 1  # a line of one empty cell would be blank, where pandas writes quotes
    except pyarrow.ArrowException:  # columns of mixed types, and cells that need quotes
        return False


def read_table(path: str | Path, columns: Iterable[str] = (), text: str = "", separator: str = "\t") -> pd.DataFrame:
    """Read a delimited text file with header into a data frame of strings.

    Every cell comes back as the text it is (empty where missing), so `7`, `007` and `X` of a chromosome column
    survive; `numbers` converts. Parameters: `columns` that must exist; `text` is the human name of the table for
    messages; `separator` one character. Row i of the frame is line i + 2 of the file, as long as no quoted cell holds
    a line break. Raises `InputError` when the file or a column is missing, a column name occurs twice, a line is blank
    (at the end of the file it is ignored) or has another number of cells than the header.
    """
    # not pandas.read_csv: it silently fills short lines, takes the first column of a file with longer lines for an
    # index and skips blank lines
    import pyarrow
    from pyarrow import csv

    odd: list[str] = []

    def on_odd_line(line: Any) -> str:
        """Keep what is wrong with the first line of another length than the header, and stop there."""
        odd.append(
            f"line {line.number}: {line.actual_columns} cell(s), expected {line.expected_columns} as in the header"
        )
        return "error"

    def read(handler: Callable[[Any], str] | None, threads: bool) -> tuple[list[str], Any]:
        options = {
            "read_options": csv.ReadOptions(use_threads=threads),
            "parse_options": csv.ParseOptions(
                delimiter=separator, ignore_empty_lines=False, invalid_row_handler=handler
            ),
        }
        names = csv.open_csv(path, **options).schema.names
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()), strings_can_be_null=False)
        return names, csv.read_csv(path, convert_options=as_text, **options)

    try:
        try:
            names, table = read(None, threads=True)
        except pyarrow.ArrowInvalid:  # once more, since lines have numbers only without threads
            names, table = read(on_odd_line, threads=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file ({text or 'table'})") from None
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: {odd[0] if odd else f'not a table separated by {separator!r}: {error}'}") from None
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: column {name!r} occurs {names.count(name)} times")
    for name in columns:
        if name not in names:
            raise InputError(f"{path}: column {name!r} is missing; the file has: {', '.join(map(repr, names))}")
    table = table.to_pandas()
    blank = (table == "").all(axis=1).to_numpy()
    end = len(table) - int(np.logical_and.accumulate(blank[::-1]).sum())
    if blank[:end].any():
        raise InputError(f"{path}: line {int(blank.argmax()) + 2} is blank")
    return table[:end]


def numbers(table: pd.DataFrame, column: str, path: str | Path) -> pd.Series:
    """Convert a text column of `read_table` to float64; cells of `MISSING` become NaN.

    Raises `InputError` naming file, line (row label + 2: the header is line 1) and cell when a cell is neither a
    number nor missing, or is infinite.
    """
    import pyarrow
    from pyarrow import compute

    # ten times as fast, and correctly rounded; whatever it does not take is left to the slower way that names the cell
    column_of_text = pyarrow.array(table[column], pyarrow.string())
    missing = compute.is_in(column_of_text, pyarrow.array(MISSING))
    try:
        values = compute.cast(compute.if_else(missing, None, column_of_text), "float64")
        values = pd.Series(values.to_numpy(), index=table.index)
        if np.array_equal(np.isfinite(values), ~missing.to_numpy()):
            return values.rename(column)
    except pyarrow.ArrowException:
        pass

    cells = table[column].str.strip()
    values = pd.to_numeric(cells.mask(cells.isin(MISSING)), errors="coerce")
    bad = (values.isna() & ~cells.isin(MISSING)) | values.isin([float("inf"), float("-inf")])
    if bad.any():
        position = int(bad.to_numpy().argmax())
        raise InputError(
            f"{path}: line {cells.index[position] + 2}: {column} is {cells.iloc[position]!r}, expected a number"
        )
    return values.astype("float64")


def mapped(column: pd.Series, function: Callable[[str], str]) -> pd.Series:
    """A text column with `function` applied to each of its texts, once to those that recur."""
    codes, texts = pd.factorize(column, use_na_sentinel=False)
    return pd.Series(pd.array([function(text) for text in texts.tolist()], "str").take(codes), index=column.index)


def rows_where(table: pd.DataFrame, mask: np.ndarray) -> pd.DataFrame:
    """The rows of `table` at which `mask`, bool (N,), is true: `table[mask]` in a third of its time."""
    return pd.DataFrame({name: column[mask] for name, column in table.items()})
