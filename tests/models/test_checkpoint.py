"""The record of a checkpoint: what it must hold, and who is blamed where it disagrees."""

import json

import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.models import checkpoint
from s2f.models.checkpoint import read_record, write_record
from s2f.rows.canonical import of_first_cell

RECORD = dict(
    name="x", kind="head", task="regression", dataset="d", split="s", model="e/no_shift/boda-mean-16-16", encoder="e",
    augmentation="no_shift", head="boda-mean-16-16", seed=1, strand_rule="mean", construct={}, spec={}, tokens=3,
    channels=8, validation={}, parameters=1, provenance="trained here", licence="none",
)  # fmt: skip
ROWS = pd.DataFrame({"row_id": ["a"], "sequence": ["ACGT"], "label": [1.0]})


@pytest.fixture
def saved(tmp_path):
    """Folder of a checkpoint that holds its record alone."""
    write_record(tmp_path, {"train": ROWS, "val": ROWS}, ("numpy",), **RECORD)
    return tmp_path


def test_a_record_of_another_encoder_or_format_is_refused(saved):
    with pytest.raises(InputError, match="encoder is 'e', expected 'f'; train this model again"):
        read_record(saved, encoder="f")
    path = saved / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": checkpoint.FORMAT + 1}))
    with pytest.raises(InputError, match="format is"):
        read_record(saved)


def test_a_folder_that_is_not_there_is_said(saved):
    with pytest.raises(InputError, match=r"/none: no such folder, expected the folder best_model of a run$"):
        read_record(saved / "none")


def test_a_partial_record_is_refused(saved):
    path = saved / "model.json"
    record = json.loads(path.read_text())
    del record["construct"]
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="key 'construct' is missing, so the checkpoint is not complete"):
        read_record(saved)


def test_a_changed_record_is_blamed_and_not_the_cache(saved, tmp_path):
    cache = tmp_path / "+00.forward.h5"
    cache.with_suffix(".json").write_text(json.dumps({"tokens": 5}))
    with pytest.raises(
        InputError, match=r"model.json: tokens is 7, but the cache .* has 5: this model was trained on other"
    ):
        checkpoint.check_record(saved, {"tokens": 7}, [cache])
    checkpoint.check_record(saved, {"tokens": 5}, [cache])


def test_the_cells_of_a_model_must_be_those_of_the_rows(tmp_path):
    several = ROWS.assign(**{"label.K562": 1.0, "label.HepG2": 2.0})
    predicted = checkpoint.predicted_cells
    assert predicted(tmp_path, {}, ROWS) == [] and predicted(tmp_path, {"cells": ["K562"]}, several) == ["K562"]
    for record, rows, message in (
        ({}, several, "the cells of the model are none, but those of the rows are K562, HepG2; train this model again"),
        ({"cells": ["K562"]}, ROWS, "the cells of the model are K562, but those of the rows are none"),
        ({"cells": ["HeLa"]}, several, "the cells of the model are HeLa, but those of the rows are K562, HepG2"),
    ):
        with pytest.raises(InputError, match=message):
            predicted(tmp_path, record, rows)


def test_the_record_tells_labels_of_every_cell_apart(tmp_path):
    several = ROWS.assign(**{"label.K562": 1.0, "label.HepG2": 2.0})
    found = []
    for labels in (2.0, 3.0):
        write_record(tmp_path, {"train": several.assign(**{"label.HepG2": labels}), "val": several}, (), **RECORD)
        found.append(read_record(tmp_path)["train_rows_sha256"])
    assert found[0] != found[1]


def test_the_record_counts_the_rows_that_were_used_and_fingerprints_those_of_the_split(tmp_path):
    table = pd.DataFrame({"row_id": list("abc"), "sequence": ["ACGT"] * 3, "label": [1.0, np.nan, 2.0]})
    several = table.assign(**{"label.K562": table["label"], "label.HepG2": [1.0, 2.0, np.nan]})
    parts = {"train": several, "val": several[:2]}
    write_record(tmp_path, parts, (), **RECORD)
    every = read_record(tmp_path)
    assert (every["train_rows"], every["val_rows"]) == (3, 2)
    assert every["train_rows_of_cells"] == {"K562": 2, "HepG2": 2} and every["val_rows_of_cells"]["K562"] == 1
    write_record(tmp_path, parts, (), {part: of_first_cell(own) for part, own in parts.items()}, **RECORD)
    first = read_record(tmp_path)
    assert (first["train_rows"], first["val_rows"]) == (2, 1) and "val_rows_of_cells" not in first
    assert first["train_rows_sha256"] == every["train_rows_sha256"]
