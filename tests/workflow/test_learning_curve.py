"""Learning curves through the workflow: what is planned, by which path, and what comes of it on a small study."""

import json

import pandas as pd
import pytest
import yaml

from helpers.forked_snakemake import jobs, snakemake
from helpers.tiny_study import TINY
from s2f.common.tables import read_table

RUN = "results/simulated_k562/chromosome-train{}pct/{}/seed{}"
HEAD = "alphagenome-tiny/no_shift/boda-sum-512-512"


def written(folder, **changes):
    """Path of a study with a learning curve, in a folder."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(TINY | {"seeds": [1, 2], "learning_curve": [0.2, 0.5]} | changes))
    return path


def planned(root, folder, target, **changes):
    output = snakemake(root, folder, "--dry-run", "--configfile", written(folder, **changes), "--", target)
    return jobs(output)


@pytest.mark.parametrize("together", [False, True])
def test_a_point_is_planned_by_its_path(root, tmp_path, together):
    target = RUN.format(20, HEAD, 2) + "/metrics.tsv"
    name = "train_together_boda_sum_512_512_draw2" if together else "train_head"
    found = planned(root, tmp_path, target, train_together=together)
    evaluated = next(rule for rule in found if rule.startswith("evaluate_head"))
    assert found == {
        "make_rows": 1, "make_units": 1, "make_split": 1, "make_panel": 2, "make_subset": 1, "embed": 1, name: 1,
        evaluated: 1,
    }  # fmt: skip


def test_a_whole_study_trains_each_point_once_and_embeds_nothing_again(root, tmp_path):
    found = planned(root, tmp_path, "all")
    # two parts for two seeds each, of two heads and the ridge regression; of all rows its one run, and that of the mean
    assert (found["make_subset"], found["train_head"], found["train_baseline"]) == (4, 4 + 8, 2 + 4)
    assert (found["embed"], found["make_split"], found["audit_split"], found["plot_split"]) == (1, 1, 1, 1)
    assert (found["learning_curve"], found["plot_learning_curve"], found["compare"]) == (1, 1, 1)


@pytest.mark.slow
def test_a_small_study_has_a_curve_and_its_comparison_is_that_of_all_rows(root, tmp_path):
    ridge = {"mean": {"kind": "mean"}, "ridge": {"kind": "kmer_ridge", "k": [3]}}
    study = written(
        tmp_path, encoders={}, baselines=ridge, models=[{"baselines": ["mean", "ridge"]}], seeds=[1, 2, 3],
        learning_curve=[0.3], comparison={"resamples": 100},
    )  # fmt: skip
    plot = "results/plots/simulated_k562/chromosome/learning_curve.png"
    snakemake(root, tmp_path, "--configfile", study, "--", "results/compare.tsv", plot)
    results = tmp_path / "results"
    curve = pd.read_csv(results / "learning_curve.tsv", sep="\t")
    own = curve[(curve["metric"] == "pearson") & (curve["panel"] == "chromosome")]
    assert own["fraction"].tolist() == [0.3, 1.0] and set(own["model"]) == {"ridge"}
    # one run of all rows and three of the part, each on rows of its own, with validation rows that are the same
    assert own["seeds"].tolist() == [3, 1] and own["inference"].tolist() == ["procedures"] * 2
    train = (read_table(results / "simulated_k562/splits/chromosome.tsv")["split"] == "train").sum()
    assert own["train_rows"].to_numpy() == pytest.approx([0.3 * train, train], abs=2)
    records = []
    for seed in (1, 2, 3):
        table = read_table(results / f"simulated_k562/splits/chromosome-train30pct/draw{seed}.tsv")
        records.append(json.loads((tmp_path / RUN.format(30, "ridge", seed) / "best_model/model.json").read_text()))
        assert records[-1]["train_rows"] == (table["split"] == "train").sum()
    assert len({record["train_rows_sha256"] for record in records}) == 3
    assert len({record["val_rows_sha256"] for record in records}) == 1
    compared = pd.read_csv(results / "compare.tsv", sep="\t")
    assert set(compared["split"]) == {"chromosome"}
    whole = compared.set_index(["panel", "metric", "model"]).loc[("chromosome", "pearson", "ridge")]
    for column in ("value", "ci_low", "ci_high", "rows_sha256", "n"):
        assert own.iloc[1][column] == whole[column]
    assert "What more training rows buy" in (results / "compare.md").read_text()
