"""The section `interpretation` of a study: which models are explained, by which methods, on which sequences."""

from dataclasses import dataclass

from s2f.common.errors import InputError
from s2f.interpretation.methods import NEED_GRADIENT, WITH_GRADIENT

SELECTION = ("top", "bottom", "pairs", "ids")
SIMULATED = ("simulated", "simulated_rbp")  # kinds of sources whose planted positions are known


@dataclass(frozen=True)
class Job:
    """One model explained by one method on the selection of one panel; `run` is one of `study.runs`."""

    run: object
    method: str
    panel: str
    entry: int  # place in the section

    @property
    def path(self):
        """File of attributions below the results folder."""
        return f"{self.run.folder}/interpretation/{self.method}/{self.panel}.h5"

    @property
    def picture(self):
        """Picture below the folder of plots."""
        run = self.run
        return f"{run.dataset}/{run.split}/interpretation/{run.model}/{self.method}.{self.panel}.png"


def kind_of(study, run):
    """(section, kind) of what a run's model is: its encoder, or the baseline."""
    return ("encoders", study["encoders"][run.encoder]["kind"]) if run.head else (
        "baselines", study["baselines"][run.model]["kind"]
    )  # fmt: skip


def has_gradient(study, run):
    """Whether the score of a run's model can be derived by its input."""
    section, kind = kind_of(study, run)
    return kind in WITH_GRADIENT[section]


def modules_of(study, run):
    """Modules that explaining a run loads by name, those of its head not among them."""
    section, kind = kind_of(study, run)
    return [f"s2f.{section}.{kind}"]


def datasets_of(study, entry):
    """Names of the datasets of an entry: those it lists, or all that have its panel."""
    return entry.get("datasets", [name for name, one in study["datasets"].items() if entry["panel"] in one["panels"]])


def jobs(study, runs):
    """All `Job`s of the section, in the order of paths."""
    out = []
    for place, entry in enumerate(study["interpretation"]):
        for run in _explained(study, runs, entry):
            for method in entry["methods"]:
                if method not in NEED_GRADIENT or has_gradient(study, run):
                    out.append(Job(run, method, entry["panel"], place))
    return sorted(out, key=lambda job: job.path)


def entry_of(study, dataset, panel):
    """The entry that explains a panel of a dataset. Raises `InputError` where there is none."""
    for entry in study["interpretation"]:
        if entry["panel"] == panel and dataset in datasets_of(study, entry):
            return entry
    raise InputError(f"interpretation: no entry explains panel {panel!r} of {dataset!r}; add one to the study")


def run_of(runs, folder):
    """The run of a folder, of `runs` by folder. Raises `InputError` where the study has no such run."""
    if folder not in runs:
        raise InputError(f"interpretation: the study has no run {folder}; add its model or seed")
    return runs[folder]


def judged(study, runs):
    """Jobs on datasets whose truth is known: simulated ones, and those of a protein whose motif is."""
    return [job for job in jobs(study, runs) if _known(study["datasets"][job.run.dataset])]


def _known(dataset):
    return dataset["source"]["kind"] in SIMULATED or bool(dataset.get("motif"))


def unit_of(study, dataset):
    """Unit of the scores that are explained."""
    one = study["datasets"][dataset]
    return one["measured"] if one["task"] == "regression" else "logit"


def truth_spec(study, runs, options):
    """What the program `interpretation_truth` needs to know: {dataset: {kind, spec, motif}} of the datasets that are
    judged; `options(entry)` are the settings of a source."""
    out = {}
    for name in sorted({job.run.dataset for job in judged(study, runs)}):
        dataset = study["datasets"][name]
        source = dataset["source"]
        out[name] = {"motif": dataset["motif"]} if dataset.get("motif") else {}
        if source["kind"] in SIMULATED:
            out[name] |= {"kind": source["kind"], "spec": options(source)}
    return out


def _explained(study, runs, entry):
    """Runs of an entry, of each model the study's first seed or the entry's; what predicts a constant is left out."""
    out, datasets = {}, set(datasets_of(study, entry))
    for run in runs:
        wanted = entry.get("models", [run.model])
        if run.dataset not in datasets or run.model not in wanted:
            continue
        if kind_of(study, run)[1] == "mean" or run.seed != entry.get("seed", run.seed):
            continue
        place = (run.dataset, run.split, run.model)
        if place not in out or study["seeds"].index(run.seed) < study["seeds"].index(out[place].seed):
            out[place] = run
    return list(out.values())


def check(study, runs, nearest):
    """Raise `InputError` for an entry that names what is not there, asks a model for a gradient that it has not, or
    explains a panel that another entry explains; `nearest(name, known)` ends messages on names."""
    seen = {}
    for place, entry in enumerate(study["interpretation"]):
        where = f"interpretation.{place}"
        if not datasets_of(study, entry):
            known = {panel for dataset in study["datasets"].values() for panel in dataset["panels"]}
            raise InputError(
                f"{where}.panel: {entry['panel']!r} is the name of no dataset's panel{nearest(entry['panel'], known)}"
            )
        for name in datasets_of(study, entry):
            if name not in study["datasets"]:
                raise InputError(f"{where}.datasets: {name!r} is unknown{nearest(name, study['datasets'])}")
            panels = study["datasets"][name]["panels"]
            if entry["panel"] not in panels:
                raise InputError(
                    f"{where}.panel: {entry['panel']!r} of {name!r} is unknown{nearest(entry['panel'], panels)}"
                )
            if entry["pairs"] and panels[entry["panel"]]["kind"] != "pairs":
                raise InputError(f"{where}.pairs: panel {entry['panel']!r} of {name!r} is one of rows, not of pairs")
            if (name, entry["panel"]) in seen:
                raise InputError(
                    f"{where}: panel {entry['panel']!r} of {name!r} is explained by interpretation."
                    f"{seen[name, entry['panel']]} already; put all models and methods there"
                )
            seen[name, entry["panel"]] = place
        if not any(entry[key] for key in SELECTION):
            raise InputError(f"{where}: selects no sequence: give one of {', '.join(SELECTION)}")
        datasets = set(datasets_of(study, entry))
        there = {run.model: run for run in runs if run.dataset in datasets}
        for model in entry.get("models", []):
            if model not in there:
                raise InputError(f"{where}.models: {model!r} is unknown{nearest(model, there)}")
            if kind_of(study, there[model])[1] == "mean":
                raise InputError(f"{where}.models: {model!r} predicts a constant: there is nothing to explain")
        able = [run for run in there.values() if run.model in entry.get("models", there) and has_gradient(study, run)]
        wants = [method for method in entry["methods"] if method in NEED_GRADIENT]
        if wants and not able:
            raise InputError(
                f"{where}.methods: {wants[0]} needs a gradient, which none of the models has; use mutagenesis (ism, "
                "window)"
            )
        if not any(job.entry == place for job in jobs(study, runs)):
            raise InputError(f"{where}: no model of the study can be explained so (seed {entry.get('seed', 'any')})")
        ig, window = entry["ig"], entry["window"]
        if ig["steps"] > ig["most_steps"]:
            raise InputError(
                f"{where}.ig: steps is {ig['steps']}, most_steps {ig['most_steps']}: expected as many at most"
            )
        if window["step"] > window["width"]:
            raise InputError(
                f"{where}.window: step is {window['step']}, width {window['width']}: positions are left out"
            )
    for name, dataset in study["datasets"].items():
        if dataset.get("motif") and dataset["task"] != "classification":
            raise InputError(f"datasets.{name}.motif: is for a classification, of what a protein binds")
