"""What a study says of its comparison: tasks of baselines, folds of a k-fold split, datasets of a series, baselines.

Loaded by `s2f.study.validate`, thus by the Snakefile: no numpy here.
"""

from s2f.common.errors import InputError

# kinds of baselines that every other model should beat; they train without epochs
FLOORS = ("mean", "kmer_ridge", "kmer_logistic", "gc")
# kinds of baselines that do one task only
ONE_TASK = {
    "kmer_ridge": "regression", "malinois": "regression", "malinois_published": "regression",
    "kmer_logistic": "classification", "gc": "classification",
}  # fmt: skip


def check_task(study, run):
    """Refuse a baseline of a kind that does not do the task of a dataset."""
    kind, task = study["baselines"][run.model]["kind"], study["datasets"][run.dataset]["task"]
    if ONE_TASK.get(kind, task) != task:
        raise InputError(
            f"baselines.{run.model}: kind {kind} does {ONE_TASK[kind]} only, and dataset {run.dataset!r} is a {task}; "
            "name the datasets of its entry of models"
        )


def with_folds(study):
    """Put the splits `NAME-fold0`, `NAME-fold1` ... in the place of each split of kind kfold, also in the datasets.

    A dataset may list the name, for all folds, or single folds. Raises `InputError` where a fold's name is taken.
    """
    families, splits = {}, {}
    for name, split in study["splits"].items():
        if split["kind"] == "kfold":
            families[name] = {f"{name}-fold{fold}": {**split, "fold": fold} for fold in range(split["folds"])}
        for part, entry in families.get(name, {name: split}).items():
            if part in splits or (part != name and part in study["splits"]):
                raise InputError(f"splits.{name}: its fold {part!r} is also the name of a split, choose another")
            splits[part] = entry
    study["splits"] = splits
    for dataset in study["datasets"].values():
        listed = [part for name in dataset["splits"] for part in families.get(name, [name])]
        dataset["splits"] = list(dict.fromkeys(listed))


def families(study, dataset):
    """{k-fold split: its folds} of a dataset that evaluates all of them; the comparison takes their mean."""
    found = {}
    for name in study["datasets"][dataset]["splits"]:
        if study["splits"][name]["kind"] == "kfold":
            found.setdefault(name.rpartition("-fold")[0], []).append(name)
    return {name: folds for name, folds in found.items() if len(folds) == study["splits"][folds[0]]["folds"]}


def families_and_splits(study, dataset):
    """Splits of a dataset as they are reported: folds that have a mean stand together under the name of the k-fold."""
    found = families(study, dataset)
    in_family = {fold: name for name, folds in found.items() for fold in folds}
    return list(dict.fromkeys(in_family.get(split, split) for split in study["datasets"][dataset]["splits"]))


def series(study):
    """{series: names of its datasets}, in the order of the study."""
    found = {}
    for name, dataset in study["datasets"].items():
        if dataset.get("series"):
            found.setdefault(dataset["series"], []).append(name)
    return found


def check_series(study):
    """Refuse a series of one dataset, and of datasets that differ in task, strand rule or baseline."""
    for name, datasets in series(study).items():
        where = f"datasets.{datasets[0]}.series"
        if len(datasets) < 2:
            raise InputError(f"{where}: {name!r} has no other dataset, expected two or more to compare over")
        proteins = {}
        for dataset in datasets:
            source = study["datasets"][dataset]["source"]
            protein = (source["files"].get("peaks", dataset), source.get("label", ""))
            if proteins.setdefault(protein, dataset) != dataset:
                raise InputError(
                    f"{where}: {proteins[protein]!r} and {dataset!r} have the same peaks: a series counts each protein "
                    "once; make a series of each kind of negatives"
                )
        for key, of in (
            ("task", lambda dataset: study["datasets"][dataset]["task"]),
            ("strand_rule", lambda dataset: study["datasets"][dataset]["strand_rule"]),
            ("baseline (against)", lambda dataset: baseline_of(study, dataset)),
        ):
            for other in datasets[1:]:
                if of(other) != of(datasets[0]):
                    raise InputError(
                        f"{where}: the {key} of {datasets[0]!r} is {of(datasets[0])!r}, that of {other!r} is "
                        f"{of(other)!r}, expected one for all datasets of series {name!r}"
                    )


def baseline_of(study, dataset):
    """Name of the model that the dataset's differences refer to (empty: none)."""
    return study["datasets"][dataset].get("against", study["comparison"]["against"])


def floors(study):
    """Names of the baselines that are floors."""
    return [name for name, baseline in study["baselines"].items() if baseline["kind"] in FLOORS]


def comparison_spec(study, results):
    """What the program `compare` needs to know of the study; paths of rows and panels lie below folder `results`."""
    datasets = {}
    for name, dataset in study["datasets"].items():
        datasets[name] = {
            "rows": f"{results}/{name}/rows.parquet",
            "task": dataset["task"],
            "panels": {
                split: {
                    panel: {"kind": spec["kind"], "path": f"{results}/{name}/panels/{split}/{panel}.tsv"}
                    for panel, spec in dataset["panels"].items()
                }
                for split in dataset["splits"]
            },
            "folds": families(study, name),
            "baseline": baseline_of(study, name),
            "floors": floors(study),
            "simulated": dataset["source"]["kind"].startswith("simulated"),
            "negatives": (dataset["source"].get("negatives") or {}).get("kind", ""),
        }
    return {
        "study": study["study"], "description": study["description"],
        "datasets": datasets, "resamples": study["comparison"]["resamples"],
        "confidence": study["comparison"]["confidence"], "seed": study["seed"],
    }  # fmt: skip


def across_spec(study):
    """What the program `compare_across` needs to know: per series its datasets, splits and baseline."""
    return {
        "study": study["study"],
        "series": {
            name: {
                "datasets": datasets,
                "splits": list(dict.fromkeys(s for dataset in datasets for s in families_and_splits(study, dataset))),
                "baseline": baseline_of(study, datasets[0]),
                "simulated": any(study["datasets"][d]["source"]["kind"].startswith("simulated") for d in datasets),
            }
            for name, datasets in series(study).items()
        },
    }
