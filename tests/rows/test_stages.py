"""Stages: how many rows each filter leaves."""

import pandas as pd

from s2f.rows.stages import Stages


def test_stages_count_what_each_filter_keeps():
    stages = Stages()
    frame = stages.keep("read", pd.DataFrame({"row_id": ["a", "b", "c"], "label": [0.0, 1.0, 0.5]}))
    kept = stages.keep("label above 0", frame, frame["label"] > 0)
    assert kept["row_id"].tolist() == ["b", "c"]
    assert stages.keep("all", kept) is kept
    assert stages.table().to_dict("list") == {
        "stage": ["read", "label above 0", "all"], "rows": [3, 2, 2], "removed": [0, 1, 0],
    }  # fmt: skip
