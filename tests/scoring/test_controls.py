"""Negative controls: whether models know them, by their bias and by active rows told apart."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import judge_scores
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.evaluation.metrics import score as metric
from s2f.scoring import judged

HOW = judged.Resampling(0.95, 500, 1)


@pytest.fixture
def library():
    """Measured and predicted activity of 40 controls around -0.5, and of 60 rows of 30 units, of which half are
    active."""
    draw = np.random.default_rng(0)
    measured = pd.Series(draw.normal(-0.5, 0.2, 40), index=[f"c{i}" for i in range(40)])
    label = np.where(np.arange(60) < 30, draw.normal(1, 0.3, 60), draw.normal(-1, 0.2, 60))
    rows = pd.DataFrame({"row_id": [f"r{i}" for i in range(60)], "group": [f"u{i // 2}" for i in range(60)],
                         "label": label, "prediction": label + draw.normal(0.1, 0.5, 60)})  # fmt: skip
    return measured, measured.to_numpy() + draw.normal(0.3, 0.5, 40), rows


def files(folder, measured, predicted, rows, models=("m",)):
    """Paths of scores, panel, and {model: predictions}."""
    each = pd.DataFrame({"id": measured.index, "prediction": predicted})
    scores = pd.concat([each.assign(model=model) for model in models])
    scores.to_csv(folder / "scores.tsv", sep="\t", index=False)
    rows[["row_id", "group"]].to_csv(folder / "panel.tsv", sep="\t", index=False)
    rows.drop(columns="group").to_csv(folder / "predictions.tsv", sep="\t", index=False)
    return folder / "scores.tsv", folder / "panel.tsv", dict.fromkeys(models, folder / "predictions.tsv")


def test_bias_and_auroc_are_those_of_their_definitions(tmp_path, library):
    measured, predicted, rows = library
    scores, panel, predictions = files(tmp_path, measured, predicted, rows)
    found = judged.controls(scores, measured, panel, predictions, None, HOW).set_index("metric")
    above = np.quantile(measured, 0.95)
    active = rows[rows["label"] > above]
    assert (found["active_above"] == above).all() and (found["n_active"] == len(active)).all()
    errors = predicted - measured
    bias = found.loc["bias"]
    low, high = stats.t.interval(0.95, 39, errors.mean(), errors.std(ddof=1) / np.sqrt(40))
    assert [bias["value"], bias["ci_low"], bias["ci_high"], bias["n"]] == pytest.approx([errors.mean(), low, high, 40])
    difference = rows["prediction"] - rows["label"]
    assert found.loc["panel_bias"]["value"] == pytest.approx(difference.mean())
    ends = np.repeat([0.0, 1.0], [40, len(active)])
    auroc = found.loc["auroc"]
    expected = stats.mannwhitneyu(active["prediction"], predicted).statistic / 40 / len(active)
    assert auroc["value"] == pytest.approx(expected) and auroc["ci_low"] < expected < auroc["ci_high"] <= 1
    truth = np.concatenate([measured, active["label"]])
    assert auroc["ceiling"] == pytest.approx(metric("auroc", ends, stats.norm.cdf(truth))[0])


def test_rows_of_a_unit_count_once_in_the_interval(tmp_path, library):
    measured, predicted, rows = library
    again = pd.concat([rows, rows.assign(row_id=rows["row_id"] + "again")])
    widths = {}
    for name, table in (("once", rows), ("twice", again), ("as if new", again.assign(group=again["row_id"]))):
        place = files(tmp_path, measured, predicted, table)
        found = judged.controls(place[0], measured, *place[1:], None, HOW).set_index("metric").loc["panel_bias"]
        widths[name] = found["ci_high"] - found["ci_low"]
    assert widths["twice"] == pytest.approx(widths["once"]) and widths["as if new"] < 0.8 * widths["once"]


def test_unmeasured_controls_do_not_count(tmp_path, library):
    measured, predicted, rows = library
    scores, panel, predictions = files(tmp_path, measured, predicted, rows)
    found = judged.controls(scores, measured.mask(measured.index == "c3"), panel, predictions, -0.2, HOW)
    assert found.loc[found["metric"] == "bias", "n"].item() == 39 and (found["active_above"] == -0.2).all()


def test_the_first_of_several_cells_counts(tmp_path, library):
    measured, predicted, rows = library
    scores, panel, predictions = files(tmp_path, measured, predicted, rows)
    one = judged.controls(scores, measured, panel, predictions, None, HOW)
    for path in (scores, predictions["m"]):
        table = pd.read_csv(path, sep="\t")
        other = table.assign(cell="B", prediction=9.0)
        pd.concat([table.assign(cell="A"), other]).to_csv(path, sep="\t", index=False)
    two = judged.controls(scores, measured, panel, predictions, None, HOW)
    assert set(two["cell"]) == {"A"}
    pd.testing.assert_frame_equal(one.drop(columns="cell"), two.drop(columns="cell"))


def test_missing_scores_and_rows_are_named(tmp_path, library):
    measured, predicted, rows = library
    scores, panel, predictions = files(tmp_path, measured, predicted, rows)
    more = pd.concat([measured, pd.Series({"new": 0.1})])
    with pytest.raises(InputError, match=r"scores.tsv: model 'm' has no score of 'new'; score it again"):
        judged.controls(scores, more, panel, predictions, None, HOW)
    with pytest.raises(InputError, match="2 controls have a measured activity, expected 3 or more"):
        judged.controls(scores, measured[:2], panel, predictions, None, HOW)
    with pytest.raises(InputError, match=r"predictions.tsv: 0 labels are above 50, expected 3 or more: give a lower"):
        judged.controls(scores, measured, panel, predictions, 50.0, HOW)


def test_real_shuffled_controls(tmp_path, shared, monkeypatch):
    """A model that predicts what was measured has no bias, and tells active elements apart as the measurements do."""
    path = shared / "data" / "mpra" / "agarwal_k562_shuffled_controls.tsv"
    table = pd.read_csv(path, sep="\t")
    known = table.dropna(subset="K562_log2_mean")
    joint = pd.read_csv(shared / "data" / "mpra" / "lentimpra_k562_joint.tsv", sep="\t").iloc[::5]
    rows = pd.DataFrame({"row_id": joint["name"], "group": joint["name"], "label": joint["K562_log2"],
                         "prediction": joint["K562_log2"]})  # fmt: skip
    measured = pd.Series(known["K562_log2_mean"].to_numpy(), index=known["name"])
    scores, panel, _ = files(tmp_path, measured, measured.to_numpy() + 0.25, rows)
    call(monkeypatch, judge_scores, "--scores", scores, "--controls", path, "--column", "K562_log2_mean", "--id-column",
         "name", "--panel", panel, "--models", "m", "--predictions", tmp_path / "predictions.tsv", "--resamples", "200",
         "--out", tmp_path / "out.tsv")  # fmt: skip
    found = pd.read_csv(tmp_path / "out.tsv", sep="\t").set_index("metric")
    assert list(found.reset_index().columns) == ["metric", *[c for c in judged.CONTROL_COLUMNS if c != "metric"]]
    assert found.loc["bias", ["value", "n"]].tolist() == pytest.approx([0.25, 249])
    assert found.loc["panel_bias", "value"] == pytest.approx(0, abs=1e-12)
    above = found["active_above"].iloc[0]
    assert (measured > above).sum() == 13 and found["n_active"].iloc[0] == (rows["label"] > above).sum()
    assert 0.9 < found.loc["auroc", "value"] < found.loc["auroc", "ceiling"] < 1


def test_controls_need_their_column_and_a_panel(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="--controls needs --column, --panel, --models and --predictions"):
        call(monkeypatch, judge_scores, "--scores", "s", "--controls", "c", "--out", tmp_path / "o")
