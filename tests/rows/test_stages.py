"""Stages: how many rows each filter leaves."""

import numpy as np
import pandas as pd

from s2f.common.tables import write_table
from s2f.rows.stages import Stages, beside, dropped


def test_stages_count_what_each_filter_keeps():
    stages = Stages()
    frame = stages.keep("read", pd.DataFrame({"row_id": ["a", "b", "c"], "label": [0.0, 1.0, 0.5]}))
    kept = stages.keep("label above 0", frame, frame["label"] > 0)
    assert kept["row_id"].tolist() == ["b", "c"]
    assert stages.keep("all", kept) is kept
    assert stages.table().to_dict("list") == {
        "stage": ["read", "label above 0", "all"], "rows": [3, 2, 2], "removed": [0, 1, 0],
    }  # fmt: skip


def test_what_is_asked_for_and_what_stands_beside_is_no_loss(tmp_path):
    stages = Stages()
    stages.left("rows", 10)
    stages.left("without N", 7)
    stages.choose("the highest", 2)
    stages.left("measured", 1)
    stages.part("pairs", 4)
    stages.side("peaks of X", [("read", 50), ("chromosomes", 20)])
    table = stages.table()
    assert table["stage"].tolist() == [
        "rows", "without N", "the highest", "measured", "peaks of X: read", "peaks of X: chromosomes", "pairs",
    ]  # fmt: skip
    assert table["rows"].tolist() == [10, 7, 2, 1, 50, 20, 4]
    assert table["removed"].fillna(-1).tolist() == [0, 3, -1, 1, -1, 30, -1]
    assert str(stages) == "rows 10, without N 7, the highest 2, measured 1"
    path = beside(tmp_path / "val.a.tsv")
    assert path == tmp_path / "val.a.stages.tsv"
    write_table(path, table)
    assert dropped(path) == (10, [("without N", 3, 10), ("measured", 1, 2), ("peaks of X: chromosomes", 30, 50)])
    assert len(stages.keep("all", np.arange(3))) == 3
