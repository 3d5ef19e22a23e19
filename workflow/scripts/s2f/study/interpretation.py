"""The section `interpretation` of a study: which models are explained, by which methods, on which sequences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.interpretation.methods import NEED_GRADIENT
from s2f.study.comparison import items_of, simulated
from s2f.study.runs import Run

SELECTION = ("top", "bottom", "pairs", "ids")


@dataclass(frozen=True)
class Job:
    """One model explained by one method on the selection of one panel."""

    run: Run
    method: str
    panel: str
    entry: int  # index in the section

    @property
    def path(self) -> str:
        """File of attributions below the results folder."""
        return f"{self.run.folder}/interpretation/{self.method}/{self.panel}.h5"

    @property
    def picture(self) -> str:
        """Path of the picture below the folder of plots."""
        run = self.run
        return f"{run.dataset}/{run.split}/interpretation/{run.model}/{self.method}.{self.panel}.png"


def kind_of(study: dict[str, Any], run: Run) -> tuple[str, str]:
    """(section, kind) of a run's model: of its encoder, or of the baseline."""
    return ("encoders", study["encoders"][run.encoder]["kind"]) if run.head else (
        "baselines", study["baselines"][run.model]["kind"]
    )  # fmt: skip


def has_gradient(study: dict[str, Any], run: Run) -> bool:
    """Whether the score of a run's model has a gradient with respect to its input."""
    return bool(kinds.facts(*kind_of(study, run))["gradient"])


def modules_of(study: dict[str, Any], run: Run) -> list[str]:
    """Modules that explaining a run loads by name, except those of its head."""
    section, kind = kind_of(study, run)
    gradient = kinds.facts(section, kind)["gradient"]
    tangent = [f"s2f.interpretation.tangents.{gradient}"] if gradient else []
    return [kinds.module_name(section, kind), *tangent]


def constant(study: dict[str, Any], run: Run) -> bool:
    """Whether a run predicts a constant."""
    if run.members:
        return False
    section, kind = kind_of(study, run)
    return section == "baselines" and kinds.facts(section, kind)["constant"]


def datasets_of(study: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    """Names of the datasets of an entry: those that it lists, or all that have its panel."""
    return entry.get(
        "datasets", [name for name, dataset in study["datasets"].items() if entry["panel"] in dataset["panels"]]
    )


def jobs(study: dict[str, Any], runs: Sequence[Run]) -> list[Job]:
    """All `Job`s of the section, in the order of paths."""
    out = []
    for index, entry in enumerate(study["interpretation"]):
        for run in _explained(study, runs, entry):
            for method in entry["methods"]:
                if method not in NEED_GRADIENT or has_gradient(study, run):
                    out.append(Job(run, method, entry["panel"], index))
    return sorted(out, key=lambda job: job.path)


def entry_of(study: dict[str, Any], dataset: str, panel: str) -> dict[str, Any]:
    """The entry that explains a panel of a dataset. Raises `InputError` if there is none."""
    for entry in study["interpretation"]:
        if entry["panel"] == panel and dataset in datasets_of(study, entry):
            return entry
    raise InputError(f"interpretation: no entry explains panel {panel!r} of {dataset!r}; add one to the study")


def run_of(runs: Mapping[str, Run], folder: str) -> Run:
    """The run with a folder, from `runs` by folder. Raises `InputError` if the study has no such run."""
    if folder not in runs:
        raise InputError(f"interpretation: the study has no run {folder}; add its model or seed")
    return runs[folder]


def judged(study: dict[str, Any], runs: Sequence[Run]) -> list[Job]:
    """Jobs on datasets whose truth is known: simulated ones, and those of a protein with a known motif."""
    return [job for job in jobs(study, runs) if _known(study["datasets"][job.run.dataset])]


def _known(dataset: dict[str, Any]) -> bool:
    return simulated(dataset) or bool(dataset.get("motif"))


def unit_of(study: dict[str, Any], dataset: str, cell: str = "") -> str:
    """Unit of the predictions for a dataset, with the cell (by default the first) if there are several."""
    section = study["datasets"][dataset]
    what = section["measured"] if section["task"] == "regression" else "logit"
    return ", ".join([what, *([cell] if cell else section["cells"][:1])])


def truth_spec(
    study: dict[str, Any], runs: Sequence[Run], options: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What the program `interpretation_truth` needs to know: {dataset: {kind, spec, motif}} of the judged datasets;
    `options(entry)` are the settings of a source."""
    out: dict[str, dict[str, Any]] = {}
    for name in sorted({job.run.dataset for job in judged(study, runs)}):
        dataset = study["datasets"][name]
        source = dataset["source"]
        out[name] = {"motif": dataset["motif"]} if dataset.get("motif") else {}
        if simulated(dataset):
            out[name] |= {"kind": source["kind"], "spec": options(source)}
    return out


def _explained(study: dict[str, Any], runs: Sequence[Run], entry: dict[str, Any]) -> list[Run]:
    """Runs of an entry: each model with the entry's seed or the study's first; models that predict a constant are
    omitted."""
    out: dict[tuple[str, str, str], Run] = {}
    datasets = set(datasets_of(study, entry))
    for run in runs:
        wanted = entry.get("models", [run.model])
        if run.dataset not in datasets or run.model not in wanted:
            continue
        if constant(study, run) or run.seed != entry.get("seed", run.seed):
            continue
        key = (run.dataset, run.split, run.model)
        if key not in out or study["seeds"].index(run.seed) < study["seeds"].index(out[key].seed):
            out[key] = run
    return list(out.values())


def check(study: dict[str, Any], runs: Sequence[Run]) -> None:
    """Raise `InputError` for an entry that names what does not exist, asks for a gradient that a model does not have,
    or explains a panel that another entry explains."""
    seen: dict[tuple[str, str], int] = {}
    for index, entry in enumerate(study["interpretation"]):
        where = f"interpretation.{index}"
        if not datasets_of(study, entry):
            known = {panel for dataset in study["datasets"].values() for panel in dataset["panels"]}
            raise InputError(
                f"{where}.panel: {entry['panel']!r} is not a panel of any dataset{nearest(entry['panel'], known)}"
            )
        for name in datasets_of(study, entry):
            if name not in study["datasets"]:
                raise InputError(f"{where}.datasets: {name!r} is unknown{nearest(name, study['datasets'])}")
            panels = study["datasets"][name]["panels"]
            if entry["panel"] not in panels:
                raise InputError(
                    f"{where}.panel: {entry['panel']!r} of {name!r} is unknown{nearest(entry['panel'], panels)}"
                )
            if entry["pairs"] and items_of(panels[entry["panel"]]) != "pairs":
                raise InputError(f"{where}.pairs: panel {entry['panel']!r} of {name!r} holds rows, not pairs")
            if (name, entry["panel"]) in seen:
                raise InputError(
                    f"{where}: panel {entry['panel']!r} of {name!r} is already explained by interpretation."
                    f"{seen[name, entry['panel']]}; put all models and methods there"
                )
            seen[name, entry["panel"]] = index
        if not any(entry[key] for key in SELECTION):
            raise InputError(f"{where}: selects no sequence; give at least one of {', '.join(SELECTION)}")
        datasets = set(datasets_of(study, entry))
        there = {run.model: run for run in runs if run.dataset in datasets}
        for model in entry.get("models", []):
            if model in study["ensembles"]:
                raise InputError(f"{where}.models: {model!r} is an ensemble; explain its members one by one")
            if model not in there:
                raise InputError(f"{where}.models: {model!r} is unknown{nearest(model, there)}")
            if constant(study, there[model]):
                raise InputError(
                    f"{where}.models: {model!r} predicts a constant, so there is nothing to explain; remove it"
                )
        able = [run for run in there.values() if run.model in entry.get("models", there) and has_gradient(study, run)]
        wants = [method for method in entry["methods"] if method in NEED_GRADIENT]
        if wants and not able:
            raise InputError(
                f"{where}.methods: {wants[0]} needs a gradient, but none of the models has one; use mutagenesis "
                "(ism, window)"
            )
        if not any(job.entry == index for job in jobs(study, runs)):
            raise InputError(
                f"{where}: no model of the study can be explained by these methods (seed {entry.get('seed', 'any')})"
            )
        ig, window = entry["ig"], entry["window"]
        if ig["steps"] > ig["most_steps"]:
            raise InputError(f"{where}.ig: steps is {ig['steps']}, expected at most most_steps ({ig['most_steps']})")
        if window["step"] > window["width"]:
            raise InputError(
                f"{where}.window: step is {window['step']}, width {window['width']}: positions are skipped; choose "
                "a step of at most the width"
            )
    for name, dataset in study["datasets"].items():
        if dataset.get("motif") and dataset["task"] != "classification":
            raise InputError(f"datasets.{name}.motif: is only for a classification of what a protein binds")
