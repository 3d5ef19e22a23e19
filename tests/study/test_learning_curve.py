"""The section `learning_curve`: its points and runs, what the programs are told of them, and what is refused."""

import copy

import pytest

from helpers.minimal_study import MINIMAL
from s2f.common.errors import InputError
from s2f.study import learning_curve, runs, validate

HEAD = "onehot/no_shift/boda-mean-512-512"


def study_with(section, **changes):
    config = copy.deepcopy(MINIMAL) | {"seeds": [1, 2], "learning_curve": section} | changes
    config["baselines"] = {"mean": {"kind": "mean"}, "ridge": {"kind": "kmer_ridge"}}
    config["models"] = [MINIMAL["models"][0], {"baselines": ["mean", "ridge"]}]
    study = validate.validated(config)
    return study, runs.runs(study)


def test_a_list_of_fractions_is_for_all_models_that_are_trained_on_rows():
    study, planned = study_with([0.3, 0.025])
    assert study["learning_curve"]["fractions"] == [0.025, 0.3, 1]
    assert learning_curve.points(study, planned) == {
        ("simulated_d", "chromosome-train2.5pct"): ("chromosome", 0.025),
        ("simulated_d", "chromosome-train30pct"): ("chromosome", 0.3),
    }
    found = learning_curve.runs(study, planned)
    assert [run.folder for run in found] == [
        f"simulated_d/chromosome-train{part}pct/{model}/seed{seed}"
        for part in ("2.5", "30") for model in (HEAD, "ridge") for seed in (1, 2)
    ]  # fmt: skip
    # nothing but its rows would change the ridge regression: of all rows it has one run, of parts as many as seeds
    assert {run.subset_of for run in found} == {"chromosome"}
    assert [run.folder for run in learning_curve.ordinary(study, planned)] == [
        *(f"simulated_d/chromosome/{HEAD}/seed{seed}" for seed in (1, 2)),
        "simulated_d/chromosome/ridge/seed1",
    ]
    assert not any(run.subset_of for run in planned)


def test_runs_whose_rows_are_drawn_for_each_seed_do_not_share_a_job():
    study, planned = study_with([0.3])
    rules = runs.rules_together(study, [*planned, *learning_curve.runs(study, planned)])
    assert {name: [[(run.split, run.seed) for run in group] for group in groups] for name, groups in rules.items()} == {
        "train_together_boda_mean_512_512": [[("chromosome", 1), ("chromosome", 2)]],
        "train_together_boda_mean_512_512_draw1": [[("chromosome-train30pct", 1)]],
        "train_together_boda_mean_512_512_draw2": [[("chromosome-train30pct", 2)]],
    }


def test_a_section_names_datasets_splits_and_models():
    splits = {"chromosome": {"kind": "chromosome"}, "cv": {"kind": "kfold", "folds": 2}}
    datasets = copy.deepcopy(MINIMAL["datasets"])
    datasets["simulated_d"]["splits"] = ["chromosome", "cv"]
    datasets["simulated_e"] = copy.deepcopy(MINIMAL["datasets"]["simulated_d"])
    section = {"fractions": [0.5], "datasets": ["simulated_d"], "splits": ["cv"], "models": ["ridge"]}
    study, planned = study_with(section, splits=splits, datasets=datasets)
    folds = {("simulated_d", f"cv-fold{fold}-train50pct"): (f"cv-fold{fold}", 0.5) for fold in (0, 1)}
    assert learning_curve.points(study, planned) == folds
    assert learning_curve.datasets_of(study, planned) == ["simulated_d"]
    spec = learning_curve.spec(study, planned)
    assert spec["points"]["simulated_d"]["cv-train50pct"] == {"split": "cv", "fraction": 0.5}
    (told,) = spec["datasets"].values()
    assert told["folds"] == {
        "cv": ["cv-fold0", "cv-fold1"], "cv-train50pct": ["cv-fold0-train50pct", "cv-fold1-train50pct"],
    }  # fmt: skip
    assert told["panels"]["cv-fold1-train50pct"] == told["panels"]["cv-fold1"]
    assert told["drawn"] == [name for _, name in folds] and "chromosome" not in told["panels"]


def test_a_study_without_the_section_has_no_points():
    study = validate.validated(copy.deepcopy(MINIMAL))
    planned = runs.runs(study)
    assert not learning_curve.points(study, planned) and not learning_curve.runs(study, planned)
    assert not learning_curve.ordinary(study, planned) and not learning_curve.spec(study, planned)["datasets"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ([0], "learning_curve.0: 0 is less than or equal to the minimum"),
        ([1.5], "learning_curve.0: 1.5 is greater than the maximum"),
        ([0.1, 0.1], "learning_curve: .* non-unique"),
        ([1], r"learning_curve.fractions: is \[1\], all rows"),
        (
            [0.1, 0.10000001],
            "learning_curve.fractions: 0.1 and 0.10000001 get the same name, '-train10pct'; round them",
        ),
        ({"fractions": [0.1], "models": ["mean"]}, "learning_curve.models: 'mean' predicts a constant"),
        ({"fractions": [0.1], "models": ["rigde"]}, "learning_curve.models: 'rigde' is unknown; did you mean 'ridge'"),
        ({"fractions": [0.1], "datasets": ["d"]}, "learning_curve.datasets: 'd' is unknown"),
        ({"fractions": [0.1], "splits": ["cv"]}, "learning_curve.splits: 'cv' is not a split of these datasets"),
        ({"models": ["ridge"]}, "learning_curve: key 'fractions' is missing"),
        ({"fractions": [0.1], "model": ["ridge"]}, "learning_curve: key 'model' is unknown"),
    ],
)
def test_sections_that_say_nothing_sensible_are_refused(section, message):
    with pytest.raises(InputError, match=message):
        study_with(section)


def test_a_split_with_the_name_of_a_point_is_refused():
    splits = {"chromosome": {"kind": "chromosome"}, "chromosome-train10pct": {"kind": "random"}}
    with pytest.raises(InputError, match=r"splits\.chromosome-train10pct: a point of the learning curve has the same"):
        study_with([0.1], splits=splits)


def test_a_stage_2_model_starts_at_every_point_from_the_run_of_that_point():
    tower = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}}
    head = "boda-mean-16-16"
    models = [{"encoders": ["e"], "heads": [head], "stage2": ["tuned"]}, {"baselines": ["mean"]}]
    config = copy.deepcopy(MINIMAL) | {"encoders": {"e": tower}, "models": models, "learning_curve": [0.5]}
    config["stage2"] = {"tuned": {"unfrozen": "all"}}
    study = validate.validated(config)
    planned = runs.runs(study)
    assert [(run.folder, run.stage2) for run in learning_curve.runs(study, planned)] == [
        (f"simulated_d/chromosome-train50pct/e/no_shift/{head}/seed1", False),
        (f"simulated_d/chromosome-train50pct/e/tuned/{head}/seed1", True),
    ]
    assert "tuned" not in str(runs.rules_together(study, learning_curve.runs(study, planned)))
    config["learning_curve"] = {"fractions": [0.5], "models": [f"e/tuned/{head}"]}
    with pytest.raises(
        InputError, match=f"'e/tuned/{head}' is fine-tuned from 'e/no_shift/{head}' at every point; add"
    ):
        validate.validated(config)
