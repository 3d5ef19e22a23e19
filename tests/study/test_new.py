"""A first study of a user's own file: what is found in ten shapes of tables, peaks and FASTA, and what is refused."""

import gzip
import random
import re

import pytest
import yaml

from helpers.programs import call
from s2f.common.errors import InputError
from s2f.rows import sources
from s2f.rows.sources.table import WITHOUT_COORDINATES
from s2f.rows.survey import survey
from s2f.sequences.constructs import Construct
from s2f.study import new
from s2f.study.schema import check_keys
from s2f.study.starters import choices
from s2f.study.validate import validated

RANDOM = random.Random(1)
DNA = ["".join(RANDOM.choices("ACGT", k=60)) for _ in range(32)]
CHROMOSOMES = ["chr7", "chr7", "chr13", "chr19", "chr21", "chrX", "chr1", "chr1", "chr2", "chr3"]


def table(header, row, separator="\t", count=10):
    """Text of a table: `header`, and what `row` gives of the numbers from 0."""
    lines = [header, *(row(i) for i in range(count))] if header else [row(i) for i in range(count)]
    return "".join(separator.join(map(str, line)) + "\n" for line in lines)


def allele(i):
    """A pair of alleles on every two lines, with 60-bp inserts."""
    base = DNA[i // 2]
    sequence = base if i % 2 == 0 else base[:30] + ("A" if base[30] != "A" else "C") + base[31:]
    return [f"o{i}", sequence, i / 4, ["ref", "alt"][i % 2], f"p{i // 2}", f"chr{[7, 19, 1, 2, 3][i // 2 % 5]}"]


# shape -> (name of the file, content, what the study says, at the path of keys, words of its questions)
SHAPES = {
    "header, commas, chromosomes, places from 1": (
        "mine.csv",
        table(
            ["name", "oligo", "log2FC", "lfcSE", "chromosome", "start", "end", "n_barcodes"],
            lambda i: [f"o{i}", DNA[i], i / 3 - 1, 0.1, CHROMOSOMES[i], 100 * i + 1, 100 * i + 60, 7],
            ",",
        ),
        {
            "datasets mine source separator": ",",
            "datasets mine source columns": {
                "row_id": "name", "sequence": "oligo", "label": "log2FC", "stderr": "lfcSE", "chrom": "chromosome",
                "start": "start", "end": "end",
            },
            "datasets mine source first_base": 1,
            "datasets mine task": "regression",
            "constructs plasmid flanks": "gosai_episomal",
            "splits": {
                "chromosome": {"kind": "chromosome", "val": ["chr19", "chr21", "chrX"], "test": ["chr7", "chr13"]}
            },
        },
        ["which sequence surrounds the insert", "3 test rows are few: the interval of a corr"],
    ),
    "no header": (
        "mine.tsv",
        table([], lambda i: [f"o{i}", 3 * i, DNA[i], i / 3], count=30),
        {"datasets mine source columns": {"row_id": 1, "sequence": 3, "label": 4}},
        ["is this what models should predict? Other columns of numbers: 2;", "which sequence surrounds", "are few"],
    ),
    "semicolons, names with spaces and quotes, a text for missing": (
        "my own table (new).csv",
        table(
            ["oligo name", "insert: sequence", '"mean ""log2""\n#1"'],
            lambda i: [f"o {i}", DNA[i], "ND" if i == 4 else i / 3],
            ";",
            count=30,
        ),
        {
            "datasets my_own_table_new source separator": ";",
            "datasets my_own_table_new source columns": {
                "row_id": "oligo name", "sequence": "insert: sequence", "label": 'mean "log2"\n#1',
            },
            "datasets my_own_table_new source missing": ["ND"],
        },
        ["does ND, found in columns of numbers, mean that there is no value", "which sequence surrounds", "are few"],
    ),
    "gzip, lengths that differ": (
        "mine.tsv.gz",
        gzip.compress(table(["id", "seq", "activity"], lambda i: [i, DNA[i][: 60 - i], i], count=30).encode()),
        {"datasets mine source columns": {"row_id": "id", "sequence": "seq", "label": "activity"}},
        ["which sequence surrounds", "are few"],
    ),
    "UTF-16, a chromosome that is a number": (
        "mine.txt",
        table(["Größe µ", "sequence", "chr"], lambda i: [i / 2, DNA[i], CHROMOSOMES[i][3:]]).encode("utf-16"),
        {
            "datasets mine source columns": {"sequence": "sequence", "label": "Größe µ", "chrom": "chr"},
            "splits chromosome test": ["chr7", "chr13"],
        },
        ["which sequence surrounds", "are few"],
    ),
    "several cells": (
        "mine.tsv",
        table(
            ["name", "sequence", "K562_log2FC", "K562_SE", "HepG2_log2FC", "HepG2_SE", "length"],
            lambda i: [f"o{i}", DNA[i], i / 3, 0.2, "" if i == 2 else -i, 0.3, 60],
            count=30,
        ),
        {
            "datasets mine cells": ["K562", "HepG2"],
            "datasets mine source columns": {
                "row_id": "name", "sequence": "sequence", "label.K562": "K562_log2FC", "label.HepG2": "HepG2_log2FC",
                "stderr.K562": "K562_SE", "stderr.HepG2": "HepG2_SE",
            },
            "comparison against": "kmer-ridge",
        },
        ["write label: K562_log2FC instead of the lines label.… (and", "which sequence surrounds", "are few"],
    ),
    "replicates and their mean": (
        "mine.tsv",
        table(["sequence", "log2_rep1", "log2_rep2", "log2_mean"], lambda i: [DNA[i], i, i + 1, i + 0.5], count=30),
        {"datasets mine source columns": {"sequence": "sequence", "label": "log2_mean"}},
        ["which sequence surrounds", "are few"],
    ),
    "0 and 1, a split of its own": (
        "mine.csv",
        table(
            ["sequence", "label", "split"],
            lambda i: [DNA[i], i % 2, ["train", "train", "dev", "test", "heldout"][i // 2 % 5]],
            ",",
            count=30,
        ),
        {
            "datasets mine task": "classification",
            "datasets mine source columns": {"sequence": "sequence", "label": "label", "published": "split"},
            "constructs window_60": {"flanks": "none", "length": 60},
            "splits": {"hashfrag": {"kind": "hashfrag", "val": 0.1, "test": 0.1}},
            "models 1 baselines": ["mean", "gc", "kmer-logistic"],
        },
        ["written with T, or does their orientation matter", "are few", "these have no part yet: heldout"],
    ),
    "RNA, no chromosomes": (
        "mine.tsv",
        table(["rna", "expression"], lambda i: [DNA[i].replace("T", "U"), i], count=30),
        {
            "datasets mine strand_rule": "forward",
            "models 0 augmentations": ["none"],
            "baselines kmer-ridge": {"kind": "kmer_ridge"},
            "constructs window_60 flanks": "none",
            "splits hashfrag kind": "hashfrag",
        },
        ["are few"],
    ),
    "pairs of alleles": (
        "mine.tsv",
        table(["id", "insert", "score", "allele", "pair_id", "chrom"], allele, count=30),
        {
            "datasets mine source columns": {
                "row_id": "id", "sequence": "insert", "label": "score", "chrom": "chrom", "allele": "allele",
                "pair_id": "pair_id",
            },
            "datasets mine panels alleles kind": "pairs",
        },
        ["which sequence surrounds", "are few"],
    ),
    "both alleles in a line": (
        "mine.tsv",
        table(["seq_alt", "seq_ref", "alt_log2", "ref_log2"], lambda i: [DNA[i + 1], DNA[i], i, i + 1], count=30),
        {"datasets mine source columns": {"sequence": "seq_ref", "label": "ref_log2"}},
        ["Each line has two alleles", "is this what models should predict", "which sequence surrounds", "are few"],
    ),
    "adapters, and a name of a folder of results": (
        "plots.tsv",
        table(["seq", "y"], lambda i: ["AGGACCGGATCAACT" + DNA[i] + "CATTGCGTGAACCGA", i], count=30),
        {"constructs window_90": {"flanks": "none", "length": 90}, "datasets plots_rows measured": "y"},
        ["begin with AGGACCGGATCAACT (15 bp) and end with CATTGCGTGAACCGA (15 bp)", "are few"],
    ),
    "variants of one sequence, with a header that is a comment": (
        "mine.tsv",
        "# made by hand\n" + table(["#seq", "y"], lambda i: [DNA[0][:i] + "N" + DNA[0][i + 1 :], i], count=30),
        {"splits": {"random": {"kind": "random", "val": 0.1, "test": 0.1}}},
        ["which sequence surrounds", "are few"],
    ),
    "yeast": (
        "mine.tsv",
        table(["seq", "y", "chrom"], lambda i: [DNA[i // 2][i:] + DNA[i % 2], i, f"chr{'I' * (i % 3 + 1)}"], count=12)
        + table([], lambda i: [DNA[i + 4], i, "chrIV"], count=6),
        {"splits chromosome val": ["chrI"], "splits chromosome test": ["chrII"]},
        ["which sequence surrounds", "are few"],
    ),
    "peaks": (
        "peaks.bed",
        table([], lambda i: [CHROMOSOMES[i], 500, 560, "QKI_K562_IDR", 1000, "+", 4, 9, -1, -1]),
        {
            "datasets qki_k562.flank source": {
                "kind": "encode_eclip", "rbp": "QKI", "cell": "K562", "length": 101, "negatives": {"kind": "flank"},
                "files": {"peaks": "peaks.bed", "genome": "hg38.fa.gz"},
            },
            "models 1 baselines": ["mean", "gc", "kmer-logistic"],
        },
        ["where is your FASTA file of the genome", "which windows without a peak", "are these all the peaks that you"],
    ),
}  # fmt: skip


def written(folder, name, content):
    """The path of a file, relative to the folder of the test."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The working folder of a test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("shape", SHAPES)
def test_a_study_of_each_shape_is_valid_says_what_was_found_and_asks_the_rest(here, monkeypatch, capsys, shape):
    name, content, said, questions = SHAPES[shape]
    call(monkeypatch, new, written(here, name, content))
    output = capsys.readouterr().out
    check_keys("my_study.yaml")
    text = (here / "my_study.yaml").read_text()
    study = yaml.safe_load(text)
    for path, value in said.items():
        found = study
        for key in path.split(" "):
            found = found[int(key) if isinstance(found, list) else key]
        assert found == value, path
    lines = text.splitlines()
    assert len(lines) <= 70 and max(map(len, lines)) <= 120
    asked = [number for number, line in enumerate(lines, 1) if "# QUESTION: " in line]
    assert [int(number) for number in re.findall(r"^  line (\d+): ", output, re.MULTILINE)] == asked
    flat = " ".join(output.split())
    assert len(asked) == len(questions) and all(question in flat for question in questions), output
    assert output.endswith("results/compare.tsv results/compare.html --configfile my_study.yaml\n")
    validated(study)
    # models and splits that are offered are valid too
    validated(yaml.safe_load(re.sub(r"^( +)# (?=[a-z][\w.-]*: (\{kind: |[\d.]+ ))", r"\1", text, flags=re.MULTILINE)))


def test_the_rows_of_a_study_are_read_as_it_says(here):
    name, content, _, _ = SHAPES["header, commas, chromosomes, places from 1"]
    draft = new.drafted([here / written(here, name, content)], "x")
    source = yaml.safe_load(draft.text())["datasets"]["mine"]["source"]
    rows, _ = sources.read(source.pop("kind"), source.pop("files"), source)
    assert rows["start"].tolist() == [100 * i for i in range(10)] and rows["stderr"].tolist() == [0.1] * 10
    assert "# rows: train 4, val 3, test 3\n" in draft.text()
    assert "10 rows; DNA inserts of 60 bp." in draft.summary


def test_peaks_on_one_chromosome_are_split_by_homology(here):
    peaks = table([], lambda i: ["chr1", 900 * i, 900 * i + 60, "x", 1, "+"], count=26)
    draft = new.drafted([here / written(here, "peaks.bed", peaks)], "x")
    assert yaml.safe_load(draft.text())["datasets"]["peaks.flank"]["splits"] == ["hashfrag"]
    assert "are these all the peaks that you have? 6 test rows are few" in draft.asked[-1][1]


def test_fasta_files_of_two_classes(here):
    for label, first in (("positives", 0), ("negatives", 13)):
        records = [f">chr{i + 1}:101-160(+)\n{DNA[first + i].replace('T', 'U')}\n" for i in range(13)]
        written(here, f"PUM2.{label}.fa", "".join(records))
    files = [here / f"PUM2.{label}.fa" for label in ("positives", "negatives")]
    study = yaml.safe_load(new.drafted(files, "x").text())
    assert study["datasets"]["PUM2"]["source"]["first_base"] == 1
    assert study["datasets"]["PUM2"]["strand_rule"] == "forward"
    with pytest.raises(
        InputError, match=r"positives.fa: one FASTA file, expected one table, one file of peaks, or two"
    ):
        new.drafted(files[:1], "x")


def test_a_table_of_hundreds_of_columns_asks_for_the_label_in_a_few_words(here):
    wide = [f"measured {i}" for i in range(198)]
    content = table(["name", "sequence", *wide], lambda i: [f"o{i}", DNA[i], *range(i, i + 198)], count=30)
    draft = new.drafted([here / written(here, "wide.tsv", content)], "x")
    (question,) = [text for _, text in draft.asked if "is this what models" in text]
    assert "measured 8 and 189 more" in question and len(question) < 400


REPLICATED = {
    "no mean": (
        ["a_rep1", "a_rep2"], lambda x: [x, x + 1], "a_rep1",
        "the label is a_rep1 alone: is this what models should predict? a_rep2 looks like a second replicate: if so, "
        "add a column with their mean to the table and name it in label",
    ),
    "no mean, three and another column": (
        ["a_rep1", "a_rep2", "a_rep3", "tpm"], lambda x: [x, x + 1, x + 2, 1 / (1 + x)], "a_rep1",
        "a_rep2, a_rep3 look like its other replicates: if so, add a column with their mean to the table and name it "
        "in label. Other columns of numbers: tpm",
    ),
    "a mean by its numbers": (["a_rep1", "a_rep2", "a"], lambda x: [x, x + 1, x + 0.5], "a", ""),
    "a mean and another column": (
        ["a_rep1", "a_rep2", "a_mean", "tpm"], lambda x: [x, x + 1, x + 3, 1 / (1 + x)], "a_mean",
        "is this what models should predict? It is the mean of a_rep1, a_rep2. Other columns of numbers: tpm",
    ),
    "a mean of something else": (
        ["b_mean", "a_rep1", "a_rep2"], lambda x: [-x, x, x + 1], "b_mean",
        "is this what models should predict? Other columns of numbers: a_rep1, a_rep2; a_rep1, a_rep2 look like "
        "replicates: if you mean these, add their mean",
    ),
    "no mean, another label": (
        ["log2", "a_rep1", "a_rep2"], lambda x: [-x, x, x + 1], "log2",
        "Other columns of numbers: a_rep1, a_rep2; a_rep1, a_rep2 look like replicates: if you mean these, "
        "add their mean",
    ),
    "cells": (
        ["K562_rep1", "HepG2_rep1", "K562_rep2", "HepG2_rep2"], lambda x: [x, 2 * x, x + 1, 2 * x + 1], "",
        "Other columns of numbers: K562_rep2, HepG2_rep2; some look like replicates: add columns with the means to the "
        "table and name those",
    ),
}  # fmt: skip


@pytest.mark.parametrize("cell", ['"{}"', " {}", "{}R"], ids=["quoted", "padded", "IUPAC"])
def test_a_table_that_begins_as_bed_but_has_sequences_is_no_bed(here, cell):
    content = table(
        ['"chrom"', '"start"', '"end"', '"sequence"', '"log2FC"'],
        lambda i: ['"chr1"', 100 * i, 100 * i + 60, cell.format(DNA[i]), i / 3], count=30,
    )  # fmt: skip
    path = here / written(here, "mine.tsv", content)
    if cell == "{}R":
        with pytest.raises(InputError, match="no column of sequences"):
            new.drafted([path], "x")
    else:
        assert "sequence: sequence" in new.drafted([path], "x").text()


@pytest.mark.parametrize("case", REPLICATED)
def test_a_label_that_is_one_of_several_replicates_is_said(here, case):
    names, values, label, said = REPLICATED[case]
    content = table(["sequence", *names], lambda i: [DNA[i], *values(float(i))], count=30)
    found = survey(here / written(here, "mine.tsv", content))
    assert found.columns.get("label", "") == label and said in found.questions.get("label", "")
    assert ("label" in found.questions) == bool(said) and (said or found.notes["label"] == "the mean of a_rep1, a_rep2")


@pytest.mark.parametrize(("rows", "asked"), [(400, "About 40 test rows are few: .* about ±0.3 wide"), (1000, "")])
def test_the_width_of_intervals_is_said_if_test_rows_are_few(here, rows, asked):
    content = table(["seq", "y"], lambda i: ["".join(random.Random(i).choices("ACGT", k=30)), i], count=rows)
    (question, *_) = [text for _, text in new.drafted([here / written(here, "m.tsv", content)], "x").asked[::-1]]
    assert re.search(asked, question) and bool(asked) == ("test rows" in question)
    assert choices.few_test_rows(38, "classification").count("AUROC will be about ±0.2 wide") == 1


def test_a_name_that_occurs_twice_is_not_looked_at(here):
    content = table(["sequence", "log2FC", "log2FC", "y"], lambda i: [DNA[i], 1, 2, i], count=30)
    text = new.drafted([here / written(here, "mine.tsv", content)], "x").text()
    assert "label: y\n" in text and "several columns have the same name: log2FC" in " ".join(text.split())


def test_names_of_rows_that_recur_are_said_with_their_lines(here):
    content = table(["id", "sequence", "y"], lambda i: [f"o{i % 29}", DNA[i], i / 4], count=30)
    text = new.drafted([here / written(here, "mine.tsv", content)], "x").text()
    said = "rows are named by their line numbers, as 1 name is repeated in 'id' (o0, line 31); make it unique to see"
    assert "row_id" not in text and said in re.sub("\n +# ", " ", text)


def test_coordinates_that_are_not_the_inserts_own_are_left_out(here):
    content = table(
        ["sequence", "y", "chrom", "start", "end"],
        lambda i: [DNA[i], i, CHROMOSOMES[i], 100, 160 if i else 170],
    )
    text = new.drafted([here / written(here, "mine.tsv", content)], "x").text()
    assert "start: start" not in text and "# start and end are not used: in 1 of 10 rows" in text


def test_coordinates_that_the_source_refuses_are_left_out(here, monkeypatch):
    read = sources.read

    def refusing(kind, files, spec, *rest):
        if "start" in spec["columns"]:
            raise InputError(f"mine.tsv: line 2: elsewhere{WITHOUT_COORDINATES}")
        return read(kind, files, spec, *rest)

    monkeypatch.setattr(sources, "read", refusing)
    content = table(["sequence", "y", "chrom", "start", "end"], lambda i: [DNA[i], i, CHROMOSOMES[i], 100, 160])
    text = new.drafted([here / written(here, "mine.tsv", content)], "x").text()
    assert "start: start" not in text and "# start and end are not used: mine.tsv: line 2: elsewhere" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "mine.csv: is empty, expected a table with a header and a row for each"),
        (b"sequence,label\n", "no rows below the header"),
        ("".join(f"{dna}\n" for dna in DNA), "only one column, as in '" + DNA[0]),
        (
            table(["name", "y"], lambda i: [f"o{i}", i]),
            "no column of sequences.*columns: 'name', 'y'. If there are only coord",
        ),
        (table(["seq", "label"], lambda i: [DNA[i], ""]), "can be the labels; no value in any row: 'label'"),
        (table(["seq", "label", "gc"], lambda i: [DNA[i], "", 0.5]), "no value in any row: 'label'"),
        (
            table(["seq", "class"], lambda i: [DNA[i], ["no", "yes"][i % 2]]),
            "'class' holds no and yes: for a classification write 1",
        ),
        (table(["seq", "end"], lambda i: [DNA[i], i]), "can be the labels; columns: 'seq', 'end'; labels are"),
        (
            table(["seq", "y"], lambda i: [DNA[i], f"{i},5"], ";"),
            "line 2: y is '0,5', expected a number; this column has a decimal comma in 10 cells: save",
        ),
        (
            table(["seq", "y"], lambda i: [DNA[i], "<1" if i == 3 else i]),
            "line 5: y is '<1', expected a number; correct the cell, or empty it if there is no value$",
        ),
        (table(["seq", "y"], lambda i: [DNA[i], 1]), "the label is 1 in all 10 rows"),
        (
            table(["seq", "y"], lambda i: [DNA[i] + "-" * (i == 3), i]),
            "line 5: seq is '.*-': base 61 is '-', expected A, C",
        ),
        (
            table(["seq", "y"], lambda i: [(DNA[i] * 20)[: 10 + 100 * i], i]),
            "inserts of 10 to 910 bp: no window fits all",
        ),
        (
            table(["seq", "y"], lambda i: [DNA[i], i if i < 7 else ""]),
            "mine.csv: 7 usable rows, with a sequence and a label, expected at least 26: validation and test take 10 %",
        ),
        *(
            (
                table([], lambda i, chrom=chrom: [chrom, 900 * i, 900 * i + 60, "x", 1, "+"]),
                f"mine.csv: {count} usable peaks, on chr1-22, X, Y, M, expected at least 26: .*; give more peaks",
            )
            for chrom, count in (("chr1", 10), ("GL000220.1", 0))
        ),
        (
            table(["chr", "from", "to", "name"], lambda i: ["chr1", i, i + 5, "a"]),
            r"looks like BED, but line 1 is a header \(chr from to name\): delete it, or .*add the sequences of",
        ),
        (
            "# a\n\n" + table(["chrom", "start", "end"], lambda i: ["chr1", i, i + 5], " "),
            "looks like BED, but line 3 is a header",
        ),
        (
            table([], lambda i: ["chr1", 48046, 48003, "a", 0, "+"]),
            "line 1: end is 48003, expected a number above start, 48046; are the two swapped",
        ),
        (
            table([], lambda i: ["chr1", i, i + 5, "a", 0, "+"], " "),
            "line 1: 1 columns .* separated by spaces: write tabs",
        ),
        (table([], lambda i: ["chr1", 10 * i, 10 * i + 5]), "line 1: 3 columns separated by tabs, expected at least 6"),
        (
            "My assay\n" + table(["seq", "y"], lambda i: [DNA[i], i], ";"),
            "'My assay' is not the header: it has one name",
        ),
        (
            "sep=;\n" + table(["seq", "y", "z"], lambda i: [DNA[i], i, i], ";"),
            "'sep=;' is not the header: it has one name",
        ),
        (
            ";\n" + table(["seq", "y"], lambda i: [DNA[i], i], ";"),
            "';' is not the header: it has no name, and most rows",
        ),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n1\t2\n", "is VCF, expected a table"),
        (b"PAR1\x15\x00", "is Parquet, expected a table, peaks .* write it as text"),
        (b'{"a": [1, 2],\n "b": 3}\n', "is JSON"),
    ],
)
def test_what_no_study_can_be_of_is_named(here, content, message):
    with pytest.raises(InputError, match=message):
        new.drafted([here / written(here, "mine.csv", content)], "x")


def test_the_construct_of_lentimpra_that_a_question_offers_holds_the_inserts(here):
    """For inserts with its adapters, cut off or not."""
    for begin, end in (("", ""), ("AGGACCGGATCAACT", "CATTGCGTGAACCGA")):
        content = table(["seq", "y"], lambda i, begin=begin, end=end: [begin + DNA[i] + end, i], count=30)
        draft = new.drafted([here / written(here, "mine.tsv", content)], "x")
        (offered,) = re.findall(r"{flanks: lentimpra.*?}", " ".join(text for _, text in draft.asked))
        assert Construct.from_spec(yaml.safe_load(offered)).flank_lengths(60) == (15, 66)


def test_a_study_that_is_there_is_not_overwritten(here, monkeypatch):
    written(here, "my_study.yaml", "mine\n")
    with pytest.raises(InputError, match=r"mine.csv: no such file"):
        call(monkeypatch, new, "mine.csv")
    with pytest.raises(InputError, match=r"my_study.yaml: exists and is not overwritten"):
        call(monkeypatch, new, written(here, "mine.csv", SHAPES["RNA, no chromosomes"][1]))
    assert (here / "my_study.yaml").read_text() == "mine\n"


def test_a_real_table(shared):
    """Mattioli 2019: three cells with gaps, intervals of which some are not the inserts' own, a split by chromosome."""
    draft = new.drafted([shared / "data" / "mpra" / "mattioli_pool1_pMPRA1_K562.tsv"], "x")
    dataset = yaml.safe_load(draft.text())["datasets"]["mattioli_pool1_pMPRA1_K562"]
    assert dataset["cells"] == ["K562", "HepG2", "HeLa"] and dataset["splits"] == ["chromosome"]
    assert dataset["source"]["columns"]["label.HeLa"] == "HeLa_log2_mean"
    assert "7,012 of 7,152 rows have a label" in draft.summary


def test_the_example_of_the_docs_is_what_the_program_writes(root, here, monkeypatch, capsys):
    text = (root / "docs" / "first_study.md").read_text()
    content, command, printed, study = re.findall(r"```[a-z]+\n(.*?)```", text, re.DOTALL)[:4]
    folder = here / "runs" / "my_study"
    folder.mkdir(parents=True)
    (here / "Snakefile").touch()
    monkeypatch.setattr(new, "CHECKOUT", here)
    monkeypatch.chdir(folder)
    written(folder, "my_mpra.csv", content)
    assert command == "python -m s2f.study.new my_mpra.csv\n"
    call(monkeypatch, new, "my_mpra.csv")
    assert capsys.readouterr().out == printed
    assert (folder / "my_study.yaml").read_text() == study


@pytest.mark.parametrize("name", ["log2 fold change", "activity_relative_to_control"])
def test_labels_whose_names_hold_words_of_other_columns_are_found(tmp_path, name):
    rows = [
        f"s{i}\t{'ACGTTGCATC' * 3}{'ACGT'[i % 4] * (1 + i // 4)}{'C' * (4 - i // 4)}\t{i / 7:.3f}\t{i}"
        for i in range(12)
    ]
    (tmp_path / "t.tsv").write_text("\n".join([f"id\tsequence\t{name}\tbasal_rpm", *rows]))
    assert survey(tmp_path / "t.tsv").columns["label"] == name
