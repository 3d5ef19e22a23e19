"""The evaluation of one run: predictions of every panel by the rows' own order, metrics from these files alone."""

import argparse

import numpy as np
import pytest

from helpers.toy_study import Study
from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.evaluation import evaluator
from s2f.evaluation.measure import measure


def arguments(folder, panels):
    parser = argparse.ArgumentParser()
    evaluator.add_arguments(parser)
    given = {"rows": "rows.parquet", "task": "regression", "model": "m", "threads": 1, "metrics": folder / "m.tsv"}
    given |= {"names": list(panels), "kinds": list(panels.values()), "panels": [folder / f"{p}.tsv" for p in panels]}
    given |= {"predictions": [folder / f"predicted.{p}.tsv" for p in panels]}
    words = []
    for name, value in given.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return parser.parse_args(words)


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
            "nearly constant predictions on the reverse strand: standard deviation 0.05 of that of the labels",
        ),
        ("head", 0.6, ""),  # flat here, but it ranks validation rows: weak on this panel
        ("mean", None, ""),  # a floor is what it is
        ("malinois", 0.05, "nearly constant predictions on the reverse strand"),
    ],
)
def test_a_run_that_is_flat_on_one_strand_is_collapsed_unless_it_has_learned_or_is_a_floor(study, kind, value, reason):
    shift = np.tile([1.0, -1.0], 10) * study.rows["label"].std(ddof=0) * 0.05  # knows nothing of the labels

    def predict(rows, strand):
        return shift if strand == "reverse" else by_row(rows)

    evaluator.evaluate(arguments(study.folder, {"id": "rows"}), study.rows, record("mean", kind, value), predict)
    (found,) = set(read_table(study.folder / "m.tsv")["collapsed"])
    assert found.startswith(reason) and bool(found) == bool(reason)
