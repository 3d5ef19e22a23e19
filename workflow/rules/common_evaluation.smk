# The functions with which the rules for evaluation read the study. No rule is defined here.


ENSEMBLE_OF = {run.folder: run for run in ENSEMBLES}


def ensemble_of(wildcards):
    """The run of an ensemble, found by its path."""
    place = f"{wildcards.dataset}/{wildcards.split}"
    folder = f"{place}/{wildcards.ensemble}/seed{wildcards.seed}"
    if folder not in ENSEMBLE_OF:
        raise WorkflowError(
            f"results/{folder}: the study makes no such ensemble; its members must be trained there with this seed"
        )
    return ENSEMBLE_OF[folder]


def over_of(wildcards):
    """What distinguishes the members of an ensemble."""
    return STUDY["ensembles"][wildcards.ensemble]["over"]


def members_of(*names):
    """Files of all members of an ensemble, by their names within a run's folder."""
    return lambda wildcards: [
        f"results/{member.folder}/{name}"
        for member in ensemble_of(wildcards).members
        for name in names
    ]


def order_of_members(wildcards):
    """Folders of an ensemble's members in the order of the study, in which its model.json numbers them: Snakemake
    ignores the order when it compares inputs."""
    return [member.folder for member in ensemble_of(wildcards).members]


def splits_of_ensemble(wildcards):
    """Splits on which an ensemble's members were trained: the split of the ensemble, or each member's fold."""
    folds = [member.split for member in ensemble_of(wildcards).members]
    return folds if over_of(wildcards) == "folds" else folds[:1]


def split_tables_of_ensemble(wildcards):
    """Tables of `splits_of_ensemble`."""
    return [
        f"results/{wildcards.dataset}/splits/{split}.tsv"
        for split in splits_of_ensemble(wildcards)
    ]


def panels_of_ensemble(panels):
    """Tables of the panels on which an ensemble is scored; over folds they are those of the first fold, because such an
    ensemble is scored only if all folds have the same rows."""
    return lambda wildcards: panel_paths(
        f"results/{wildcards.dataset}/panels/{splits_of_ensemble(wildcards)[0]}", panels
    )


def comparison_with_files(wildcards, input):
    """What the comparison must know about the study, with the paths of the inputs, as text."""
    names = [*rows_of_study(), *panels_of_study()]
    paths = dict(zip(names, map(str, [*input.rows, *input.panels])))
    return as_json(study_comparison.comparison_spec(STUDY, paths.__getitem__))


CURVED = study_curve.datasets_of(STUDY, RUNS)  # datasets with a learning curve


def curve_with_files(wildcards, input):
    """What the program `learning_curve` must know about the study, with the paths of the inputs, as text."""
    names = [*rows_of_study(CURVED), *panels_of_study(CURVED)]
    paths = dict(zip(names, map(str, [*input.rows, *input.panels])))
    return as_json(study_curve.spec(STUDY, RUNS, paths.__getitem__))


def runs_of_curve():
    """Runs for all points of learning curves, including those trained on all rows."""
    return [*study_curve.ordinary(STUDY, RUNS), *CURVE_RUNS]


def curve_results():
    """The table of learning curves, if the study has any."""
    return ["results/learning_curve.tsv"] if CURVE else []


def places_of_curves():
    """Pairs (dataset, split) that have a learning curve; the folds of a k-fold count as one split."""
    places = {}
    for (dataset, _), (split, _) in CURVE.items():
        families = study_comparison.families(STUDY, dataset).items()
        of_folds = next((name for name, folds in families if split in folds), split)
        places[dataset, of_folds] = None
    return list(places)


def curve_plots():
    """The pictures of learning curves."""
    return [
        f"results/plots/{dataset}/{split}/learning_curve.png"
        for dataset, split in places_of_curves()
    ]


def rows_of_study(datasets=DATASETS):
    """Paths of the rows of the given datasets, or of all datasets if none are given."""
    return [f"results/{dataset}/rows.parquet" for dataset in datasets]


def panels_of_study(datasets=DATASETS):
    """Paths of all panels of the given datasets, or of all datasets if none are given."""
    return [
        path
        for dataset, split in SPLITS
        if dataset in datasets
        for path in panel_paths(
            f"results/{dataset}/panels/{split}", DATASETS[dataset]["panels"]
        )
    ]


def stages_of_study():
    """Tables of what is dropped from rows, splits and panels; each is beside its result."""
    return [
        *(f"results/{dataset}/rows.stages.tsv" for dataset in DATASETS),
        *(f"results/{dataset}/splits/{split}.stages.tsv" for dataset, split in SPLITS),
        *(f"{path.removesuffix('.tsv')}.stages.tsv" for path in panels_of_study()),
    ]


def predictions_of_study():
    """Paths of the predictions of all runs, including ensembles."""
    return [
        path
        for run in [*RUNS, *ENSEMBLES]
        for path in panel_paths(
            f"results/{run.folder}/predictions", DATASETS[run.dataset]["panels"]
        )
    ]


def trained_runs(dataset, split):
    """Runs that train in epochs, for one dataset and split."""
    runs = RUNS_OF.get((dataset, split), [])
    return [
        run for run in runs if not run.members and study_runs.trains(STUDY, run.model)
    ]


def all_runs(dataset, split):
    """All runs, with the ensembles over them, for one dataset and split; for a k-fold split, under which its folds are
    reported, the runs of all folds."""
    folds = study_comparison.families(STUDY, dataset).get(split, [])
    return [
        run for place in [*folds, split] for run in RUNS_OF.get((dataset, place), [])
    ]


def runs_of(choice, attribute):
    """An attribute of the runs for one dataset and split that `choice` selects: `trained_runs` or `all_runs`."""
    return lambda wildcards: [
        getattr(run, attribute) for run in choice(wildcards.dataset, wildcards.split)
    ]


def predictions_to_plot(wildcards):
    """Predictions of all runs, grouped by panel."""
    return [
        f"results/{run.folder}/predictions/{panel}.tsv"
        for panel in sorted(DATASETS[wildcards.dataset]["panels"])
        for run in all_runs(wildcards.dataset, wildcards.split)
    ]


def metrics_to_plot(wildcards):
    """Metrics of all runs."""
    return [
        f"results/{run.folder}/metrics.tsv"
        for run in all_runs(wildcards.dataset, wildcards.split)
    ]


def histories_to_plot(wildcards):
    """Tables of epochs for all runs that train in epochs."""
    return [
        f"results/{run.folder}/history.tsv"
        for run in trained_runs(wildcards.dataset, wildcards.split)
    ]


def baseline_to_plot(wildcards):
    """The model to which differences in a dataset and split refer."""
    return study_comparison.baseline_of(STUDY, wildcards.dataset, wildcards.split)


def places_with_pictures():
    """{(names of panels, whether runs train in epochs): pairs (dataset, split)} for all splits that are made."""
    found = {}
    for dataset, split in SPLITS:
        trained = bool(trained_runs(dataset, split))
        drawn = tuple(sorted(DATASETS[dataset]["panels"])), trained
        found.setdefault(drawn, []).append((dataset, split))
    return found


def places_compared():
    """{names of panels: pairs (dataset, split)} for all splits in compare.tsv; the folds of a k-fold count as one."""
    return {
        panels: [
            (dataset, split)
            for dataset in datasets
            for split in study_comparison.families_and_splits(STUDY, dataset)
        ]
        for panels, datasets in datasets_by_panels().items()
    }


def splits_compared():
    """Pairs (dataset, split) of `places_compared`."""
    return [place for places in places_compared().values() for place in places]


# Categories of the report, in the order in which it lists them: the answer comes first
CATEGORIES = {
    "comparison": "1 Comparison",
    "audit": "2 Leak audit",
    "calibration": "3 Calibration",
    "predictions": "4 Predictions",
    "training": "5 Training and learning curves",
    "interpretation": "6 Looking inside",
    "motifs": "7 Motifs",
    "designs": "8 Designs",
}


def picture(name, category, caption, panel="all"):
    """Path of one picture for a dataset and split, with its place in the report."""
    return report(
        f"results/plots/{{dataset}}/{{split}}/{name}.png",
        category=CATEGORIES[category],
        labels={"dataset": "{dataset}", "split": "{split}", "panel": panel},
        caption=f"../report/{caption}.rst",
    )


def pictures_of_panels(panels, name):
    """One picture for each panel: predictions or the comparison."""
    return [picture(f"{panel}.{name}", name, name, panel) for panel in panels]


def comparison_plots():
    """All pictures for the study's datasets and splits."""
    names = {}
    for (panels, trained), places in places_with_pictures().items():
        for place in places:
            names[place] = [f"{panel}.predictions" for panel in panels]
            names[place] += ["audit", *(["training"] if trained else [])]
    for panels, places in places_compared().items():
        for place in places:
            own = names.setdefault(place, [])
            own += ["calibration", *(f"{panel}.comparison" for panel in panels)]
    return [
        f"results/plots/{dataset}/{split}/{name}.png"
        for (dataset, split), own in names.items()
        for name in own
    ]


def comparison_pictures():
    """The pictures of the comparison, for each panel of all datasets and splits."""
    return [path for path in comparison_plots() if path.endswith(".comparison.png")]


def across_results():
    """The comparison over datasets, if the study has a series of them."""
    names = ("across.tsv", "across.md", "plots/across.png")
    return [f"results/{name}" for name in names if study_comparison.series(STUDY)]


def audits():
    """Leak audits of all splits."""
    return [f"results/{dataset}/splits/{split}.audit.tsv" for dataset, split in SPLITS]
