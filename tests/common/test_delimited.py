"""What quotes mean, on which line a row begins, and that no row is lost, at every size."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.common.tables import line_of, numbers, read_table

examples = settings(deadline=None, max_examples=100)
HEADER = "name\tseq\tnote\n"
BIG = 9_000  # rows of 130 letters: more than the 1 MB that pyarrow takes at once


def rows(count, notes=None, note="gene"):
    """A table of `count` rows, of which some have `notes` {row: text} as they stand in the file."""
    notes = notes or {}
    return HEADER + "".join(f"r{i}\t{'ACGT' * 30}\t{notes.get(i, note)}\n" for i in range(count))


# --- quotes


@pytest.mark.parametrize("count", [10, BIG])
@pytest.mark.parametrize(
    "note",
    ['"unclosed', '"', '"""', '"Alu" element', "5' to 3\"", '""x"', '"see "methods"', 'a "quoted" word'],
)
def test_a_quote_that_no_quote_at_the_end_of_the_cell_closes_is_a_letter(saved, count, note):
    table = read_table(saved(rows(count, {2: note, 7: 'see "methods"'})))
    assert len(table) == count and table["name"].tolist() == [f"r{i}" for i in range(count)]
    assert table["note"][2] == note and table["note"][7] == 'see "methods"'
    assert (table["note"].drop([2, 7]) == "gene").all()


def test_a_quote_in_the_first_or_a_middle_column_too(saved):
    table = read_table(saved('a\tb\tc\n"1\t2\t3\n4\t"5\t6\n7\t8\t"9'))
    assert table.to_numpy().tolist() == [['"1', "2", "3"], ["4", '"5', "6"], ["7", "8", '"9']]


def test_quotes_of_a_header_are_taken_off(saved):
    assert list(read_table(saved('"a"\t"b ""c"""\t"d\n1\t2\t3\n'))) == ["a", 'b "c"', '"d']


@pytest.mark.parametrize("count", [10, BIG])
def test_rows_that_two_lone_quotes_would_swallow_are_refused_with_the_lines(saved, count):
    path = saved(rows(count, {2: '"Alu-like', 7: 'rich"'}))
    with pytest.raises(InputError) as error:
        read_table(path)
    assert str(error.value) == (
        f"{path}: line 4: a quote begins a cell that would end on line 9, but each of these lines is itself a row of 3 "
        "cells; remove the quote or close it within its cell"
    )


@pytest.mark.parametrize("count", [10, BIG])
def test_line_ends_in_quoted_cells_are_text_at_every_size_and_lines_are_those_of_the_file(saved, count):
    path = saved(
        "name,y,note\n" + "".join(f'r{i},{"x" if i == 5 else i},"line one,\nline two"\n' for i in range(count))
    )
    table = read_table(path, separator=",", numbered=True)
    assert len(table) == count and (table["note"] == "line one,\nline two").all()
    assert [line_of(table, i) for i in (0, 1, count - 1)] == [2, 4, 2 * count]
    with pytest.raises(InputError) as error:
        numbers(table, "y", path)
    assert str(error.value) == f"{path}: line 12: y is 'x', expected a number"


def test_the_line_of_a_row_of_another_length_is_that_of_the_file(saved):
    text = 'a,b,c\n1,"x\ny",2\n3,"x\n\ny",4\n5,6\n'
    with pytest.raises(
        InputError, match=r"line 7: 2 cells, expected 3 as in the header; complete the line, also with em"
    ):
        read_table(saved(text), separator=",")
    with pytest.raises(InputError, match=r"line 2: 2 cells, .*; a quoted cell continues to line 3$"):
        read_table(saved('a,b,c\n1,"x\ny"\n3,"x",4\n'), separator=",")
    with pytest.raises(
        InputError, match=r"line 2: 4 cells, .*; a cell begins with a quote that is never closed at the"
    ):
        read_table(saved('a,b,c\n1,"x, y,2\n3,"x",4\n'), separator=",")


def test_a_header_over_several_lines(saved):
    table = read_table(saved('a,"b\n(log2)","c\n\nd"\n1,2,3\n4,5,6\n'), separator=",", numbered=True)
    assert list(table) == ["a", "b\n(log2)", "c\n\nd"] and table.index.tolist() == [5, 6]
    assert table.to_numpy().tolist() == [["1", "2", "3"], ["4", "5", "6"]]


@pytest.mark.parametrize("quoted", ["1", '"1"'])
def test_a_cell_longer_than_a_block(saved, quoted):
    long = "ACGT" * 700_000
    table = read_table(saved(f"a\tb\n{quoted}\t{long}\n3\t4\n"))
    assert table["a"].tolist() == ["1", "3"] and table["b"][0] == long


cell = st.text(st.sampled_from('ab",\n x'), max_size=5)


@examples
@given(
    st.lists(st.tuples(cell, cell, cell), max_size=6),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_program_wrote_is_read_back_or_refused_never_changed(tmp_path_factory, content, quoting, end):
    """Python's csv as the reference; a cell that holds what looks like rows of the table is refused."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=quoting, lineterminator=end)
    writer.writerows([("one", "two", "three"), *content, ("last", "0", "0")])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(out.getvalue().encode())
    lines, at = [], 2
    for row in content:
        lines.append(at)
        at += 1 + sum(text.count("\n") for text in row)
    try:
        table = read_table(path, separator=",", numbered=True)
    except InputError as error:
        blank = any(not "".join(row) for row in content)
        assert ("is blank" in str(error) and blank) or "each of these lines is itself a row of 3 cells" in str(error)
        return
    assert [tuple(row) for row in table.to_numpy().tolist()] == [*content, ("last", "0", "0")]
    assert table.index.tolist() == [*lines, at]


raw = st.lists(st.text(st.sampled_from('a"\t\n'), max_size=12), min_size=1, max_size=6)


@examples
@given(raw)
def test_no_row_is_lost_whatever_the_quotes(tmp_path_factory, lines):
    """Any text: as many rows as lines that begin one, or an error with a line."""
    path = tmp_path_factory.mktemp("raw") / "t.tsv"
    path.write_text("x\ty\n" + "\n".join(lines) + "\nlast\tline\n")
    try:
        table = read_table(path, numbered=True)
    except InputError as error:
        assert f"{path}: line " in str(error)
        return
    inside = sum(text.count("\n") for column in table for text in table[column])
    assert len(table) + inside == path.read_text().rstrip("\n").count("\n") and table["x"].iloc[-1] == "last"


@pytest.mark.parametrize("quoted", ['"a,b"', '"1,5"'])
def test_a_quoted_separator_does_not_hide_rows_that_a_lone_quote_would_swallow(tmp_path, quoted):
    lines = ["name,note,sequence,y", f'{quoted},"unclosed,ACGT,1', "c,d,ACGT,2", 'e,closed",ACGT,3', "f,g,ACGT,4"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="line 2: a quote begins a cell that would end on line 4"):
        read_table(tmp_path / "t.csv", separator=",")
