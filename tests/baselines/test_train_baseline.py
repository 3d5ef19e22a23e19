"""The program that trains baselines: what its record says of a model."""

import json

import pandas as pd
import pytest

import train_baseline
from helpers.programs import call
from s2f.baselines import malinois_published, write_details
from s2f.common.tables import write_table
from s2f.rows.canonical import canonical, write_rows

CONSTRUCT = {"flanks": "gosai_episomal", "length": 600}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Function that trains a baseline on nine rows and returns model.json."""
    monkeypatch.setattr(train_baseline, "keep_to_share", lambda threads, gpus: None)  # else for the rest of the tests
    letters = ["ACGT" * 5 + letter * count for count in (1, 2, 3) for letter in "ACG"]
    table = {"row_id": [f"r{i}" for i in range(9)], "sequence": letters, "label": [float(i) for i in range(9)]}
    rows = canonical(pd.DataFrame(table), "rows")
    write_rows(tmp_path / "rows.parquet", rows)
    parts = ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    write_table(tmp_path / "split.tsv", pd.DataFrame({"row_id": rows["row_id"], "split": parts, "reason": ""}))

    def train(kind, **spec):
        call(
            monkeypatch, train_baseline, "--rows", tmp_path / "rows.parquet", "--split", tmp_path / "split.tsv",
            "--construct", json.dumps(CONSTRUCT), "--dataset", "d", "--split-name", "s", "--baseline", "b",
            "--kind", kind, "--seed", "1", "--study-seed", "0", "--spec", json.dumps(spec), "--strand-rule", "mean",
            "--threads", "1", "--model", tmp_path / "model", "--history", tmp_path / "history.tsv",
        )  # fmt: skip
        return json.loads((tmp_path / "model" / "model.json").read_text())

    return train


def test_a_model_trained_here_has_seen_its_training_rows(trained):
    record = trained("mean")
    assert (record["seen"], record["seen_before"]["text"]) == ("train rows", "nothing")


def test_published_weights_have_seen_what_they_were_trained_on(trained, monkeypatch):
    def loaded(train, val, construct, spec, seed, directory):
        write_details(directory, parameters=1, provenance="published", licence="none")
        return [], {"metric": "pearson", "value": None, "epoch": 0}

    monkeypatch.setattr(malinois_published, "train", loaded)
    record = trained("malinois_published", path="x", output="K562")
    assert record["seen"] == record["seen_before"]["text"] == "all chromosomes but chr7, chr13"
    assert record["stochastic"] is False


def test_the_record_says_whether_another_seed_gives_another_model(trained, monkeypatch):
    assert trained("mean")["stochastic"] is False
    monkeypatch.setitem(train_baseline.kinds.facts("baselines", "mean"), "stochastic", True)
    assert trained("mean")["stochastic"] is True
