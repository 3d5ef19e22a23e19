"""Tables of predictions: the rule for strands, and what is no prediction."""

import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.models.predictions import prediction_table, strands

ROWS = pd.DataFrame({"row_id": ["a", "b", "c"], "label": [0.5, -1.0, 2.0]}, index=[7, 8, 9])
FORWARD, REVERSE = np.array([1.0, 2.0, 3.0], np.float32), np.array([3.0, 2.0, 0.0], np.float32)
COLUMNS = ["row_id", "label", "prediction", "forward", "reverse", "strand_rule"]


def test_mean_is_the_mean_of_both_strands():
    table = prediction_table(ROWS, {"forward": FORWARD, "reverse": REVERSE}, "mean")
    assert list(table) == COLUMNS
    assert table["row_id"].tolist() == ["a", "b", "c"] and table["label"].tolist() == [0.5, -1.0, 2.0]
    assert table["prediction"].tolist() == [2.0, 2.0, 1.5]
    assert table["forward"].tolist() == [1, 2, 3] and table["reverse"].tolist() == [3, 2, 0]
    assert set(table["strand_rule"]) == {"mean"} and table["prediction"].dtype == np.float64


def test_forward_leaves_the_reverse_strand_empty_even_when_given():
    table = prediction_table(ROWS, {"forward": FORWARD, "reverse": REVERSE}, "forward")
    assert table["prediction"].tolist() == [1, 2, 3] and table["reverse"].isna().all()
    assert set(table["strand_rule"]) == {"forward"}


def test_strands_of_each_rule():
    assert strands("mean") == ("forward", "reverse") and strands("forward") == ("forward",)


@pytest.mark.parametrize(
    "by_strand, rule, message",
    [
        ({"forward": FORWARD}, "mean", "strand rule 'mean' needs predictions of the reverse strand"),
        ({"reverse": FORWARD}, "forward", "strand rule 'forward' needs predictions of the forward strand"),
        ({"forward": FORWARD}, "max", "strand rule 'max' is unknown; known: mean, forward"),
        ({"forward": [1, np.nan, 2]}, "forward", "prediction for row 'b' is not finite"),
        ({"forward": FORWARD, "reverse": [1, 2, -np.inf]}, "mean", "prediction for row 'c' is not finite"),
        ({"forward": FORWARD[:2]}, "forward", r"forward strand have shape \(2,\), expected \(3,\)"),
        ({"forward": FORWARD[:, None]}, "forward", r"forward strand have shape \(3, 1\), expected \(3,\)"),
        ({"forward": 0.5}, "forward", r"forward strand have shape \(\), expected \(3,\)"),
    ],
)
def test_refusals(by_strand, rule, message):
    with pytest.raises(InputError, match=message):
        prediction_table(ROWS, by_strand, rule)


def test_cells_give_a_line_per_row_and_cell_also_without_a_label():
    rows = ROWS.assign(**{"label.K562": [0.5, np.nan, 2.0], "label.HepG2": [1.0, 2.0, 3.0]})
    forward, reverse = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    table = prediction_table(rows, {"forward": forward, "reverse": reverse}, "mean", ["K562", "HepG2"])
    assert list(table) == ["row_id", "cell", *COLUMNS[1:]]
    assert table["row_id"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert table["cell"].tolist() == ["K562", "HepG2"] * 3
    np.testing.assert_array_equal(table["label"], [0.5, 1, np.nan, 2, 2, 3])
    assert table["prediction"].tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    alone = prediction_table(rows, {"forward": FORWARD}, "forward", ["HepG2"])  # a model of one output
    assert alone["cell"].tolist() == ["HepG2"] * 3 and alone["label"].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match=r"forward strand have shape \(3,\), expected \(3, 2\)"):
        prediction_table(rows, {"forward": FORWARD}, "forward", ["K562", "HepG2"])
