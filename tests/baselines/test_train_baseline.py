"""The program that trains baselines: what its record says of a model."""

import json

import numpy as np
import pandas as pd
import pytest

import train_baseline
from helpers.programs import call
from s2f.baselines import malinois_published, write_details
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.rows.canonical import canonical, write_rows

CONSTRUCT = {"flanks": "gosai_episomal", "length": 600}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Function that trains a baseline on nine rows and returns model.json."""
    monkeypatch.setattr(
        train_baseline, "limit_to_job_resources", lambda threads, gpus: None
    )  # else for the rest of the tests
    letters = ["ACGT" * 5 + letter * count for count in (1, 2, 3) for letter in "ACG"]
    table = {"row_id": [f"r{i}" for i in range(9)], "sequence": letters, "label": [float(i) for i in range(9)]}
    rows = canonical(pd.DataFrame(table), "rows")
    write_rows(tmp_path / "rows.parquet", rows)
    parts = ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    write_table(tmp_path / "split.tsv", pd.DataFrame({"row_id": rows["row_id"], "split": parts, "reason": ""}))

    def train(kind, **spec):
        call(
            monkeypatch, train_baseline, "--rows", tmp_path / "rows.parquet", "--split", tmp_path / "split.tsv",
            "--task", "regression", "--construct", json.dumps(CONSTRUCT), "--dataset", "d", "--split-name", "s",
            "--baseline", "b", "--kind", kind, "--seed", "1", "--study-seed", "0", "--spec", json.dumps(spec),
            "--strand-rule", "mean", "--threads", "1", "--model", tmp_path / "model",
            "--history", tmp_path / "history.tsv",
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

    def zero(directory, record):
        return lambda inserts, strand: np.zeros(len(inserts))

    monkeypatch.setattr(malinois_published, "train", loaded)
    monkeypatch.setattr(malinois_published, "load", zero)
    record = trained("malinois_published", path="x", output="K562")
    assert record["seen"] == record["seen_before"]["text"] == "all chromosomes but chr7, chr13"
    assert record["stochastic"] is False


def test_the_record_says_whether_another_seed_gives_another_model(trained, monkeypatch):
    assert trained("mean")["stochastic"] is False
    monkeypatch.setitem(train_baseline.kinds.facts("baselines", "mean"), "stochastic", True)
    assert trained("mean")["stochastic"] is True


@pytest.fixture
def of_cells(tmp_path, monkeypatch):
    """Function that trains a baseline on 60 rows of two cells, 20 in each part, and returns model.json; HepG2 is
    measured in all, K562 in as many of each part as are asked for."""
    monkeypatch.setattr(
        train_baseline, "limit_to_job_resources", lambda threads, gpus: None
    )  # else for the rest of the tests

    def train(kind, measured, **spec):
        letters = np.random.default_rng(0).choice(list("ACGT"), (60, 30))
        table = {"row_id": [f"r{i}" for i in range(60)], "sequence": ["".join(row) for row in letters]}
        table |= {"label.K562": np.arange(60.0), "label.HepG2": np.arange(60.0) % 7}
        rows = canonical(pd.DataFrame(table), "rows", cells=["K562", "HepG2"])
        for start in (0, 20, 40):
            rows.loc[start + measured : start + 19, ["label", "label.K562"]] = np.nan
        write_rows(tmp_path / "rows.parquet", rows)
        parts = ["train"] * 20 + ["val"] * 20 + ["test"] * 20
        write_table(tmp_path / "split.tsv", pd.DataFrame({"row_id": rows["row_id"], "split": parts, "reason": ""}))
        call(
            monkeypatch, train_baseline, "--rows", tmp_path / "rows.parquet", "--split", tmp_path / "split.tsv",
            "--construct", json.dumps({"flanks": "gosai_episomal", "length": 60}), "--dataset", "d", "--split-name",
            "s", "--task", "regression", "--baseline", "b", "--kind", kind, "--seed", "1", "--study-seed", "0",
            "--spec", json.dumps(spec),
            "--strand-rule", "mean", "--threads", "1", "--model", tmp_path / "model", "--history", tmp_path / "h.tsv",
        )  # fmt: skip
        return json.loads((tmp_path / "model" / "model.json").read_text())

    return train


NARROW = {
    "conv1_channels": 16, "conv2_channels": 8, "conv3_channels": 8, "linear_channels": 16, "branched_channels": 8,
    "epochs": 1, "min_epochs": 0, "batch_size": 20, "precision": "float32",
}  # fmt: skip


def test_a_model_of_the_first_cell_counts_its_rows_and_has_the_fingerprint_of_the_others(of_cells):
    one, both = of_cells("malinois_1cell", 12, **NARROW), of_cells("kmer_ridge", 12, k=[1])
    assert (one["train_rows"], one["val_rows"], one["cells"]) == (12, 12, ["K562"])
    assert one["provenance"] == "trained from scratch on 12 rows"
    assert (both["train_rows"], both["val_rows"]) == (20, 20)
    assert both["val_rows_of_cells"] == {"K562": 12, "HepG2": 20}
    for part in ("train", "val"):
        assert one[f"{part}_rows_sha256"] == both[f"{part}_rows_sha256"]


@pytest.mark.parametrize("kind", ["malinois_1cell", "kmer_ridge"])
def test_a_part_with_too_few_labels_of_a_cell_is_refused_also_for_a_model_of_the_first_alone(of_cells, kind):
    with pytest.raises(InputError, match=r"part val: 9 of 20 rows have a label of K562, expected 10 or more"):
        of_cells(kind, 9)
