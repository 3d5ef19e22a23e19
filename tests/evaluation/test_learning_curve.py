"""learning_curve.tsv of a study by hand: its points, what is refused, its text and its picture."""

import copy

import numpy as np
import pytest

import plot_learning_curve
from helpers.programs import PNG, call
from helpers.toy_study import Study
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.evaluation.comparison import compare
from s2f.evaluation.learning_curve import learning_curve
from s2f.evaluation.learning_curve_table import CURVE_COLUMNS, read_curve, values_of_seeds
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measured_runs import Comparison

POINTS = {"toy": {"chrom-train10pct": {"split": "chrom", "fraction": 0.1}}}


class Curve(Study):
    """Models A and B with three seeds, of a tenth of the rows and of all."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        labels = rng.normal(size=60)
        super().__init__(folder, labels)
        toy = self.spec["datasets"]["toy"]
        toy["baseline"] = ""
        self.train_rows = {}
        for model, good in (("A", 1.0), ("B", 0.5)):
            for split, spread in (("chrom", 1.0), ("chrom-train10pct", 2.0)):
                for seed in (1, 2, 3):
                    rows = "all" if split == "chrom" else f"part {seed}"
                    noisy = labels + spread / good * rng.normal(size=60)
                    self.add(f"{model}", seed, noisy, split=split, trained_on=rows)
                    self.train_rows["toy", split, model, seed] = 500 if rows == "all" else 48 + seed
        toy["panels"]["chrom-train10pct"] = toy["panels"]["chrom"]
        toy["drawn"] = ["chrom-train10pct"]

    def add(self, model, seed, predictions, rule="mean", panels=None, **keys):
        self.stem = keys["split"]
        super().add(f"{model}/{keys['split']}", seed, predictions, rule, panels, **keys)
        self.spec["runs"][-1]["model"] = model

    def comparison(self):
        return Comparison.parse(copy.deepcopy(self.spec), "spec.json")

    def table(self):
        return learning_curve(self.comparison(), POINTS, self.train_rows)


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    return Curve(tmp_path_factory.mktemp("curve"))


@pytest.fixture(scope="module")
def table(curve):
    return curve.table()


def test_each_point_has_the_numbers_of_a_comparison_and_its_training_rows(curve, table):
    assert tuple(table.columns) == CURVE_COLUMNS
    own = table[(table["metric"] == "pearson") & (table["panel"] == "id")]
    assert own[["model", "fraction", "train_rows", "split", "seeds"]].to_numpy().tolist() == [
        [model, fraction, rows, "chrom", 3] for model in "AB" for fraction, rows in ((0.1, 50), (1.0, 500))
    ]
    spec = copy.deepcopy(curve.spec)
    spec["runs"] = [run for run in spec["runs"] if run["split"] == "chrom"]
    whole, _ = compare(Comparison.parse(spec, "spec.json"))
    for line in own[own["fraction"] == 1].itertuples():
        (other,) = whole[
            (whole["metric"] == "pearson") & (whole["panel"] == "id") & (whole["model"] == line.model)
        ].itertuples()
        assert (line.value, line.ci_low, line.ci_high, line.rows_sha256) == (
            other.value, other.ci_low, other.ci_high, other.rows_sha256,
        )  # fmt: skip
    for line in own.itertuples():
        values = values_of_seeds(line.by_seed)
        assert len(values) == 3 and np.mean(values) == pytest.approx(line.value, abs=1e-5)
        assert np.std(values, ddof=1) == pytest.approx(line.sd, abs=1e-4)
        assert line.ci_low < line.value < line.ci_high and line.inference == "procedures"


def test_models_of_a_point_must_have_had_the_same_rows_seed_by_seed(tmp_path):
    study = Curve(tmp_path)
    run = next(run for run in study.spec["runs"] if (run["model"], run["split"]) == ("B", "chrom-train10pct"))
    run["trained_on"] = "part 2"
    with pytest.raises(
        InputError, match="chrom-train10pct/B/seed1 and toy/chrom-train10pct/A/seed1 were trained on diff"
    ):
        study.table()
    study.spec["datasets"]["toy"]["drawn"] = []
    with pytest.raises(
        InputError, match="chrom-train10pct/A/seed2 and toy/chrom-train10pct/A/seed1 were trained on diff"
    ):
        study.table()


def test_folds_have_points_of_their_own_and_one_of_their_mean(tmp_path):
    study = Study(tmp_path, np.random.default_rng(0).normal(size=40))
    toy = study.spec["datasets"]["toy"]
    toy["baseline"] = ""
    names = {1.0: ["cv-fold0", "cv-fold1"], 0.5: ["cv-fold0-train50pct", "cv-fold1-train50pct"]}
    points, sizes = {"cv-train50pct": {"split": "cv", "fraction": 0.5}}, {}
    rng = np.random.default_rng(1)
    for fraction, splits in names.items():
        for fold, split in enumerate(splits):
            for seed in (1, 2):
                noisy = study.rows["label"].to_numpy() + rng.normal(size=40)
                study.add(f"A/{split}", seed, noisy, panels=["id"], split=split, drawn_per_seed=fraction < 1)
                study.spec["runs"][-1]["model"] = "A"
                sizes["toy", split, "A", seed] = int(fraction * (100 + 20 * fold))
            if fraction < 1:
                points[split] = {"split": f"cv-fold{fold}", "fraction": 0.5}
    own = toy["panels"].pop("chrom")
    toy["panels"] = {split: {"id": own["id"]} for splits in names.values() for split in splits}
    toy["folds"], toy["drawn"] = {"cv": names[1.0], "cv-train50pct": names[0.5]}, names[0.5]
    comparison = Comparison.parse(study.spec, "spec.json")
    found = learning_curve(comparison, {"toy": points}, sizes)
    found = found[(found["metric"] == "pearson") & (found["panel"] == "id")].set_index(["split", "fraction"])
    assert found.index.tolist() == [(s, f) for s in ("cv-fold0", "cv-fold1", "cv") for f in (0.5, 1.0)]
    assert found["train_rows"].tolist() == [50, 100, 60, 120, 55, 110]
    for fraction in (0.5, 1.0):
        folds = [found.loc[(f"cv-fold{fold}", fraction)] for fold in (0, 1)]
        mean = found.loc[("cv", fraction)]
        assert mean["value"] == pytest.approx(np.mean([fold["value"] for fold in folds]))
        by_seed = np.mean([values_of_seeds(fold["by_seed"]) for fold in folds], axis=0)
        assert values_of_seeds(mean["by_seed"]) == pytest.approx(by_seed, abs=1e-5)


def test_the_text_and_the_picture_show_every_point(curve, table, tmp_path, monkeypatch, texts):
    spec = copy.deepcopy(curve.spec)
    spec["runs"] = [run for run in spec["runs"] if run["split"] == "chrom"]
    comparison = Comparison.parse(spec, "spec.json")
    write_table(tmp_path / "curve.tsv", table)
    read = read_curve(tmp_path / "curve.tsv")
    text = markdown(*compare(comparison), comparison, curve=read)
    assert "### What more training rows buy" in text and "| model | 10 % (50 rows) | 100 % (500 rows) |" in text
    first = table[(table["metric"] == "pearson") & (table["model"] == "A")].iloc[0]
    assert f"| `A` | {first['value']:.3f} [{first['ci_low']:.3f}, {first['ci_high']:.3f}] | " in text
    for name in ("a.png", "b.png"):
        call(
            monkeypatch, plot_learning_curve, "--dataset", "toy", "--split", "chrom", "--curve", tmp_path / "curve.tsv",
            "--floors", "B", "--out", tmp_path / name,
        )  # fmt: skip
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    joined = "\n".join(texts)
    for part in (
        "toy, split chrom",
        "n = 60 rows",
        "n = 30 pairs",
        "training rows",
        "Pearson r",
        "50",
        "500",
        "A",
        "B",
    ):
        assert part in joined, part


def test_a_picture_of_what_is_not_there_is_refused(table, tmp_path, monkeypatch):
    write_table(tmp_path / "curve.tsv", table.assign(by_seed="a b"))
    given = ["--dataset", "toy", "--curve", tmp_path / "curve.tsv", "--out", tmp_path / "a.png"]
    for split, message in (("other", "no line for dataset 'toy', split 'other'"), ("chrom", "by_seed is 'a b'")):
        with pytest.raises(InputError, match=message):
            monkeypatch.setattr("sys.argv", ["plot_learning_curve", *map(str, given), "--split", split])
            plot_learning_curve.main()
