import re

import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.study.schema import checked_kind

TABLE = pd.DataFrame(
    [
        ["a", "acgt", "1.5", "0.1", "7", "10", "14", "+", "ref", "v", "p", "g1", "train"],
        ["b", "ACGA", "-1e0", "0.5", "chr7", "10", "14", ".", "alt", "v", "p", "g1", "train"],
        ["c", "UUUU", "NA", "0.2", "X", "", "", "", "", "", "", "", "test"],
        ["d", "GGGN", "2", "", "", "", "", "-", "", "", "", "g2", ""],
    ],
    columns=["name", "seq", "y", "se", "chr", "from", "to", "dir", "al", "var", "snp", "fam", "fold"],
)
COLUMNS = {
    "row_id": "name", "sequence": "seq", "label": "y", "stderr": "se", "chrom": "chr", "start": "from", "end": "to",
    "strand": "dir", "allele": "al", "variant": "var", "pair_id": "snp", "group": "fam", "published": "fold",
}  # fmt: skip


def read(folder, table=TABLE, **spec):
    separator = spec.get("separator", "\t")
    table.to_csv(folder / "mine.txt", sep=separator, index=False)
    return sources.read("table", {"rows": folder / "mine.txt"}, {"columns": COLUMNS, **spec})


def changed(line, column, value):
    table = TABLE.copy()
    table.loc[line, column] = value
    return table


@pytest.mark.parametrize("separator", ["\t", ","])
def test_every_column_is_mapped(tmp_path, separator):
    rows, stages = read(tmp_path, separator=separator)
    assert stages.counts == [("read", 4), ("label measured", 3)]
    first = rows.iloc[0].to_dict()
    assert first == {
        "row_id": "a", "sequence": "ACGT", "label": 1.5, "stderr": 0.1, "chrom": "chr7", "start": 10, "end": 14,
        "strand": "+", "allele": "ref", "variant": "v", "pair_id": "p", "group": "g1", "published": "train",
    }  # fmt: skip
    assert list(rows["strand"]) == ["+", "", "-"]
    assert list(rows["sequence"]) == ["ACGT", "ACGA", "GGGN"]
    assert pd.isna(rows["start"][2])


def test_three_columns_are_enough(tmp_path):
    columns = {name: COLUMNS[name] for name in ("row_id", "sequence", "label")}
    rows, _ = read(tmp_path, columns=columns)
    assert list(rows["row_id"]) == ["a", "b", "d"]
    assert (rows["chrom"] == "").all()


def test_stderr_filter_is_strict_drops_unknown_precision_and_breaks_pairs(tmp_path):
    rows, stages = read(tmp_path, max_stderr=0.5)
    assert stages.counts == [("read", 4), ("label measured", 3), ("stderr below 0.5", 1)]
    assert list(rows["row_id"]) == ["a"]
    assert rows["pair_id"][0] == ""


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed(1, "name", ""), r"mine.txt: line 3: name is '', expected a name"),
        (changed(2, "name", "a"), "line 4: name is 'a', as on line 2; make it unique"),
        (changed(1, "seq", "ACXT"), "line 3: seq is 'ACXT': base 3 is 'X', expected A, C, G, T, U or N; correct or"),
        (changed(1, "seq", ""), "line 3: seq is '', expected letters .*; fill it or delete the line"),
        (changed(1, "seq", "NA"), "line 3: seq is 'NA', expected letters"),
        (changed(1, "y", "high"), "line 3: y is 'high', expected a number"),
        (changed(1, "y", "inf"), "line 3: y is 'inf', expected a number"),
        (changed(3, "se", "-0.1"), "line 5: se is '-0.1', expected a number of at least 0"),
        (changed(0, "from", "10.5"), "line 2: from is '10.5', expected a whole number"),
        (changed(0, "to", "10"), "line 2: to is '10', expected an end after the start"),
        (changed(0, "dir", "forward"), r"line 2: dir is 'forward', expected \+, -, \. or nothing"),
        (changed(0, "al", "R"), "line 2: al is 'R', expected ref, alt or nothing"),
        (changed(1, "al", "ref"), "pair 'p' has 2 ref rows, expected one: a, b"),
        (changed(1, "al", ""), "row 'b' has a pair_id, but allele is '', expected ref or alt"),
        (TABLE.drop(columns="se"), "column 'se' is missing; the file has: 'name', 'seq'"),
        (
            TABLE.assign(y=""),
            r"no rows remain: 4 were read, and 'label measured' left none of 4; the label has no value in any row",
        ),
    ],
)
def test_mistakes_in_the_file_name_line_and_mend(tmp_path, table, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, table)


OF_CELLS = {"sequence": "seq", "label.K562": "y", "label.HepG2": "z", "stderr.K562": "se", "stderr.HepG2": "sz"}


def read_cells(folder, table, **spec):
    table.to_csv(folder / "mine.txt", sep="\t", index=False)
    files = {"rows": folder / "mine.txt"}
    return sources.read("table", files, {"columns": OF_CELLS, **spec}, cells=["K562", "HepG2"])


def test_rows_have_a_label_of_each_cell(tmp_path):
    table = TABLE.assign(z=["0.5", "", "", "-2"], sz=["0.1", "", "", "0.9"])
    rows, stages = read_cells(tmp_path, table)
    assert list(rows["row_id"]) == ["rows:2", "rows:3", "rows:5"]  # line 4 has a label in no cell
    assert rows["label.HepG2"].fillna(99).tolist() == [0.5, 99, -2] and rows["label"].tolist() == [1.5, -1, 2]
    assert stages.parts == [("label of K562", 3), ("label of HepG2", 2)]
    rows, stages = read_cells(tmp_path, table, max_stderr=0.5)
    assert rows["row_id"].tolist() == ["rows:2"] and rows["label.HepG2"].tolist() == [0.5]
    assert ("label of K562 with stderr below 0.5", 1) in stages.parts
    rows, _ = read_cells(tmp_path, table, max_stderr=1)
    assert rows["label.K562"].fillna(99).tolist() == [1.5, -1, 99]  # the stderr of line 5 is not known


def test_mistakes_in_columns_of_cells_are_named(tmp_path):
    table = TABLE.assign(z="1", sz="0.1")
    table.loc[2, "sz"] = "-1"
    with pytest.raises(InputError, match="line 4: sz is '-1', expected a number of at least 0"):
        read_cells(tmp_path, table)
    lacking = {name: column for name, column in OF_CELLS.items() if name != "label.HepG2"}
    with pytest.raises(InputError, match=r"'columns' lacks 'label\.HepG2': give the name of its column"):
        read_cells(tmp_path, table, columns=lacking)
    with pytest.raises(InputError, match=r"'columns' has no 'label'; did you mean 'label\.K562'\? known: .*HepG2"):
        read_cells(tmp_path, table, columns=OF_CELLS | {"label": "y"})
    table.loc[2, ["y", "z", "sz"]] = "", "", ""
    with pytest.raises(InputError, match="line 4: y is '', expected a number"):
        read_cells(tmp_path, table, drop_missing_label=False)


def without(*names):
    return {name: column for name, column in COLUMNS.items() if name not in names}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"columns": without("label")}, "'columns' lacks 'label': give the name of its column"),
        ({"columns": {**COLUMNS, "labels": "y"}}, "columns: unknown key 'labels'; did you mean 'label'"),
        ({"columns": without("allele")}, "has 'pair_id' but lacks 'allele', which it needs"),
        ({"columns": without("chrom")}, "has 'start' but lacks 'chrom', which it needs"),
        ({"columns": without("stderr"), "max_stderr": 1}, "max_stderr is set, but 'columns' lacks 'stderr'"),
        ({"separator": ""}, "separator is '', expected one character"),
        ({"drop_missing_label": False}, r"line 4: y is 'NA', expected a number \(or set drop_missing_label: true\)"),
        ({"seperator": ","}, "unknown key 'seperator'; did you mean 'separator'"),
    ],
)
def test_mistakes_in_the_spec_are_named(tmp_path, spec, message):
    TABLE.to_csv(tmp_path / "mine.txt", sep="\t", index=False)
    with pytest.raises(InputError, match=message):
        sources.read("table", {"rows": tmp_path / "mine.txt"}, {"columns": COLUMNS, **spec})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.tsv: no such file"):
        sources.read("table", {"rows": tmp_path / "none.tsv"}, {"columns": COLUMNS})


def test_files_of_a_published_split_name_rows_and_parts(tmp_path):
    files = {name: tmp_path / f"{name}.csv" for name in ("train", "test")}
    files["train"].write_text("sequence,label\nACGU,1\nggta,0\n")
    files["test"].write_text("sequence,label\nTTTT,1\n")
    spec = {"columns": {"sequence": "sequence", "label": "label"}, "separator": ","}
    rows, stages = sources.read("table", files, spec, "classification")
    assert rows[["row_id", "sequence", "label", "published"]].to_numpy().tolist() == [
        ["train:2", "ACGT", 1.0, "train"], ["train:3", "GGTA", 0.0, "train"], ["test:2", "TTTT", 1.0, "test"],
    ]  # fmt: skip
    assert stages.counts == [("read", 3), ("label measured", 3)]
    alone, _ = sources.read("table", {"rows": files["train"]}, spec, "classification")
    assert alone[["row_id", "published"]].to_numpy().tolist() == [["rows:2", ""], ["rows:3", ""]]
    files["test"].write_text("sequence,label\nTT-T,1\n")
    with pytest.raises(InputError, match=r"test.csv: line 2: sequence is 'TT-T': base 3 is '-', expected A"):
        sources.read("table", files, spec, "classification")


def test_real_published_sets(shared):
    folder = shared / "data" / "eclip" / "csv_101nt" / "QKI_K562_IDR"
    files = {name: folder / f"{name}.csv" for name in ("train", "dev", "test")}
    spec = {"columns": {"sequence": "sequence", "label": "label"}, "separator": ","}
    rows, _ = sources.read("table", files, spec, "classification")
    assert rows["published"].value_counts().to_dict() == {"train": 2822, "dev": 605, "test": 605}
    assert (rows["sequence"].str.len() == 101).all()


# --- faults met in use: small forms of the shared inputs, and these themselves

THREE = {"row_id": "name", "sequence": "seq", "label": "log2FC", "chrom": "chrom"}


def read_text(folder, text, columns=THREE, **spec):
    path = folder / "mine.txt"
    path.write_text(text)
    return sources.read("table", {"rows": path}, {"columns": columns, **spec})


def test_further_texts_can_stand_for_missing_values(tmp_path):
    text = "name\tseq\tlog2FC\tchrom\tfam\na\tACGT\tN/A\t7\tx\nb\tACGA\t1\t-\tN/A\nc\tACGG\t2\tNA\tnan\n"
    columns = {**THREE, "group": "fam"}
    with pytest.raises(InputError) as error:
        read_text(tmp_path, text, columns)
    assert str(error.value) == (
        f"{tmp_path}/mine.txt: line 2: log2FC is 'N/A', expected a number (or one of the texts in `missing`, which "
        "mean no value)"
    )
    rows, stages = read_text(tmp_path, text, columns, missing=["N/A", "-"])
    assert rows[["row_id", "chrom", "group"]].to_numpy().tolist() == [["b", "", ""], ["c", "", ""]]
    assert stages.counts == [("read", 3), ("label measured", 2)]


def test_a_missing_text_that_is_a_strand_stays_one(tmp_path):
    text = "name\tseq\tlog2FC\tchrom\tdir\na\tACGT\t1\t-\t-\nb\tACGA\t-\t7\t-\nc\tACGG\t2\t7\tNA\n"
    rows, _ = read_text(tmp_path, text, {**THREE, "strand": "dir"}, missing=["-"])
    assert rows[["row_id", "chrom", "strand"]].to_numpy().tolist() == [["a", "", "-"], ["c", "chr7", ""]]


def test_a_row_without_label_is_left_out_whatever_else_it_holds(tmp_path):
    lines = ["a\tACGT\t1\t7\t0\t4", "b\t\t\t?\tx\t-1", "c\tACG?\tNA\t7\t9\t1", "d\tACGG\t2\tX\t5\t9"]
    text = "\n".join(["name\tseq\tlog2FC\tchrom\ts\te", *lines])
    rows, stages = read_text(tmp_path, text, {**THREE, "start": "s", "end": "e"})
    assert rows["row_id"].tolist() == ["a", "d"] and rows["start"].tolist() == [0, 5]
    assert stages.counts == [("read", 4), ("label measured", 2)]


def test_numbers_name_the_columns_of_a_file_without_a_header(tmp_path):
    text = "r1\tACGT\t1\nr2\tACGA\tx\n"
    columns = {"row_id": 1, "sequence": 2, "label": 3}
    with pytest.raises(
        InputError, match=r"mine.txt: line 2: column 3 is 'x', expected a number .*; if the first line is"
    ):
        read_text(tmp_path, text, columns)
    rows, _ = read_text(tmp_path, text.replace("x", "2"), {"sequence": 2, "label": 3})
    assert rows[["row_id", "label"]].to_numpy().tolist() == [["rows:1", 1.0], ["rows:2", 2.0]]
    with pytest.raises(InputError) as error:
        read_text(tmp_path, text, {**columns, "label": "y"})
    assert str(error.value) == (
        "source table: 'columns' has the number 1 for 'row_id' and the name 'y' for 'label', expected numbers for all "
        "(a file without a header) or names for all"
    )


def test_the_schema_takes_names_or_numbers():
    entry = {"kind": "table", "files": {"rows": "x"}, "columns": {"sequence": 2, "label.K562": 3, "label": "y"}}
    assert checked_kind(entry, "sources", "source")["columns"] == entry["columns"]
    for odd in (0, True, 1.5):
        with pytest.raises(InputError, match="columns"):
            checked_kind({**entry, "columns": {"sequence": odd}}, "sources", "source")


def test_a_row_id_in_two_files_is_named_with_both(tmp_path):
    files = {name: tmp_path / f"{name}.tsv" for name in ("train", "test")}
    files["train"].write_text("name\tseq\ty\na\tACGT\t1\nb\tACGA\t1\n")
    files["test"].write_text("# note\nname\tseq\ty\nb\tACGG\t1\n")
    spec = {"columns": {"row_id": "name", "sequence": "seq", "label": "y"}}
    with pytest.raises(InputError) as error:
        sources.read("table", files, spec)
    assert str(error.value) == (
        f"{files['test']}: line 3: row_id is 'b', as in {files['train']}: line 3; expected a unique name for each row "
        "of all files: rename or remove one"
    )
    files["test"].write_text("name\tseq\ty\nc\tACGG\t1e300\n")
    with pytest.raises(InputError) as error:
        sources.read("table", files, spec)
    assert str(error.value) == (
        f"{files['train']}, {files['test']}: row 'c': label is 1e+300, expected less than 1e+15 in size; does it "
        "mean a "
        "missing value?"
    )


def test_an_id_is_never_cut_in_a_message(tmp_path):
    name = "ENSG00000141510.18|ENST00000269305.9|promoter|chr17:7687490-7687690|window 12 of 40"
    text = f"name\tseq\tlog2FC\tchrom\n{name}\tACGT\t1\t7\n{name}\tACGT\t1\t7\n"
    with pytest.raises(InputError) as error:
        read_text(tmp_path, text)
    assert (
        str(error.value)
        == f"{tmp_path}/mine.txt: line 3: name is {name!r}, as on line 2; make it unique, or omit columns.row_id"
    )
    text = f"name\tseq\tlog2FC\tchrom\na\t{'ACGT' * 30}X\t1\t7\n"
    with pytest.raises(InputError, match="base 121 is 'X', expected A, C, G, T, U or N; correct or"):
        read_text(tmp_path, text)


def test_variants_are_written_in_one_way(tmp_path):
    text = "name\tseq\tlog2FC\tchrom\tv\na\tACGT\t1\t7\t7:0100:g:t\nb\tACGA\t2\t7\trs1\n"
    rows, _ = read_text(tmp_path, text, {**THREE, "variant": "v"})
    assert rows["variant"].tolist() == ["chr7:100:G:T", "rs1"]


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("unclosed", {}, 10),
        ("two_notes_with_quotes", {}, 10),
        ("utf16", {"chrom": "chrom"}, 3),
        ("gz_noext", {"chrom": "chrom"}, 3),
        ("comment_head", {"chrom": "chrom"}, 3),
        ("trailing_tabs2", {"chrom": "chrom"}, 3),
        ("seq_missing_no_label", {"chrom": "chrom"}, 2),
    ],
)
def test_tables_that_were_misread_or_refused(shared, name, columns, rows):
    columns = {"row_id": "name", "sequence": "seq", "label": "log2FC", **columns}
    path = shared / f"cases/faults/tables/{name}.tsv"
    table, stages = sources.read("table", {"rows": path}, {"columns": columns})
    assert len(table) == rows
    if rows == 10:
        assert table["row_id"].tolist() == [f"r{i}" for i in range(10)]
        assert table["label"].tolist() == [0.223, 0.043, -1.116, 1.181, 0.159, 0.092, -0.678, -0.196, -0.773, -0.657]
    elif rows == 3:
        assert table[["row_id", "sequence", "label", "chrom"]].to_numpy().tolist() == [
            ["a", "ACGTACGTACGTACGTACGT", 0.5, "chr7"], ["b", "CCGTACGTACGTACGTACGA", -1.25, "chr19"],
            ["c", "GCGTACGTTCGTACGTACGT", 2.0, "chrX"],
        ]  # fmt: skip
    else:
        assert stages.counts == [("read", 3), ("label measured", 2)] and table["row_id"].tolist() == ["a", "c"]


def test_shared_tables_with_line_ends_missing_words_and_no_header(shared):
    folder = shared / "cases/faults/tables"
    columns = {"row_id": "name", "sequence": "seq", "label": "log2FC"}

    def read(name, columns=columns, **spec):
        return sources.read("table", {"rows": folder / name}, {"columns": columns, **spec})[0]

    with pytest.raises(InputError, match=r"ml_small\.csv: line 12: log2FC is 'x', expected a number"):
        read("ml_small.csv", separator=",")
    assert read("ml_small.csv", separator=",", missing=["x"])["row_id"].tolist() == [
        f"r{i}" for i in range(8) if i != 5
    ]
    assert read("na_words.tsv", missing=["N/A"])["row_id"].tolist() == ["b", "c"]
    rows = read("no_header.tsv", {"row_id": 2, "sequence": 3, "label": 6})
    assert rows["label"].tolist() == [0, 1] * 5 and rows["row_id"][0] == "ENST0|76|176|1.1"


def test_shared_coordinates_that_do_not_fit(shared):
    folder = shared / "cases/faults/columns"
    columns = {"row_id": "id", "sequence": "seq", "label": "y", "chrom": "c", "start": "s", "end": "e"}
    expected = "expected the interval of the insert itself, with start counted from 0 and end exclusive"
    said = {
        "shortcoord.tsv": "from start 0 to end 500 are 500 bases, but the insert has 20; {}; or remove ",
        "onebased.tsv": "from start 1 to end 20 are 19 bases, but the insert has 20; {}; starts seem to be counted "
        "from 1: set first_base: 1; or remove ",
    }
    for name, message in said.items():
        path = folder / name
        with pytest.raises(InputError) as error:
            sources.read("table", {"rows": path}, {"columns": columns})
        message = message.format(expected) + "start and end from 'columns'"
        assert str(error.value) == f"{path}: line 2: row 'r0': {message}"
    rows, _ = sources.read("table", {"rows": path}, {"columns": columns, "first_base": 1})
    assert rows[["start", "end"]].iloc[1].tolist() == [100, 120]


def test_marks_of_no_group_are_none(tmp_path):
    marks = [".", "-", "N/A", "n/a", "#N/A", "NULL", "none", "NA", "", "a.b"]
    lines = [f"r{k}\tACGT\t{k}\t{mark}" for k, mark in enumerate(marks)]
    text = "\n".join(["name\tseq\tlog2FC\tfamily", *lines]) + "\n"
    columns = {"row_id": "name", "sequence": "seq", "label": "log2FC", "group": "family"}
    rows, _ = read_text(tmp_path, text, columns)
    assert rows["group"].tolist() == [""] * 9 + ["a.b"]


@pytest.mark.parametrize(
    ("task", "cells", "message"),
    [
        ("regression", [], "mine.txt: the label is 1 in all 3 rows, expected a measured value, which differs"),
        ("classification", [], "the label is 1 in all 3 rows, expected rows of both classes, 1 and 0; is it the right"),
        ("regression", ["K", "H"], "the label of H is 1 in all 2 rows, expected a measured value"),
    ],
)
def test_labels_that_are_all_the_same_are_refused(tmp_path, task, cells, message):
    (tmp_path / "mine.txt").write_text("a\tACGT\t1\t5\nb\tACGA\t1\t6\nc\tACGG\t1\tNA\n")
    of_cells = {"label.K": 4, "label.H": 3} if cells else {"label": 3}
    columns = {"row_id": 1, "sequence": 2, **of_cells}
    if cells:
        (tmp_path / "mine.txt").write_text("a\tACGT\t1\t5\nb\tACGA\t1\t6\nc\tACGG\tNA\t7\n")
    with pytest.raises(InputError, match=re.escape(message)):
        sources.read("table", {"rows": str(tmp_path / "mine.txt")}, {"columns": columns}, task, cells)


def test_a_column_that_is_not_there_comes_with_the_nearest_name(tmp_path):
    with pytest.raises(InputError, match=r"'log2fc' is missing; the file has: .*; did you mean 'log2FC'\?$"):
        read_text(tmp_path, "name\tseq\tlog2FC\na\tACGT\t1\n", {"sequence": "seq", "label": "log2fc"})
