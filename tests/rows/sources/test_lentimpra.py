import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.rows import sources

ROWS = pd.DataFrame(
    [
        ["seq1_F", "ACGT", "0.5", "1", "2"],
        ["seq1_R", "ACGA", "0.6", "NA", "2"],
        ["DNase_Rich_7", "GGGG", "0.7", "4", "3"],
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


def test_rows_with_a_label_in_any_cell_are_kept(tmp_path):
    ROWS.assign(K562_log2=["0.5", "NA", "NA"], WTC11_log2=["2", "5", "NA"], HepG2_log2=["1", "NA", "NA"]).to_csv(
        tmp_path / "rows.tsv", sep="\t", index=False
    )
    files = {"rows": tmp_path / "rows.tsv"}
    rows, stages = sources.read("lentimpra", files, {}, cells=["K562", "WTC11"])
    assert list(rows["row_id"]) == ["seq1_F", "seq1_R"]
    assert rows["label"].isna().tolist() == [False, True] and list(rows["label.WTC11"]) == [2, 5]
    assert stages.counts == [("read", 3), ("label measured", 2)]
    assert stages.parts == [("label of K562", 1), ("label of WTC11", 2)]


@pytest.mark.parametrize(
    ("kind", "cells", "message"),
    [
        ("lentimpra", ["K562", "HeLa"], "source lentimpra: cell 'HeLa'.* known: HepG2, K562, WTC11"),
        (
            "lentimpra",
            ["K562"],
            "source lentimpra: cells is K562, expected two or more; choose a single one with the option label",
        ),
        ("simulated", ["K562", "HepG2"], "source simulated: cell 'K562'"),
    ],
)
def test_cells_that_a_source_does_not_have_are_named(kind, cells, message):
    with pytest.raises(InputError, match=message):
        sources.read(kind, {}, {}, cells=cells)


def test_real_library_of_three_cells(shared):
    files = {"rows": shared / "data" / "mpra" / "lentimpra_k562_joint.tsv"}
    cells = ["K562", "HepG2", "WTC11"]
    rows, _ = sources.read("lentimpra", files, {}, cells=cells)
    assert len(rows) == 7486
    for cell in cells:
        alone, _ = sources.read("lentimpra", files, {"label": f"{cell}_log2"})
        assert rows[f"label.{cell}"].tolist() == alone["label"].tolist() and list(rows["row_id"]) == list(
            alone["row_id"]
        )
    assert rows["label"].equals(rows["label.K562"].rename("label"))
    assert rows[[f"label.{cell}" for cell in cells]].corr().iloc[1, 2] == pytest.approx(0.477, abs=1e-3)
