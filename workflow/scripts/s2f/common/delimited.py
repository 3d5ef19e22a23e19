"""Delimited text: which quotes enclose a cell, on which line each row begins, and the cells of selected columns.

A row is usually one line, and cells are divided by separators. A cell is quoted if it begins with a double quote and a
second one comes immediately before a later separator or line end; inside it, a literal quote is doubled, and separators
and line ends are text. Every other quote is an ordinary character of its cell. pyarrow splits the rows into cells. Its
own rule is looser: a quoted cell may end anywhere, so a note that opens with a quote and never closes it would swallow
rows up to the next quote. Quotes that are ordinary characters are therefore doubled before pyarrow sees them.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2f.common.contents import decoded
from s2f.common.errors import InputError

LINE, QUOTE = b"\n", b'"'
SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "blanks"}
_BLOCK = 2**18
_LARGEST = 2**31 - 1  # bytes per block that pyarrow accepts


@dataclass(frozen=True)
class Delimited:
    """The text of a table: `data`, whose lines end with \\n or \\r\\n, and `first_line`, the number of its first line.

    `path` names the file in messages; `separator` is one ASCII character. `spans` (K, 2) holds the first and the last
    line, from 0, of each quoted cell with line ends in it; `letters` holds the lines of the cells that begin with a
    quote that is an ordinary character.
    """

    path: str
    data: bytes
    separator: str
    first_line: int
    spans: NDArray[np.int64]
    letters: frozenset[int] = frozenset()

    @staticmethod
    def of(path: str, data: bytes, separator: str, first_line: int) -> "Delimited":
        """Find out what the quotes in a text mean, and rewrite those that are ordinary characters for pyarrow.

        Blank lines at the end are dropped. Raises `InputError` for a quoted cell each of whose lines would be a valid
        row of the table: its quote is more likely an ordinary character, and two or more rows would be lost.
        """
        data = _without_blank_end(data, separator.encode())
        text = Delimited(path, data, separator, first_line, np.zeros((0, 2), np.int64))
        if QUOTE not in data:
            return text
        starts, ends, letters = _quoted_cells(data, separator.encode())
        breaks = text.line_ends
        begun, ended = (np.searchsorted(positions, breaks) for positions in (starts, ends))
        within = np.unique(begun[begun > ended] - 1)  # the cells that contain a line end
        first, last = (np.searchsorted(breaks, positions[within]) for positions in (starts, ends))
        text = replace(text, spans=np.stack([first, last], axis=1))
        text._refuse_swallowed_rows()
        if not letters:
            return text
        lines = frozenset(np.searchsorted(breaks, letters).tolist())
        return replace(text, data=_with_quotes_doubled(data, letters, separator.encode()), letters=lines)

    @cached_property
    def line_ends(self) -> NDArray[np.int64]:
        """Positions of all line ends in the text, (L,); for a last line without one, the end of the text."""
        ends = _positions(self.data, LINE)
        return ends if self.data.endswith(LINE) or not self.data else np.append(ends, len(self.data))

    @cached_property
    def line_count(self) -> int:
        """The number of lines in the text."""
        return self.data.count(LINE) + (not self.data.endswith(LINE) and bool(self.data))

    def line(self, number: int) -> bytes:
        """One line of the text, counted from 0, without its line end."""
        begin = self.line_ends[number - 1] + 1 if number else 0
        return self.data[begin : self.line_ends[number]].removesuffix(b"\r")

    @cached_property
    def first_row(self) -> list[str]:
        """The cells of the first row (the header, if there is one); bytes that are not UTF-8 appear like \\xb5."""
        return [cell.decode("utf-8", "backslashreplace") for cell in self._split(self.header.rstrip(b"\r\n"))]

    def _split(self, row: bytes) -> list[bytes]:
        """The cells of a single row."""
        quoted, plain = _quoted(self.separator.encode()), _plain(self.separator.encode())
        cells, position = [], 0
        while position <= len(row):
            found = quoted.match(row, position)
            if found:
                cells.append(found[0][1:-1].replace(QUOTE + QUOTE, QUOTE))
            else:
                found = plain.match(row, position)  # also matches the empty string
                cells.append(found[0])
            position = found.end() + 1
        return cells

    def row_lines(self, after: int) -> NDArray[np.int64]:
        """The line of the file on which each row begins, (N,), for the rows after the first `after`."""
        begins = np.ones(self.line_count, bool)
        for first, last in self.spans.tolist():
            begins[first + 1 : last + 1] = False
        return np.flatnonzero(begins)[after:] + self.first_line

    def columns(self, positions: list[int], after: int) -> Any:
        """The cells of the columns at `positions` in the first row, for the rows after the first `after`: a pyarrow
        table of text with the columns "0", "1", ... in the given order.

        Raises `InputError` with the line for a row with a different number of cells from the first, for a blank line
        and for bytes that are not UTF-8; also if pyarrow finds a number of rows that does not match the lines of the
        text.
        """
        import pyarrow
        from pyarrow import csv

        width = len(self.first_row)
        expected = self.line_count - int(np.diff(self.spans).sum()) - after
        names = [str(position) for position in positions]
        if expected <= 0:
            return pyarrow.table({name: pyarrow.array([], pyarrow.large_string()) for name in names})
        every = [str(position) for position in range(width)]
        body = pyarrow.py_buffer(self.data).slice(self._begin_of_row(after))
        odd: list[Any] = []

        def on_odd_line(line: Any) -> str:
            odd.append(line)
            return "error"

        try:
            try:
                found = _cells(body, self.separator, csv.ReadOptions(column_names=every), names, None, self._breaks)
            except pyarrow.ArrowInvalid:  # again: rows are numbered only without threads; larger blocks fit long lines
                block = min(_LARGEST, max(body.size, 2**20))
                options = csv.ReadOptions(column_names=every, use_threads=False, block_size=block)
                found = _cells(body, self.separator, options, names, on_odd_line, self._breaks)
        except pyarrow.ArrowInvalid as error:
            lines = self.row_lines(after)
            if odd:
                line, named = int(lines[odd[0].number - 1]), ""
                cells = "cell" if odd[0].actual_columns == 1 else "cells"
                if odd[0].actual_columns == width + 1 > 2 and odd[0].number == after == 1:
                    named = "; if R wrote row names into the first column, write the table with row.names=FALSE"
                elif odd[0].actual_columns > width and odd[0].number == after == 1:
                    named = f"; if line {self.first_line} is a title, remove it or begin it with #"
                about = self._about_quotes(line) + named or self._about_cells(line, odd[0].actual_columns, after)
                raise InputError(
                    f"{self.path}: line {line}: {odd[0].actual_columns} {cells}, expected {width} as in the "
                    f"{'header' if after else 'first line'}{about}"
                ) from None
            decoded(body.to_pybytes(), self.path, int(lines[0]))
            raise InputError(f"{self.path}: not a table separated by {self.separator!r}: {error}") from None
        if found.num_rows != expected:
            raise InputError(
                f"{self.path}: {found.num_rows:,} rows were read, expected {expected:,}; is the separator "
                f"{self.separator!r}, and does every quoted cell end with a quote?"
            )
        self._refuse_blank_lines(found, after)
        return found

    @property
    def _breaks(self) -> bool:
        return len(self.spans) > 0

    @property
    def header(self) -> bytes:
        """The bytes of the first row."""
        return self.data[: self._begin_of_row(1)]

    def _begin_of_row(self, number: int) -> int:
        """Where the first row (0) or the second row (1) begins."""
        if number == 0:
            return 0
        position = end = 0  # `end` is the last line of the first row
        for first, last in self.spans.tolist():
            if first > end:
                break
            end = last
        for _ in range(end + 1):
            position = self.data.find(LINE, position) + 1 or len(self.data)
        return position

    def _about_quotes(self, line: int) -> str:
        """What quotes may have to do with a row of a different length."""
        index = line - self.first_line
        for first, last in self.spans.tolist():
            if first == index:
                return f"; a quoted cell continues to line {last + self.first_line}"
        return "; a cell begins with a quote that is never closed at the end of a cell" if index in self.letters else ""

    def _about_cells(self, line: int, cells: int, after: int) -> str:
        """What may be wrong with a row that has another number of `cells`, and the fix."""
        text, width = self.line(line - self.first_line).decode("utf-8", "replace"), len(self.first_row)
        own, first = SEPARATORS.get(self.separator, repr(self.separator)), "header" if after else "first line"
        for letter, name in SEPARATORS.items():
            if letter != self.separator and text.count(letter) == width - 1 and cells == 1:
                return f"; it has {name} where the {first} has {own}: write {own}"
        if cells > width:
            return f"; remove what is too much, or put a cell that contains {own} into quotes"
        if line - self.first_line == self.line_count - 1 and not self.data.endswith(LINE):
            return (
                "; it is the last line: if the file is cut off, fetch it again, otherwise complete or delete the line"
            )
        return "; complete the line, also with empty cells, or delete it"

    def _refuse_swallowed_rows(self) -> None:
        width = len(self.first_row)
        for first, last in self.spans.tolist():
            if all(len(self._split(self.line(number))) == width for number in range(first, last + 1)):
                first, last = first + self.first_line, last + self.first_line
                raise InputError(
                    f"{self.path}: line {first}: a quote begins a cell that would end on line {last}, but each of "
                    f"these lines is itself a row of {width} cells; remove the quote or close it within its cell"
                )

    def _refuse_blank_lines(self, table: Any, after: int) -> None:
        from pyarrow import compute

        empty = np.ones(table.num_rows, bool)
        for column in table.columns:
            if not empty.any():
                return
            empty &= compute.equal(column, "").to_numpy()
        if not empty.any():
            return
        for line in self.row_lines(after)[empty].tolist():
            if not self.line(line - self.first_line).strip(self.separator.encode() + b"\r"):
                raise InputError(f"{self.path}: line {line} is blank; remove it")


def _cells(data: Any, separator: str, options: Any, names: list[str], on_odd_line: Any, breaks: bool) -> Any:
    """The cells of the columns `names` as pyarrow splits them, all as text."""
    import pyarrow
    from pyarrow import csv

    parse = csv.ParseOptions(
        delimiter=separator, ignore_empty_lines=False, newlines_in_values=breaks, invalid_row_handler=on_odd_line
    )
    as_text = pyarrow.large_string()  # the type from which pandas makes its text columns
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, as_text), include_columns=names, strings_can_be_null=False
    )
    return csv.read_csv(pyarrow.BufferReader(data), options, parse, convert)


def _positions(data: bytes, letter: bytes) -> NDArray[np.int64]:
    """Positions of a byte in `data`, (K,), found block by block to avoid a mask of all bytes."""
    codes = np.frombuffer(data, np.uint8)
    starts = range(0, len(codes), _BLOCK)
    found = [np.flatnonzero(codes[begin : begin + _BLOCK] == letter[0]) + begin for begin in starts]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _quoted_cells(data: bytes, separator: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Positions of the first and the last quote of each quoted cell, and of literal quotes that begin a cell."""
    quotes, opens, closes = _quotes(data, separator)
    cells = _paired(quotes, opens, closes)
    if cells:  # no need to go through the quotes one by one
        return *cells, []
    cell = _quoted(separator)
    starts, ends, letters, reached = [], [], [], -1
    for position in quotes[opens].tolist():
        if position < reached:
            continue
        found = cell.match(data, position)
        if found:
            reached = found.end()
            starts.append(position)
            ends.append(reached - 1)
        else:
            letters.append(position)
    return np.array(starts, np.int64), np.array(ends, np.int64), letters


def _quotes(data: bytes, separator: bytes) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Positions of the quotes, whether a cell may begin at each, and whether one may end at it: three arrays (K,)."""
    codes, count = np.frombuffer(data, np.uint8), data.count(QUOTE)
    quotes, opens, closes = np.empty(count, np.int64), np.empty(count, bool), np.empty(count, bool)
    borders = np.isin(np.arange(256), [separator[0], LINE[0]])
    borders_after = borders | (np.arange(256) == ord("\r"))  # which comes only before \n
    done = 0
    for begin in range(0, len(codes), _BLOCK):  # small enough to stay in the processor's cache
        end = min(begin + _BLOCK, len(codes))
        around = np.full(end - begin + 2, LINE[0], np.uint8)  # with the characters before and after the block
        first, last = max(begin - 1, 0), min(end + 1, len(codes))
        around[first - begin + 1 : last - begin + 1] = codes[first:last]
        at = np.flatnonzero(around[1:-1] == QUOTE[0])
        found = slice(done, done + len(at))
        quotes[found], opens[found], closes[found] = at + begin, borders[around[at]], borders_after[around[at + 2]]
        done += len(at)
    return quotes, opens, closes


def _paired(
    quotes: NDArray[np.int64], opens: NDArray[np.bool_], closes: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """First and last quotes of the cells if every quote (see `_quotes`) is part of the quoting, as in a table written
    by a program: quotes then come in pairs that begin and end a cell or are doubled within one. None if any is
    literal."""
    if len(quotes) % 2:
        return None
    twice = quotes[1:-1:2] + 1 == quotes[2::2]
    first, last = np.append(True, ~twice)[: len(quotes) // 2], np.append(~twice, True)[: len(quotes) // 2]
    if (opens[0::2] | ~first).all() and (closes[1::2] | ~last).all():
        return quotes[0::2][first], quotes[1::2][last]
    return None


def _quoted(separator: bytes) -> Any:
    """A pattern for a quoted cell."""
    return re.compile(rb'"[^"]*+(?:""[^"]*+)*+"(?=[%s\n]|\r\n|\Z)' % re.escape(separator))


def _plain(separator: bytes) -> Any:
    """A pattern for an unquoted cell or the rest of one, which may be empty."""
    return re.compile(rb"[^%s\r\n]*" % re.escape(separator))


def _with_quotes_doubled(data: bytes, positions: list[int], separator: bytes) -> bytes:
    """The text with the cells that begin at `positions` quoted, so that their quotes are ordinary characters."""
    plain, parts, done = _plain(separator), [], 0
    for position in positions:
        end = plain.match(data, position).end()
        parts += [data[done:position], QUOTE, data[position:end].replace(QUOTE, QUOTE + QUOTE), QUOTE]
        done = end
    return b"".join([*parts, data[done:]])


def _without_blank_end(data: bytes, separator: bytes) -> bytes:
    """The text without the lines at its end that contain only separators."""
    end = len(data)
    while end:
        begin = data.rfind(LINE, 0, end - 1) + 1
        if data[begin:end].strip(separator + b"\r\n"):
            break
        end = begin
    return data if end == len(data) else data[:end]
