"""Which sequences are explained: by label, the same for all models, and never one that cannot be."""

import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.interpretation.selection import chosen_rows, select
from s2f.rows.stages import Stages

ROWS = pd.DataFrame(
    {
        "row_id": [f"r{i}" for i in range(8)],
        "sequence": ["ACGT"] * 7 + ["ACNT"],
        "label": [0.5, 3.0, -1.0, 2.0, 0.0, 1.0, 9.0, 99.0],
        "allele": ["ref", "alt", "ref", "alt", "ref", "alt", "", ""],
    }
)
PANEL = pd.DataFrame({"row_id": ["r0", "r1", "r2", "r3", "r4", "r7"], "group": list("abcdef")})
PAIRS = pd.DataFrame(
    {"pair_id": ["p0", "p1", "p2"], "ref_row_id": ["r0", "r2", "r4"], "alt_row_id": ["r1", "r3", "r5"]}
)


def test_top_and_bottom_of_the_panel_by_label():
    table = select(ROWS, PANEL, top=2, bottom=1)
    assert table["row_id"].tolist() == ["r1", "r3", "r2"]  # r6 is not in the panel, r7 holds an N
    assert table["role"].tolist() == ["top", "top", "bottom"]
    assert table["label"].tolist() == [3.0, 2.0, -1.0]


def test_what_cannot_be_chosen_is_counted():
    stages = Stages()
    select(ROWS.assign(label=ROWS["label"].where(ROWS["row_id"] != "r1")), PANEL, top=2, stages=stages)
    assert stages.counts == [("rows of the panel", 6), ("without N", 5), ("with a label", 4)]
    assert stages.parts == [("chosen", 2)]
    stages, rows = Stages(), ROWS.assign(sequence=["ACNT", *["ACGT"] * 7])
    select(rows, PAIRS, pairs=1, stages=stages)
    assert stages.counts[:2] == [("rows of the panel", 6), ("without N", 5)]
    assert stages.table()["stage"].tolist()[3:5] == ["pairs: of the panel", "pairs: without N, with labels"]
    assert stages.table()["rows"].tolist()[3:5] == [3, 2]


def test_pairs_by_effect_with_both_alleles():
    table = select(ROWS, PAIRS, pairs=2)
    assert table["row_id"].tolist() == ["r2", "r3", "r0", "r1"]
    assert table["allele"].tolist() == ["ref", "alt"] * 2
    assert table["pair_id"].tolist() == ["p1", "p1", "p0", "p0"]


def test_ids_are_taken_in_their_order_and_not_with_n():
    assert select(ROWS, PANEL, ids=["r6", "r0"])["row_id"].tolist() == ["r6", "r0"]
    with pytest.raises(InputError, match="ids: 'r7' holds N"):
        select(ROWS, PANEL, ids=["r6", "r7"])


def test_equal_labels_are_drawn_by_seed_and_name():
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(50)], "sequence": "ACGT", "label": 1.0, "allele": ""})
    chosen = [select(rows, rows[["row_id"]], top=5, seed=s)["row_id"].tolist() for s in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert chosen[0] != [f"r{i}" for i in range(5)]
    upside_down = rows[::-1].reset_index(drop=True)
    assert select(upside_down, upside_down[["row_id"]], top=5)["row_id"].tolist() == chosen[0]


@pytest.mark.parametrize(
    "panel, wanted, message",
    [
        (PANEL, {}, "nothing is selected: give top, bottom, pairs or ids"),
        (PANEL, {"ids": ["x"]}, "ids: 'x' is not a row of the dataset"),
        (PANEL, {"pairs": 1}, "pairs: the panel holds rows, not pairs"),
        (PANEL, {"top": 6}, "expected 6 rows without N, but the panel has 5"),
        (PAIRS, {"pairs": 4}, "expected 4 pairs without N, but the panel has 3"),
    ],
)
def test_impossible_wishes_are_refused(panel, wanted, message):
    with pytest.raises(InputError, match=message):
        select(ROWS, panel, **wanted)


def test_chosen_rows_are_unique_and_in_order():
    table = select(ROWS, PANEL, top=2, ids=["r3", "r0"])
    assert chosen_rows(ROWS, table)["row_id"].tolist() == ["r3", "r0", "r1"]
    with pytest.raises(InputError, match="row 'r3' is not among the rows"):
        chosen_rows(ROWS.head(2), table)


def test_rows_without_a_label_are_not_among_the_highest():
    rows = ROWS.assign(label=[0.5, None, -1.0, 2.0, 0.0, 1.0, 9.0, 99.0])
    assert select(rows, PANEL, top=2, bottom=1)["row_id"].tolist() == ["r3", "r0", "r2"]
    assert select(rows, PAIRS, pairs=1)["pair_id"].tolist() == ["p1", "p1"]  # r0 with r1 has no effect
