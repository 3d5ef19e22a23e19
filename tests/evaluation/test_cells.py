"""Several cells: what is evaluated of them, each on its own rows, and models that predict some of them."""

import numpy as np
import pandas as pd
import pytest

from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.evaluation.cells import labelled, views
from s2f.evaluation.comparison import compare
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measure import measure, read_panels, read_predictions
from s2f.evaluation.measured_runs import Comparison
from s2f.models.predictions import prediction_table
from s2f.rows.canonical import canonical, rows_sha256, write_rows

CELLS = ["K562", "HepG2", "HeLa"]
N = 40


@pytest.fixture
def rows():
    """Rows in pairs; every fourth row lacks HepG2, the first row K562, and HeLa is measured in the first 30."""
    random = np.random.default_rng(0)
    labels = random.normal(size=(N, 3)).round(3)
    labels[::4, 1] = np.nan
    labels[0, 0] = np.nan
    labels[30:, 2] = np.nan
    table = {"row_id": [f"r{i}" for i in range(N)], "sequence": ["ACGT"] * N, "allele": ["ref", "alt"] * (N // 2)}
    table |= {f"label.{cell}": labels[:, place] for place, cell in enumerate(CELLS)}
    return canonical(pd.DataFrame(table), "test", cells=CELLS)


@pytest.fixture
def panels(rows, tmp_path):
    """{name: {kind, panel}} of all rows and of all pairs, each item a group of its own."""
    write_table(tmp_path / "id.tsv", pd.DataFrame({"row_id": rows["row_id"], "group": rows["row_id"]}))
    ref, alt = rows["row_id"][::2].to_numpy(), rows["row_id"][1::2].to_numpy()
    pairs = pd.DataFrame({"pair_id": ref, "ref_row_id": ref, "alt_row_id": alt, "group": ref})
    write_table(tmp_path / "snv.tsv", pairs)
    return {
        name: {"kind": kind, "panel": tmp_path / f"{name}.tsv"} for name, kind in (("id", "rows"), ("snv", "pairs"))
    }


def predicted(rows, folder, panels, name="m", cells=CELLS, seed=1):
    """Files of made-up predictions of `cells` for all panels; {panel: files}, and the predictions (N, C)."""
    random = np.random.default_rng(seed)
    values = {strand: random.normal(size=(N, len(cells))) for strand in ("forward", "reverse")}
    given = values if len(cells) > 1 else {strand: array[:, 0] for strand, array in values.items()}
    write_table(folder / f"{name}.tsv", prediction_table(rows, given, "mean", cells))
    files = {panel: {**entry, "predictions": folder / f"{name}.tsv"} for panel, entry in panels.items()}
    return files, (values["forward"] + values["reverse"]) / 2


def test_a_view_is_a_cell_or_its_difference_from_the_others():
    found = {view.name: view for view in views(CELLS)}
    assert list(found) == [*CELLS, *(f"{cell}-{other}" for cell in CELLS for other in ("mean", "max"))]
    values = {"K562": np.array([3.0, 1.0]), "HepG2": np.array([1.0, np.nan]), "HeLa": np.array([5.0, 2.0])}
    np.testing.assert_array_equal(found["HepG2"].of(values), [1, np.nan])
    np.testing.assert_array_equal(found["K562-mean"].of(values), [0, np.nan])
    np.testing.assert_array_equal(found["K562-max"].of(values), [-2, np.nan])
    np.testing.assert_array_equal(found["HeLa-max"].of(values), [2, np.nan])
    two = views(CELLS[:2])
    assert [view.name for view in two] == ["K562", "HepG2", "K562-HepG2"]
    np.testing.assert_array_equal(two[2].of(values), [2, np.nan])


def test_each_cell_has_the_rows_that_are_measured_in_it(rows, panels, tmp_path):
    found = {panel.cell: panel for panel in read_panels("id", "rows", panels["id"]["panel"], rows)}
    assert {cell: len(panel.clusters) for cell, panel in found.items()} == {
        "K562": 39, "HepG2": 30, "HeLa": 30, **dict.fromkeys(
            [f"{cell}-{other}" for cell in CELLS for other in ("mean", "max")], 22),
    }  # fmt: skip
    own = rows[rows["label.HepG2"].notna()]
    assert found["HepG2"].rows_sha256 == rows_sha256(own.assign(label=own["label.HepG2"]))
    assert found["HepG2"].units == 30 and sorted(set(found["HepG2"].clusters)) == list(range(30))
    assert len({panel.rows_sha256 for panel in found.values()}) == len(found)
    pairs = {panel.cell: panel for panel in read_panels("snv", "pairs", panels["snv"]["panel"], rows)}
    both = rows["label.HepG2"].notna().to_numpy().reshape(-1, 2).all(axis=1)
    assert len(pairs["HepG2"].clusters) == both.sum() == 10


def test_a_cell_with_too_few_labels_has_no_panel(rows, panels):
    rows.loc[2:, "label.HeLa"] = np.nan
    assert [panel.cell for panel in read_panels("id", "rows", panels["id"]["panel"], rows)] == CELLS[:2]
    rows.loc[2:, ["label", "label.K562", "label.HepG2"]] = np.nan
    with pytest.raises(InputError, match="panel id: no cell has labels of at least 3 items"):
        read_panels("id", "rows", panels["id"]["panel"], rows)


def test_metrics_of_a_view_are_those_of_its_labels_and_predictions(rows, panels, tmp_path):
    files, values = predicted(rows, tmp_path, panels)
    table = measure(rows, files, "regression")
    assert list(table)[:3] == ["panel", "cell", "metric"]
    found = table[table["panel"] == "id"].set_index(["cell", "metric"])["value"]
    labels = rows[[f"label.{cell}" for cell in CELLS]].to_numpy()
    there = ~np.isnan(labels[:, 1])
    assert found["HepG2", "pearson"] == pytest.approx(np.corrcoef(labels[there, 1], values[there, 1])[0, 1])
    there = ~np.isnan(labels).any(axis=1)
    own, other = (array[there, 0] - array[there, 1:].max(axis=1) for array in (labels, values))
    assert found["K562-max", "pearson"] == pytest.approx(np.corrcoef(own, other)[0, 1])
    own, other = (array[there, 2] - array[there, :2].mean(axis=1) for array in (labels, values))
    assert found["HeLa-mean", "mse"] == pytest.approx(np.mean((own - other) ** 2))
    effects = table[(table["panel"] == "snv") & (table["cell"] == "K562")].set_index("metric")["value"]
    delta = [(array[1::2, 0] - array[::2, 0])[1:] for array in (labels, values)]  # the first pair lacks its reference
    assert effects["pearson_delta"] == pytest.approx(np.corrcoef(*delta)[0, 1])


def test_a_model_of_one_cell_is_measured_in_that_alone(rows, panels, tmp_path):
    files, _ = predicted(rows, tmp_path, panels, cells=["K562"])
    assert set(measure(rows, files, "regression")["cell"]) == {"K562"}


def test_a_difference_is_collapsed_where_one_of_its_cells_is(rows, panels, tmp_path):
    random = np.random.default_rng(3)
    values = rows[[f"label.{cell}" for cell in CELLS]].fillna(0).to_numpy() + 0.1 * random.normal(size=(N, 3))
    values[:, 1] = 0.5
    write_table(tmp_path / "m.tsv", prediction_table(rows, {"forward": values, "reverse": values}, "mean", CELLS))
    table = measure(rows, {"id": {**panels["id"], "predictions": tmp_path / "m.tsv"}}, "regression")
    why = table.drop_duplicates("cell").set_index("cell")["collapsed"]
    assert why["HepG2"] == "constant predictions on the forward strand"
    assert why["K562-mean"] == why["HeLa-max"] == f"cell HepG2: {why['HepG2']}"
    assert why["K562"] == why["HeLa"] == ""


def test_stale_and_incomplete_predictions_are_named_with_their_cell(rows, panels, tmp_path):
    files, _ = predicted(rows, tmp_path, panels)
    panel = next(panel for panel in read_panels("id", "rows", panels["id"]["panel"], rows) if panel.cell == "K562-mean")
    path = files["id"]["predictions"]
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    measured = table.index[(table["cell"] == "HepG2") & (table["row_id"] == "r1")][0]
    write_table(path, table.drop(index=measured))
    with pytest.raises(InputError, match=r"m.tsv: cell HepG2: row 'r1' of panel id has no prediction"):
        read_predictions(path, panel)
    table.loc[measured, "label"] = "9.5"
    write_table(path, table)
    with pytest.raises(
        InputError, match=r"cell HepG2: row 'r1': label is 9.5, but the dataset has .*predict the panel again"
    ):
        read_predictions(path, panel)


def test_a_line_per_cell_in_the_comparison(rows, panels, tmp_path):
    write_rows(tmp_path / "rows.parquet", rows)
    runs = []
    for name, cells in (("A", CELLS), ("B", CELLS), ("one", ["K562"])):
        files, _ = predicted(rows, tmp_path, panels, name, cells, seed=len(name) + ord(name[0]))
        write_table(tmp_path / f"{name}.metrics.tsv", measure(rows, files, "regression"))
        runs.append({
            "dataset": "toy", "split": "s", "model": name, "seed": 1, "cells": cells, "val_value": 0.5,
            "val_cells": dict(zip(cells, (0.6, 0.4, None), strict=False)) if len(cells) > 1 else {},
            "predictions": {panel: str(entry["predictions"]) for panel, entry in files.items()},
            "metrics": str(tmp_path / f"{name}.metrics.tsv"),
        })  # fmt: skip
    of_panels = {name: {"kind": entry["kind"], "path": str(entry["panel"])} for name, entry in panels.items()}
    dataset = {
        "rows": str(tmp_path / "rows.parquet"),
        "task": "regression",
        "panels": {"s": of_panels},
        "baseline": "A",
    }
    comparison = Comparison.parse(
        {"study": "cells", "datasets": {"toy": dataset}, "runs": runs, "resamples": 100}, "spec.json"
    )
    table, clusters = compare(comparison)
    assert list(table)[:4] == ["dataset", "split", "panel", "cell"]
    assert clusters["toy", "s", "id", "HepG2"] == 30 and clusters["toy", "s", "id", "K562-max"] == 22
    lines = table[(table["panel"] == "id") & (table["metric"] == "pearson")].set_index(["cell", "model"])
    assert len(lines) == 9 * 3
    assert lines.loc[("HepG2", "B"), "n"] == 30 and np.isfinite(lines.loc[("HepG2", "B"), "delta_vs_baseline"])
    assert np.isfinite(lines.loc[("K562", "one"), "value"]) and np.isnan(lines.loc[("HepG2", "one"), "value"])
    assert lines.loc[("HepG2", "one"), "note"] == "not comparable: it predicts only K562"
    assert lines.loc[("K562-mean", "one"), "note"] == "not comparable: it predicts only K562"
    assert lines.loc[("K562", "one"), "val_value"] == 0.5  # each line has the score of its cell
    assert lines.loc[("K562", "A"), "val_value"] == 0.6 and lines.loc[("HepG2", "A"), "val_value"] == 0.4
    assert np.isnan(lines.loc[[("HeLa", "A"), ("K562-mean", "A")], "val_value"]).all()
    text = markdown(table, clusters, comparison)
    assert "### Panel id, cell K562-mean" in text and "Each cell has its own tables" in text
    assert "n = 30 rows in 30 units" in text


def test_labelled_rows_have_the_label_of_a_view(rows):
    own = labelled(rows, views(CELLS)[1])
    np.testing.assert_array_equal(own["label"], rows["label.HepG2"])
    assert own["label.K562"].equals(rows["label.K562"])


class Compared:
    """Runs with made-up predictions of the rows on panels {split: {name: ids}}, and their comparison."""

    def __init__(self, folder, rows, panels):
        self.folder, self.rows, self.runs = folder, rows, []
        write_rows(folder / "rows.parquet", rows)
        self.panels = {split: {} for split in panels}
        for split, of_split in panels.items():
            for name, ids in of_split.items():
                write_table(folder / f"{split}.{name}.tsv", pd.DataFrame({"row_id": ids, "group": ids}))
                self.panels[split][name] = {"kind": "rows", "path": str(folder / f"{split}.{name}.tsv")}

    def add(self, split, model, seed, values, cells=CELLS):
        stem = str(self.folder / f"{split}.{model}.{seed}")
        write_table(f"{stem}.tsv", prediction_table(self.rows, {"forward": values}, "forward", cells))
        files = {
            name: {"kind": "rows", "panel": entry["path"], "predictions": f"{stem}.tsv"}
            for name, entry in self.panels[split].items()
        }
        write_table(f"{stem}.metrics.tsv", measure(self.rows, files, "regression"))
        run = {"dataset": "toy", "split": split, "model": model, "seed": seed, "cells": cells, "val_value": 0.5}
        run |= {"predictions": dict.fromkeys(files, f"{stem}.tsv"), "metrics": f"{stem}.metrics.tsv"}
        self.runs.append(run)

    def compare(self, **keys):
        dataset = {"rows": str(self.folder / "rows.parquet"), "task": "regression", "panels": self.panels, **keys}
        spec = {"study": "cells", "datasets": {"toy": dataset}, "runs": self.runs, "resamples": 100}
        comparison = Comparison.parse(spec, "spec.json")
        table, units = compare(comparison)
        return table, markdown(table, units, comparison)


def with_labels(n, seed=0):
    labels = np.random.default_rng(seed).normal(size=(n, 3))
    table = {"row_id": [f"r{i}" for i in range(n)], "sequence": ["ACGT"] * n}
    table |= {f"label.{cell}": labels[:, place] for place, cell in enumerate(CELLS)}
    return canonical(pd.DataFrame(table), "test", cells=CELLS), labels


def test_a_seed_that_is_odd_in_a_cell_marks_every_difference_with_it_and_only_those(tmp_path):
    rows, labels = with_labels(200)
    random = np.random.default_rng(1)
    compared = Compared(tmp_path, rows, {"s": {"id": rows["row_id"]}})
    for seed in (1, 2, 3):
        values = labels + 0.6 * random.normal(size=labels.shape)
        if seed == 3:
            values[:, 0] = 0.8 * random.normal(size=200)  # knows nothing of K562, without being flat
        compared.add("s", "m", seed, values)
    table, _ = compared.compare()
    found = table[table["metric"] == "pearson"].set_index("cell")
    with_it = ["K562", "K562-mean", "K562-max", "HepG2-mean", "HepG2-max", "HeLa-mean", "HeLa-max"]
    assert found["collapsed"].to_dict() == {**dict.fromkeys(CELLS, ""), **dict.fromkeys(with_it, "3")}
    assert found.loc[with_it, "value"].isna().all() and found.loc[["HepG2", "HeLa"], "value"].gt(0.7).all()
    assert found["note"]["HeLa-max"].startswith("seed 3 is collapsed: cell K562: pearson ")


def test_a_difference_is_never_asked_for_odd_seeds(tmp_path):
    """Seeds may tell cells apart more or less well, and know each of them."""
    rows, labels = with_labels(200)
    labels[:, 1:] = labels[:, :1] + 0.2 * labels[:, 1:]  # cells that are nearly alike
    rows[[f"label.{cell}" for cell in CELLS]] = labels
    rows["label"] = labels[:, 0]
    noise = np.random.default_rng(2).normal(size=labels.shape)
    compared = Compared(tmp_path, rows, {"s": {"id": rows["row_id"]}})
    for seed, values in ((1, labels + 0.05 * noise), (2, labels[:, :1] + 0.4 * noise)):
        compared.add("s", "m", seed, values)
    table, _ = compared.compare()
    assert (table["collapsed"] == "").all()
    assert table.set_index(["cell", "metric"])["sd"]["HepG2-max", "pearson"] > 0.1


def test_a_cell_that_a_panel_leaves_out_has_lines_that_say_so(tmp_path):
    rows, labels = with_labels(40)
    rows.loc[2:, "label.HeLa"] = np.nan
    compared = Compared(tmp_path, rows, {"s": {"id": rows["row_id"]}})
    for model in "AB":
        compared.add("s", model, 1, labels + np.random.default_rng(ord(model)).normal(size=labels.shape))
    table, text = compared.compare(baseline="A")
    lines = table[table["metric"] == "pearson"].set_index(["cell", "model"])
    assert len(lines) == 9 * 2 and np.isfinite(lines["value"]["HepG2", "B"])
    for cell in ("HeLa", "K562-mean", "HeLa-max"):
        line = lines.loc[(cell, "B")]
        assert np.isnan(line["value"]) and pd.isna(line["n"])
        assert line["note"] == "not comparable: fewer than 3 items of this panel were measured in this cell"
    section = text.partition("### Panel id, cell HeLa\n")[2].partition("###")[0]
    assert "- `A`: baseline; not comparable: fewer than 3 items of this panel were measured in this cell" in section


def test_a_cell_that_some_folds_or_all_leave_out_is_in_the_mean_with_the_reason(tmp_path):
    rows, labels = with_labels(40)
    rows.loc[18:, "label.HeLa"] = np.nan  # none in the second fold
    rows.loc[[*range(2, 20), *range(22, 40)], "label.HepG2"] = np.nan  # two in each
    folds = {f"cv-fold{i}": {"id": rows["row_id"][20 * i : 20 * i + 20]} for i in range(2)}
    for order in (list(folds), list(folds)[::-1]):
        compared = Compared(tmp_path, rows, folds)
        for fold in folds:
            compared.add(fold, "A", 1, labels + np.random.default_rng(3).normal(size=labels.shape))
        table, text = compared.compare(folds={"cv": order})
        lines = table[(table["split"] == "cv") & (table["metric"] == "pearson")].set_index("cell")
        assert list(lines.index) == [view.name for view in views(CELLS)]
        assert np.isfinite(lines["value"]["K562"]) and lines["value"].drop("K562").isna().all()
        why = "fewer than 3 items of this panel were measured in this cell"
        assert lines["note"]["HeLa"].startswith(f"not comparable: cv-fold1: {why}")
        assert lines["note"]["HepG2"].startswith(f"not comparable: {why}")
        assert lines["val_value"].loc[["K562-mean", "K562-max"]].isna().all()
        assert f"- `A`: not comparable: cv-fold1: {why}" in text
