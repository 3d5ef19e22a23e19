import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import sources

ROWS = pd.DataFrame(
    [
        ["t0", "train", "", "", "ACGTACGT", "NNACGTACGTNN", "0.5"],
        ["r0", "test_snv", "pair0", "ref", "AAAACCCC", "", "1.25"],
        ["a0", "test_snv", "pair0", "alt", "AAAGCCCC", "", "1.0"],
        ["r1", "test_snv", "pair1", "ref", "TTTTCCCC", "", "-2"],
        ["a1", "test_snv", "pair1", "alt", "TTTTCCC", "", ""],
    ],
    columns=["row_id", "split", "pair_id", "allele", "insert", "sequence_as_published", "K562_log2FC"],
)
PAIRS = pd.DataFrame(
    [["pair0", "AAAACCCC", "AAAGCCCC", "1.25", "1.0"], ["pair1", "TTTTCCCC", "TTTTCCC", "-2", ""]],
    columns=["pair_id", "seq_ref", "seq_alt", "K562_log2FC_ref", "K562_log2FC_alt"],
)


def read(folder, rows=ROWS, pairs=PAIRS):
    files = {"rows": folder / "rows.tsv", "pairs": folder / "pairs.tsv"}
    rows.to_csv(files["rows"], sep="\t", index=False)
    pairs.to_csv(files["pairs"], sep="\t", index=False)
    return sources.read("gosai_sample", files, {})


def changed(table, line, column, value):
    table = table.copy()
    table.loc[line, column] = value
    return table


def test_insert_is_the_sequence_and_pairs_need_two_labels(tmp_path):
    rows, stages = read(tmp_path)
    assert list(rows["sequence"]) == ["ACGTACGT", "AAAACCCC", "AAAGCCCC", "TTTTCCCC"]
    assert list(rows["pair_id"]) == ["", "pair0", "pair0", ""]  # the alternate allele of pair1 has no label
    assert list(rows["group"]) == ["", "pair0", "pair0", "pair1"]
    assert list(rows["published"]) == ["train", "test_snv", "test_snv", "test_snv"]
    assert stages.counts == [("read", 5), ("label measured", 4)]


@pytest.mark.parametrize(
    ("rows", "pairs", "message"),
    [
        (ROWS, changed(PAIRS, 0, "seq_alt", "AAATCCCC"), "pair 'pair0' differs in seq_alt from its row"),
        (ROWS, changed(PAIRS, 0, "K562_log2FC_ref", "1.26"), "pair 'pair0' differs in the label of ref from its row"),
        (ROWS, changed(PAIRS, 1, "K562_log2FC_alt", "3"), "pair 'pair1' differs in the label of alt from its row"),
        (ROWS, changed(PAIRS, 1, "K562_log2FC_alt", "x"), r"pairs.tsv: line 3: K562_log2FC_alt is 'x'"),
        (ROWS.drop(index=2), PAIRS, "pair 'pair0' has no alt row"),
        (changed(ROWS, 2, "allele", "ref"), PAIRS, "pair 'pair0' differs in seq_ref from its row"),
        (ROWS, PAIRS.iloc[:1], r"rows.tsv: pair 'pair1' is not in .*pairs.tsv"),
        (ROWS, PAIRS.iloc[[0, 0, 1]], r"pairs.tsv: line 3: pair_id is 'pair0', as on line 2; keep one"),
        (ROWS.drop(columns="insert"), PAIRS, "column 'insert' is missing"),
    ],
)
def test_disagreement_of_rows_and_pairs_is_refused(tmp_path, rows, pairs, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, rows, pairs)


def test_real_sample(shared):
    folder = shared / "data" / "mpra"
    files = {"rows": folder / "gosai_sample.tsv", "pairs": folder / "gosai_snv_pairs.tsv"}
    rows, stages = sources.read("gosai_sample", files, {})
    assert stages.counts == [("read", 5000), ("label measured", 5000)]
    assert rows["published"].value_counts().to_dict() == dict.fromkeys(
        ["train", "pool", "val", "test", "test_snv"], 1000
    )
    assert not rows["sequence"].str.contains("N").any()
    lengths = rows["sequence"].str.len()
    assert (lengths.min(), lengths.max(), (lengths < 200).sum()) == (130, 200, 223)
    assert rows["pair_id"].nunique() == 501
    assert (rows["pair_id"] != "").sum() == 1000
    # the only equal inserts are 17 of test that recur in test_snv: one measurement in two panels
    again = rows[rows["sequence"].duplicated(keep=False)].groupby("sequence")
    assert len(again) == 17
    assert all(set(table["published"]) == {"test", "test_snv"} and table["label"].nunique() == 1 for _, table in again)
