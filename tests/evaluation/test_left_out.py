"""What was dropped from rows, splits and panels has a line each in the text for people."""

import pandas as pd

from helpers.toy_study import Study
from s2f.common.tables import write_table
from s2f.evaluation.comparison import compare
from s2f.evaluation.left_out import left_out
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measured_runs import Comparison
from s2f.rows.stages import Stages, beside


def stages_of(*counts):
    stages = Stages()
    for stage, left in counts:
        stages.left(stage, left)
    return stages.table()


def test_each_dataset_split_and_panel_has_a_line(tmp_path):
    study = Study(tmp_path, [0.1 * row for row in range(60)])
    study.add("A", 1, [0.1 * row + row % 3 for row in range(60)], stochastic=False)
    comparison = Comparison.parse(study.spec, "toy")
    dataset = comparison.datasets["toy"]
    assert left_out(comparison.datasets) == {}  # tables from elsewhere
    (split, panels), rows = next(iter(dataset.panels.items())), study.spec["datasets"]["toy"]["rows"]
    counts = [("read", 1200), ("label measured", 100), ("a", 99), ("b", 97), ("c", 94), ("d", 90)]
    write_table(beside(rows), stages_of(*counts))
    write_table(beside(beside(rows).parent / "splits" / f"{split}.tsv"), stages_of(("rows", 90)))
    for panel in panels.values():
        write_table(beside(panel["path"]), stages_of(("test rows", 30), ("without N", 18)))
    lines = left_out(comparison.datasets)
    assert lines["toy", "", ""] == (
        "left out 1,100 of 1,200 (no label), 4 of 94 (d), 3 of 97 (c), 2 of 99 (b), fewer at 1 more stages."
    )
    assert lines["toy", split, ""] == "none of 90 left out."
    assert {lines["toy", split, panel] for panel in panels} == {"left out 12 of 30 (without N)."}
    table = stages_of(("rows", 90))
    noted = [table, table.assign(stage="note", rows=None, removed=None, note="3 rows lie on chr7p12")]
    write_table(beside(beside(rows).parent / "splits" / f"{split}.tsv"), pd.concat(noted))
    assert left_out(comparison.datasets)["toy", split, ""] == "none of 90 left out. 3 rows lie on chr7p12."
    text = markdown(*compare(comparison), comparison, lines)
    assert f"- Rows: {lines['toy', '', '']}\n- Split {split}: none of 90 left out.\n- Panel " in text
