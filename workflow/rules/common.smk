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
    for path in workflow.configfiles:
        study.refuse_repeated_keys(path)
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


def environment(family):
    """Environment file of a family of rules that compute on the accelerator of the study."""
    variant = {"cpu": "", "cuda": "-cuda"}[STUDY["accelerator"]]
    return f"../../envs/{family}{variant}.yaml"


# kinds of encoders that need another environment than the one of JAX
ENCODER_ENVIRONMENTS = {"lamar": "language-model"}


def environment_of_encoder(encoder):
    """Environment file of the jobs that run one encoder."""
    return environment(ENCODER_ENVIRONMENTS.get(ENCODERS[encoder]["kind"], "jax"))


def caches_of_mode(w, ending):
    """Caches that training with an augmentation reads, as paths with this ending."""
    views = augmentation.views(STUDY["augmentations"][w.augmentation])
    return caches(w.dataset, w.encoder, views, ending)


def encoder_of_mode(w):
    """The encoder's section for a mode that runs it in training, as text (JSON)."""
    encodes = augmentation.encodes(STUDY["augmentations"][w.augmentation])
    return as_json(ENCODERS[w.encoder] if encodes else None)


def training_code(w):
    """Modules by name on which a trained head depends."""
    mode = STUDY["augmentations"][w.augmentation]
    encodes = augmentation.encodes(mode)
    return code_fingerprint(
        "train_head",
        heads.module_of(w.head),
        augmentation.module_of(mode),
        *([f"s2f.encoders.{ENCODERS[w.encoder]['kind']}"] if encodes else []),
    )


def growing(amount):
    """Memory or time of a job: `amount` at first, twice and three times as much when a cluster tries it again."""
    return lambda wildcards, attempt: amount * attempt


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


def audit_threshold(split):
    """Score from which two inserts count as homologous: that of the split, or hashFrag's."""
    return STUDY["splits"][split].get("threshold", 60)


def audits():
    """Leak audits of all splits, as tables and pictures."""
    return [
        path
        for dataset, split in SPLITS
        for path in (
            f"results/{dataset}/splits/{split}.audit.tsv",
            f"results/plots/{dataset}/{split}/audit.png",
        )
    ]
