"""The section `learning_curve` of a study: which models are also trained on parts of their training rows.

A point of a curve is a fraction of the training rows of a split. Its runs have the name `{split}-train10pct` in place
of the split's, and read a part that is drawn for each seed: the seeds of a point are replicates of the whole procedure,
draw of rows included. The parts of one seed are nested. A stage-2 model starts from the run of the same point and seed.
Fraction 1 is the ordinary run. Validation and test rows are the same at every point: the question is what more training
rows would gain with all else equal, and values on different test rows could not be compared.

Loaded by `s2f.study.validate` and thus by the Snakefile: no numpy here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.heads import networks
from s2f.study.comparison import comparison_spec, families
from s2f.study.runs import Run
from s2f.study.stage2 import start_of

WHOLE = 1.0  # the fraction of the ordinary run


def completed(study: dict[str, Any]) -> None:
    """Expand the short form of the section, a list of fractions, to the long form, sorted and with fraction 1."""
    if "learning_curve" not in study:
        return
    given = study["learning_curve"]
    given = {"fractions": given} if isinstance(given, list) else given
    fractions = sorted({*map(float, given["fractions"]), WHOLE})
    study["learning_curve"] = {**given, "fractions": fractions}


def name_of(split: str, fraction: float) -> str:
    """Name of the runs with a fraction of a split's training rows; for all rows, the name of the split."""
    return split if fraction == WHOLE else f"{split}-train{100 * fraction:g}pct"


def points(study: dict[str, Any], planned: Sequence[Run]) -> dict[tuple[str, str], tuple[str, float]]:
    """{(dataset, name of a point): (split, fraction below 1)} of all points that have runs."""
    places = dict.fromkeys((run.dataset, run.split) for run in ordinary(study, planned))
    return {
        (dataset, name_of(split, fraction)): (split, fraction)
        for dataset, split in places
        for fraction in study["learning_curve"]["fractions"]
        if fraction != WHOLE
    }


def runs(study: dict[str, Any], planned: Sequence[Run]) -> list[Run]:
    """The runs of all points below 1, sorted by path; `planned` are the ordinary runs.

    Seeds are those of the model; a model that only its rows can change has all seeds of the study, because rows change.
    """
    found = set()
    for run in ordinary(study, planned):
        if run.head:
            fixed = not networks.facts(run.head)["stochastic"]
        else:
            fixed = not kinds.facts("baselines", study["baselines"][run.model]["kind"])["stochastic"]
        for seed in study["seeds"] if fixed else [run.seed]:
            for fraction in study["learning_curve"]["fractions"]:
                if fraction != WHOLE:
                    name = name_of(run.split, fraction)
                    found.add(replace(run, split=name, seed=seed, subset_of=run.split))
    return sorted(found, key=lambda run: run.folder)


def ordinary(study: dict[str, Any], planned: Sequence[Run]) -> list[Run]:
    """The ordinary runs that are the points of all rows; none if the study does not have the section."""
    if "learning_curve" not in study:
        return []
    section = study["learning_curve"]
    splits = _splits(study)
    return [
        run
        for run in planned
        if run.dataset in section.get("datasets", [run.dataset])
        and run.split in splits.get(run.dataset, ())
        and run.model in section.get("models", [run.model])
        and not _why_not(study, run)
    ]


def _splits(study: dict[str, Any]) -> dict[str, list[str]]:
    """{dataset: its splits with a curve}; the name of a k-fold split means its folds."""
    named = study["learning_curve"].get("splits")
    found = {}
    for dataset, entry in study["datasets"].items():
        of_family = families(study, dataset)
        if named is None:
            found[dataset] = entry["splits"]
        else:
            found[dataset] = [
                split for name in named for split in of_family.get(name, [name]) if split in entry["splits"]
            ]
    return found


def _why_not(study: dict[str, Any], run: Run) -> str:
    """Why a model has no curve; empty if it has one."""
    facts = kinds.facts("baselines", study["baselines"][run.model]["kind"]) if not run.head else {}
    if facts.get("constant"):
        return "predicts a constant, so other training rows change nothing; remove it"
    return "is not trained here, so other training rows change nothing; remove it" if facts.get("published") else ""


def check(study: dict[str, Any], planned: Sequence[Run]) -> None:
    """Raise `InputError` for a section that names what does not exist, that has nothing to draw, or whose points would
    have the names of splits."""
    if "learning_curve" not in study:
        return
    section, where = study["learning_curve"], "learning_curve"
    if section["fractions"] == [WHOLE]:
        raise InputError(f"{where}.fractions: is [1], all rows; add at least one number between 0 and 1")
    names = [name_of("", fraction) for fraction in section["fractions"]]
    for first, second, name in zip(section["fractions"], section["fractions"][1:], names[1:], strict=False):
        if names.count(name) > 1:
            raise InputError(f"{where}.fractions: {first} and {second} get the same name, {name!r}; round them")
    for dataset in section.get("datasets", []):
        if dataset not in study["datasets"]:
            raise InputError(f"{where}.datasets: {dataset!r} is unknown{nearest(dataset, study['datasets'])}")
    chosen = section.get("datasets", list(study["datasets"]))
    known = {name for dataset in chosen for name in (*study["datasets"][dataset]["splits"], *families(study, dataset))}
    for split in section.get("splits", []):
        if split not in known:
            raise InputError(f"{where}.splits: {split!r} is not a split of these datasets{nearest(split, known)}")
    models = {run.model: run for run in planned if run.dataset in chosen}
    for model in section.get("models", []):
        if model not in models:
            raise InputError(f"{where}.models: {model!r} is unknown{nearest(model, models)}")
        if why := _why_not(study, models[model]):
            raise InputError(f"{where}.models: {model!r} {why}")
        start = start_of(study, models[model]).model if models[model].stage2 else model
        if start not in section["models"]:
            raise InputError(
                f"{where}.models: {model!r} is fine-tuned from {start!r} at every point; add that model too"
            )
    if not ordinary(study, planned):
        raise InputError(f"{where}: no model of the study is trained on rows there")
    for _, name in points(study, planned):
        if name in study["splits"]:
            raise InputError(f"splits.{name}: a point of the learning curve has the same name; choose another name")


def datasets_of(study: dict[str, Any], planned: Sequence[Run]) -> list[str]:
    """Names of the datasets with a curve."""
    return list(dict.fromkeys(dataset for dataset, _ in points(study, planned)))


def spec(study: dict[str, Any], planned: Sequence[Run], found: Callable[[str], str] = str) -> dict[str, Any]:
    """What the program `learning_curve` needs to know about the study; ``found(path)`` is where a job finds a file of
    results/. Splits are those with a curve, and its points, which have the panels of the split."""
    of_point = points(study, planned)
    entries = {dataset: study["datasets"][dataset] for dataset in datasets_of(study, planned)}
    whole = comparison_spec({**study, "datasets": entries}, found)
    datasets = {}
    for dataset, section in whole["datasets"].items():
        own = {name: (split, fraction) for (place, name), (split, fraction) in of_point.items() if place == dataset}
        drawn_of = dict.fromkeys(split for split, _ in own.values())
        panels = {split: section["panels"][split] for split in drawn_of}
        panels |= {name: section["panels"][split] for name, (split, _) in own.items()}
        of_family = {name: folds for name, folds in section["folds"].items() if set(folds) <= set(drawn_of)}
        folds = {
            name_of(family, fraction): [name_of(fold, fraction) for fold in of_family[family]]
            for family in of_family
            for fraction in study["learning_curve"]["fractions"]
        }
        datasets[dataset] = {**section, "panels": panels, "folds": folds, "baseline": "", "baselines": {},
                             "drawn": list(own)}  # fmt: skip
    return {**whole, "datasets": datasets, "points": _by_dataset(study, of_point)}


def _by_dataset(study: dict[str, Any], of_point: Mapping[tuple[str, str], tuple[str, float]]) -> dict[str, Any]:
    """{dataset: {name of a point: {split, fraction}}}; for folds, also the points of the k-fold split that has their
    mean."""
    found: dict[str, dict[str, Any]] = {}
    for (dataset, name), (split, fraction) in of_point.items():
        own = found.setdefault(dataset, {})
        own[name] = {"split": split, "fraction": fraction}
        for family, folds in families(study, dataset).items():
            if split in folds:
                own[name_of(family, fraction)] = {"split": family, "fraction": fraction}
    return found
