"""The evaluation of one run: predictions of every panel by the rows' own order, metrics from these files alone."""

import argparse

import numpy as np
import pandas as pd
import pytest

from helpers.toy_study import Study
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.evaluation import evaluator
from s2f.evaluation.measure import measure
from s2f.rows.canonical import canonical


def arguments(folder, panels):
    parser = argparse.ArgumentParser()
    evaluator.add_arguments(parser)
    given = {"rows": "rows.parquet", "task": "regression", "models": "m", "threads": 1, "metrics": folder / "m.tsv"}
    given |= {"names": list(panels), "kinds": list(panels.values()), "panels": [folder / f"{p}.tsv" for p in panels]}
    given |= {"predictions": [folder / f"predicted.{p}.tsv" for p in panels]}
    words = []
    for name, value in given.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    (one,) = evaluator.runs(parser.parse_args(words))
    return one


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path, np.random.default_rng(0).normal(size=20))


def record(rule="mean", kind="head", value=0.9):
    """What evaluation reads of a model.json."""
    return {"strand_rule": rule, "kind": kind, "val_rows": 40, "validation": {"metric": "pearson", "value": value}}


def by_row(rows):
    """A model that knows its rows by name."""
    return np.array([float(row[1:]) ** 2 for row in rows["row_id"]])


def test_all_panels_are_predicted_and_measured_from_the_files(study):
    folder, asked = study.folder, []

    def predict(rows, strand):
        asked.append((strand, len(rows)))
        return by_row(rows) + (strand == "reverse")

    panels = {"id": "rows", "snv": "pairs"}
    evaluator.evaluate(arguments(folder, panels), study.rows, record(), predict)
    assert asked == [("forward", 20), ("reverse", 20)] * 2
    for name in panels:
        table = read_table(folder / f"predicted.{name}.tsv")
        assert np.array_equal(table["prediction"].astype(float), by_row(table) + 0.5)
    files = {n: {"kind": k, "panel": folder / f"{n}.tsv", "predictions": folder / f"predicted.{n}.tsv"}
             for n, k in panels.items()}  # fmt: skip
    expected = measure(study.rows, files, "regression").astype(str)
    found = read_table(folder / "m.tsv")
    assert found["metric"].tolist() == expected["metric"].tolist() and set(found["panel"]) == {"id", "snv"}
    assert np.allclose(found["value"].astype(float), expected["value"].astype(float), rtol=1e-12)


def test_one_strand_is_asked_for_by_its_rule(study):
    asked = []
    evaluator.evaluate(
        arguments(study.folder, {"id": "rows"}), study.rows, record("forward"),
        lambda rows, strand: asked.append(strand) or by_row(rows),
    )  # fmt: skip
    assert asked == ["forward"]


def test_predictions_that_are_not_finite_leave_no_table(study):
    with pytest.raises(InputError, match="prediction for row 'r0' is not finite"):
        evaluator.evaluate(
            arguments(study.folder, {"id": "rows"}), study.rows, record(), lambda rows, strand: by_row(rows) * np.nan
        )
    assert not (study.folder / "predicted.id.tsv").exists() and not (study.folder / "m.tsv").exists()


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (
            "head",
            0.05,
            "nearly constant predictions on the reverse strand: standard deviation 0.05 times that of the labels",
        ),
        ("head", 0.6, ""),  # flat here, but it ranks validation rows: weak on this panel
        ("mean", None, ""),  # a floor is what it is
        ("malinois", 0.05, "nearly constant predictions on the reverse strand"),
        ("malinois_published", None, ""),  # not trained here
    ],
)
def test_a_run_that_is_flat_on_one_strand_is_collapsed_unless_it_has_learned_or_is_a_floor(study, kind, value, reason):
    shift = np.tile([1.0, -1.0], 10) * study.rows["label"].std(ddof=0) * 0.05  # knows nothing of the labels

    def predict(rows, strand):
        return shift if strand == "reverse" else by_row(rows)

    evaluator.evaluate(arguments(study.folder, {"id": "rows"}), study.rows, record("mean", kind, value), predict)
    (found,) = set(read_table(study.folder / "m.tsv")["collapsed"])
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_a_solved_head_may_be_as_flat_as_its_penalty_makes_it(study):
    labels = study.rows["label"].to_numpy()

    def predict(rows, strand):
        return 0.005 * labels + 0.005 * np.tile([1.0, -1.0], 10)

    for ended, flat in (("patience", True), ("solved", False)):
        about = record("mean", "head", 0.7)
        about["validation"]["ended"] = ended
        evaluator.evaluate(arguments(study.folder, {"id": "rows"}), study.rows, about, predict)
        assert (read_table(study.folder / "m.tsv")["collapsed"] != "").all() == flat


def test_each_cell_is_asked_whether_it_has_learned(tmp_path):
    random, cells = np.random.default_rng(0), ["K562", "HepG2", "HeLa"]
    labels = random.normal(size=(60, 3))
    table = {"row_id": [f"r{i}" for i in range(60)], "sequence": ["ACGT"] * 60}
    rows = canonical(
        pd.DataFrame(table | {f"label.{cell}": labels[:, i] for i, cell in enumerate(cells)}), "t", cells=cells
    )
    write_table(tmp_path / "id.tsv", pd.DataFrame({"row_id": rows["row_id"], "group": rows["row_id"]}))
    values = labels + 0.6 * random.normal(size=(60, 3))
    values[:, 1] = 0.05 * random.permutation(labels[:, 1])  # flat, and knows nothing
    about = record("forward") | {"cells": cells, "val_rows_of_cells": dict.fromkeys(cells, 60)}
    about["validation"] |= {"value": 0.6, "cells": {"K562": 0.9, "HepG2": 0.0, "HeLa": 0.9}}
    evaluator.evaluate(arguments(tmp_path, {"id": "rows"}), rows, about, lambda rows, strand: values)
    found = read_table(tmp_path / "m.tsv").drop_duplicates("cell").set_index("cell")["collapsed"]
    assert found["HepG2"].startswith("nearly constant") and found["K562-mean"].startswith("cell HepG2: nearly")
    assert found["K562"] == found["HeLa"] == ""
    about["validation"]["cells"]["HepG2"] = 0.5  # then it is weak on this panel
    evaluator.evaluate(arguments(tmp_path, {"id": "rows"}), rows, about, lambda rows, strand: values)
    assert (read_table(tmp_path / "m.tsv")["collapsed"] == "").all()


def test_a_model_of_one_cell_is_asked_by_its_validation_score(tmp_path):
    labels = np.random.default_rng(0).normal(size=(60, 2))
    table = {"row_id": [f"r{i}" for i in range(60)], "sequence": ["ACGT"] * 60}
    table |= {"label.K562": labels[:, 0], "label.HepG2": labels[:, 1]}
    rows = canonical(pd.DataFrame(table), "t", cells=["K562", "HepG2"])
    write_table(tmp_path / "id.tsv", pd.DataFrame({"row_id": rows["row_id"], "group": rows["row_id"]}))
    for value, flat in ((0.6, False), (0.05, True)):
        about = record("forward", value=value) | {"cells": ["K562"]}
        predict = lambda rows, strand: 0.05 * labels[:, 1]  # noqa: E731
        evaluator.evaluate(arguments(tmp_path, {"id": "rows"}), rows, about, predict)
        found = read_table(tmp_path / "m.tsv")
        assert set(found["cell"]) == {"K562"} and (found["collapsed"] != "").all() == flat
