"""Stages: how many rows each filter leaves."""

import numpy as np
import pandas as pd

from s2f.common.tables import write_table
from s2f.rows.stages import Stages, beside, dropped, notes


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


def test_notes_stand_below_the_counts_and_count_nothing(tmp_path):
    stages = Stages({"read": 4, "kept": 2})
    stages.left("read", 3)
    stages.left("kept", 2)
    stages.notes.append("g.fa.fai: is older than the FASTA")
    table = stages.table()
    assert table["stage"].tolist() == ["read", "kept", "note", "note"]
    said = ["g.fa.fai: is older than the FASTA", "stage 'read' has 3 rows, expected 4"]
    assert table["note"].tolist()[2:] == said and table["note"][:2].isna().all()
    assert table["rows"].dropna().tolist() == [3, 2] and table["removed"].dropna().tolist() == [0, 1]
    path = tmp_path / "rows.stages.tsv"
    write_table(path, table)
    assert path.read_text().splitlines()[2:4] == ["kept\t2\t1\t2\t", f"note\t\t\t\t{said[0]}"]
    assert dropped(path) == (3, [("kept", 1, 3)]) and notes(path) == said
    write_table(path, Stages().table().assign(rows=[], removed=[]))
    assert notes(path) == []
