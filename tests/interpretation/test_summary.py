"""The summary of what was explained: a line per file, gaps as shares, cost and provenance."""

import numpy as np
import pandas as pd
import pytest

import summarise_interpretation
from helpers.explained_models import linear, rows_of, some_inserts
from helpers.programs import call
from s2f.interpretation import attributions, summary

SCORER = linear(np.random.default_rng(0).normal(size=(12, 4)))


def explained(path, method, settings=None, scorer=SCORER):
    rows = rows_of(some_inserts(3, 12))
    found = attributions.attribute_all(scorer, method, rows, settings or {}, report=lambda line: None)
    about = attributions.describe(scorer, method, settings or {}, 0, "log2FC")
    attributions.write(path, rows, found, panel="p", **about)
    return found


def test_table_of_all_files(tmp_path, monkeypatch):
    found = explained(tmp_path / "a.h5", "ism")
    explained(tmp_path / "b.h5", "ig")
    files = [tmp_path / name for name in ("a.h5", "b.h5")]
    call(monkeypatch, summarise_interpretation, "--attributions", *files, "--out", tmp_path / "t.tsv")
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t")
    assert tuple(table.columns) == summary.COLUMNS
    assert table["method"].tolist() == ["ism", "ig"] and table["complete"].tolist() == ["-", "yes"]
    assert table["sequences"].tolist() == [3, 3] and set(table["panel"]) == {"p"} and set(table["seed"]) == {1}
    assert table["mean_score"][0] == pytest.approx(np.mean([one["score"] for one in found]))
    assert np.isnan(table["largest_gap"][0]) and 0 <= table["largest_gap"][1] < 1e-4
    assert (table["seconds_per_sequence"] >= 0).all() and set(table["device"]) == {"cpu"}
    assert set(table["provenance"]) == {"a formula"} and set(table["strand_rule"]) == {"forward"}


def test_a_gap_is_a_share_of_the_difference():
    about = {"seed": "1", "device": '{"device": "cpu"}', "method": "ig"}
    found = {
        "row_id": ["a", "b", "c"],
        "score": np.ones(3),
        "seconds": np.ones(3),
        "complete": np.array([1, 0, 1], bool),
    }
    found |= {"gap": np.array([0.01, -0.5, 0.0]), "difference": np.array([1.0, 2.0, 0.0])}
    line = summary.line(found, about)
    assert line["largest_gap"] == 0.25 and line["complete"] == "no"
    found["gap"][2] = 0.1
    assert summary.line(found, about)["largest_gap"] == np.inf
