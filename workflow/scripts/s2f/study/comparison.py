"""What a study says about its comparison: tasks of baselines, folds of a k-fold split, datasets of a series, baselines.

Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy here.
"""

from collections.abc import Callable, Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import near, nearest
from s2f.study.runs import Run


def check_task(study: dict[str, Any], run: Run) -> None:
    """Refuse a baseline of a kind that does not support the task of a dataset."""
    kind, task = study["baselines"][run.model]["kind"], study["datasets"][run.dataset]["task"]
    only = kinds.facts("baselines", kind)["task"]
    if only not in ("", task):
        raise InputError(
            f"baselines.{run.model}: kind {kind} is only for {only}, but dataset {run.dataset!r} is a {task}; name "
            "the datasets in its entry of models"
        )


def with_folds(study: dict[str, Any]) -> None:
    """Replace each split that has folds by the splits `NAME-fold0`, `NAME-fold1` ..., also in the datasets.

    A dataset may list the name, for all folds, or single folds. Raises `InputError` if a fold's name is taken.
    """
    folds_of: dict[str, dict[str, Any]] = {}
    splits: dict[str, Any] = {}
    for name, split in study["splits"].items():
        if kinds.facts("splits", split["kind"])["folds"]:
            folds_of[name] = {f"{name}-fold{fold}": {**split, "fold": fold} for fold in range(split["folds"])}
        for member, entry in folds_of.get(name, {name: split}).items():
            if member in splits or (member != name and member in study["splits"]):
                raise InputError(f"splits.{name}: its fold {member!r} is also the name of a split; choose another name")
            splits[member] = entry
    study["splits"] = splits
    for dataset in study["datasets"].values():
        listed = [member for name in dataset["splits"] for member in folds_of.get(name, [name])]
        dataset["splits"] = list(dict.fromkeys(listed))


def k_folds(study: dict[str, Any]) -> list[str]:
    """Names of the k-fold splits of a study whose splits are already its folds (`with_folds`)."""
    folds = (name for name, split in study["splits"].items() if kinds.facts("splits", split["kind"])["folds"])
    return list(dict.fromkeys(name.rpartition("-fold")[0] for name in folds))


def families(study: dict[str, Any], dataset: str) -> dict[str, list[str]]:
    """{k-fold split: its folds} of a dataset that evaluates all of them; the comparison takes their mean."""
    folds_of: dict[str, list[str]] = {}
    for name in study["datasets"][dataset]["splits"]:
        if kinds.facts("splits", study["splits"][name]["kind"])["folds"]:
            folds_of.setdefault(name.rpartition("-fold")[0], []).append(name)
    return {name: folds for name, folds in folds_of.items() if len(folds) == study["splits"][folds[0]]["folds"]}


def families_and_splits(study: dict[str, Any], dataset: str) -> list[str]:
    """The splits of a dataset as they are reported: folds with a mean appear together under the name of the k-fold
    split."""
    folds_of = families(study, dataset)
    in_family = {fold: name for name, folds in folds_of.items() for fold in folds}
    return list(dict.fromkeys(in_family.get(split, split) for split in study["datasets"][dataset]["splits"]))


def series(study: dict[str, Any]) -> dict[str, list[str]]:
    """{series: names of its datasets}, in the order of the study."""
    datasets_of: dict[str, list[str]] = {}
    for name, dataset in study["datasets"].items():
        if dataset.get("series"):
            datasets_of.setdefault(dataset["series"], []).append(name)
    return datasets_of


def check_series(study: dict[str, Any]) -> None:
    """Refuse a series of one dataset, with the same peaks twice, or of datasets that differ in task, strand rule or
    baseline.

    Two experiments on one protein are allowed (see `protein_of`); the same peaks with other negatives are not a second
    experiment.
    """
    for name, datasets in series(study).items():
        where = f"datasets.{datasets[0]}.series"
        if len(datasets) < 2:
            meant = near(name, [other for other in series(study) if other != name])
            raise InputError(f"{where}: {name!r} has no other dataset, expected two or more to compare{meant}")
        peaks: dict[tuple[str, str], str] = {}
        for dataset in datasets:
            source = study["datasets"][dataset]["source"]
            of_source = (source["files"].get("peaks", dataset), source.get("label", ""))
            if peaks.setdefault(of_source, dataset) != dataset:
                raise InputError(
                    f"{where}: {peaks[of_source]!r} and {dataset!r} have the same peaks: a series counts each "
                    "experiment once; make a series of each kind of negatives"
                )
        for key, value_of in (
            ("task", lambda dataset: study["datasets"][dataset]["task"]),
            ("strand_rule", lambda dataset: study["datasets"][dataset]["strand_rule"]),
            ("baseline (against)", lambda dataset: baseline_of(study, dataset)),
        ):
            for other in datasets[1:]:
                if value_of(other) != value_of(datasets[0]):
                    raise InputError(
                        f"{where}: the {key} of {datasets[0]!r} is {value_of(datasets[0])!r}, but for {other!r} it "
                        f"is {value_of(other)!r}, expected one value for all datasets of series {name!r}"
                    )


def protein_of(study: dict[str, Any], dataset: str) -> str:
    """The protein of a dataset's experiment; if none is known, the name of the dataset."""
    entry = study["datasets"][dataset]
    return str(entry.get("protein") or entry["source"].get("rbp") or dataset)


def baseline_of(study: dict[str, Any], dataset: str, split: str = "") -> str:
    """Name of the model from which the dataset's differences are taken, in a split if given (empty: none)."""
    entry = study["datasets"][dataset]
    family = next((name for name, folds in families(study, dataset).items() if split in folds), split)
    in_split = entry["against_in"].get(split, entry["against_in"].get(family))
    return in_split or entry.get("against", study["comparison"]["against"])


def check_against_in(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Refuse in `against_in` of a dataset a split that the dataset does not have, and a model that is not run in it;
    and a model that is run in none of the single splits that refer to it, such as an ensemble over folds."""
    models_in: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        models_in.setdefault((run.dataset, run.split), set()).add(run.model)
    for name, dataset in study["datasets"].items():
        known = [*families(study, name), *dataset["splits"]]
        for split, model in dataset["against_in"].items():
            where = f"datasets.{name}.against_in"
            if split not in known:
                raise InputError(f"{where}: {split!r} is not a split of the dataset{nearest(split, known)}")
            models = {run.model for run in runs if run.dataset == name}
            if model not in models:
                raise InputError(f"{where}.{split}: {model!r} is not among its models{nearest(model, models)}")
            if dataset.get("series"):
                raise InputError(f"{where}: the dataset is in a series, which needs one model for all splits")
        for split in dataset["splits"]:
            model = baseline_of(study, name, split)
            if model and model not in models_in[name, split]:
                raise InputError(
                    f"datasets.{name}: differences refer to {model!r} (against, against_in), which has no run in split "
                    f"{split!r}: an ensemble over folds is compared only with means over folds; name one of its members"
                )


def floors(study: dict[str, Any]) -> list[str]:
    """Names of the baselines that are floors."""
    return [name for name, entry in study["baselines"].items() if kinds.facts("baselines", entry["kind"])["floor"]]


def constants(study: dict[str, Any]) -> list[str]:
    """Names of the baselines that predict the same for all rows."""
    return [name for name, entry in study["baselines"].items() if kinds.facts("baselines", entry["kind"])["constant"]]


def simulated(dataset: dict[str, Any]) -> bool:
    """Whether the rows of a dataset are simulated."""
    return kinds.facts("sources", dataset["source"]["kind"])["simulated"]


def items_of(panel: dict[str, Any]) -> str:
    """What a panel lists according to its section: rows or pairs."""
    return kinds.facts("panels", panel["kind"])["items"]


def comparison_spec(study: dict[str, Any], found: Callable[[str], str] = str) -> dict[str, Any]:
    """What the program `compare` needs to know about the study; ``found(path)`` is where a job finds a file of
    results/."""
    datasets = {}
    for name, dataset in study["datasets"].items():
        datasets[name] = {
            "rows": found(f"results/{name}/rows.parquet"),
            "task": dataset["task"],
            "panels": {
                split: {
                    panel: {"kind": items_of(options), "path": found(f"results/{name}/panels/{split}/{panel}.tsv")}
                    | {key: options[key] for key in ("within", "match") if key in options}
                    for panel, options in dataset["panels"].items()
                }
                for split in dataset["splits"]
            },
            "folds": families(study, name),
            "baseline": baseline_of(study, name),
            "baselines": {
                split: baseline_of(study, name, split)
                for split in [*dataset["splits"], *families(study, name)]
                if baseline_of(study, name, split) != baseline_of(study, name)
            },
            "floors": floors(study),
            "constants": constants(study),
            "simulated": simulated(dataset),
            "negatives": (dataset["source"].get("negatives") or {}).get("kind", ""),
        }
    return {
        "study": study["study"], "description": study["description"],
        "datasets": datasets, "resamples": study["comparison"]["resamples"],
        "confidence": study["comparison"]["confidence"], "seed": study["seed"],
    }  # fmt: skip


def across_spec(study: dict[str, Any]) -> dict[str, Any]:
    """What the program `compare_across` needs to know: the datasets, proteins, splits and baseline of each series."""
    return {
        "study": study["study"],
        "series": {
            name: {
                "datasets": datasets,
                "proteins": {dataset: protein_of(study, dataset) for dataset in datasets},
                "splits": list(
                    dict.fromkeys(split for dataset in datasets for split in families_and_splits(study, dataset))
                ),
                "baseline": baseline_of(study, datasets[0]),
                "simulated": any(simulated(study["datasets"][name]) for name in datasets),
            }
            for name, datasets in series(study).items()
        },
    }
