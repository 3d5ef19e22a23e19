"""Tables: every cell as the text it is, faults by file and line, numbers to the last bit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from s2f.common import tables
from s2f.common.errors import InputError
from s2f.common.tables import numbers, read_table, write_table

examples = settings(deadline=None, max_examples=30)  # no deadline: the machine may be busy


# --- files


def test_every_cell_comes_back_as_the_text_it_is(saved):
    table = read_table(saved("chr\tid\tlabel\n7\t007\t1e5\nX\tNA\t\nnan\tTrue\t 1 \n"))
    assert table.to_dict("list") == {
        "chr": ["7", "X", "nan"], "id": ["007", "NA", "True"], "label": ["1e5", "", " 1 "],
    }  # fmt: skip


def test_column_names_that_look_like_numbers_are_text_too(saved):
    assert read_table(saved("1\t2\n007\t0.50\n")).to_dict("list") == {"1": ["007"], "2": ["0.50"]}


@pytest.mark.parametrize("content", ["a\tb\r\n1\t2\r\n", "\ufeffa\tb\n1\t2\n", "a\tb\n1\t2", "a\tb\n1\t2\n\n\n"])
def test_line_ends_byte_order_mark_and_blank_lines_at_the_end_do_not_matter(saved, content):
    assert read_table(saved(content), ["a", "b"]).to_dict("list") == {"a": ["1"], "b": ["2"]}


def test_separators_and_quotes(saved):
    assert read_table(saved('a,b\n"1,5","6"" tall"\n'), separator=",").to_dict("list") == {
        "a": ["1,5"],
        "b": ['6" tall'],
    }
    assert read_table(saved('a\tb\n6" tall\t2\n')).to_dict("list") == {"a": ['6" tall'], "b": ["2"]}


def test_a_header_alone_is_a_table_without_rows(saved):
    table = read_table(saved("a\tb\n"), ["a"])
    assert len(table) == 0 and list(table) == ["a", "b"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("", r"is empty, expected a header \(table\)"),
        ("# only\n\n", "is empty, expected a header"),
        ('""\t""\n1\t2\n', r"line 1: no column has a name, expected a header \(table\)"),
        (
            "a\tb\n1\t2\n3\n",
            r"line 3: 1 cell, expected 2 as in the header; complete the line, also with empty cells, or ",
        ),
        (
            "a\tb\n1\t2\n3",
            r"line 3: 1 cell, expected 2 as in the header; it is the last line: if the file is cut off, f",
        ),
        ("a\tb\n1\t2\n3,4\n", r"line 3: 1 cell, expected 2 as in the header; it has commas where the header has tabs"),
        ("a\tb\n1\t2\n3\t4\t5\n", r"line 3: 3 cells, expected 2 as in the header; remove what is too much, or put a "),
        ("a\tb\na\tb\n1\t2\n", r"line 2: the header is repeated: delete this line$"),
        ("# x\na\tb\n1\t2\na\t2\n1\tb\na\tb\n", r"line 6: the header is repeated"),
        ("a\tb\n1\t2\t3\n4\t5\t6\n", r"line 2: 3 cells, expected 2 as in the header"),  # no silent index column
        ("a\tb\nr1\t1\t2\nr2\t3\t4\n", r"line 2: 3 cells, .* in the header; if R wrote row names into the first"),
        ("a\tb\n1\t2\n\n3\t4\n", "line 3 is blank"),
        ("a\tb\n1\t2\n\t\n3\t4\n", "line 3 is blank"),
        ("a\tb\ta\n1\t2\t3\n", "column 'a' occurs 2 times"),
        ("b\tc\n1\t2\n", "column 'a' is missing; the file has: 'b', 'c'"),
        (
            "a,b\n1,2\n",
            'its cells are separated by commas, not by tabs: save it with tabs, or write separator: "," for',
        ),
        (
            "x;b\n1;2\n",
            "'x;b'; its cells are separated by semicolons, .* with tabs, or write separator: \";\" for a source",
        ),
        ("x;y, z;w\n1;2;3\n", "; its cells are separated by semicolons"),  # the more frequent of two
        (
            "Table S1, activities\nx\tb\tc\n1\t2\t3\n",
            "; line 1 has 1 of the 3 cells that lines below have: if it is a title, remove it or begin it with #",
        ),
        ("My assay\na;b\n1;2\n", "separated by semicolons, .*; line 2 has all columns: remove the lines above it"),
        ("a\n1\t2\n", r"line 2: 2 cells, expected 1 as in the header; if line 1 is a title, remove it or begin it"),
        (b"a\tb\n1\t\xff\n", "line 2: byte 0xff is not UTF-8 .*; save the file as UTF-8, or convert it: iconv"),
        (b"a\tb\n1\t2\n3\t4\0\n", "line 3: holds a NUL byte, which text never does"),
    ],
)
def test_faults_are_named_with_file_and_line(saved, content, message):
    with pytest.raises(InputError, match=rf"table\.tsv: .*{message}"):
        read_table(saved(content), ["a"])


def test_a_missing_file_is_named_with_what_it_should_be(tmp_path):
    with pytest.raises(InputError, match=r"absent\.tsv: no such file \(Gosai sample\)"):
        read_table(tmp_path / "absent.tsv", text="Gosai sample")
    with pytest.raises(InputError, match="is a directory"):
        read_table(tmp_path)


def test_a_short_line_far_down_is_found(saved):
    with pytest.raises(InputError, match="line 200002: 1 cell"):
        read_table(saved("a\tb\n" + "123456\t654321\n" * 200_000 + "1\n"))


cells = st.text(st.characters(exclude_categories=["C"]), max_size=8)


@examples
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_a_written_table_is_read_back_cell_by_cell(tmp_path_factory, content):
    table = pd.DataFrame(content, columns=["a", "b"], dtype="str").assign(row=[f"r{i}" for i in range(len(content))])
    path = tmp_path_factory.mktemp("tables") / "t.tsv"
    write_table(path, table)
    assert_frame_equal(read_table(path), table)


@examples
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_numbers_survive_a_file_bit_by_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("tables") / "t.tsv"
    write_table(path, pd.DataFrame({"x": values, "y": "."}))
    np.testing.assert_array_equal(
        numbers(read_table(path), "x", path).to_numpy().view(np.int64), np.array(values).view(np.int64)
    )


def test_missing_values_are_written_empty(tmp_path):
    write_table(
        tmp_path / "t.tsv", pd.DataFrame({"a": ["x", None], "b": [np.nan, 0.1], "c": pd.array([1, None], "Int64")})
    )
    assert (tmp_path / "t.tsv").read_text() == "a\tb\tc\nx\t\t1\n\t0.1\t\n"


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=4)


@examples
@given(st.lists(st.tuples(TEXT, st.integers(-9, 9) | st.none(), TEXT | st.none()), max_size=5), st.booleans())
def test_tables_of_text_and_whole_numbers_are_written_as_pandas_does(tmp_path_factory, content, one_column):
    """Quotes where they are needed, missing cells, awkward letters: the quick way must give the same bytes."""
    table = pd.DataFrame(content, columns=["a", "n", 'odd "name"'])
    table = table.assign(n=table["n"].astype("Int64"), a=table["a"].astype("str"))
    table = table[["a"]] if one_column else table
    path = tmp_path_factory.mktemp("tables") / "t.tsv"
    write_table(path, table)
    table.to_csv(path.with_name("pandas.tsv"), sep="\t", index=False, lineterminator="\n")
    assert path.read_bytes() == path.with_name("pandas.tsv").read_bytes()
    table = table.iloc[:, :2]
    write_table(path, table)
    table.to_csv(path.with_name("pandas.tsv"), sep="\t", index=False, lineterminator="\n")
    assert path.read_bytes() == path.with_name("pandas.tsv").read_bytes()


# --- numbers


def test_numbers_and_missing_cells(saved):
    table = read_table(saved("x\n1\n -2.5 \n1e-3\n+.5\nNA\nnan\nNaN\nNone\nnull\n"))
    values = numbers(table, "x", "t.tsv")
    assert values.dtype == np.float64 and values[:4].tolist() == [1, -2.5, 1e-3, 0.5] and values[4:].isna().all()
    empty = read_table(saved("x\ty\n\t1\n\t2\n"))
    assert numbers(empty, "x", "t.tsv").isna().all() and numbers(empty[:0], "y", "t.tsv").dtype == np.float64


@pytest.mark.parametrize(
    "cell", ["abc", "1,5", "1 2", "1_000", "0x10", "True", "inf", "-Infinity", "1e999", "--1", "N/A"]
)
def test_a_cell_that_is_no_number_is_named_with_its_line(saved, cell):
    table = read_table(saved(f"id\tx\na\t1\nb\tNA\nc\t{cell}\nd\tworse\n"))
    with pytest.raises(InputError) as error:
        numbers(table, "x", "t.tsv", labels=True)
    fixes = {
        "1,5": "; this column has a decimal comma in 1 cell: save the table with a decimal point (1.5)",
        "True": "; write the labels of a classification (task: classification) as 1 and 0",
    }
    assert str(error.value) == f"t.tsv: line 4: x is {cell!r}, expected a number{fixes.get(cell, '')}"


def test_two_words_are_the_classes_of_a_classification(saved):
    table = read_table(saved("x\ty\nactive\tlow\ninactive\tmid\nactive\thigh\nNA\t\n"))
    with pytest.raises(
        InputError, match=r"x is 'active', .* \(task: classification\) as 1 and 0 instead of 'active' and "
    ):
        numbers(table, "x", "t.tsv", labels=True)
    with pytest.raises(InputError, match=r"x is 'active', expected a number$"):
        numbers(table, "x", "t.tsv")
    with pytest.raises(InputError, match=r"y is 'low', expected a number$"):
        numbers(table, "y", "t.tsv", labels=True)


def test_the_line_is_that_of_the_file_in_a_filtered_table_too(saved):
    table = read_table(saved("id\tx\na\t1\nb\t2\nc\tabc\n"))
    with pytest.raises(InputError, match="line 4: x is 'abc'"):
        numbers(table[table["id"] != "a"], "x", "t.tsv")


# --- columns in memory


def test_a_function_is_applied_once_to_each_text():
    column, seen = pd.Series(["a", "b", "a", ""], index=[3, 1, 4, 9], dtype="str"), []
    found = tables.mapped(column, lambda text: seen.append(text) or f"{text}.")
    assert_frame_equal(found.to_frame("x"), (column + ".").to_frame("x"))
    assert seen == ["a", "b", ""]
    assert tables.mapped(column[:0], str).tolist() == []


def test_rows_are_kept_with_their_index():
    given = pd.DataFrame({"row_id": list("abc"), "label": [0.0, 1.0, 0.5], "start": pd.array([1, None, 3], "Int64")})
    mask = np.array([True, False, True])
    assert_frame_equal(tables.rows_where(given, mask), given[mask])


# --- headers


@pytest.mark.parametrize("above", ["# made by R\n", "#a\tc\n\n# b\n", "\n\n", '# an "odd note\n'])
def test_comments_and_blank_lines_above_the_header(saved, above):
    table = read_table(saved(f"{above}a\tb\n1\tx\n2\ty\n"), ["a", "b"], numbered=True)
    assert table.to_dict("list") == {"a": ["1", "2"], "b": ["x", "y"]}
    assert table.index.tolist() == [2 + above.count("\n"), 3 + above.count("\n")] and table.index.name == "line"
    with pytest.raises(InputError, match=f"line {3 + above.count(chr(10))}: b is 'y', expected a number"):
        numbers(table[1:], "b", "t.tsv")


@pytest.mark.parametrize("header", ["#a\tb", "# a\tb", '#"a"\tb'])
def test_a_header_may_be_a_comment_where_it_alone_has_the_columns(saved, header):
    path = saved(f"# note\n{header}\n1\t2\n")
    assert read_table(path, ["a", "b"], numbered=True).to_dict("index") == {3: {"a": "1", "b": "2"}}
    whole = header.split("\t")[0].replace('"', "")
    if '"' not in header:
        assert list(read_table(path, [whole], only=True)) == [whole]


def test_a_title_above_the_header_is_pointed_at(saved):
    path = saved("Table S2. Activities\n\nname\tlabel\nr1\t1\n")
    with pytest.raises(InputError) as error:
        read_table(path, ["name", "label"])
    assert str(error.value) == (
        f"{path}: column 'name' is missing; the file has: 'Table S2. Activities'; line 3 has all columns: remove the "
        "lines above it, or begin each with #"
    )


def test_columns_without_a_name_are_left_out(saved):
    assert read_table(saved("a\tb\t\t\n1\t2\t\t\n3\t4\tx\t\n")).to_dict("list") == {"a": ["1", "3"], "b": ["2", "4"]}
    assert read_table(saved("\ta\n0\t1\n"), ["a"]).to_dict("list") == {"a": ["1"]}  # row names of pandas


def test_only_the_columns_that_are_asked_for_matter(saved):
    path = saved("note\ta\tnote\tb\nx\t1\ty\t2\n")
    with pytest.raises(InputError, match="column 'note' occurs 2 times"):
        read_table(path, ["a"])
    assert read_table(path, ["b", "a"], only=True).to_dict("list") == {"a": ["1"], "b": ["2"]}
    with pytest.raises(InputError, match="column 'note' occurs 2 times"):
        read_table(path, ["note"], only=True)


def test_a_table_without_a_header_has_numbered_columns(saved):
    table = read_table(saved("# note\n1\tx\n2\ty\n"), ["column 2"], header=False, only=True, numbered=True)
    assert table.to_dict("index") == {2: {"column 2": "x"}, 3: {"column 2": "y"}}
    with pytest.raises(InputError, match="column 'column 3' is missing; the file has: 'column 1', 'column 2'"):
        read_table(saved("1\tx\n"), ["column 3"], header=False)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_line_ends_of_all_systems(saved, end):
    text = f"a\tb{end}1\t2{end}3\tx{end}"
    table = read_table(saved(text), numbered=True)
    assert table["a"].tolist() == ["1", "3"]
    with pytest.raises(InputError, match="line 3: b is 'x'"):
        numbers(table, "b", "t.tsv")


@pytest.mark.parametrize("separator", ["", "ab", "§", '"', "\n"])
def test_a_separator_is_one_letter(saved, separator):
    with pytest.raises(InputError, match="expected one ASCII character other than a quote or a line break"):
        read_table(saved("a\n1\n"), separator=separator)


def test_lines_of_separators_at_the_end_are_ignored_in_every_reading(saved):
    path = saved("a,b\n1,2\n,\n,\r\n\n")
    for options in ({}, {"columns": ["a"], "only": True}):
        assert read_table(path, separator=",", **options)["a"].tolist() == ["1"]


def test_further_missing_texts(saved):
    table = read_table(saved("x\ty\n1\t\nN/A\t\n-\t\n"))
    assert numbers(table, "x", "t.tsv", (*tables.MISSING, "N/A", "-")).isna().tolist() == [False, True, True]


def test_white_space_is_taken_off_where_there_is_some():
    column = pd.Series(["a b", "", "c"], dtype="str")
    assert tables.stripped(column) is column
    assert tables.stripped(pd.Series([" a", "b\t", "c\u00a0"], dtype="str")).tolist() == ["a", "b", "c"]


def test_a_refusal_shows_the_whole_cell(saved):
    name = "chr1:" + "x" * 300
    table = read_table(saved(f"id\tx\na\t1\n{name}\t2\n"), numbered=True)
    with pytest.raises(InputError, match=f"^t.tsv: line 3: id is '{name}', expected a short name$"):
        tables.refuse(table["x"] == "2", table, ["id"], "t.tsv", "a short name")


def test_without_a_header_a_row_is_not_taken_for_a_comment(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("#1\tACGT\t1\n#2\tACGT\t2\nr3\tACGT\t3\n")
    with pytest.raises(InputError, match=r"t.tsv: line 1: begins with # and has as many cells as a row"):
        read_table(path, header=False)
    path.write_text("# ids and sequences\nr3\tACGT\t3\n")
    assert read_table(path, header=False).to_numpy().tolist() == [["r3", "ACGT", "3"]]
