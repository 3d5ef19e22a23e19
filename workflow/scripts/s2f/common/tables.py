"""Text tables: written atomically, read with checks."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from s2f.common.contents import decoded, read_text
from s2f.common.delimited import SEPARATORS, Delimited
from s2f.common.errors import InputError
from s2f.common.files import atomic
from s2f.common.kinds import near

MISSING = ("", "NA", "NaN", "nan", "None", "null")
DECIMAL_COMMA = r"[+-]?\d+,\d+"
LINE = "line"  # name of an index that holds line numbers of the file


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a data frame as TSV, atomically; floats keep their shortest exact form, and missing values are empty."""
    with atomic(path) as temporary:
        if not _write_plain(temporary, table):
            table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def _write_plain(path: Path, table: pd.DataFrame) -> bool:
    """Write a table of text and whole numbers that needs no quotes: the same bytes as pandas in a tenth of the time.

    For any other table, returns False and leaves nothing useful at `path`.
    """
    import pyarrow
    from pyarrow import csv

    try:
        plain = pyarrow.Table.from_pandas(table, preserve_index=False)
        simple = (pyarrow.types.is_integer, pyarrow.types.is_string, pyarrow.types.is_large_string)
        if not all(any(is_type(field.type) for is_type in simple) for field in plain.schema):
            return False
        csv.write_csv(plain, path, csv.WriteOptions(delimiter="\t", quoting_style="none", quoting_header="none"))
        return len(table.columns) > 1  # a line with one empty cell would be blank; pandas writes quotes instead
    except pyarrow.ArrowException:  # columns of mixed types, or cells that need quotes
        return False


def read_table(
    path: str | Path,
    columns: Iterable[str] = (),
    text: str = "",
    separator: str = "\t",
    *,
    header: bool = True,
    only: bool = False,
    numbered: bool = False,
) -> pd.DataFrame:
    """Read a delimited text file into a data frame of strings.

    Every cell comes back as the text it is (empty if missing), so `7`, `007` and `X` in a chromosome column survive;
    `numbers` converts. The format is judged by the content (`contents.read_text`), and `delimited` decides what quotes
    mean; lines end with \\n, \\r\\n or \\r. Blank lines and lines that begin with # may come before the header; the
    header may itself begin with # if only that line has the `columns`. Columns without a name are dropped.

    Parameters: `columns` must exist; `text` is what messages call the table; `separator` is one ASCII character.
    Without a `header` the columns are called "column 1", "column 2", ... With `only`, nothing but `columns` is read, in
    the order of the file. With `numbered`, the index is called "line" and holds the line of the file on which each row
    begins; otherwise it counts the rows from 0. `line_of` gives the line.

    Raises `InputError` with the file and, if there is one, the line: if the file is missing or is not a table, if a
    column is missing or its name occurs twice, if a line is blank (blank lines at the end of the file are ignored) or
    has a different number of cells from the header, and as `contents` and `delimited` do.
    """
    columns, what = list(columns), text or "table"
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise InputError(
            f"{path}: separator is {separator!r}, expected one ASCII character other than a quote or a line break"
        )
    data = read_text(path, what)
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):  # from an old Mac, or from a mix of systems
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    _refuse_other_formats(data, path, what)
    begin, skipped, named = _start(data, separator, columns if header else [])
    if not header:
        _refuse_rows_above(data[:begin], data[begin : data.find(b"\n", begin) + 1 or len(data)], separator, path)
    delimited = Delimited.of(str(path), data[begin:], separator, skipped + 1)
    del data
    if not delimited.data:
        raise InputError(f"{path}: is empty, expected {'a header' if header else 'rows'} ({what})")
    names = delimited.first_row
    if not header:
        names = [f"column {number}" for number in range(1, len(names) + 1)]
    elif named:
        names[0] = names[0].lstrip("# ").strip('"')
    wanted = [name for name in dict.fromkeys(names) if name and (not only or name in columns)]
    if not any(names):
        raise InputError(f"{path}: line {delimited.first_line}: no column has a name, expected a header ({what})")
    _check_names(names, columns, wanted, delimited, path)
    table = delimited.columns([names.index(name) for name in wanted], int(header))
    if header and len(wanted) > 1:
        _refuse_second_header(table.rename_columns(wanted), delimited)
    frame = table.rename_columns(wanted).to_pandas()
    return frame.set_axis(pd.Index(delimited.row_lines(int(header)), name=LINE)) if numbered else frame


def line_of(column: pd.DataFrame | pd.Series, position: int) -> int:
    """The line in the file of the row at a position of a table from `read_table`, or of a part of such a table."""
    return int(column.index[position]) + (0 if column.index.name == LINE else 2)


def _refuse_other_formats(data: bytes, path: str | Path, what: str) -> None:
    """Refuse text that is recognisably not a table."""
    begin = data[:100].lstrip()
    for mark, found, fix in (
        (b"##fileformat=VCF", "VCF", "variants have no measured sequences; give a table with a header"),
        (b"##gff-version", "GFF", "give a table with a header"),
        (b"@HD\t", "SAM", "give a table with a header"),
        (b">", "FASTA", "give a table with a header; sequences of two classes can be a source fasta_pairs"),
    ):
        if begin.startswith(mark):
            raise InputError(f"{path}: is {found}, expected {what}: {fix}")
    if re.match(rb'[\[{]\s*[\[{"]', begin):
        raise InputError(f"{path}: is JSON, expected {what}: write it as tab-separated text")


def _start(data: bytes, separator: str, columns: list[str]) -> tuple[int, int, bool]:
    """Where the header begins, how many lines come before it, and whether it is a comment that names the `columns`
    after its #. The header is the first line that is neither blank nor begins with #, unless that line lacks columns
    which one of the lines before it has."""
    begin, number, candidates = 0, 0, []
    while begin < len(data):
        end = data.find(b"\n", begin) + 1 or len(data)
        line = data[begin:end].decode("utf-8", "backslashreplace").rstrip("\r\n")
        if line.strip():
            candidates.append((begin, number, line))
        if line.strip() and not line.startswith("#"):
            break
        begin, number = end, number + 1
    if not columns or not candidates:
        return begin, number, False
    for begin_of, number_of, line in reversed(candidates):
        for stripped in (False, True):
            cells = {cell.strip('"') for cell in (line.lstrip("# ") if stripped else line).split(separator)}
            if cells >= set(columns):
                return begin_of, number_of, stripped and line.startswith("#")
    return begin, number, False


def _refuse_rows_above(above: bytes, first: bytes, separator: str, path: str | Path) -> None:
    """Refuse lines with # that may be rows: they have as many cells as the first other line, or all lines have #."""
    cells = separator.encode()
    for number, line in enumerate(above.split(b"\n"), 1):
        if line.startswith(b"#") and cells in line and line.count(cells) == (first or line).count(cells):
            raise InputError(
                f"{path}: line {number}: begins with # and has as many cells as a row; in a file without a header, "
                "remove the line if it is a comment, or the # if it is a row"
            )


def _check_names(
    names: list[str], columns: list[str], wanted: list[str], delimited: Delimited, path: str | Path
) -> None:
    """Refuse a header that lacks one of the `columns`, or in which the name of a column to be read occurs twice."""
    missing = [name for name in columns if name not in names]
    if missing:
        decoded(delimited.header, path, delimited.first_line)
        fix = near(missing[0], names) + _about_form(delimited, columns)
        raise InputError(f"{path}: column {missing[0]!r} is missing; the file has: {', '.join(map(repr, names))}{fix}")
    for name in wanted:
        if names.count(name) > 1:
            raise InputError(f"{path}: column {name!r} occurs {names.count(name)} times")


def _refuse_second_header(table: Any, delimited: Delimited) -> None:
    """Refuse a row that repeats the names of all columns of a table (pyarrow), as in files that were joined."""
    from pyarrow import compute

    same = None
    for name, column in zip(table.column_names, table.columns, strict=True):
        equal = compute.equal(column, name)
        same = equal if same is None else compute.and_(same, equal)
        if not compute.any(same).as_py():
            return
    row = int(compute.index(same, True).as_py())
    raise InputError(f"{delimited.path}: line {delimited.row_lines(1)[row]}: the header is repeated: delete this line")


def _about_form(delimited: Delimited, columns: list[str]) -> str:
    """What the first 50 lines say of a header that lacks `columns`: that it is below a title, or divided by another
    separator; empty if nothing."""
    own = delimited.separator
    lines = delimited.data[:100_000].decode("utf-8", "replace").replace("\r\n", "\n").split("\n")[:50]
    counts = [line.count(own) for line in lines]
    others = {letter: name for letter, name in SEPARATORS.items() if letter != own and not counts[0]}

    def about(separator: str) -> str:
        """That cells are divided by another separator than was said."""
        if separator == own:
            return ""
        said = SEPARATORS.get(own, f"{own!r}")
        return (
            f"; its cells are separated by {others[separator]}, not by {said}: save it with {said}, or write "
            f'separator: "{repr(separator)[1:-1]}" for a source of kind table or a section of scoring'
        )

    for separator in (own, *others):
        for number, line in enumerate(lines):
            if {cell.strip('"') for cell in line.split(separator)} >= set(columns):
                above = f"; line {number + delimited.first_line} has all columns: remove the lines above it, or begin "
                return about(separator) + (f"{above}each with #" if number else "")
    counts = counts if lines[-1] else counts[:-1]
    if len(counts) > 2 and 0 < counts[0] == min(counts[1:]) - 1 and len(set(counts[1:])) == 1:
        return (
            f"; the header has {counts[0] + 1} cells and the lines below have {counts[1] + 1}: if the first of these "
            "are the row names of R, save it with row.names = FALSE"
        )
    if len(counts) > 2 and counts[0] < min(counts[1:]) and len(set(counts[1:])) == 1:
        return (
            f"; line {delimited.first_line} has {counts[0] + 1} of the {counts[1] + 1} cells that lines below have: "
            "if it is a title, remove it or begin it with #, so that the header comes first"
        )
    found = [letter for letter in others if letter != " " and letter in lines[0]]
    return about(max(found, key=lines[0].count)) if found else ""


def numbers(
    table: pd.DataFrame,
    column: str,
    path: str | Path,
    missing: Sequence[str] = MISSING,
    fix: str = "",
    labels: bool = False,
) -> pd.Series:
    """Convert a text column of `read_table` to float64; cells of `missing` become NaN.

    Raises `InputError` naming the file, line (by `line_of`) and cell, with `fix` at its end, if a cell is neither a
    number nor missing, or is infinite. If the column has `labels`, two words may be meant as classes.
    """
    import pyarrow
    from pyarrow import compute

    # ten times as fast, and correctly rounded; what it does not accept goes the slower way, which names the cell
    column_of_text = pyarrow.array(table[column], pyarrow.large_string())
    absent = compute.is_in(column_of_text, pyarrow.array(missing, pyarrow.large_string()))
    try:
        values = compute.cast(compute.if_else(absent, None, column_of_text), "float64")
        values = pd.Series(values.to_numpy(), index=table.index)
        if np.array_equal(np.isfinite(values), ~absent.to_numpy()):
            return values.rename(column)
    except pyarrow.ArrowException:
        pass

    cells = table[column].str.strip()
    values = pd.to_numeric(cells.mask(cells.isin(missing)), errors="coerce")
    bad = (values.isna() & ~cells.isin(missing)) | values.isin([float("inf"), float("-inf")])
    if bad.any():
        position = int(bad.to_numpy().argmax())
        cell = cells.iloc[position]
        if re.fullmatch(DECIMAL_COMMA, cell):
            count = int(cells.str.fullmatch(DECIMAL_COMMA).sum())
            fix = (
                f"; this column has a decimal comma in {count:,} cell{'s' if count > 1 else ''}: save the table with a "
                f"decimal point ({cell.replace(',', '.')})"
            )
        elif labels:
            words = sorted(cells[~cells.isin(missing)].unique())
            two = len(words) == 2 and not any(re.search("[0-9]", word) for word in words)
            if two or cell.lower() in ("true", "false", "yes", "no", "pos", "neg", "positive", "negative"):
                instead = f" instead of {words[0]!r} and {words[1]!r}" if two else ""
                fix = f"; write the labels of a classification (task: classification) as 1 and 0{instead}"
        raise InputError(f"{path}: line {line_of(cells, position)}: {column} is {cell!r}, expected a number{fix}")
    return values.astype("float64")


def refuse(bad: Any, table: pd.DataFrame, columns: Sequence[str], path: str | Path, expected: str) -> None:
    """Raise `InputError` for the first row in the mask `bad`, (N,), with its line and its complete cells in `columns`,
    so that a user can look them up."""
    if np.any(bad):
        position = int(np.argmax(bad))
        cells = " and ".join(f"{name} is {table[name].iloc[position]!r}" for name in columns)
        raise InputError(f"{path}: line {line_of(table, position)}: {cells}, expected {expected}")


def refuse_repeated(
    table: pd.DataFrame, columns: Sequence[str], path: str | Path, fix: str, key: pd.Series | None = None
) -> None:
    """Raise `InputError` for the first row that repeats an earlier one in its `columns`, or in the `key` (N,) that
    counts instead of their cells, with both lines and how to mend it."""
    cells = table[list(columns)]
    of_row = cells if key is None else key.to_frame("key")
    again = of_row.duplicated().to_numpy()
    if again.any():
        position = int(again.argmax())
        first = int((of_row == of_row.iloc[position]).all(axis=1).to_numpy().argmax())
        found, before = (" and ".join(f"{n} is {cells[n].iloc[at]!r}" for n in columns) for at in (position, first))
        alike = "as on" if found == before else f"which counts as the same as where {before}, on"
        raise InputError(
            f"{path}: line {line_of(table, position)}: {found}, {alike} line {line_of(table, first)}; {fix}"
        )


def stripped(column: pd.Series) -> pd.Series:
    """A text column without white space at either end of its texts; the column itself, not a copy, if there is none."""
    import pyarrow
    from pyarrow import compute

    texts = pyarrow.array(column, pyarrow.large_string())
    ends = (compute.utf8_slice_codeunits(texts, *bounds) for bounds in ((0, 1), (-1, None)))
    return column.str.strip() if any(compute.any(compute.utf8_is_space(end)).as_py() for end in ends) else column


def mapped(column: pd.Series, function: Callable[[str], str]) -> pd.Series:
    """A text column with `function` applied to each text, only once for texts that recur."""
    codes, texts = pd.factorize(column, use_na_sentinel=False)
    return pd.Series(pd.array([function(text) for text in texts.tolist()], "str").take(codes), index=column.index)


def rows_where(table: pd.DataFrame, mask: np.ndarray) -> pd.DataFrame:
    """The rows of `table` at which `mask`, bool (N,), is true: `table[mask]` in a third of its time."""
    return pd.DataFrame({name: column[mask] for name, column in table.items()})
