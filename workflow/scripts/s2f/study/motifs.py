"""The section `motifs` of a study: which attributions are clustered, and with which known motifs they are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.interpretation.motifs import FEWEST
from s2f.study.comparison import simulated
from s2f.study.interpretation import SELECTION, constant, datasets_of, entry_of, has_gradient
from s2f.study.runs import Run

METHODS = ("ism", "saliency")  # methods with hypothetical contributions
SETTINGS = ("window", "flank", "fdr", "most_seqlets", "clusterings")


@dataclass(frozen=True)
class Job:
    """One model's attributions of one panel by one method, over all `runs` that are averaged."""

    runs: tuple[Run, ...]
    method: str
    panel: str
    entry: int  # index in the section

    @property
    def run(self) -> Run:
        """The first of the runs."""
        return self.runs[0]

    @property
    def stem(self) -> str:
        """Path below the results folder, without ending."""
        run = self.run
        return f"{run.dataset}/{run.split}/{run.model}/motifs/{self.method}/{self.panel}"

    @property
    def attributions(self) -> list[str]:
        """Files of attributions below the results folder, one for each run."""
        return [f"{run.folder}/interpretation/{self.method}/{self.panel}.h5" for run in self.runs]

    @property
    def effects(self) -> list[str]:
        """Tables of the effects of inserted motifs, below the results folder, one for each run."""
        return [f"{run.folder}/motifs/{self.method}/{self.panel}.effects.tsv" for run in self.runs]

    @property
    def page(self) -> str:
        """Path of the page below the folder of plots."""
        run = self.run
        return f"{run.dataset}/{run.split}/motifs/{run.model}/{self.method}.{self.panel}.html"


def jobs(study: dict[str, Any], runs: Sequence[Run]) -> list[Job]:
    """All `Job`s of the section, in the order of paths."""
    found = []
    for index, entry in enumerate(study["motifs"]):
        averaged: dict[tuple[str, str, str], list[Run]] = {}
        for run in _wanted(study, runs, entry):
            averaged.setdefault((run.dataset, run.split, run.model), []).append(run)
        for of_model in averaged.values():
            for method in _methods(study, entry, of_model[0].dataset):
                if method != "saliency" or has_gradient(study, of_model[0]):
                    found.append(Job(tuple(of_model), method, entry["panel"], index))
    return sorted(found, key=lambda job: job.stem)


def _datasets(study: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    """Datasets of an entry: those that it lists, or all whose panel is explained."""
    explained = [of for of in study["interpretation"] if of["panel"] == entry["panel"]]
    return entry.get("datasets") or list(dict.fromkeys(name for of in explained for name in datasets_of(study, of)))


def _methods(study: dict[str, Any], entry: dict[str, Any], dataset: str) -> list[str]:
    """Methods of an entry: those that it lists, or those that explain the panel and can be clustered."""
    named = entry.get("methods") or entry_of(study, dataset, entry["panel"])["methods"]
    return [method for method in METHODS if method in named]


def _wanted(study: dict[str, Any], runs: Sequence[Run], entry: dict[str, Any]) -> list[Run]:
    """Runs of an entry: of its models, or of all that are explained, with its seeds, or all."""
    out = []
    for run in runs:
        if run.dataset not in _datasets(study, entry) or constant(study, run):
            continue
        explained = entry_of(study, run.dataset, entry["panel"])
        models = entry.get("models") or explained.get("models", [run.model])
        if run.model in models and run.seed in entry.get("seeds", [run.seed]):
            out.append(run)
    return sorted(out, key=lambda run: study["seeds"].index(run.seed))


def judged(study: dict[str, Any], runs: Sequence[Run]) -> list[Job]:
    """Jobs on datasets whose truth is known: simulated datasets, and datasets of a protein."""
    return [job for job in jobs(study, runs) if truth_of(study, job.run.dataset)]


def truth_of(study: dict[str, Any], dataset: str) -> dict[str, str]:
    """{kind, protein, motif} of a dataset, as far as they are known, for the program `motifs_truth`."""
    section = study["datasets"][dataset]
    known = {"kind": section["source"]["kind"]} if simulated(section) else {}
    protein = section.get("protein") or section["source"].get("rbp")
    if protein:
        known["protein"] = protein
    if section.get("motif"):
        known["motif"] = section["motif"]
    return known


def check(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Raise `InputError` for an entry that names what does not exist, clusters what no entry of `interpretation`
    explains, or clusters too few sequences, and for two entries that would write the same file."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(study["motifs"]):
        where, panel = f"motifs.{index}", entry["panel"]
        for name in entry.get("datasets", []):
            if name not in study["datasets"]:
                raise InputError(f"{where}.datasets: {name!r} is unknown{nearest(name, study['datasets'])}")
        if not _datasets(study, entry):
            known = {of["panel"] for of in study["interpretation"]}
            raise InputError(
                f"{where}.panel: no entry of interpretation explains {panel!r}{nearest(panel, known)}; add one, of "
                f"{FEWEST} sequences or more"
            )
        for name in _datasets(study, entry):
            try:
                explained = entry_of(study, name, panel)
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
            count = sum(len(value) if isinstance(value := explained[key], list) else value for key in SELECTION)
            count += explained["pairs"]  # two rows each
            if count < FEWEST:
                raise InputError(
                    f"{where}.panel: {count} sequences of {panel!r} of {name!r} are explained, expected at least "
                    f"{FEWEST}, because motifs are common to many sequences; raise top in that entry of interpretation"
                )
            if not _methods(study, entry, name):
                raise InputError(
                    f"{where}.methods: {panel!r} of {name!r} is explained by {', '.join(explained['methods'])}; motifs "
                    f"are found in attributions by {' or '.join(METHODS)}: name one of these"
                )
        there = {run.model: run for run in runs if run.dataset in _datasets(study, entry)}
        for model in entry.get("models", []):
            if model in study["ensembles"]:
                raise InputError(f"{where}.models: {model!r} is an ensemble; find the motifs of its members one by one")
            if model not in there:
                raise InputError(f"{where}.models: {model!r} is unknown{nearest(model, there)}")
            if constant(study, there[model]):
                raise InputError(
                    f"{where}.models: {model!r} predicts a constant, so there is nothing to find; remove it"
                )
        for seed in entry.get("seeds", []):
            if seed not in study["seeds"]:
                raise InputError(f"{where}.seeds: {seed} is not one of the study's seeds, {study['seeds']}")
    for index in range(len(study["motifs"])):
        own = [job for job in jobs(study, runs) if job.entry == index]
        if not own:
            raise InputError(f"motifs.{index}: no model of the study has such attributions (saliency needs a gradient)")
        for job in own:
            if job.stem in seen:
                raise InputError(
                    f"motifs.{index}: {job.stem} is already in motifs.{seen[job.stem]}; merge the two entries"
                )
            seen[job.stem] = index
