"""Measuring a run: panels and predictions joined by id, and files that must be refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.evaluation.measure import measure, read_panel, read_predictions
from s2f.models.predictions import prediction_table
from s2f.rows.canonical import canonical, rows_sha256


@pytest.fixture
def study(tmp_path):
    """Six rows: references a b c and their alternates A B C, a panel of rows and one of pairs, and predictions."""
    rows = canonical(
        pd.DataFrame(
            {
                "row_id": list("abcABC"),
                "sequence": ["ACGT"] * 6,
                "label": [0.0, 1.0, 2.0, 1.0, 3.0, 5.0],
                "allele": ["ref"] * 3 + ["alt"] * 3,
            }
        ),
        "test",
    )
    pairs = {"pair_id": list("pqr"), "ref_row_id": list("abc"), "alt_row_id": list("ABC"), "group": list("xyz")}
    write_table(tmp_path / "id.tsv", pd.DataFrame({"row_id": list("CBAcba"), "group": list("zyxzyx")}))
    write_table(tmp_path / "snv.tsv", pd.DataFrame(pairs))
    predicted = np.array([100.0, -50.0, 7.0, 1.0, 5.0, 3.0])
    shuffled = np.array([3, 0, 5, 1, 4, 2])
    table = prediction_table(rows, {"forward": predicted + 0.5, "reverse": predicted - 0.5}, "mean")
    write_table(tmp_path / "predictions.tsv", table.iloc[shuffled])
    return tmp_path, rows


def panels_of(folder):
    return {
        name: {"kind": kind, "panel": folder / f"{name}.tsv", "predictions": folder / "predictions.tsv"}
        for name, kind in (("id", "rows"), ("snv", "pairs"))
    }


def test_measure_joins_by_id_and_keeps_references_out_of_absolute_metrics(study):
    folder, rows = study
    table = measure(rows, panels_of(folder), "regression").set_index("metric")
    assert list(table.index) == [
        *("pearson", "spearman", "mse"),
        *("pearson_abs", "spearman_abs", "mse_abs", "pearson_delta", "spearman_delta", "mse_delta"),
    ]
    # alternates alone: labels 1 3 5, predictions 1 5 3; the wild references would change this
    assert table.loc["pearson_abs", "value"] == pytest.approx(0.5)
    assert table.loc["mse_abs", "value"] == pytest.approx(8 / 3)
    # effects: labels 1 2 3, predictions -99 55 -4
    assert table.loc["pearson_delta", "value"] == pytest.approx(stats.pearsonr([1, 2, 3], [-99, 55, -4])[0])
    assert table.loc["mse_delta", "value"] == pytest.approx((100**2 + 53**2 + 7**2) / 3)
    expected = stats.spearmanr(rows["label"], [100, -50, 7, 1, 5, 3])[0]
    assert table.loc["spearman", "value"] == pytest.approx(expected)
    assert table.loc[["pearson", "pearson_abs"], "n"].tolist() == [6, 3]
    assert set(table["rows_sha256"]) == {rows_sha256(rows)}
    assert set(table["strand_rule"]) == {"mean"}


def test_order_of_the_panel_file_has_no_meaning(study):
    folder, rows = study
    first = read_panel("id", "rows", folder / "id.tsv", rows)
    write_table(folder / "turned.tsv", read_table(folder / "id.tsv").iloc[::-1])
    turned = read_panel("id", "rows", folder / "turned.tsv", rows)
    assert first.clusters.tolist() == turned.clusters.tolist() == [0, 1, 2, 0, 1, 2]
    assert first.rows_sha256 == turned.rows_sha256
    pairs = read_panel("snv", "pairs", folder / "snv.tsv", rows)
    assert pairs.by_suffix(rows["label"].to_numpy())["_delta"].tolist() == [1.0, 2.0, 3.0]


def edited(path, edit):
    """Write a file anew after `edit`, which changes the table in place or gives another one."""
    table = read_table(path)
    other = edit(table)
    write_table(path, table if other is None else other)


def cell(row, column, value):
    return lambda table: table.__setitem__(column, table[column].mask(table["row_id"] == row, value))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.drop(t.index[t["row_id"] == "B"]), "row 'B' of panel id has no prediction"),
        (lambda t: t.loc.__setitem__(6, ["new", *t.iloc[0, 1:]]), "row 'new' does not belong to panel id"),
        (lambda t: t.loc.__setitem__(6, t.iloc[0]), "row 'A' is predicted twice"),
        (cell("c", "label", "2.5"), "row 'c': label is 2.5, but the dataset has 2.0"),
        (cell("c", "prediction", ""), "row 'c': prediction is nan, expected a number"),
        (cell("c", "prediction", "inf"), "prediction is 'inf', expected a number"),
        (cell("c", "prediction", "x"), "prediction is 'x', expected a number"),
        (cell("c", "prediction", "7.5"), "row 'c': prediction is 7.5, but strand rule mean gives 7.0"),
        (cell("c", "reverse", ""), "row 'c': reverse is nan"),
        (cell("c", "strand_rule", "forward"), "expected one of"),
        (lambda t: t.__setitem__("strand_rule", "best"), "strand_rule is 'best'"),
        (lambda t: t.drop(columns="reverse"), "column 'reverse' is missing"),
    ],
)
def test_bad_predictions_are_refused(study, edit, message):
    folder, rows = study
    panel = read_panel("id", "rows", folder / "id.tsv", rows)
    read_predictions(folder / "predictions.tsv", panel)
    edited(folder / "predictions.tsv", edit)
    with pytest.raises(InputError, match=message):
        read_predictions(folder / "predictions.tsv", panel)


def test_forward_only_predictions_have_no_reverse(study):
    folder, rows = study
    table = prediction_table(rows, {"forward": np.arange(6.0)}, "forward")
    write_table(folder / "forward.tsv", table)
    panel = read_panel("id", "rows", folder / "id.tsv", rows)
    predictions, rule, by_strand = read_predictions(folder / "forward.tsv", panel)
    assert predictions.tolist() == [0, 1, 2, 3, 4, 5]
    assert rule == "forward" and list(by_strand) == ["forward"]


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("id", lambda t: t.loc.__setitem__(0, ["Z", "g"]), "row_id 'Z' is not a row of the dataset"),
        ("id", lambda t: t.loc.__setitem__(6, ["a", "g"]), "row_id 'a' occurs twice"),
        ("id", lambda t: t.loc.__setitem__(0, ["C", ""]), "line 2: group is empty"),
        ("id", lambda t: t.drop(t.index), "panel id is empty"),
        ("snv", lambda t: t.loc.__setitem__((0, "alt_row_id"), "B"), "alt_row_id 'B' occurs twice"),
        ("snv", lambda t: t.loc.__setitem__((0, "ref_row_id"), "C"), "ref_row_id 'C' is not the ref allele"),
        ("snv", lambda t: t.loc.__setitem__((0, "alt_row_id"), "b"), "alt_row_id 'b' is not the alt allele"),
    ],
)
def test_bad_panels_are_refused(study, name, edit, message):
    folder, rows = study
    edited(folder / f"{name}.tsv", edit)
    with pytest.raises(InputError, match=message):
        read_panel(name, {"id": "rows", "snv": "pairs"}[name], folder / f"{name}.tsv", rows)


def test_pairs_need_a_regression(study):
    folder, rows = study
    with pytest.raises(InputError, match="needs the task regression"):
        read_panel("snv", "pairs", folder / "snv.tsv", rows, "classification")


def test_measure_names_the_file_of_a_prediction_that_is_no_probability(study):
    folder, rows = study
    rows["label"] = [0.0, 1, 0, 1, 1, 0]
    write_table(
        folder / "predictions.tsv",
        prediction_table(rows, {"forward": np.arange(6.0), "reverse": np.arange(6.0)}, "mean"),
    )
    with pytest.raises(InputError, match=r"predictions\.tsv: prediction 2"):
        measure(rows, {"id": panels_of(folder)["id"]}, "classification")
