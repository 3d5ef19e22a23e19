import json

import numpy as np
import pandas as pd
import pytest

from helpers import programs
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.rows import canonical, sources

PAIRED = pd.DataFrame(
    [["r", "ref", "p"], ["a1", "alt", "p"], ["a2", "alt", "p"], ["lone", "alt", "q"], ["free", "", ""]],
    columns=["row_id", "allele", "pair_id"],
)


def test_every_source_module_is_known_and_reads():
    names = (
        "encode_eclip fasta_pairs gosai gosai_sample lentimpra lentimpra_folds mattioli mpra_counts simulated "
        "simulated_rbp table"
    )
    assert kinds.names("sources") == names.split()


@pytest.mark.parametrize("kind", ["nonesuch", "../table", "table.read", "__init__", ""])
def test_an_unknown_kind_lists_the_known_ones(kind):
    with pytest.raises(InputError, match=r"sources: kind .* is unknown.* known: .*mattioli.*simulated.*table"):
        sources.read(kind, {}, {})


def test_a_file_that_the_config_forgot_is_named():
    with pytest.raises(InputError, match="source gosai_sample: file 'pairs' is missing from 'files'; given: rows"):
        sources.read("gosai_sample", {"rows": "x.tsv"}, {})


@pytest.mark.parametrize(
    "kind", ["gosai_sample", "mattioli", "lentimpra", "lentimpra_folds", "table", "simulated", "simulated_rbp"]
)
def test_an_unknown_setting_is_refused(kind):
    with pytest.raises(InputError, match=f"source {kind}: unknown key 'lable'"):
        sources.read(kind, {}, {"lable": "x"})


def test_incomplete_pairs_become_ordinary_rows():
    assert list(sources.complete_pairs(PAIRED, "x")["pair_id"]) == ["p", "p", "p", "", ""]
    without_ref = PAIRED.drop(index=0)
    assert (sources.complete_pairs(without_ref, "x")["pair_id"] == "").all()
    assert (sources.complete_pairs(PAIRED.drop(index=[1, 2]), "x")["pair_id"] == "").all()


def test_a_pair_with_two_references_or_without_allele_is_refused():
    with pytest.raises(InputError, match="x: pair 'p' has 2 ref rows, expected one: r, a1"):
        sources.complete_pairs(PAIRED.assign(allele=["ref", "ref", "alt", "alt", ""]), "x")
    with pytest.raises(InputError, match="row 'a1' has a pair_id, but allele is '', expected ref or alt"):
        sources.complete_pairs(PAIRED.assign(allele=["ref", "", "alt", "alt", ""]), "x")


def test_the_task_reaches_the_rows():
    with pytest.raises(InputError, match="expected 0 or 1, as labels of a classification"):
        sources.read("simulated", {}, {"rows": 60}, "classification")


def test_program_writes_rows_and_stages(tmp_path, root):
    table = pd.DataFrame({"id": ["a", "b"], "seq": ["acgu", "GGGN"], "y": ["1.5", "NA"]})
    table.to_csv(tmp_path / "mine.tsv", sep="\t", index=False)
    spec = {"columns": {"row_id": "id", "sequence": "seq", "label": "y"}}
    files = {"rows": str(tmp_path / "mine.tsv")}
    arguments = [
        "--kind", "table", "--files", json.dumps(files),
        "--construct", '{"flanks": "gosai_episomal", "length": 600}',
        "--spec", json.dumps(spec), "--rows", tmp_path / "rows.parquet", "--stages", tmp_path / "rows.stages.tsv",
    ]  # fmt: skip
    programs.run(root, "make_rows", *arguments).check_returncode()
    written = canonical.read_rows(tmp_path / "rows.parquet")
    assert list(written.columns) == list(canonical.COLUMNS)
    assert written[["row_id", "sequence", "label"]].to_numpy().tolist() == [["a", "ACGT", 1.5]]
    assert np.isnan(written["stderr"][0])
    stages = read_table(tmp_path / "rows.stages.tsv")
    assert stages.to_numpy().tolist() == [["read", "2", "0"], ["label measured", "1", "1"]]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.tsv", "rows.parquet", "rows.stages.tsv"]


def test_rna_is_not_read_on_both_strands(tmp_path):
    (tmp_path / "t.tsv").write_text("id\tseq\ty\na\tACGT\t1\nb\tACgu\t2\n")
    given = {"rows": tmp_path / "t.tsv"}, {"columns": {"row_id": "id", "sequence": "seq", "label": "y"}}
    with pytest.raises(InputError) as error:
        sources.read("table", *given, strand_rule="mean")
    assert str(error.value) == (
        f"{tmp_path / 't.tsv'}: row 'b' has the letter U, so it is RNA, which has one strand; expected strand_rule: "
        "forward of the dataset, or T instead of U if the rows are DNA"
    )
    rows, _ = sources.read("table", *given, strand_rule="forward")
    assert rows["sequence"].tolist() == ["ACGT", "ACGT"]
