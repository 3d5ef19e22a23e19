"""The section `design` of a study: which models design what, and which model of another family judges it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.design import options
from s2f.study.cells import predicted
from s2f.study.comparison import items_of, simulated
from s2f.study.interpretation import constant, has_gradient, kind_of, modules_of
from s2f.study.interpretation import unit_of as unit_of_cell
from s2f.study.runs import Run
from s2f.study.scoring import split_of

# options that are not passed to the program unchanged
OF_WORKFLOW = ("dataset", "split", "model", "seeds", "judge", "start", "methods", "avoid_training", *options.METHODS)


@dataclass(frozen=True)
class Job:
    """One entry of the section with one method: the runs that design, and the run that judges."""

    name: str
    method: str
    members: tuple[Run, ...]
    judge: Run

    @property
    def path(self) -> str:
        """Folder of the designs below the results folder."""
        return f"designs/{self.name}/{self.method}"


def models_of(entry: dict[str, Any]) -> list[str]:
    """Names of the models that design."""
    return [entry["model"]] if isinstance(entry["model"], str) else entry["model"]


def members_of(study: dict[str, Any], runs: Sequence[Run], entry: dict[str, Any], model: str) -> list[Run]:
    """The runs of a model that an entry uses: those with the entry's seeds, or the first in the order of the study; for
    an ensemble, the runs whose mean it is. A model that is the same for every seed has one run for all."""
    own = [run for run in runs if (run.dataset, run.split, run.model)
           == (entry["dataset"], split_of(study, entry), model)]  # fmt: skip
    own.sort(key=lambda run: study["seeds"].index(run.seed))
    chosen = [run for run in own if run.seed in entry["seeds"]] if "seeds" in entry else own[:1]
    return list(dict.fromkeys(member for run in chosen for member in run.members or (run,)))


def jobs(study: dict[str, Any], runs: Sequence[Run]) -> list[Job]:
    """All `Job`s of the section."""
    found = []
    for name, entry in study["design"].items():
        members = [run for model in models_of(entry) for run in members_of(study, runs, entry, model)]
        without_seeds = {key: value for key, value in entry.items() if key != "seeds"}
        (judge,) = members_of(study, runs, without_seeds, entry["judge"])
        found += [Job(name, method, tuple(members), judge) for method in entry["methods"]]
    return found


def code_of(study: dict[str, Any], job: Job) -> list[str]:
    """Modules that a job loads by name, except those of heads."""
    return list(dict.fromkeys(module for run in (*job.members, job.judge) for module in modules_of(study, run)))


def unit_of(study: dict[str, Any], entry: dict[str, Any]) -> str:
    """Unit of an entry's predictions, with the cell that counts (by default the first) and those subtracted from it."""
    against = entry.get("against", [])
    largest = "the largest of " if len(against) > 1 else ""
    minus = f" minus {largest}{', '.join(against)}" if against else ""
    return unit_of_cell(study, entry["dataset"], entry.get("cell", "")) + minus


def of_known_truth(study: dict[str, Any], runs: Sequence[Run]) -> list[Job]:
    """Jobs whose designs have a known true activity: those with a single prediction, on simulated rows of a
    regression."""
    return [
        job
        for job in jobs(study, runs)
        if simulated(dataset := study["datasets"][job.judge.dataset])
        and dataset["task"] == "regression"
        and not study["design"][job.name].get("cell")
    ]


def truth_spec(
    study: dict[str, Any], runs: Sequence[Run], settings: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """{dataset: {kind, spec}} of the simulations whose designs are judged by the truth; `settings(entry)` are the
    settings of a source."""
    sources = {job.judge.dataset: study["datasets"][job.judge.dataset]["source"] for job in of_known_truth(study, runs)}
    return {name: {"kind": source["kind"], "spec": settings(source)} for name, source in sorted(sources.items())}


def check(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Raise `InputError` for an entry that names what does not exist, asks a model for what it cannot do, or has a
    model judged by one of the same family."""
    for name, entry in study["design"].items():
        where, known = f"design.{name}", study["datasets"]
        if entry["dataset"] not in known:
            raise InputError(f"{where}.dataset: {entry['dataset']!r} is unknown{nearest(entry['dataset'], known)}")
        dataset, split = known[entry["dataset"]], split_of(study, entry)
        options.check(entry, (where + ".{}").format)
        there = {run.model: run for run in runs if (run.dataset, run.split) == (entry["dataset"], split)}
        if not there:
            splits = {run.split for run in runs if run.dataset == entry["dataset"]}
            raise InputError(
                f"{where}.split: no model of {entry['dataset']!r} is trained on {split!r}{nearest(split, splits)}"
            )
        for key, models in (("model", models_of(entry)), ("judge", [entry["judge"]])):
            for model in models:
                if model not in there:
                    raise InputError(f"{where}.{key}: {model!r} is unknown{nearest(model, there)}")
                if not there[model].members and constant(study, there[model]):
                    raise InputError(
                        f"{where}.{key}: {model!r} predicts a constant, so it cannot rank "
                        "sequences; choose another model"
                    )
        if there[entry["judge"]].members:
            raise InputError(
                f"{where}.judge: {entry['judge']!r} is an ensemble; name one of its members, or another model"
            )
        _check_cells(study, entry, dataset, there, where)
        judge = options.lineage(*kind_of(study, there[entry["judge"]]))
        members: list[Run] = []
        for model in models_of(entry):
            if judge in (options.lineage(*kind_of(study, run)) for run in there[model].members or (there[model],)):
                raise InputError(
                    f"{where}.judge: {entry['judge']!r} and model {model!r} are both of the family {judge!r} and "
                    "would make the same errors; choose a judge of another family"
                )
            own = members_of(study, runs, entry, model)
            if not own:
                raise InputError(f"{where}.seeds: {model!r} is not trained with any of the seeds {entry['seeds']}")
            members += own
        if entry["penalty"] and len(members) < 2:
            raise InputError(
                f"{where}.penalty: a single run has no spread; give several seeds or models, which form an ensemble"
            )
        for method in set(entry["methods"]) & set(options.NEED_GRADIENT):
            without = [run.model for run in members if not has_gradient(study, run)]
            if without:
                raise InputError(
                    f"{where}.methods: {method} needs a gradient, but {without[0]!r} has none; use evolution or "
                    "annealing"
                )
        panels = [panel for panel, of in dataset["panels"].items() if items_of(of) == "rows"]
        start = entry["start"]
        if sum(key in start for key in ("fasta", "panel", "random")) != 1:
            raise InputError(f"{where}.start: give exactly one of fasta, panel and random")
        if "panel" in start and start["panel"] not in panels:
            raise InputError(
                f"{where}.start.panel: {start['panel']!r} is not a panel of rows of {entry['dataset']!r}"
                f"{nearest(start['panel'], panels)}"
            )


def _check_cells(
    study: dict[str, Any], entry: dict[str, Any], dataset: dict[str, Any], there: dict[str, Run], where: str
) -> None:
    """Refuse a cell that the dataset does not have, or that model or judge do not predict."""
    wanted = [entry["cell"], *entry.get("against", [])] if "cell" in entry else []
    for cell in wanted:
        if cell not in dataset["cells"]:
            known = ", ".join(dataset["cells"]) or "none"
            raise InputError(f"{where}: {cell!r} is not a cell of {entry['dataset']!r}; its cells: {known}")
        for model in (*models_of(entry), entry["judge"]):
            for run in there[model].members or (there[model],):
                if cell not in predicted(study, run):
                    raise InputError(f"{where}: {run.model!r} predicts only the first cell, not {cell!r}")
