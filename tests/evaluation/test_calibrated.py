"""calibration.tsv of small studies: what is calibrated on, where coverage breaks, and what is refused."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import calibrate
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.common.tables import read_table, write_table
from s2f.evaluation.calibrated import calibration
from s2f.evaluation.calibration import LEVELS, half_width
from s2f.evaluation.calibration_table import CALIBRATION_COLUMNS, read_calibration
from s2f.evaluation.comparison import compare
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measure import measure
from s2f.evaluation.measured_runs import Comparison
from s2f.models.predictions import prediction_table
from s2f.plots.calibration import calibration as picture
from s2f.rows.canonical import canonical, write_rows


class Study:
    """Loci of a reference and an alternate row in a folder: the first `validation` are validation loci, the next
    `test` those of the panels `id` (rows) and `snv` (with `pairs`), the last `far` those of the panel `far`."""

    def __init__(self, folder, validation=100, test=80, far=0, task="regression", paired=True, pairs=True):
        self.folder, self.task = folder, task
        self.rng = np.random.default_rng(0)
        loci = validation + test + far
        bases = self.rng.choice(list("ACGT"), size=(loci, 30))
        alternate = bases.copy()
        alternate[:, 15] = np.where(bases[:, 15] == "A", "C", "A")
        labels = self.rng.normal(size=2 * loci)
        table = {
            "row_id": [f"r{i:04d}" for i in range(2 * loci)],
            "sequence": ["".join(row) for pair in zip(bases, alternate, strict=True) for row in pair],
            "label": labels if task == "regression" else (labels > 0) * 1.0,
            "allele": ["ref", "alt"] * loci,
            "pair_id": np.repeat([f"l{i}" for i in range(loci)], 2) if paired else "",
        }
        self.rows = canonical(pd.DataFrame(table), "test", task)
        write_rows(folder / "rows.parquet", self.rows)
        locus = np.repeat(np.arange(loci), 2)
        units = {"row_id": self.rows["row_id"], "locus": locus, "homology": np.arange(2 * loci), "unit": locus}
        write_table(folder / "units.tsv", pd.DataFrame({**units, "threshold": 60}))
        self.parts = np.repeat(["val", "test", "far"], [2 * validation, 2 * test, 2 * far])
        panels = {}
        for name, part in (("id", "test"), ("far", "far"))[: 1 + (far > 0)]:
            own = self.rows["row_id"][self.parts == part]
            groups = [f"u{i}" for i in locus[own.index]]
            write_table(folder / f"{name}.tsv", pd.DataFrame({"row_id": own, "group": groups}))
            panels[name] = {"kind": "rows", "path": str(folder / f"{name}.tsv")}
        if pairs:
            tested = self.rows[self.parts == "test"]
            ref, alt = (tested["row_id"][tested["allele"] == allele] for allele in ("ref", "alt"))
            names = {"pair_id": ref.to_numpy(), "ref_row_id": ref.to_numpy(), "alt_row_id": alt.to_numpy()}
            write_table(folder / "snv.tsv", pd.DataFrame({**names, "group": [f"u{i}" for i in locus[ref.index]]}))
            panels["snv"] = {"kind": "pairs", "path": str(folder / "snv.tsv"), "match": "pair_id"}
        dataset = {"rows": str(folder / "rows.parquet"), "task": task, "panels": {"chrom": panels}, "baseline": ""}
        self.spec = {"study": "by hand", "datasets": {"toy": dataset}, "runs": [], "resamples": 100, "seed": 5}

    def add(self, model, seed, predictions, sd=None, cells=(), **keys):
        predictions = np.asarray(predictions, float)

        def write(path, chosen):
            table = prediction_table(self.rows[chosen], {"forward": predictions[chosen]}, "forward", cells)
            write_table(path, table if sd is None else table.assign(sd=sd[chosen]))
            return str(path)

        stem, panels = self.folder / f"{model}.{seed}", self.spec["datasets"]["toy"]["panels"]["chrom"]
        stem.mkdir()
        files = {
            name: write(stem / f"{name}.tsv", self.parts == ("far" if name == "far" else "test")) for name in panels
        }
        run = {
            "dataset": "toy",
            "split": "chrom",
            "model": model,
            "seed": seed,
            "trained_on": "same rows",
            "cells": cells,
            **keys,
        }
        run |= {"cells": cells, "predictions": files, "metrics": str(stem / "metrics.tsv")}
        run["validation"] = write(stem / "validation.tsv", self.parts == "val")
        measured = {
            name: {"kind": p["kind"], "panel": p["path"], "predictions": files[name]} for name, p in panels.items()
        }
        write_table(run["metrics"], measure(self.rows, measured, self.task))
        self.spec["runs"].append(run)

    def comparison(self):
        return Comparison.parse(copy.deepcopy(self.spec), "spec.json")

    def calibration(self):
        return calibration(self.comparison())


def line(table, metric, panel="id", model="A", level=None):
    found = table[(table["metric"] == metric) & (table["panel"] == panel) & (table["model"] == model)]
    (own,) = (found[found["level"] == level] if level else found).itertuples()
    return own


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """A has errors of sd 0.5, on panel `far` of sd 1.5; B is the same with two more seeds."""
    study = Study(tmp_path_factory.mktemp("regression"), far=60)
    labels = study.rows["label"].to_numpy()
    sizes = np.where(study.parts == "far", 1.5, 0.5)
    for model, seeds in (("A", 1), ("B", 3)):
        for seed in range(seeds):
            study.add(model, seed, labels + sizes * study.rng.normal(size=len(labels)), stochastic=model == "B")
    return study, study.calibration()


def test_table_by_hand(regression):
    study, table = regression
    assert tuple(table.columns) == CALIBRATION_COLUMNS and "spearman" not in set(table["metric"])
    # of a panel of rows 9 measures, of pairs twice as many, each of two models
    assert len(table) == 2 * (9 + 9 + 18)
    files = {name: pd.read_csv(study.folder / "A.0" / f"{name}.tsv", sep="\t") for name in ("validation", "id")}
    errors = {name: (own["label"] - own["prediction"]).to_numpy() for name, own in files.items()}
    for level in LEVELS:
        half = half_width(errors["validation"], level)
        covered, width = line(table, "coverage", level=level), line(table, "width", level=level)
        assert covered.value == pytest.approx(np.mean(np.abs(errors["id"]) <= half))
        assert width.value == pytest.approx(2 * half)
        assert covered.ci_low < level < covered.ci_high and covered.ci_low < covered.value < covered.ci_high
        assert (covered.n, covered.n_validation, covered.inference) == (160, 200, "procedures")
    crps = line(table, "crps").value
    residuals, pairs = errors["validation"], np.abs(np.subtract.outer(errors["validation"], errors["validation"]))
    assert crps == pytest.approx(np.abs(residuals[:, None] - errors["id"]).mean() - pairs.mean() / 2)
    assert crps == pytest.approx(0.5 / np.sqrt(np.pi), rel=0.15)  # of a normal distribution
    of_b = line(table, "coverage", model="B", level=0.9)
    values = []
    for seed in range(3):
        own = {name: pd.read_csv(study.folder / f"B.{seed}" / f"{name}.tsv", sep="\t") for name in files}
        of_run = {name: (t["label"] - t["prediction"]).to_numpy() for name, t in own.items()}
        values.append(np.mean(np.abs(of_run["id"]) <= half_width(of_run["validation"], 0.9)))
    assert (of_b.value, of_b.sd, of_b.seeds) == (
        pytest.approx(np.mean(values)),
        pytest.approx(np.std(values, ddof=1)),
        3,
    )


def test_effects_are_calibrated_on_pairs_among_validation_rows(regression):
    study, table = regression
    errors = {}
    for name in ("validation", "snv"):
        own = pd.read_csv(study.folder / "A.0" / f"{name}.tsv", sep="\t")
        of_row = (own["label"] - own["prediction"]).to_numpy()
        errors[name] = of_row[1::2] - of_row[::2]
    half = half_width(errors["validation"], 0.8)
    found = line(table, "coverage_delta", "snv", level=0.8)
    assert (found.value, found.n_validation, found.n) == (
        pytest.approx(np.mean(np.abs(errors["snv"]) <= half)),
        100,
        80,
    )
    assert line(table, "width_delta", "snv", level=0.8).value == pytest.approx(2 * half)
    absolute = line(table, "coverage_abs", "snv", level=0.8)
    assert absolute.n_validation == 200
    assert line(table, "width_abs", "snv", level=0.8).value == line(table, "width", level=0.8).value


def test_where_coverage_breaks_the_table_and_the_text_say_so(regression):
    study, table = regression
    broken = line(table, "coverage", "far", level=0.9)
    assert broken.value < 0.6 and broken.ci_high < 0.9
    comparison = study.comparison()
    text = markdown(*compare(comparison), comparison, None, table)
    section = text[text.index("### How sure the models are") : text.index("### Models")].splitlines()
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ")[1:] for row in section if row.startswith("| ")}
    assert rows["id"][0] == "2 of 2" and rows["id"][-1] == "none |"
    assert rows["far"][0] == "0 of 2" and rows["far"][-1].startswith(f"`A` ({broken.value:.2f} [{broken.ci_low:.2f}, ")
    assert "`B`" in rows["far"][-1]
    assert "the whole 95 % interval of its coverage" in text, section


def test_without_pairs_among_validation_rows_effects_have_no_interval(tmp_path):
    study = Study(tmp_path, validation=60, paired=False)
    study.add("A", 0, study.rng.normal(size=len(study.rows)))
    table = study.calibration()
    found = line(table, "coverage_delta", "snv", level=0.9)
    assert np.isnan(found.value) and found.n_validation == 0
    assert "no pair of alleles is among the validation rows" in found.note
    assert np.isfinite(line(table, "coverage_abs", "snv", level=0.9).value)
    comparison = study.comparison()
    text = markdown(*compare(comparison), comparison, None, table)
    reason = "no pair of alleles is among the validation rows: there is nothing to calibrate effects with"
    assert f"Not known:\n\n- snv: effects, alternate minus reference: {reason}\n" in text


def test_a_panel_that_is_covered_as_a_whole_has_the_exact_lower_limit(tmp_path):
    """80 units without a miss: 0.025^(1/80), of Clopper and Pearson."""
    study = Study(tmp_path)
    study.add(
        "A", 0, study.rows["label"] + np.where(study.parts == "val", 3, 1) * study.rng.normal(size=len(study.rows))
    )
    found = line(study.calibration(), "coverage", level=0.95)
    assert (found.value, found.ci_low, found.ci_high) == (1, pytest.approx(0.025 ** (1 / 80)), 1)


def test_too_few_validation_rows_for_a_level(tmp_path):
    study = Study(tmp_path, validation=6)
    study.add("A", 0, study.rng.normal(size=len(study.rows)))
    table = study.calibration()
    assert np.isfinite(line(table, "coverage", level=0.9).value)
    for metric in ("coverage", "width"):
        found = line(table, metric, level=0.95)
        assert np.isnan(found.value) and "12 rows to calibrate with, but an interval of 95 % needs 19" in found.note
    assert (
        "6 pairs to calibrate with, but an interval of 90 % needs 9"
        in line(table, "width_delta", "snv", level=0.9).note
    )


def test_one_pair_among_the_validation_rows_calibrates_nothing(tmp_path):
    """A small study: a panel needs three pairs, validation rows have as many as they have."""
    study = Study(tmp_path, validation=1)
    study.add("A", 0, study.rng.normal(size=len(study.rows)))
    assert (
        "1 pair to calibrate with, but an interval of 90 % needs 9"
        in line(study.calibration(), "width_delta", "snv", level=0.9).note
    )


def test_spread_of_members_scales_intervals(tmp_path):
    study = Study(tmp_path, validation=200, test=150)
    labels = study.rows["label"].to_numpy()
    sd = study.rng.choice([0.2, 1.0], size=len(labels))
    study.add("A", 0, labels + sd * study.rng.normal(size=len(labels)), sd=sd)
    table = study.calibration()
    own = pd.read_csv(tmp_path / "A.0" / "id.tsv", sep="\t")
    errors = np.abs(own["label"] - own["prediction"])
    found = line(table, "spearman")
    assert found.value == pytest.approx(stats.spearmanr(own["sd"], errors)[0])
    assert found.ci_low > 0.2 and line(table, "spearman_abs", "snv").value > 0.2
    validation = pd.read_csv(tmp_path / "A.0" / "validation.tsv", sep="\t")
    half = half_width((validation["label"] - validation["prediction"]) / validation["sd"], 0.9)
    assert line(table, "width", level=0.9).value == pytest.approx(2 * half * own["sd"].mean())
    assert line(table, "coverage", level=0.9).value == pytest.approx(np.mean(errors <= half * own["sd"]))
    plain = study.spec["runs"][0]["validation"]
    write_table(plain, read_table(plain).drop(columns="sd"))
    with pytest.raises(InputError, match=r"validation\.tsv: only one of this table and .*id\.tsv has a column sd"):
        study.calibration()


def test_classification(tmp_path):
    study = Study(tmp_path, validation=150, test=120, task="classification", pairs=False)
    labels = study.rows["label"].to_numpy()
    logits = np.where(labels == 1, 0.75, -0.75) + np.sqrt(1.5) * study.rng.normal(size=len(labels))
    true = 1 / (1 + np.exp(-logits))  # the log-odds of two normals with these means and this variance
    study.add("A", 0, true)
    study.add("sure", 0, 1 / (1 + np.exp(-4 * logits)))
    study.add("wrong", 0, 1 / (1 + np.exp(logits)))
    table = study.calibration()
    assert set(table["level"].isna()) == {True} and not table["metric"].str.startswith("coverage").any()
    sure, right = (line(table, "temperature", model=model) for model in ("sure", "A"))
    assert sure.value == pytest.approx(4 * right.value, rel=1e-3) and right.ci_low < 1 < right.ci_high
    assert line(table, "ece", model="sure").ci_low > line(table, "ece_chance", model="sure").value
    for metric in ("ece", "logloss", "brier"):
        assert line(table, f"{metric}_scaled", model="sure").value == pytest.approx(
            line(table, f"{metric}_scaled").value, rel=1e-3
        )
        assert line(table, f"{metric}_scaled", model="sure").value < line(table, metric, model="sure").value
    wrong = line(table, "temperature", model="wrong")
    assert np.isnan(wrong.value) and "no better than chance" in wrong.note
    assert line(table, "logloss_scaled", model="wrong").value == pytest.approx(np.log(2), rel=0.02)
    comparison = study.comparison()
    text = markdown(*compare(comparison), comparison, None, table)
    assert f"| id | 3 | {right.value:.2f} to {sure.value:.2f} | " in text
    picture(tmp_path / "calibration.png", table, "toy")
    assert (tmp_path / "calibration.png").stat().st_size > 10_000


def test_picture(regression, tmp_path):
    _, table = regression
    picture(tmp_path / "calibration.png", table, "toy", "A", ["B"])
    assert (tmp_path / "calibration.png").stat().st_size > 20_000
    with pytest.raises(InputError, match="toy: the table has no line of coverage"):
        picture(tmp_path / "other.png", table[table["metric"] == "crps"], "toy")


def test_refused(regression):
    study, _ = regression
    path = study.folder / "A.0" / "validation.tsv"
    before = path.read_text()
    path.unlink()
    with pytest.raises(InputError, match=r"validation\.tsv: does not exist, .* toy/chrom/A/seed0, .* train it again"):
        study.calibration()
    for other, message in (("r9999", "'r9999' is not a row of the dataset"), ("r0004", "'r0004' is predicted twice")):
        path.write_text(before.replace("r0003", other))
        with pytest.raises(InputError, match=message):
            study.calibration()
    path.write_text(before)
    table = read_table(path)
    write_table(path, table.assign(label=table["label"].astype(float) + 1))
    with pytest.raises(InputError, match="the predictions are older than the rows"):
        study.calibration()
    path.write_text(before)


def test_folds_have_a_mean(tmp_path):
    study = Study(tmp_path, validation=60)
    study.add("A", 0, study.rng.normal(size=len(study.rows)))
    dataset, (run,) = study.spec["datasets"]["toy"], study.spec["runs"]
    panels = dataset["panels"].pop("chrom")
    dataset |= {"panels": {"k-fold0": panels, "k-fold1": panels}, "folds": {"k": ["k-fold0", "k-fold1"]}}
    study.spec["runs"] = [run | {"split": fold} for fold in dataset["panels"]]
    table = study.calibration()
    assert table["split"].value_counts().nunique() == 1 and set(table["split"]) == {"k-fold0", "k-fold1", "k"}
    of_split = {split: line(own, "crps") for split, own in table.groupby("split")}
    assert of_split["k"].value == pytest.approx(of_split["k-fold0"].value)
    assert of_split["k-fold1"].n_validation == 120 and pd.isna(of_split["k"].n_validation)


def test_each_cell_is_calibrated_on_its_own_rows(tmp_path):
    """Of two cells and their difference, B having the first cell alone; every third label of the second is missing."""
    study = Study(tmp_path, pairs=False)
    labels = study.rng.normal(size=(len(study.rows), 2))
    labels[::3, 1] = np.nan
    predictions = np.nan_to_num(labels) + study.rng.normal(size=labels.shape) * [0.2, 1.0]
    cells = ["K562", "HepG2"]
    of_cells = dict(zip(["label.K562", "label.HepG2"], labels.T, strict=True))
    study.rows = canonical(study.rows.drop(columns="label").assign(**of_cells), "test", cells=cells)
    write_rows(tmp_path / "rows.parquet", study.rows)
    study.add("A", 0, predictions, cells=cells)
    study.add("B", 0, predictions[:, 0], cells=cells[:1])
    table = study.calibration()
    of_cell = {cell: own for cell, own in table.groupby("cell")}
    assert list(of_cell) == ["HepG2", "K562", "K562-HepG2"]
    errors = (labels - predictions)[study.parts == "val"]
    for cell, of_cell_alone in zip(of_cell, (errors[:, 1], errors[:, 0], errors[:, 0] - errors[:, 1]), strict=True):
        found = line(of_cell[cell], "width", level=0.9)
        assert found.value == pytest.approx(2 * half_width(of_cell_alone, 0.9))
        assert found.n_validation == np.isfinite(of_cell_alone).sum()
    assert line(of_cell["K562"], "width", model="B", level=0.9).value == line(of_cell["K562"], "width", level=0.9).value
    assert "it predicts only K562" in line(of_cell["HepG2"], "width", model="B", level=0.9).note


def test_published_weights_are_named(tmp_path):
    study = Study(tmp_path, validation=60, pairs=False)
    study.add("A", 0, study.rng.normal(size=len(study.rows)), trained_on="")
    assert "may have been trained on the validation rows" in line(study.calibration(), "coverage", level=0.5).note


def test_program(regression, tmp_path, monkeypatch):
    """With what runs say of themselves given, as `measured_run` is tested with the comparison."""
    study, table = regression
    runs = {str(study.folder / f"{run['model']}.{run['seed']}"): run for run in study.spec["runs"]}
    monkeypatch.setattr(calibrate, "measured_run", lambda folder, datasets: runs[str(folder)])
    spec = {key: value for key, value in study.spec.items() if key != "runs"}
    metrics = [run["metrics"] for run in study.spec["runs"]]
    call(
        monkeypatch,
        calibrate,
        "--study",
        json.dumps(spec),
        "--metrics",
        *metrics,
        "--out",
        tmp_path / "calibration.tsv",
    )
    found = read_calibration(tmp_path / "calibration.tsv")
    assert found["value"].to_numpy() == pytest.approx(table["value"].to_numpy(), nan_ok=True)
    assert found["note"].tolist() == table["note"].tolist()
