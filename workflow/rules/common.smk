# The study, checked at the door, and the few functions by which rules read it. No rule stands here.

import functools
import json
import re
import shlex
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

SCRIPTS = Path(str(workflow.current_basedir)).resolve().parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from s2f import (
    augmentation,
    heads,
    provenance,
    study,
    study_comparison,
    study_tapt,
)
from s2f.files import InputError

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
shell.prefix(f"export PYTHONPATH={shlex.quote(str(SCRIPTS))} PYTHONUNBUFFERED=1; ")


def one_of(names):
    """Pattern of a wildcard that is one of `names`; nothing matches where there are none."""
    return "|".join(sorted(map(re.escape, set(names)))) or "(?!)"


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


def code_fingerprint(*modules):
    """Hash of the behaviour of programs and modules, as `provenance.code_fingerprint`; files are looked at again after
    five seconds: often enough to see code that is edited during a run, and once for thousands of jobs of a plan.
    """
    return _code_fingerprint(int(time.monotonic() // 5), *modules)


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


def of_views(first, function):
    """Function of the wildcard `views` that calls `function` with the run of the same head in that place."""
    return lambda w: function(first.at(w.views))


def growing(amount):
    """Memory or time of a job: `amount` at first, twice and three times as much when a cluster tries it again."""
    return lambda wildcards, attempt: amount * attempt


def gpus_of(baseline):
    """GPUs that a baseline asks for: networks one, floors and small networks none."""
    spec = BASELINES[baseline]
    return 0 if spec["kind"] in study.FLOORS else int(study_tapt.needs_gpu(spec))


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
    found = RUNS_OF.get((dataset, split), [])
    if first_seed:
        found = list({run.model: run for run in reversed(found)}.values())[::-1]
    return [run for run in found if not trained or study.trains(STUDY, run.model)]


def comparison_plots():
    """All pictures of the study."""
    pictures = []
    for dataset, split in SPLITS:
        folder = f"results/plots/{dataset}/{split}"
        for panel in DATASETS[dataset]["panels"]:
            pictures.append(f"{folder}/{panel}.predictions.png")
        pictures += (
            [f"{folder}/training.png"] if runs_of(dataset, split, trained=True) else []
        )
    for dataset in DATASETS:  # folds are shown by their mean
        for split in study_comparison.families_and_splits(STUDY, dataset):
            folder = f"results/plots/{dataset}/{split}"
            pictures += [
                f"{folder}/{panel}.comparison.png"
                for panel in DATASETS[dataset]["panels"]
            ]
    return pictures


def across_results():
    """Comparison over datasets, where the study has a series of them."""
    names = ("across.tsv", "across.md", "plots/across.png")
    return [f"results/{name}" for name in names if study_comparison.series(STUDY)]


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
