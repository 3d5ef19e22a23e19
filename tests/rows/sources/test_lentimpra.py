import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import sources

ROWS = pd.DataFrame(
    [
        ["seq1_F", "ACGT", "0.5", "1", "2"],
        ["seq1_R", "ACGA", "0.6", "NA", "2"],
        ["DNase_Rich_7", "GGGG", "0.7", "1", "3"],
    ],
    columns=["name", "insert_200", "K562_log2", "HepG2_log2", "WTC11_log2"],
)


def read(folder, spec):
    ROWS.to_csv(folder / "rows.tsv", sep="\t", index=False)
    return sources.read("lentimpra", {"rows": folder / "rows.tsv"}, spec)


def test_orientations_share_a_group(tmp_path):
    rows, stages = read(tmp_path, {})
    assert list(rows["group"]) == ["seq1", "seq1", "DNase_Rich_7"]
    assert list(rows["label"]) == [0.5, 0.6, 0.7]
    assert stages.counts == [("read", 3), ("label measured", 3)]


def test_the_cell_is_chosen_by_column(tmp_path):
    rows, stages = read(tmp_path, {"label": "HepG2_log2"})
    assert list(rows["row_id"]) == ["seq1_F", "DNase_Rich_7"]
    assert stages.counts == [("read", 3), ("label measured", 2)]
    with pytest.raises(InputError, match="column 'SKNSH_log2' is missing; the file has: 'name'"):
        read(tmp_path, {"label": "SKNSH_log2"})


def test_real_library(shared):
    files = {"rows": shared / "data" / "mpra" / "lentimpra_k562_joint.tsv"}
    means = {}
    for label in ("K562_log2", "HepG2_log2", "WTC11_log2"):
        rows, stages = sources.read("lentimpra", files, {"label": label})
        assert stages.counts == [("read", 7486), ("label measured", 7486)]
        assert (rows["sequence"].str.len() == 200).all()
        assert rows["sequence"].is_unique
        assert (rows["group"] != "").all()
        means[label] = rows["label"].mean()
    assert means["K562_log2"] == pytest.approx(-0.288, abs=1e-3)
    assert len(set(means.values())) == 3
