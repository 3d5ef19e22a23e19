"""Ensembles: means and spreads by hand, which members are dropped, the rows of folds, and their place in the tables."""

import numpy as np
import pandas as pd
import pytest

import make_ensemble
from helpers.programs import call
from s2f.common.errors import InputError
from s2f.common.files import read_json
from s2f.common.seen import Seen
from s2f.common.tables import numbers, read_table, write_table
from s2f.evaluation import bootstrap, ensembles
from s2f.evaluation.calibrated import calibration
from s2f.evaluation.comparison import compare
from s2f.evaluation.evaluator import may_be_flat
from s2f.evaluation.markdown import markdown
from s2f.evaluation.measure import measure
from s2f.evaluation.measured_runs import Comparison, measured_run
from s2f.models.checkpoint import write_record
from s2f.models.predictions import VALIDATION, prediction_table
from s2f.rows.canonical import canonical, write_rows
from s2f.splits.table import parts_of

N = 240
CONSTRUCT = {"length": 40, "upstream": "", "downstream": "", "layout": "centered", "flank_bp": 200}


class Study:
    """Rows in a folder, splits of them, and runs of which only the tables are real: `add` writes one."""

    def __init__(self, folder, splits, task="regression", cells=()):
        self.folder, self.task, self.cells = folder, task, list(cells)
        self.random = np.random.default_rng(1)
        letters = self.random.choice(list("ACGT"), size=(N, 40))
        labels = self.random.normal(size=N)
        self.labels = labels if task == "regression" else (labels > 0) * 1.0
        table = {"row_id": [f"r{i:03d}" for i in range(N)], "sequence": ["".join(row) for row in letters]}
        of_cells = {f"label.{cell}": self.labels * (1 + number) for number, cell in enumerate(cells)}
        self.rows = canonical(pd.DataFrame({**table, **(of_cells or {"label": self.labels})}), "test", task, cells)
        write_rows(folder / "rows.parquet", self.rows)
        units = {"row_id": self.rows["row_id"], "locus": range(N), "homology": range(N), "unit": range(N)}
        write_table(folder / "units.tsv", pd.DataFrame({**units, "threshold": 60}))
        self.parts, panels = {}, {}
        for split, parts in splits.items():
            self.parts[split] = np.asarray(parts, object)
            write_table(
                folder / f"{split}.tsv", pd.DataFrame({"row_id": self.rows["row_id"], "split": parts, "reason": ""})
            )
            tested = self.rows["row_id"][self.parts[split] == "test"]
            group = [f"g{i}" for i in tested.index]
            write_table(folder / f"{split}.id.tsv", pd.DataFrame({"row_id": tested, "group": group}))
            panels[split] = {"id": {"kind": "rows", "path": str(folder / f"{split}.id.tsv")}}
        dataset = {"rows": str(folder / "rows.parquet"), "task": task, "panels": panels}
        self.spec = {"study": "by hand", "datasets": {"toy": dataset}, "resamples": 100, "seed": 5}
        self.paths = []

    def add(self, model, seed, predictions, split="s", **record):
        """A run that predicts (N,) values, alike on both strands; its folder."""
        values = np.asarray(predictions, float)
        folder = self.folder / split / model / f"seed{seed}"
        (folder / "best_model").mkdir(parents=True)
        (folder / "best_model" / "weights").write_text(f"{model} {seed}")

        def write(path, chosen):
            own = values[chosen][:, None] * (1 + np.arange(len(self.cells))) if self.cells else values[chosen]
            step = np.full_like(own, 0.01)
            by_strand = {"forward": own + step, "reverse": own - step}
            write_table(path, prediction_table(self.rows[chosen], by_strand, "mean", self.cells))

        parts = parts_of(self.rows, self.folder / f"{split}.tsv")
        write(folder / "best_model" / VALIDATION, self.parts[split] == "val")
        write(folder / "predictions" / "id.tsv", self.parts[split] == "test")
        known = {
            "name": model, "kind": "head", "task": self.task, "dataset": "toy", "split": split, "model": model,
            "seed": seed, "strand_rule": "mean", "construct": CONSTRUCT, "spec": {}, "parameters": 5,
            "provenance": model, "licence": "none", "seen": "train rows",
            "seen_before": Seen.of_value("nothing").record(),
            "validation": {"metric": "pearson", "value": 0.9, "ended": "patience"},
            **({"cells": self.cells} if self.cells else {}),
        }  # fmt: skip
        write_record(folder / "best_model", parts, ("numpy",), **{**known, **record})
        panel = self.spec["datasets"]["toy"]["panels"][split]["id"]
        panels = {"id": {"kind": "rows", "panel": panel["path"], "predictions": folder / "predictions" / "id.tsv"}}
        write_table(folder / "metrics.tsv", measure(self.rows, panels, self.task))
        self.paths.append(folder)
        return folder

    def make(self, monkeypatch, members, over="seeds", split="s", name="e"):
        """The folder of an ensemble of runs, by their folders."""
        out = self.folder / split / name / "seed1"
        splits = [self.folder / f"{member.parents[1].name}.tsv" for member in members]
        splits = splits if over == "folds" else splits[:1]
        call(
            monkeypatch, make_ensemble, "--rows", self.folder / "rows.parquet", "--splits", *splits,
            "--task", self.task, "--dataset", "toy", "--split-name", split, "--ensemble", name,
            "--seed", 1, "--over", over, "--members", *(member / "best_model" for member in members),
            "--names", "id", "--kinds", "rows",
            "--panels", splits[0].with_suffix(".id.tsv"), "--model", out / "best_model",
            "--predictions", out / "predictions" / "id.tsv", "--metrics", out / "metrics.tsv",
        )  # fmt: skip
        self.paths.append(out)
        return out

    def comparison(self, **dataset):
        self.spec["datasets"]["toy"] |= dataset
        runs = [measured_run(path, self.spec["datasets"]) for path in self.paths]
        return Comparison.parse({**self.spec, "runs": runs}, "spec")

    def noisy(self, size, signal=1.0):
        return signal * self.labels + size * self.random.normal(size=N)


def one_split(train=120, val=60):
    return ["train"] * train + ["val"] * val + ["test"] * (N - train - val)


def read(path):
    table = read_table(path)
    return table.assign(**{name: numbers(table, name, path) for name in ("prediction", "sd") if name in table})


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path, {"s": one_split()})


def test_means_and_spreads_by_hand(tmp_path):
    for number, (ids, values) in enumerate([("abc", [1.0, 2.0, 3.0]), ("cba", [5.0, 2.0, 1.0]), ("bca", [8, 1, 4])]):
        rows = pd.DataFrame({"row_id": list(ids), "label": [dict(a=1, b=2, c=3)[i] for i in ids]})
        values = np.array(values, float)
        write_table(
            tmp_path / f"{number}.tsv", prediction_table(rows, {"forward": values, "reverse": values + 2}, "mean")
        )
    table = ensembles.combined([tmp_path / f"{number}.tsv" for number in range(3)])
    assert table["row_id"].tolist() == ["a", "b", "c"] and table["label"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(table["prediction"], [3.0, 5.0, 4.0])  # 1 1 4, 2 2 8, 3 5 1, each plus 1
    np.testing.assert_allclose(table["reverse"] - table["forward"], 2.0)
    np.testing.assert_allclose(table["sd"], [np.sqrt(3), np.sqrt(12), 2.0])
    # folds: a row that one member alone predicts has no spread
    lacking = read_table(tmp_path / "0.tsv").iloc[:1]
    write_table(tmp_path / "0.tsv", lacking)
    write_table(tmp_path / "1.tsv", read_table(tmp_path / "1.tsv").iloc[:2])
    some = ensembles.combined([tmp_path / f"{number}.tsv" for number in range(3)], some=True).set_index("row_id")
    assert some["n_members"].to_dict() == {"a": 2, "c": 2, "b": 2}
    with pytest.raises(InputError, match=r"0\.tsv: row 'c' has no prediction, but another member"):
        ensembles.combined([tmp_path / "0.tsv", tmp_path / "1.tsv"])
    with pytest.raises(InputError, match=r"0\.tsv: row 'a': label is 7\.0, but another member has 1\.0"):
        write_table(tmp_path / "0.tsv", lacking.assign(label="7"))
        ensembles.combined([tmp_path / "2.tsv", tmp_path / "0.tsv"], some=True)
    with pytest.raises(InputError, match=r"0\.tsv: strand_rule is forward, but in .*2\.tsv it is mean"):
        write_table(tmp_path / "0.tsv", lacking.assign(strand_rule="forward"))
        ensembles.combined([tmp_path / "2.tsv", tmp_path / "0.tsv"], some=True)


def test_an_ensemble_of_seeds_stands_beside_its_members(study, monkeypatch):
    members = [study.add("A", seed, study.noisy(0.8)) for seed in (1, 2, 3)]
    made = study.make(monkeypatch, members)
    own, parts = read(made / "predictions" / "id.tsv"), [read(m / "predictions" / "id.tsv") for m in members]
    stacked = np.stack([part["prediction"] for part in parts])
    np.testing.assert_allclose(own["prediction"], stacked.mean(axis=0))
    np.testing.assert_allclose(own["sd"], stacked.std(axis=0, ddof=1))
    record = read_json(made / "best_model" / "model.json")
    assert (record["kind"], record["dropped"], record["collapsed"]) == ("ensemble", [], "")
    assert [(one["folder"], one["seed"]) for one in record["members"]] == [(f"members/{i}", i + 1) for i in range(3)]
    assert (made / "best_model" / "members" / "1" / "weights").read_text() == "A 2"
    validation = read(made / "best_model" / VALIDATION)
    assert len(validation) == 60 and (validation["sd"] > 0).all()

    comparison = study.comparison(baseline="A")
    assert [run.made_from for run in comparison.runs] == [[], [], [], ["A"]]
    table, units = compare(comparison)
    line = table[(table["model"] == "e") & (table["metric"] == "pearson")].iloc[0]
    of_members = table[(table["model"] == "A") & (table["metric"] == "pearson")].iloc[0]
    assert line["value"] > of_members["value"] and line["delta_vs_baseline"] > 0
    # all seeds are used up: one replicate, and no claim on other trainings
    assert (line["seeds"], line["inference"]) == (1, "trained networks") and np.isnan(line["p_value"])
    assert line["seen"] == "train rows" and line["val_value"] > of_members["val_value"] - 0.2
    assert "mean of A over seeds 1, 2, 3: A" in markdown(table, units, comparison)
    found = calibration(comparison)
    spread = found[(found["metric"] == "spearman") & (found["model"] == "e")]
    assert np.isfinite(spread["value"]).all() and len(spread) == 1
    assert set(found.loc[found["metric"] == "coverage", "model"]) == {"A", "e"}


def test_members_are_dropped_by_validation_and_never_by_a_panel(study, monkeypatch):
    good = [study.add("A", seed, study.noisy(0.5)) for seed in (1, 2)]
    flat = study.noisy(0.5)
    flat[study.parts["s"] == "val"] *= 1e-4
    constant = study.add("A", 3, np.where(study.parts["s"] == "val", 0.5, study.noisy(0.5)))
    chance = study.add("A", 4, np.where(study.parts["s"] == "val", -study.labels, study.labels))
    # bad on the panel alone: kept, as nobody may know that
    bad = study.add("A", 6, np.where(study.parts["s"] == "test", -study.labels, study.noisy(0.5)))
    made = study.make(monkeypatch, [*good, study.add("A", 5, flat), constant, chance, bad])
    record = read_json(made / "best_model" / "model.json")
    assert [one["seed"] for one in record["members"]] == [1, 2, 6]
    reasons = {one["model"]: one["reason"] for one in record["dropped"]}
    assert set(reasons) == {f"A (split s, seed {seed})" for seed in (3, 4, 5)}
    assert (
        "nearly constant" in reasons["A (split s, seed 5)"]
        and "standard errors above chance" in reasons["A (split s, seed 4)"]
    )
    assert "constant" in reasons["A (split s, seed 3)"]
    assert all(reason.startswith("on the validation rows: ") for reason in reasons.values())
    kept = [read(folder / "predictions" / "id.tsv")["prediction"] for folder in (*good, bad)]
    np.testing.assert_allclose(read(made / "predictions" / "id.tsv")["prediction"], np.mean(kept, axis=0))
    assert sorted(path.name for path in (made / "best_model" / "members").iterdir()) == ["0", "1", "5"]
    study.paths = [study.paths[0], made]
    comparison = study.comparison()
    assert "members dropped by validation: A (split s, seed 5) on" in markdown(*compare(comparison), comparison)


def test_with_fewer_than_two_members_left_it_is_collapsed(study, monkeypatch):
    good = study.add("A", 1, study.noisy(0.5))
    made = study.make(monkeypatch, [good, study.add("A", 2, np.full(N, 0.25))])
    record = read_json(made / "best_model" / "model.json")
    assert record["collapsed"].startswith("1 of 2 members remain: A (split s, seed 2) on the validation rows: ")
    assert record["validation"]["value"] is None and len(record["members"]) == 2
    study.paths = [good, made]
    table, _ = compare(study.comparison())
    own = table[table["model"] == "e"]
    assert own["value"].isna().all() and own["note"].str.contains("1 of 2 members remain").all()


def test_a_solved_model_that_is_flat_is_kept(study, monkeypatch):
    validation = {"metric": "pearson", "value": 0.3, "ended": "solved"}
    weak = study.add("ridge", 1, 0.05 * study.noisy(0.9), validation=validation, stochastic=False)
    made = study.make(monkeypatch, [study.add("A", 1, study.noisy(0.5)), weak], over="encoders")
    record = read_json(made / "best_model" / "model.json")
    assert record["dropped"] == [] and record["stochastic"] is True and record["validation"]["ended"] == "patience"
    assert record["provenance"] == "mean of A, ridge: A; ridge"


PUBLISHED = {"clean_chromosomes": [], "clean_published": [], "kind": "malinois_published"}
NO_SCORE = {"metric": "pearson", "value": None, "epoch": 0}


def test_weights_that_may_have_seen_the_validation_rows_leave_an_ensemble_without_a_score(study, monkeypatch):
    published = [study.add(n, 1, study.noisy(0.1), **PUBLISHED, validation=NO_SCORE) for n in ("P", "Q")]
    head = study.add("A", 1, study.noisy(0.5))
    made = study.make(monkeypatch, [head, published[0]], over="encoders")
    assert read_json(made / "best_model" / "model.json")["validation"] == NO_SCORE | {
        "strand": "forward", "ended": "patience",
    }  # fmt: skip
    # weights that are known not to have seen them have a score, and so has the ensemble
    clean = study.add("R", 1, study.noisy(0.1), **PUBLISHED, validation=NO_SCORE | {"value": 0.9})
    made = study.make(monkeypatch, [head, clean], over="encoders", name="f")
    assert read_json(made / "best_model" / "model.json")["validation"]["value"] > 0.9
    # nothing was trained here, so nothing can have collapsed
    made = study.make(monkeypatch, published, over="encoders", name="g")
    record = read_json(made / "best_model" / "model.json")
    assert record["validation"]["ended"] == "" and may_be_flat(record)


def test_random_weights_of_one_member_are_marked(study, monkeypatch):
    members = [study.add("A", 1, study.noisy(0.5)), study.add("B", 1, study.noisy(0.5))]
    text = "head trained here; encoder random weights, seed 3"
    untrained = study.add("C", 1, study.noisy(0.5), provenance=text)
    study.make(monkeypatch, [*members, untrained], over="encoders")
    study.make(monkeypatch, members, over="encoders", name="f")
    comparison = study.comparison()
    told = markdown(*compare(comparison), comparison)
    assert "`e` (random weights)" in told and "`f` (" not in told


def test_probabilities_are_averaged_and_cells_stay_apart(tmp_path, monkeypatch):
    for folder in ("classes", "cells"):
        (tmp_path / folder).mkdir()
    classes = Study(tmp_path / "classes", {"s": one_split()}, "classification")
    p = [np.clip(0.5 + 0.3 * (classes.labels - 0.5) + 0.05 * classes.random.normal(size=N), 0.02, 0.98) for _ in "ab"]
    auroc = {"metric": "auroc", "value": 0.9, "ended": "patience"}
    members = [classes.add("A", seed, values, validation=auroc) for seed, values in enumerate(p)]
    own = read(classes.make(monkeypatch, members) / "predictions" / "id.tsv")
    np.testing.assert_allclose(own["prediction"], np.mean(p, axis=0)[180:], rtol=1e-12)
    compare(classes.comparison())
    cells = Study(tmp_path / "cells", {"s": one_split()}, cells=("K562", "HepG2"))
    scores = {"metric": "pearson", "value": 0.9, "ended": "patience", "cells": {"K562": 0.9, "HepG2": 0.9}}
    members = [cells.add("A", seed, cells.noisy(0.5), validation=scores) for seed in (1, 2)]
    made = cells.make(monkeypatch, members)
    own = read(made / "predictions" / "id.tsv")
    assert own["cell"].tolist() == ["K562", "HepG2"] * 60 and (own["sd"] > 0).all()
    assert set(read_json(made / "best_model" / "model.json")["validation"]["cells"]) == {"K562", "HepG2"}
    table, _ = compare(cells.comparison())
    assert table.loc[(table["model"] == "e") & (table["metric"] == "pearson"), "value"].notna().all()


FOLDS = ["k-fold0", "k-fold1", "k-fold2"]


def folds(shared=60):
    """Splits of three folds: the last `shared` rows are test in all, each other row in one of them."""
    fold = np.arange(N) % 3
    fold[N - shared :] = -1
    found = {}
    for number, name in enumerate(FOLDS):
        parts = np.where(fold == number, "test", np.where(fold == (number + 1) % 3, "val", "train"))
        parts[fold < 0] = "test"
        found[name] = parts.tolist()
    return found


def test_over_folds_no_row_is_predicted_by_a_member_that_has_used_it(tmp_path, monkeypatch):
    study = Study(tmp_path, folds())
    members = [study.add("A", 1, study.noisy(0.5), split) for split in FOLDS]
    made = study.make(monkeypatch, members, "folds", "k")
    table = read(made / "predictions" / "id.tsv").set_index("row_id")
    # by hand: of a row of one fold the member of that fold alone, of a row that no fold used all three
    for row in ("r000", "r001", "r002"):
        of_fold = read(members[int(row[1:]) % 3] / "predictions" / "id.tsv").set_index("row_id")
        assert table.loc[row, "prediction"] == pytest.approx(of_fold.loc[row, "prediction"])
        assert table.loc[row, "n_members"] == "1" and np.isnan(table.loc[row, "sd"])
    assert table.loc["r239", "n_members"] == "3" and table.loc["r239", "sd"] > 0
    record = read_json(made / "best_model" / "model.json")
    assert record["left_out"]["id"].startswith("180 of 240 rows are test rows only in some folds")
    # each row is in the validation part of one fold, which did not train on it
    validation = read(made / "best_model" / VALIDATION)
    assert "sd" not in validation and set(validation["n_members"]) == {"1"} and len(validation) == N - 60
    of_val = read(members[0] / "best_model" / VALIDATION).set_index("row_id")["prediction"]
    own = validation.set_index("row_id")["prediction"].reindex(of_val.index)
    np.testing.assert_allclose(own, of_val)
    # its score is the mean of theirs: what models of several folds predict is never pooled
    labels, scores = dict(zip(study.rows["row_id"], study.labels, strict=True)), []
    for member in members:
        of_val = read_table(member / "best_model" / VALIDATION)
        scores.append(np.corrcoef(of_val["row_id"].map(labels), numbers(of_val, "forward", "v"))[0, 1])
    assert record["validation"]["value"] == pytest.approx(np.mean(scores))

    # a member that predicts a row of its training, or its validation, part
    path = members[1] / "predictions" / "id.tsv"
    predicted = read_table(path)
    for row, part in (("r002", "val"), ("r000", "train")):
        write_table(path, pd.concat([predicted, predicted.iloc[:1].assign(row_id=row)]))
        with pytest.raises(InputError, match=rf"id\.tsv: row '{row}' is {part} in split 'k-fold1', expected test"):
            study.make(monkeypatch, members, "folds", "k")


def test_over_folds_it_is_compared_where_no_fold_used_the_rows(tmp_path, monkeypatch):
    study = Study(tmp_path, folds())
    shared = study.rows["row_id"].iloc[N - 60 :]
    # 15 families of one, 9 of two and 9 of three: counted once, the same units are large as counted in all folds
    monkeypatch.setattr(bootstrap.large_clusters, "__defaults__", (12,))
    families = [f"g{i if i < 15 else 15 + (i + 1) // 2 if i < 33 else 40 + i // 3}" for i in range(60)]
    for split in FOLDS:  # a panel of designed sequences
        panel = tmp_path / f"{split}.id.tsv"
        write_table(panel, pd.DataFrame({"row_id": shared, "group": families}))
        study.parts[split] = np.where(np.arange(N) < N - 60, "train", "test")
    runs = {}
    for split, parts in folds().items():
        for model, noise in (("A", 0.9), ("B", 1.5)):
            study.parts[split] = np.asarray(parts, object)
            study.parts[split][: N - 60][study.parts[split][: N - 60] == "test"] = "elsewhere"
            runs[model, split] = study.add(model, 1, study.noisy(noise), split)
    made = study.make(monkeypatch, [runs["A", split] for split in FOLDS], "folds", "k")
    assert read_json(made / "best_model" / "model.json")["left_out"] == {}
    comparison = study.comparison(folds={"k": FOLDS}, baseline="A")
    table, units = compare(comparison)
    own = table[(table["split"] == "k") & (table["metric"] == "pearson")].set_index("model")
    assert set(own.index) == {"A", "B", "e"} and own.loc["e", "value"] > own.loc["A", "value"]
    assert own.loc["e", "rows_sha256"] == own.loc["A", "rows_sha256"] and own.loc["e", "n"] == 60
    # its own interval needs no mean over folds; that of the difference does
    assert np.isfinite(own.loc["e", "ci_low"]) and np.isnan(own.loc["A", "ci_low"])
    assert own.loc["e", "delta_vs_baseline"] == pytest.approx(own.loc["e", "value"] - own.loc["A", "value"])
    assert "e" not in set(table.loc[table["split"] != "k", "model"])
    assert "mean of A over folds k-fold0, k-fold1, k-fold2" in markdown(table, units, comparison)
    found = calibration(comparison)
    assert found[(found["model"] == "e") & (found["metric"] == "coverage")]["value"].notna().all()


def test_members_that_do_not_belong_together_are_refused(tmp_path, monkeypatch):
    study = Study(tmp_path, {"s": one_split(), "t": one_split(100)})
    first, other = study.add("A", 1, study.noisy(0.5)), study.add("A", 2, study.noisy(0.5))
    with pytest.raises(
        InputError, match=r"its train rows differ from those of .*s\.tsv; train A \(split t, seed 1\) again"
    ):
        study.make(monkeypatch, [first, study.add("A", 1, study.noisy(0.5), "t")])
    with pytest.raises(
        InputError, match=r"strand_rule is 'forward', but in .* it is 'mean'; members of an ensemble must"
    ):
        study.make(monkeypatch, [first, study.add("B", 1, study.noisy(0.5), strand_rule="forward")])
    with pytest.raises(InputError, match="an ensemble has 1 members"):
        study.make(monkeypatch, [first])
    metrics = read_table(other / "metrics.tsv")
    write_table(other / "metrics.tsv", metrics.assign(rows_sha256="f" * 64))
    with pytest.raises(InputError, match="panel 'id' was measured on other rows or with another strand rule than"):
        study.make(monkeypatch, [first, other])


def test_what_members_have_seen_is_what_the_ensemble_has_seen(study, monkeypatch):
    only = {name: Seen.of_value([name]) for name in ("chr1", "chr2")}
    members = [
        study.add(
            name, 1, study.noisy(0.5), seen=seen.with_training("encoder"), seen_before=seen.record(), licence=name,
            one_draw="random weights",
        )
        for name, seen in only.items()
    ]  # fmt: skip
    published = {"clean_chromosomes": ["chr7", "chr13"], "clean_published": [], "seen": "all chromosomes but chr7"}
    members.append(study.add("P", 1, study.noisy(0.5), **published))
    record = read_json(study.make(monkeypatch, members, "encoders") / "best_model" / "model.json")
    assert record["seen"] == "train rows; encoder: chr1; encoder: chr2; all chromosomes but chr7"
    assert record["seen_before"]["only"] == ["chr1", "chr2"] and record["licence"] == "chr1; chr2; none"
    assert record["clean_chromosomes"] == ["chr7", "chr13"] and record["one_draw"] == "random weights"
    unions = [
        (["nothing", "nothing"], "nothing", "none of these rows"),
        ([{"except": ["chr7"]}, {"except": ["chr7", "chr13"]}], "all chromosomes but chr7; ", "none of these rows"),
        ([{"except": ["chr7"]}, {"except": ["chr13"]}], "all chromosomes but chr7; ", "these rows included"),
        ([["chr1"], "all"], "chr1; all chromosomes", "these rows included"),
        ([["chr1"], "unknown"], "chr1; unknown", "perhaps these rows"),
    ]
    for values, text, words in unions:
        union = Seen.union([Seen.of_value(value) for value in values])
        assert union.text.startswith(text) and union.of_rows({"chr7": 5}) == words
