# The study, checked at the door, and the few functions by which rules read it. No rule stands here.

import functools
import gc
import json
import re
import shlex
import sys
import threading
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

SCRIPTS = Path(str(workflow.current_basedir)).resolve().parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from s2f.common import provenance
from s2f.common.files import InputError
from s2f.heads import augmentations, networks
from s2f.study import comparison as study_comparison
from s2f.study import language_model as study_tapt
from s2f.study import run_summary
from s2f.study import validate as study

# The graph of a large study is millions of objects that stay to the end: to look among them for cycles to free, after
# every 700 new ones, takes an eighth of the time of a plan of 1,000 jobs, and more of larger ones.
gc.set_threshold(50_000)

try:
    for path in workflow.configfiles:
        study.refuse_repeated_keys(path)
    STUDY = study.validated(config)
except InputError as error:
    raise WorkflowError(f"the study is not valid: {error}") from None
for key, path in study.missing_weights(STUDY):
    logger.warning(f"{key}: {path} is not there yet; jobs that need it will fail")
DATASETS, ENCODERS, BASELINES = STUDY["datasets"], STUDY["encoders"], STUDY["baselines"]
for section in [*ENCODERS.values(), *BASELINES.values()]:
    if "tapt" in section.get("weights", {}):  # from here on a folder
        section["weights"] = {"tapt": f"results/tapt/{section['weights']['tapt']}"}
RUNS = study.runs(STUDY)
RUNS_OF = study.by_split(RUNS)
K_FOLDS = [
    name for dataset in DATASETS for name in study_comparison.families(STUDY, dataset)
]

# programs are modules of workflow/scripts, also where the environment is conda's or the job is a cluster's
PREFIX = f"export PYTHONPATH={shlex.quote(str(SCRIPTS))} PYTHONUNBUFFERED=1; "
if STUDY["keep_compiled"]:
    PREFIX += "export S2F_COMPILED=.snakemake/compiled; "
shell.prefix(PREFIX)


def one_of(names):
    """Pattern of a wildcard that is one of `names`; nothing matches where there are none.

    Names that differ in what follows the last dot, as those of one protein in the kind of negatives, share it: Snakemake
    reads a rule's patterns again for each file of each job, so that their length counts in a study of many datasets.
    """
    endings, stems = {}, {}
    for name in sorted(set(names)):
        stem, dot, ending = name.rpartition(".")
        endings.setdefault(stem + dot, []).append(re.escape(ending))
    for stem, own in endings.items():
        stems.setdefault("|".join(own), []).append(re.escape(stem))
    parts = [f"(?:{'|'.join(own)})(?:{ending})" for ending, own in stems.items()]
    return "|".join(parts) or "(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    split=one_of([*STUDY["splits"], *K_FOLDS]),
    panel=one_of(panel for dataset in DATASETS.values() for panel in dataset["panels"]),
    encoder=one_of(ENCODERS),
    augmentation=one_of(run.augmentation for run in RUNS if run.head),
    head=one_of(run.head for run in RUNS if run.head),
    baseline=one_of(BASELINES),
    model=one_of(run.model for run in RUNS),
    seed=r"\d+",
    shift=r"[+-]\d+",
    strand="forward|reverse",


@functools.cache
def _code_fingerprint(moment, *modules):
    return provenance.code_fingerprint(*modules)


@functools.cache
def _weights_id(moment, path):
    return study.weights_id({"weights": {"path": path}})


def moment():
    """The time in steps of fifteen seconds: what is cached by it is looked up again often enough to see a file that is
    edited during a run, and once for the thousands of jobs of a plan."""
    return int(time.monotonic() // 15)


def code_fingerprint(*modules):
    """Hash of the behaviour of programs and modules, as `provenance.code_fingerprint`."""
    return _code_fingerprint(moment(), *modules)


def weights_id(section):
    """What the weights at the path of a section are, as `study.weights_id`."""
    return _weights_id(moment(), section.get("weights", {}).get("path"))


def as_json(value):
    """One section of the study as text: a job reruns when its own section changes, and only then."""
    return json.dumps(value, sort_keys=True)


def construct_of(dataset):
    """The construct of a dataset, as text."""
    return as_json(STUDY["constructs"][DATASETS[dataset]["construct"]])


def caches(dataset, encoder, views, ending):
    """Paths of the caches that hold `views`, pairs of shift and strand."""
    folder = f"results/{dataset}/embeddings/{encoder}"
    return [f"{folder}/{shift:+03d}.{strand}.{ending}" for shift, strand in views]


def views_of_rule(dataset):
    """Caches that evaluation needs: both strands where predictions are their mean."""
    strands = (
        ("forward", "reverse")
        if DATASETS[dataset]["strand_rule"] == "mean"
        else ("forward",)
    )
    return [(0, strand) for strand in strands]


def environment(family):
    """Environment file of a family of rules that compute on the accelerator of the study."""
    variant = {"cpu": "", "cuda": "-cuda"}[STUDY["accelerator"]]
    return f"../../envs/{family}{variant}.yaml"


# kinds of encoders that need another environment than the one of JAX, and of baselines than that of torch
ENCODER_ENVIRONMENTS = {"lamar": "language-model"}
BASELINE_ENVIRONMENTS = {"lamar_finetuned": "language-model"}


def environment_of_encoder(encoder):
    """Environment file of the jobs that run one encoder."""
    return environment(ENCODER_ENVIRONMENTS.get(ENCODERS[encoder]["kind"], "jax"))


def environment_of_baseline(baseline):
    """Environment file of the jobs that run one baseline."""
    return environment(BASELINE_ENVIRONMENTS.get(BASELINES[baseline]["kind"], "torch"))


def windows_of_tapt(w, ending):
    """Files of every dataset and split that an adaptation trains on, in the order of the study."""
    held_out = STUDY["tapt"][w.tapt]["datasets"]
    return [
        f"results/{dataset}/{ending.format(split=split)}"
        for dataset, splits in held_out.items()
        for split in splits
    ]


def weights_made_here(section):
    """Folder of adapted weights that a section of the study names, made by rule tapt; nothing for others."""
    return section.get("weights", {}).get("tapt", [])


def caches_of_mode(w, ending):
    """Caches that training with an augmentation reads, as paths with this ending."""
    views = augmentations.views(STUDY["augmentations"][w.augmentation])
    return caches(w.dataset, w.encoder, views, ending)


def encoder_of_mode(w):
    """The encoder's section for a mode that runs it in training, as text (JSON)."""
    encodes = augmentations.encodes(STUDY["augmentations"][w.augmentation])
    return as_json(ENCODERS[w.encoder] if encodes else None)


def training_code(w):
    """Modules by name on which a trained head depends."""
    mode = STUDY["augmentations"][w.augmentation]
    encodes = augmentations.encodes(mode)
    return code_fingerprint(
        "train_head",
        networks.module_of(w.head),
        augmentations.module_of(mode),
        *([f"s2f.embeddings.encoders.{ENCODERS[w.encoder]['kind']}"] if encodes else []),
    )


def of_views(first, function):
    """Function of the wildcard `views` that calls `function` with the run of the same head in that place."""
    return lambda w: function(first.at(w.views))


def growing(amount):
    """Memory or time of a job: `amount` at first, twice and three times as much when a cluster tries it again."""
    return lambda wildcards, attempt: amount * attempt


def first_of_seeds(wildcards):
    """Priority of a job of one seed of a model: 1 for the first seed of the study, else 0."""
    return int(int(wildcards.seed) == STUDY["seeds"][0])


def in_turn(wildcards, rulename):
    """Resource of jobs of seconds: 1 where a profile puts them into groups, whose allocation runs one after the other.

    There is one of it (profiles/default), so that Snakemake asks for the memory and cores of one job and the time of
    all; without it, it would ask for the memory and cores of all and the time of one.
    """
    grouped = rulename in workflow.group_settings.overwrite_groups
    if grouped and "in_turn" not in workflow.global_resources:
        raise WorkflowError(
            f"{rulename} is in a group, which needs the resource in_turn of profiles/default; add in_turn=1 to "
            "--resources"
        )
    return int(grouped)


def gpus_of(baseline):
    """GPUs that a baseline asks for: networks one, floors and small networks none."""
    spec = BASELINES[baseline]
    return 0 if spec["kind"] in study.FLOORS else int(study_tapt.needs_gpu(spec))


def datasets_by_panels():
    """{names of panels: datasets that have them}: files of a job are no function of its wildcards, so that each set of
    panels is a rule of its own. Names are sorted, as another order in the study is no other job.
    """
    found = {}
    for name, dataset in DATASETS.items():
        found.setdefault(tuple(sorted(dataset["panels"])), []).append(name)
    return found


def numbered(first, number):
    """Name of rules that a study may need more than once, without a number for the first: train, train_2, train_3 …

    Threads and resources that a profile or the command line sets for the first hold for all, unless it names them.
    """
    name = first if number == 1 else f"{first}_{number}"
    for settings in (
        workflow.resource_settings._parsed_overwrite_threads,
        workflow.resource_settings._parsed_overwrite_resources,
    ):
        if first in settings:
            settings.setdefault(name, settings[first])
    return name


def panel_paths(folder, panels):
    """A table in `folder` for each panel."""
    return [f"{folder}/{panel}.tsv" for panel in panels]


def kinds_of_panels(dataset):
    """Kinds of the panels of a dataset, in the order of their names."""
    return [panel["kind"] for _, panel in sorted(DATASETS[dataset]["panels"].items())]


SPLITS = [
    (dataset, split) for dataset in DATASETS for split in DATASETS[dataset]["splits"]
]


def panels_of(dataset, split):
    """Paths of all panels of one dataset and split, in the order of the study."""
    return panel_paths(f"results/{dataset}/panels/{split}", DATASETS[dataset]["panels"])


def predictions_of(dataset, folder):
    """Paths of a run's predictions, in the order of `panels_of`."""
    return panel_paths(f"{folder}/predictions", DATASETS[dataset]["panels"])


def runs_of(dataset, split, first_seed=False, trained=False):
    """Runs of one dataset and split; of each model the first seed only, or only models that train in epochs."""
    found = RUNS_OF.get((dataset, split), [])
    if first_seed:
        found = list({run.model: run for run in reversed(found)}.values())[::-1]
    return [run for run in found if not trained or study.trains(STUDY, run.model)]


def places_with_pictures():
    """{(names of panels, whether runs train in epochs): pairs (dataset, split)} of all splits that are made."""
    found = {}
    for dataset, split in SPLITS:
        trained = bool(runs_of(dataset, split, trained=True))
        drawn = tuple(sorted(DATASETS[dataset]["panels"])), trained
        found.setdefault(drawn, []).append((dataset, split))
    return found


def places_compared():
    """{names of panels: pairs (dataset, split)} of all splits that compare.tsv reports, where folds stand together."""
    return {
        panels: [
            (dataset, split)
            for dataset in datasets
            for split in study_comparison.families_and_splits(STUDY, dataset)
        ]
        for panels, datasets in datasets_by_panels().items()
    }


def picture(name, category, caption, panel="all"):
    """Path of one picture of a dataset and split, with its place in the report."""
    return report(
        f"results/plots/{{dataset}}/{{split}}/{name}.png",
        category=category,
        labels={"dataset": "{dataset}", "split": "{split}", "panel": panel},
        caption=f"../report/{caption}.rst",
    )


def pictures_of_panels(panels, name):
    """A picture of each panel: predictions or the comparison."""
    return [picture(f"{panel}.{name}", name.title(), name, panel) for panel in panels]


def dataset_before(places, rest="(?:{})/"):
    """Pattern of the wildcard `dataset` in paths …/{dataset}/{split}/…: of each dataset only with its splits, as named
    by the pairs `places`; or with other names of its own, where the `rest` of the path holds those.
    """
    names, datasets = {}, {}
    for dataset, name in places:
        names.setdefault(dataset, []).append(name)
    for dataset, own in names.items():
        datasets.setdefault(tuple(own), []).append(dataset)
    return "|".join(
        f"(?:{one_of(those)})(?=/{rest.format(one_of(own))})"
        for own, those in datasets.items()
    )


def comparison_plots():
    """All pictures of the study's datasets and splits."""
    names = {}
    for (panels, trained), places in places_with_pictures().items():
        for place in places:
            names[place] = [f"{panel}.predictions" for panel in panels]
            names[place] += ["audit", *(["training"] if trained else [])]
    for panels, places in places_compared().items():
        for place in places:
            names.setdefault(place, []).extend(
                f"{panel}.comparison" for panel in panels
            )
    return [
        f"results/plots/{dataset}/{split}/{name}.png"
        for (dataset, split), own in names.items()
        for name in own
    ]


def across_results():
    """Comparison over datasets, where the study has a series of them."""
    names = ("across.tsv", "across.md", "plots/across.png")
    return [f"results/{name}" for name in names if study_comparison.series(STUDY)]


def audit_threshold(split):
    """Score from which two inserts count as homologous: that of the split, or hashFrag's."""
    return STUDY["splits"][split].get("threshold", 60)


def audits():
    """Leak audits of all splits."""
    return [f"results/{dataset}/splits/{split}.audit.tsv" for dataset, split in SPLITS]


def end_timers():
    """End what Snakemake's scheduler leaves behind: timers that would keep a run that is over waiting."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
