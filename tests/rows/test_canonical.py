"""Canonical rows: their form, what is refused, fingerprints, and the file."""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from s2f.common.errors import InputError
from s2f.rows import canonical
from s2f.sequences import dna

examples = settings(deadline=None, max_examples=30)  # no deadline: the machine may be busy


def table(**columns):
    """Three good rows; `columns` are added or replace what is there."""
    return pd.DataFrame(
        {"row_id": ["a", "b", "c"], "sequence": ["ACGT", "GGN", "TT"], "label": [0.0, 1.0, 0.5], **columns}
    )


# --- canonical form


def test_missing_columns_are_filled_and_columns_stand_in_order():
    out = canonical.canonical(table(), "x.tsv")
    assert list(out) == list(canonical.COLUMNS) and out.index.tolist() == [0, 1, 2]
    assert {name: str(dtype) for name, dtype in out.dtypes.items()} == canonical.COLUMNS
    assert (out[["chrom", "strand", "allele", "pair_id", "group", "published"]] == "").all(axis=None)
    assert out[["stderr", "start", "end"]].isna().all(axis=None)


def test_sequences_become_upper_case_dna():
    assert canonical.canonical(table(sequence=["acgu", "ACGN", "uU"]), "x")["sequence"].tolist() == [
        "ACGT",
        "ACGN",
        "TT",
    ]


@examples
@given(st.lists(st.text("ACGTUNacgtun", min_size=1, max_size=12), min_size=1, max_size=12))
def test_every_legal_sequence_is_cleaned_as_dna_does(sequences):
    frame = pd.DataFrame({"row_id": [f"r{i}" for i in range(len(sequences))], "sequence": sequences, "label": 0.0})
    assert canonical.canonical(frame, "x")["sequence"].tolist() == [dna.clean(sequence) for sequence in sequences]


def test_text_columns_become_text_and_missing_cells_empty():
    given = table(
        row_id=[1, 2, 3], chrom=[7, None, 13.0], group=["g", np.nan, 4], pair_id=pd.array([5, pd.NA, 5], "Int64")
    )
    out = canonical.canonical(given, "x")
    assert out["row_id"].tolist() == ["1", "2", "3"]
    assert out["chrom"].tolist() == ["chr7", "", "chr13"]
    assert out["group"].tolist() == ["g", "", "4"] and out["pair_id"].tolist() == ["5", "", "5"]


def test_the_index_of_a_filtered_table_does_not_matter():
    given = table()[[False, True, True]]
    assert_frame_equal(canonical.canonical(given, "x"), canonical.canonical(given.reset_index(drop=True), "x"))


def test_canonical_is_a_fixed_point():
    once = canonical.canonical(
        table(chrom=["7", "chrx", ""], start=[1, 5, None], end=[9, 6, None], stderr=[0.1, None, 0]), "x"
    )
    assert_frame_equal(canonical.canonical(once, "x"), once)


# --- refusals


@pytest.mark.parametrize("name", ["chr", "chrchr7", "chr chrom7", "7 8", "chr7 p12", "0", "chr0", "7.5", "-7", "*"])
def test_a_row_with_what_is_no_chromosome_is_named(name):
    given = table(chrom=["7", "7", name], start=[1, 2, 3], end=[2, 3, 4])
    with pytest.raises(InputError, match=f"x.tsv: row 'c': chromosome is {re.escape(repr(name))}"):
        canonical.canonical(given, "x.tsv")


@pytest.mark.parametrize(
    "columns, message",
    [
        (
            {"row_id": ["a", "b", "a"]},
            "row_id 'a' occurs more than once; expected a unique name for each row: rename or",
        ),
        ({"row_id": ["a", "", ""]}, "row 2: row_id is empty"),
        ({"row_id": ["a", "b\tc", "d"]}, r"row_id 'b\\tc' holds a tab or a line break"),
        ({"row_id": ["a", "b\n", "d"]}, r"row_id 'b\\n' holds a tab or a line break"),
        (
            {"row_id": ["a", "\ufeffb", "c"]},
            r"row '\\ufeffb': row_id is '\\ufeffb', .* U\+FEFF \(ZERO WIDTH NO-BREAK SPACE\)",
        ),
        ({"group": ["g", "g", "g\u200b"]}, r"row 'c': group is 'g\\u200b', which holds U\+200B \(ZERO WIDTH SPACE\)"),
        ({"pair_id": ["p", "p\xa0q", ""]}, r"row 'b': pair_id is 'p\\xa0q', which holds U\+00A0 \(NO-BREAK SPACE\)"),
        (
            {"published": ["train", "te\x00st", ""]},
            r"row 'b': published is .* U\+0000 \(a control character\), an invisible character",
        ),
        ({"sequence": ["A", "ACRT", "X"]}, "row 'b': base 3 is 'R', expected A, C, G, T, U or N"),
        ({"sequence": ["A", "ACGT", ""]}, "row 'c': sequence is empty"),
        ({"sequence": ["A", None, "A"]}, "row 'b': sequence is empty"),
        ({"label": [0.0, np.nan, np.inf]}, "row 'b': label is nan, missing or not finite"),
        ({"label": [0.0, 1.0, -np.inf]}, "row 'c': label is -inf, missing or not finite"),
        ({"stderr": [0.0, None, -0.5]}, "row 'c': stderr is -0.5, expected a number of at least 0"),
        ({"stderr": [0.0, np.inf, 1.0]}, "row 'b': stderr is inf, expected a number of at least 0"),
        (
            {"label": [0.0, -1e300, 1.0]},
            r"row 'b': label is -1e\+300, expected less than 1e\+15 in size; does it mean",
        ),
        ({"stderr": [0.0, 1.0, 1e15]}, r"row 'c': stderr is 1000000000000000.0, expected less than 1e\+15 in size"),
        (
            {"start": [1, 2, None], "end": [5, None, None]},
            "row 'b': end is <NA>, expected both start and end, or neither",
        ),
        ({"start": [1, 2, None], "end": [5, 3, 4]}, "row 'c': end is 4, expected both start and end, or neither"),
        ({"start": [1, 2, 3], "end": [5, 2, 9]}, "row 'b': end is 2, expected a number above start"),
        ({"strand": ["+", "-", "*"]}, r"row 'c': strand is '\*', expected \+, - or empty"),
        ({"allele": ["ref", "alt", "R"]}, "row 'c': allele is 'R', expected ref, alt or empty"),
    ],
)
def test_refusals_name_source_and_row(columns, message):
    with pytest.raises(InputError, match=f"^x.tsv: {message}"):
        canonical.canonical(table(**columns), "x.tsv")


def test_letters_of_other_alphabets_are_seen():
    names = ["Δ1", "é 2", "样本"]
    assert canonical.canonical(table(row_id=names, group=names), "x.tsv")["group"].tolist() == names


def test_a_classification_takes_0_and_1_only():
    with pytest.raises(
        InputError, match=r"x.tsv: row 'c': label is 0.5, expected 0 or 1, as labels of a classification"
    ):
        canonical.canonical(table(), "x.tsv", "classification")
    assert canonical.canonical(table(label=[0, 1, 1]), "x.tsv", "classification")["label"].tolist() == [0.0, 1.0, 1.0]


def test_an_empty_table_is_refused():
    with pytest.raises(InputError, match=r"x.tsv: no rows remain; check the filters"):
        canonical.canonical(table()[:0], "x.tsv")


def test_an_unknown_column_is_a_mistake_of_the_program():
    with pytest.raises(ValueError, match="unknown row columns \\['colour'\\]"):
        canonical.canonical(table(colour="red"), "x.tsv")


# --- columns of text


def test_letters_are_looked_at_in_every_part_of_a_column_and_in_no_other():
    column = pd.concat([pd.Series(["ACX", "AC", "GT"], dtype="str"), pd.Series(["", "TT", "AN"], dtype="str")])
    assert canonical.letters_other_than(b"ACGTN", column) and not canonical.letters_other_than(b"ACGTNX", column)
    assert not canonical.letters_other_than(b"ACGTN", column[1:]) and canonical.letters_other_than(b"ACGT", column[1:])
    assert not canonical.letters_other_than(b"ACGT", column[1:-1]) and not canonical.letters_other_than(b"", column[:0])
    assert canonical.letters_other_than(b"ACGT", pd.Series(["AC", "\u00c4"], dtype="str"))


# --- fingerprints


def test_rows_sha256_is_the_hash_of_its_sorted_lines():
    given = table(row_id=["b", "a", "c"], label=[0.1, -0.0, 1e22])
    lines = "a\tGGN\t-0.0\nb\tACGT\t0.1\nc\tTT\t1e+22\n"
    assert canonical.rows_sha256(given) == hashlib.sha256(lines.encode()).hexdigest()


def test_sequences_sha256_is_the_hash_of_its_sorted_lines():
    lines = "a\tGGN\nb\tACGT\n"
    assert canonical.sequences_sha256(["b", "a"], ["ACGT", "GGN"]) == hashlib.sha256(lines.encode()).hexdigest()
    with pytest.raises(ValueError):
        canonical.sequences_sha256(["b", "a"], ["ACGT"])


@examples
@given(st.permutations(range(6)))
def test_fingerprints_do_not_depend_on_the_order(order):
    frame = canonical.canonical(
        pd.DataFrame({"row_id": list("abcdef"), "sequence": list("ACGTAC"), "label": [0.1, 0.1, 2, 3, 4, 1e-9]}), "x"
    )
    shuffled = frame.iloc[list(order)]
    assert canonical.rows_sha256(shuffled) == canonical.rows_sha256(frame)
    expected = canonical.sequences_sha256(frame["row_id"], frame["sequence"])
    assert canonical.sequences_sha256(shuffled["row_id"], shuffled["sequence"].tolist()) == expected


@pytest.mark.parametrize("column, value", [("row_id", "d"), ("sequence", "ACGA"), ("label", np.nextafter(0.0, 1))])
def test_rows_sha256_feels_each_of_its_columns(column, value):
    given = canonical.canonical(table(), "x")
    changed = given.copy()
    changed.loc[0, column] = value
    assert canonical.rows_sha256(changed) != canonical.rows_sha256(given)
    sequences = [canonical.sequences_sha256(frame["row_id"], frame["sequence"]) for frame in (given, changed)]
    assert (sequences[0] == sequences[1]) == (column == "label")


def test_rows_sha256_feels_a_swap_of_two_labels_and_no_other_column():
    given = canonical.canonical(table(), "x")
    swapped = given.assign(label=given["label"].to_numpy()[[1, 0, 2]])
    assert canonical.rows_sha256(swapped) != canonical.rows_sha256(given)
    assert canonical.rows_sha256(given.assign(stderr=9.0, group="g")) == canonical.rows_sha256(given)


# --- file


def test_rows_survive_their_file(tmp_path):
    frame = canonical.canonical(
        table(
            chrom=["7", "X", ""], start=[0, 2**40, None], end=[4, 2**40 + 3, None], stderr=[0.1, None, 2], strand="+",
            allele=["ref", "alt", ""], pair_id=["p", "p", ""], label=[0.1 + 0.2, 1e-300, -0.0],
        ),
        "x",
    )  # fmt: skip
    canonical.write_rows(tmp_path / "rows.parquet", frame)
    back = canonical.read_rows(tmp_path / "rows.parquet")
    assert_frame_equal(back, frame, check_exact=True)
    assert canonical.rows_sha256(back) == canonical.rows_sha256(frame)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]


def test_only_the_wanted_columns_are_read(tmp_path):
    canonical.write_rows(tmp_path / "rows.parquet", canonical.canonical(table(), "x"))
    assert list(canonical.read_rows(tmp_path / "rows.parquet", ["row_id", "label"])) == ["row_id", "label"]


def test_missing_and_broken_files_are_named(tmp_path):
    path = tmp_path / "rows.parquet"
    with pytest.raises(InputError, match=r"rows.parquet: no such file; it is made by the rule make_rows"):
        canonical.read_rows(path)
    canonical.write_rows(path, canonical.canonical(table(), "x"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"rows.parquet: is not a readable table of rows"):
        canonical.read_rows(path)


def test_a_column_that_the_file_lacks_is_refused(tmp_path):
    canonical.write_rows(tmp_path / "rows.parquet", canonical.canonical(table(), "x"))
    with pytest.raises(InputError, match=r"rows.parquet: is not a readable table of rows: .*nothing"):
        canonical.read_rows(tmp_path / "rows.parquet", ["nothing"])


# --- several cells

CELLS = ["K562", "HepG2"]


def cells_table(**columns):
    """Three rows with labels of two cells, the second without one of the first cell."""
    frame = table(**{"label.K562": [1.0, None, 3.0], "label.HepG2": [None, 5.0, 6.0], **columns})
    return frame.drop(columns="label")


def test_rows_of_several_cells_carry_a_label_for_each_and_that_of_the_first():
    out = canonical.canonical(cells_table(**{"stderr.K562": [0.1, None, 0.3]}), "x", cells=CELLS)
    assert list(out) == [*canonical.COLUMNS, "label.K562", "label.HepG2", "stderr.K562"]
    np.testing.assert_array_equal(out["label"], [1, np.nan, 3])
    np.testing.assert_array_equal(out["stderr"], [0.1, np.nan, 0.3])
    assert canonical.cells_of(out) == CELLS and canonical.cells_of(canonical.canonical(table(), "x")) == []
    np.testing.assert_array_equal(canonical.labels_of(out), [[1, np.nan], [np.nan, 5], [3, 6]])
    assert canonical.labels_of(canonical.canonical(table(), "x")).tolist() == [0.0, 1.0, 0.5]


def test_the_first_cell_alone_is_a_table_of_one_label():
    out = canonical.canonical(cells_table(), "x", cells=CELLS)
    first = canonical.of_first_cell(out)
    assert list(first) == list(canonical.COLUMNS) and first["row_id"].tolist() == ["a", "c"]
    one = canonical.canonical(table(), "x")
    assert canonical.of_first_cell(one) is one


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"label.K562": [1.0, None, 3.0], "label.HepG2": [1.0, None, 3.0]},
            "row 'b': label is nan, missing in every cell",
        ),
        ({"label.HepG2": [1.0, np.inf, 3.0]}, "row 'b': label.HepG2 is inf, expected a finite number or none"),
        ({"label.HepG2": [None, None, None], "label.K562": [1.0, 2, 3]}, "no row has a label of HepG2; remove it"),
        ({"stderr.HepG2": [0.1, -1.0, None]}, "row 'b': stderr.HepG2 is -1.0, expected a number of at least 0"),
    ],
)
def test_mistakes_in_the_labels_of_cells_are_named(columns, message):
    with pytest.raises(InputError, match=re.escape(message)):
        canonical.canonical(cells_table(**columns), "x", cells=CELLS)


def test_fingerprints_of_rows_with_cells():
    out = canonical.canonical(cells_table(), "x", cells=CELLS)
    other = out.assign(**{"label.HepG2": [None, 5.0, 7.0]})
    assert canonical.rows_sha256(out) == canonical.rows_sha256(other)  # by the label that counts
    assert canonical.labels_sha256(out) != canonical.labels_sha256(other)  # by all that is trained on
    one = canonical.canonical(table(), "x")
    assert canonical.labels_sha256(one) == canonical.rows_sha256(one)


def test_the_label_brings_those_of_all_cells_from_the_file(tmp_path):
    out = canonical.canonical(cells_table(), "x", cells=CELLS)
    canonical.write_rows(tmp_path / "rows.parquet", out)
    read = canonical.read_rows(tmp_path / "rows.parquet", ["row_id", "label"])
    assert list(read) == ["row_id", "label", "label.K562", "label.HepG2"]
    assert list(canonical.read_rows(tmp_path / "rows.parquet", ["row_id"])) == ["row_id"]
    assert_frame_equal(canonical.read_rows(tmp_path / "rows.parquet"), out)


def test_standard_errors_have_the_shape_of_the_labels():
    table = pd.DataFrame({"row_id": ["a", "b"], "sequence": ["ACGT"] * 2, "label": [1.0, 2.0], "stderr": [0.1, np.nan]})
    np.testing.assert_array_equal(canonical.errors_of(canonical.canonical(table, "x")), [0.1, np.nan])
    cells = table.drop(columns=["label", "stderr"]).assign(
        **{"label.A": [1.0, np.nan], "label.B": [2.0, 3.0], "stderr.B": [0.5, 0.25]}
    )
    errors = canonical.errors_of(canonical.canonical(cells, "x", cells=["A", "B"]))
    np.testing.assert_array_equal(errors, [[np.nan, 0.5], [np.nan, 0.25]])
