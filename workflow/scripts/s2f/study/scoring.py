"""The section `scoring` of a study: which models score which sequences, variants and regions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.scoring import options
from s2f.study.comparison import families, items_of
from s2f.study.interpretation import constant, kind_of
from s2f.study.runs import Run

FILES = (*options.INPUTS, "genome", "genes", "elements")  # options that name files
OF_JUDGE = ("controls", "active_panel", "active_above")  # options of the program that judges the scores
FOR_JUDGE = (*OF_JUDGE, "barcodes", "id_column", "separator")  # all options that this program is given
# all other options are for the program that scores
OF_MODELS = ("dataset", "split", "models", "seed", "measured", "vcf_out", *OF_JUDGE)


@dataclass(frozen=True)
class Job:
    """One entry of the section scored by one model."""

    name: str
    run: Run

    @property
    def stem(self) -> str:
        """Path of its tables below the results folder, without ending."""
        return f"scores/{self.name}/{self.run.model}"


def split_of(study: dict[str, Any], entry: dict[str, Any]) -> str:
    """The split of an entry."""
    return entry.get("split", study["datasets"][entry["dataset"]]["splits"][0])


def panel_of(study: dict[str, Any], entry: dict[str, Any]) -> str:
    """The panel of measured effects of an entry; empty if there is none, if the entry scores no variants, or if its
    models are ensembles over folds, whose members never predict a row of such a panel together."""
    panels = study["datasets"][entry["dataset"]]["panels"]
    pairs = [name for name, panel in panels.items() if items_of(panel) == "pairs"]
    classification = study["datasets"][entry["dataset"]]["task"] == "classification"  # effects are log-odds
    over_folds = split_of(study, entry) in families(study, entry["dataset"])
    if classification or over_folds or not any(entry.get(name) for name in options.ONLY_FOR["measured"]):
        return ""
    return entry.get("measured", next(iter(pairs), ""))


def judged(entry: dict[str, Any]) -> bool:
    """Whether the scores of an entry are judged by measured values."""
    return "satmut" in entry or "controls" in entry


def active_panel(study: dict[str, Any], entry: dict[str, Any]) -> str:
    """The panel whose active rows are to be separated from the controls of an entry; empty if there is none."""
    panels = study["datasets"][entry["dataset"]]["panels"]
    rows = [name for name, panel in panels.items() if items_of(panel) == "rows"]
    return entry.get("active_panel", next(iter(rows), "")) if "controls" in entry else ""


def floor_of(study: dict[str, Any], runs: Sequence[Run], name: str) -> str:
    """The model of an entry that every other model should beat: the first floor; empty if there is none."""
    models = [job.run for job in jobs(study, runs) if job.name == name and not (job.run.head or job.run.members)]
    floors = [run.model for run in models if kinds.facts(*kind_of(study, run))["floor"]]
    return floors[0] if floors else ""


def jobs(study: dict[str, Any], runs: Sequence[Run]) -> list[Job]:
    """All `Job`s of the section: each model with the entry's seed or the study's first; models that predict a constant
    are omitted."""
    found: dict[tuple[str, str], Job] = {}
    for name, entry in study["scoring"].items():
        for run in runs:
            if (run.dataset, run.split) != (entry["dataset"], split_of(study, entry)) or constant(study, run):
                continue
            if run.model not in entry.get("models", [run.model]) or run.seed != entry.get("seed", run.seed):
                continue
            known = found.get((name, run.model))
            if known is None or study["seeds"].index(run.seed) < study["seeds"].index(known.run.seed):
                found[name, run.model] = Job(name, run)
    return list(found.values())


def modules_of(study: dict[str, Any], run: Run) -> list[str]:
    """Modules that scoring with a run loads by name, except those of heads."""
    of_members = (kinds.module_name(*kind_of(study, member)) for member in run.members or (run,))
    return list(dict.fromkeys(of_members))


def check(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Raise `InputError` for an entry that names what does not exist, or whose options contradict each other."""
    for name, entry in study["scoring"].items():
        known = study["datasets"]
        if entry["dataset"] not in known:
            raise InputError(
                f"scoring.{name}.dataset: {entry['dataset']!r} is unknown{nearest(entry['dataset'], known)}"
            )
    scored = {(job.name, job.run.model) for job in jobs(study, runs)}
    for name, entry in study["scoring"].items():
        where = f"scoring.{name}"
        dataset, split = study["datasets"][entry["dataset"]], split_of(study, entry)
        options.check(entry, dataset["strand_rule"], (where + ".{}").format)
        there = {run.model: run for run in runs if (run.dataset, run.split) == (entry["dataset"], split)}
        if not there:
            splits = {run.split for run in runs if run.dataset == entry["dataset"]}
            raise InputError(
                f"{where}.split: no model of {entry['dataset']!r} is trained on {split!r}{nearest(split, splits)}"
            )
        for model in entry.get("models", []):
            if model not in there:
                others = [run.split for run in runs if (run.dataset, run.model) == (entry["dataset"], model)]
                if others:
                    raise InputError(
                        f"{where}.models: {model!r} is not in split {split!r}; it is in "
                        f"{', '.join(dict.fromkeys(others))}: name one of these as split"
                    )
                raise InputError(f"{where}.models: {model!r} is unknown{nearest(model, there)}")
            if constant(study, there[model]):
                raise InputError(
                    f"{where}.models: {model!r} predicts a constant, so there is nothing to score; remove it"
                )
            if (name, model) not in scored:
                own = [run for run in runs if (run.dataset, run.split, run.model) == (entry["dataset"], split, model)]
                raise InputError(
                    f"{where}.seed: {model!r} has no run with the seed {entry['seed']}; it has "
                    f"{', '.join(str(run.seed) for run in own)}: omit seed, or score this model in a separate entry"
                )
        if split in families(study, entry["dataset"]):
            for option in ("measured", "controls"):
                if option in entry:
                    raise InputError(
                        f"{where}.{option}: {split!r} means all folds, whose ensembles have no predictions for a "
                        "panel; name one fold as split, or omit it"
                    )
        shifted = [job.run for job in jobs(study, runs) if job.name == name] if any(entry.get("shifts", [])) else []
        for run in shifted:
            if not all(member.head for member in run.members or (run,)):
                raise InputError(f"{where}.shifts: {run.model!r} cannot shift its window; list models on encoders")
        if "measured" in entry and dataset["task"] == "classification":
            raise InputError(
                f"{where}.measured: effects of a classification are log-odds, which cannot be compared "
                "with measured ones: omit it"
            )
        if "measured" in entry:
            panels = {panel for panel, of in dataset["panels"].items() if items_of(of) == "pairs"}
            if entry["measured"] not in panels:
                raise InputError(
                    f"{where}.measured: {entry['measured']!r} is not a panel of pairs of {entry['dataset']!r}"
                    f"{nearest(entry['measured'], panels)}"
                )
        if judged(entry) and dataset["task"] != "regression":
            raise InputError(
                f"{where}: measured activities can only judge a regression, but {entry['dataset']!r} "
                "is a classification"
            )
        if "controls" in entry and "table" not in entry:
            raise InputError(f"{where}.controls: is a column of {where}.table, which is missing; give both")
        for option in ("active_panel", "active_above"):
            if option in entry and "controls" not in entry:
                raise InputError(f"{where}.{option}: is for negative controls; give {where}.controls, their column")
        panels = {panel for panel, of in dataset["panels"].items() if items_of(of) == "rows"}
        if "controls" in entry and active_panel(study, entry) not in panels:
            raise InputError(
                f"{where}.active_panel: {active_panel(study, entry)!r} is not a panel of rows of {entry['dataset']!r}"
                f"{nearest(active_panel(study, entry), panels)}"
            )
        if not any(scoring == name for scoring, _ in scored):
            raise InputError(f"{where}: no model of the study can score this (seed {entry.get('seed', 'any')})")
