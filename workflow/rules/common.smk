# The study, validated, and the functions with which rules read it. No rule is defined here.
#
# Snakemake calls a function whose first argument is `wildcards` once per job. Functions that a rule calls itself return
# such a function: `task=dataset_of("task")` is the task of the job's dataset.

import functools
import gc
import json
import os
import re
import shlex
import sys
import threading
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

SCRIPTS = Path(str(workflow.current_basedir)).resolve().parent / "scripts"
# Snakemake looks for modules first in the folders of Snakefiles, and possibly in the working folder: a user's file
# there, such as random.py, must not be imported by the library. Nor may another Snakefile import a file of the library
IMPORT_PATH = list(sys.path)
NOT_OF_USERS = {Path.cwd()} | {
    Path(path.get_path_or_uri(secret_free=True)).resolve().parent
    for path in workflow.included
}
sys.path[:] = [str(SCRIPTS)]
sys.path += [path for path in IMPORT_PATH if Path(path).resolve() not in NOT_OF_USERS]

import s2f

if Path(s2f.__file__).resolve().parents[1] != SCRIPTS:
    raise WorkflowError(
        f"{SCRIPTS}: another copy of this workflow is already loaded, from {Path(s2f.__file__).parents[1]}; "
        "all modules of a workflow must name the same copy"
    )

from s2f.common import kinds, provenance
from s2f.common.errors import InputError
from s2f.heads import augmentations, networks
from s2f.splits.kinds import need_units
from s2f.study import comparison as study_comparison
from s2f.study import draws as study_draws
from s2f.study import ensembles as study_ensembles
from s2f.study import files as study_files
from s2f.study import jobs as study_jobs
from s2f.study import learning_curve as study_curve
from s2f.study import run_summary
from s2f.study import runs as study_runs
from s2f.study import seen as study_seen
from s2f.study import stage2 as study_stage2
from s2f.study.checks import hidden_inserts
from s2f.study import search as study_search
from s2f.study.schema import check_keys, with_types
from s2f.study.strands import with_strands
from s2f.study.validate import by_split, validated

sys.path[:] = IMPORT_PATH
if (
    not HOSTED
):  # for the Python that runs Snakemake on a cluster node, started in the working folder
    os.environ.update(PYTHONSAFEPATH="1")
# The graph of a large study consists of millions of objects that live until the end. Searching them for garbage cycles
# after every 700 new objects takes an eighth of the time to plan 1,000 jobs, and a larger share for more jobs.
gc.set_threshold(50_000)

try:
    if HOSTED:  # files and options on the command line belong to the other workflow
        STUDY = validated(config)
    else:
        for path in workflow.configfiles:
            check_keys(path)
        STUDY = validated(with_types(config, workflow.config_settings.config))
except InputError as error:
    raise WorkflowError(f"the study is not valid: {error}") from None
RUNS = study_runs.runs(STUDY)  # what is trained
ENSEMBLES = study_ensembles.runs(STUDY, RUNS)
# said once, not again in every job on a cluster
if workflow.is_main_process:
    for key, path in study_jobs.missing_weights(STUDY):
        logger.warning(
            f"{key}: {Path.cwd() / path} does not exist yet; jobs that need it will fail"
        )
    for line in [*hidden_inserts(STUDY), *study_seen.warnings(STUDY, RUNS)]:
        logger.warning(line)
    # files of a module may be made by the other workflow, and those of a storage are not here
    if not HOSTED and not workflow.storage_settings.default_storage_provider:
        absent = study_files.missing(STUDY, workflow.configfiles)
        if absent:
            logger.warning(absent)
DATASETS, ENCODERS, BASELINES = STUDY["datasets"], STUDY["encoders"], STUDY["baselines"]
# names of encoders whose weights are drawn anew for each seed: each draw has separate caches
DRAWN = {name for name in ENCODERS if study_draws.is_drawn(STUDY, "encoders", name)}
# parts of which a cache is made, each by a job
SHARDS = [
    f"{number}-of-{STUDY['cache']['shards']}"
    for number in range(1, STUDY["cache"]["shards"] + 1)
]
# points of learning curves, whose training rows are a part of a split's training rows, drawn for each seed
CURVE = study_curve.points(STUDY, RUNS)
CURVE_RUNS = study_curve.runs(STUDY, RUNS)
if workflow.is_main_process:
    for line in run_summary.lost_models([*RUNS, *CURVE_RUNS], Path("results")):
        logger.warning(line)
RUNS_OF = by_split([*RUNS, *ENSEMBLES])
SPLITS = [
    (dataset, split) for dataset in DATASETS for split in DATASETS[dataset]["splits"]
]
K_FOLDS = [
    name for dataset in DATASETS for name in study_comparison.families(STUDY, dataset)
]


# --- Wildcards


def any_of(names):
    """Pattern of a wildcard that matches any of `names`; without names, it matches nothing.

    Names that differ only after their last dot, such as one protein with several kinds of negatives, share a part of
    the pattern: Snakemake parses a rule's patterns again for each file of each job, so their length matters in a study
    with many datasets.
    """
    endings, stems = {}, {}
    for name in sorted(set(names)):
        stem, dot, ending = name.rpartition(".")
        endings.setdefault(stem + dot, []).append(re.escape(ending))
    for stem, own in endings.items():
        stems.setdefault("|".join(own), []).append(re.escape(stem))
    parts = [f"(?:{'|'.join(own)})(?:{ending})" for ending, own in stems.items()]
    return "|".join(parts) or "(?!)"


def dataset_before(places, rest="(?:{})/"):
    """Pattern of the wildcard `dataset` in paths …/{dataset}/{name}/…, only for the pairs (dataset, name) in `places`.

    With another `rest`, the names are elsewhere in the path: `rest` is the pattern of what follows {dataset}/, and its
    {} marks the position of the names.
    """
    names, datasets = {}, {}
    for dataset, name in places:
        names.setdefault(dataset, []).append(name)
    for dataset, own in names.items():
        datasets.setdefault(tuple(own), []).append(dataset)
    return "|".join(
        f"(?:{any_of(alike)})(?=/{rest.format(any_of(own))})"
        for own, alike in datasets.items()
    )


wildcard_constraints:
    dataset=any_of(DATASETS),
    split=any_of([*STUDY["splits"], *K_FOLDS]),
    panel=any_of(panel for dataset in DATASETS.values() for panel in dataset["panels"]),
    encoder=any_of(ENCODERS),
    draw=r"(?:draw\d+/)?",
    augmentation=any_of(run.augmentation for run in RUNS if run.head and not run.stage2),
    stage2=any_of(STUDY["stage2"]),
    head=any_of(run.head for run in RUNS if run.head),
    baseline=any_of(BASELINES),
    ensemble=any_of(STUDY["ensembles"]),
    model=any_of(run.model for run in [*RUNS, *ENSEMBLES]),
    point=any_of(name for _, name in CURVE),
    seed=r"\d+",
    shift=r"[+-]\d+",
    shard=any_of(SHARDS),
    strand="forward|reverse",


# the wildcard `split` in rules that train and evaluate
TRAINED_SPLITS = any_of([*STUDY["splits"], *(name for _, name in CURVE)])


# --- Params: sections of the study, as text, and fingerprints of code and weights


def source_section(wildcards):
    """Section of the study: a dataset's source."""
    return DATASETS[wildcards.dataset]["source"]


def construct_section(wildcards):
    """Section of the study: a dataset's construct."""
    return STUDY["constructs"][DATASETS[wildcards.dataset]["construct"]]


def panel_section(wildcards):
    """Section of the study: one of a dataset's panels."""
    return DATASETS[wildcards.dataset]["panels"][wildcards.panel]


def homology_section(wildcards):
    """Section of the study: which inserts of a dataset count as homologous."""
    return DATASETS[wildcards.dataset]["homology"]


def split_section(wildcards):
    """Section of the study: a split."""
    return STUDY["splits"][wildcards.split]


def encoder_section(wildcards):
    """Section of the study: an encoder."""
    return ENCODERS[wildcards.encoder]


def stage2_section(wildcards):
    """Section of the study: settings for fine-tuning."""
    return STUDY["stage2"][wildcards.stage2]


def baseline_section(wildcards):
    """Section of the study: a baseline."""
    return BASELINES[wildcards.baseline]


def tapt_section(wildcards):
    """Section of the study: the adaptation of a language model, or one draw of it."""
    return study_draws.adaptation(STUDY, wildcards.tapt)


def seed_of(wildcards):
    """Seed whose draw of weights a job makes or reads: the seed in its path, otherwise the study's first seed."""
    draw = wildcards.get("draw", "").removeprefix("draw").rstrip("/")
    return int(draw or wildcards.get("seed", STUDY["seeds"][0]))


def seed_of_split(wildcards):
    """Seed of a split: the study's seed, or 0 if nothing is drawn."""
    return study_jobs.split_seed(STUDY, wildcards.split)


@functools.cache
def section_of_draw(family, name, seed):
    """Section of the study: an encoder or a baseline (`family`) with the weights drawn for a seed; adapted weights are
    given by their folder."""
    section = study_draws.entry(STUDY, family, name, seed)
    adapted = section.get("weights", {}).get("tapt")
    if adapted is None:
        return section
    return {**section, "weights": {"tapt": f"results/tapt/{adapted}"}}


def drawn_encoder(wildcards):
    """Section of the study: an encoder, with the weights of the job's draw."""
    return section_of_draw("encoders", wildcards.encoder, seed_of(wildcards))


def drawn_baseline(wildcards):
    """Section of the study: a baseline, with the weights of the job's draw, trained on the strands that its dataset is
    predicted from."""
    section = section_of_draw("baselines", wildcards.baseline, seed_of(wildcards))
    return with_strands(section, DATASETS[wildcards.dataset]["strand_rule"])


def one_draw_of(family, wildcard):
    """What is random in an encoder's or a baseline's weights but shared by all seeds, as text."""
    return lambda wildcards: study_draws.one_draw(
        STUDY, family, getattr(wildcards, wildcard)
    )


def drawn_per_seed(family, wildcard):
    """Option of training if an encoder's or a baseline's weights are drawn anew for each seed."""

    def option(wildcards):
        drawn = study_draws.is_drawn(STUDY, family, getattr(wildcards, wildcard))
        return "--drawn-per-seed" if drawn else ""

    return option


def as_json(value):
    """A value as text, so that a job runs again if its own section of the study changes, and only then."""
    return json.dumps(value, sort_keys=True)


def literal(text):
    """A text as it is: in a text that is not returned by a function, Snakemake takes words in braces for wildcards."""
    return lambda wildcards: text


def json_of(section):
    """A section as text."""
    return lambda wildcards: as_json(section(wildcards))


def options_of(family, section):
    """The options that a section gives its kind, as text; `family` is as in `kinds.FOLDERS`."""
    return lambda wildcards: as_json(study_jobs.options(family, section(wildcards)))


def value_of(section, key):
    """The value of a key of a section."""
    return lambda wildcards: section(wildcards)[key]


def dataset_of(key):
    """The value of a key of a dataset."""
    return lambda wildcards: DATASETS[wildcards.dataset][key]


@functools.cache
def _code_fingerprint(moment, *modules):
    stated = {name: kinds.behaviour(name) for name in modules if kinds.behaviour(name)}
    code = provenance.code_fingerprint(*modules)
    return f"{code} {as_json(stated)}" if stated else code


@functools.cache
def _weights_id(moment, path, tokenizer):
    return study_jobs.weights_id({"weights": {"path": path}, "tokenizer": tokenizer})


def moment():
    """The time in steps of fifteen seconds. Results cached by it are computed only once for the thousands of jobs in a
    plan, but often enough to notice a file that is edited during a run."""
    return int(time.monotonic() // 15)


def code_fingerprint(*modules):
    """Hash of the behaviour of programs and modules, as `provenance.code_fingerprint`, and kinds' facts they read."""
    return _code_fingerprint(moment(), *modules)


def code_of_kind(program, family, section):
    """Fingerprint of a program that loads the module of a section's kind; `family` is as in `kinds.FOLDERS`."""
    return lambda wildcards: code_fingerprint(
        program, kinds.module_name(family, section(wildcards)["kind"])
    )


def weights_id(section):
    """Identifies the weights and the tokenizer at the paths in a section, as `study_jobs.weights_id` does."""
    return _weights_id(
        moment(), section.get("weights", {}).get("path"), section.get("tokenizer")
    )


def weights_id_of(section):
    """Identifies the weights that a section names."""
    return lambda wildcards: weights_id(section(wildcards))


def published_id_of(section):
    """Identifies the published model that a section names, unless the workflow downloads it and checks it itself."""

    def identify(wildcards):
        path = section(wildcards).get("path")
        return (
            weights_id({"weights": {"path": path}})
            if path and not is_made(path)
            else ""
        )

    return identify


def settings_of_tapt(wildcards):
    """Settings of an adaptation, as text; its rows are inputs."""
    section = tapt_section(wildcards)
    return as_json({key: section[key] for key in section if key != "datasets"})


def start_of_tapt(wildcards):
    """Identifies the weights and the tokenizer with which an adaptation starts."""
    section = tapt_section(wildcards)
    return weights_id({"weights": section["start"], "tokenizer": section["tokenizer"]})


def code_of_tapt(wildcards):
    """Fingerprint of the program that adapts a language model, and of the model's code."""
    encoder = kinds.encoder_of_size(tapt_section(wildcards)["size"])
    return code_fingerprint("tapt", f"s2f.language_model.{encoder}")


def items_of_panels(wildcards):
    """What each panel of a dataset lists, rows or pairs, in the order of the panels' names."""
    panels = DATASETS[wildcards.dataset]["panels"]
    return [study_comparison.items_of(panel) for _, panel in sorted(panels.items())]


def strand_rule_of_rows(wildcards):
    """The strand rule as far as it matters for reading rows. A table of unknown origin may contain RNA, which has one
    strand. Rows from other sources are the same under any rule, and are not read again if it changes.
    """
    source = kinds.facts("sources", source_section(wildcards)["kind"])
    strands = DATASETS[wildcards.dataset]["strand_rule"]
    return strands if source["of_any_letters"] else "forward"


# --- Rules that a study needs once for each set of panels


def numbered(first, number):
    """Name for a rule that a study may need several times, without a number for the first (train, train_2, …).

    Threads and resources that a profile or the command line sets for the first also apply to all others for which it
    sets none. The same is true of groups, through `group_of`, because groups are not yet known when rules are read.
    """
    name = first if number == 1 else f"{first}_{number}"
    named, own_name = map(workflow.modifier.modify_rulename, (first, name))
    for settings in (
        workflow.resource_settings._parsed_overwrite_threads,
        workflow.resource_settings._parsed_overwrite_resources,
    ):
        if named in settings:
            settings.setdefault(own_name, settings[named])
    return name


def datasets_by_panels():
    """{names of panels: datasets that have them}. The list of a job's files cannot depend on its wildcards, so each set
    of panels has a separate rule. Names are sorted, because another order in the study does not make another job.
    """
    found = {}
    for name, dataset in DATASETS.items():
        found.setdefault(tuple(sorted(dataset["panels"])), []).append(name)
    return found


def panel_paths(folder, panels):
    """One table in `folder` for each panel."""
    return [f"{folder}/{panel}.tsv" for panel in panels]


# --- The end of a run


def warn_of_losses(since):
    """Say on the terminal which stages of jobs since a given time dropped more than the study's `warn_dropped`."""
    tables = [
        path
        for job in workflow.dag.jobs
        for path in job.output
        if path.endswith(".stages.tsv")
    ]
    for line in run_summary.losses(tables, since, STUDY["warn_dropped"]):
        logger.warning(line)


def end_timers():
    """Cancel the timers of Snakemake's scheduler, which would keep a finished run waiting."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
