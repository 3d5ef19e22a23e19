# The study, checked at the door, and the few functions by which rules read it. No rule stands here.

import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(str(workflow.current_basedir)).resolve().parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from s2f import augmentation, heads, study
from s2f.files import InputError
from s2f.provenance import code_fingerprint

try:
    STUDY = study.validated(config)
except InputError as error:
    raise WorkflowError(f"the study is not valid: {error}") from None
DATASETS, ENCODERS, BASELINES = STUDY["datasets"], STUDY["encoders"], STUDY["baselines"]
RUNS = study.runs(STUDY)

# programs are modules of workflow/scripts, also where the environment is conda's or the job is a cluster's
shell.prefix(f"export PYTHONPATH={shlex.quote(str(SCRIPTS))} PYTHONUNBUFFERED=1; ")


def one_of(names):
    """Pattern of a wildcard that is one of `names`; nothing matches where there are none."""
    return "|".join(sorted(map(re.escape, set(names)))) or "(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    split=one_of(STUDY["splits"]),
    panel=one_of(panel for dataset in DATASETS.values() for panel in dataset["panels"]),
    encoder=one_of(ENCODERS),
    augmentation=one_of(run.augmentation for run in RUNS if run.head),
    head=one_of(run.head for run in RUNS if run.head),
    baseline=one_of(BASELINES),
    model=one_of(run.model for run in RUNS),
    seed=r"\d+",
    shift=r"[+-]\d+",
    strand="forward|reverse",


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


def gpus_of(baseline):
    """GPUs that a baseline asks for: networks one, floors none."""
    return 0 if BASELINES[baseline]["kind"] in study.FLOORS else 1


SPLITS = [
    (dataset, split) for dataset in DATASETS for split in DATASETS[dataset]["splits"]
]


def panels_of(dataset, split):
    """Paths of all panels of one dataset and split, in the order of the study."""
    return [
        f"results/{dataset}/panels/{split}/{panel}.tsv"
        for panel in DATASETS[dataset]["panels"]
    ]


def predictions_of(dataset, folder):
    """Paths of a run's predictions, in the order of `panels_of`."""
    return [
        f"{folder}/predictions/{panel}.tsv" for panel in DATASETS[dataset]["panels"]
    ]


def runs_of(dataset, split, first_seed=False, trained=False):
    """Runs of one dataset and split; of each model the first seed only, or only models that train in epochs."""
    found = [run for run in RUNS if (run.dataset, run.split) == (dataset, split)]
    if first_seed:
        found = list({run.model: run for run in reversed(found)}.values())[::-1]
    return [run for run in found if not trained or study.trains(STUDY, run.model)]


def comparison_plots():
    """All pictures of the study."""
    pictures = []
    for dataset, split in SPLITS:
        folder = f"results/plots/{dataset}/{split}"
        for panel in DATASETS[dataset]["panels"]:
            pictures += [
                f"{folder}/{panel}.comparison.png",
                f"{folder}/{panel}.predictions.png",
            ]
        pictures += (
            [f"{folder}/training.png"] if runs_of(dataset, split, trained=True) else []
        )
    return pictures
