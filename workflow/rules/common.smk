# The study, validated, and the functions by which rules read it. No rule is defined here.
#
# Snakemake calls a function whose first argument is `wildcards` for each job. Those that a rule calls itself return such
# a function: `task=dataset_of("task")` is the task of the job's dataset.

import functools
import gc
import hashlib
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
# Snakemake looks for modules in the folders of Snakefiles first, and may do so in the working folder: a file of the user
# there, such as random.py, is not what the library asks for. Nor is a file of the library what another Snakefile asks for
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
        f"{SCRIPTS}: another copy of this workflow is loaded already, from {Path(s2f.__file__).parents[1]}; "
        "modules of one workflow must name one copy"
    )

from s2f.common import kinds, provenance
from s2f.common.errors import InputError
from s2f.heads import augmentations, networks
from s2f.splits.kinds import by_homology
from s2f.study import comparison as study_comparison
from s2f.study import draws as study_draws
from s2f.study import jobs as study_jobs
from s2f.study import run_summary
from s2f.study import runs as study_runs
from s2f.study import seen as study_seen
from s2f.study.checks import hidden_inserts
from s2f.study import search as study_search
from s2f.study.schema import check_keys, with_types
from s2f.study.validate import by_split, validated

sys.path[:] = IMPORT_PATH
if (
    not HOSTED
):  # for the Python that is Snakemake on a node of a cluster, started in the working folder
    os.environ.update(PYTHONSAFEPATH="1")
# The graph of a large study is millions of objects that live until the end. To look among them for cycles to free, after
# every 700 new ones, takes an eighth of the time of a plan of 1,000 jobs, and more of larger ones.
gc.set_threshold(50_000)

try:
    if HOSTED:  # files and options of the command line are those of the other workflow
        STUDY = validated(config)
    else:
        for path in workflow.configfiles:
            check_keys(path)
        STUDY = validated(with_types(config, workflow.config_settings.config))
except InputError as error:
    raise WorkflowError(f"the study is not valid: {error}") from None
for key, path in study_jobs.missing_weights(STUDY):
    logger.warning(f"{key}: {path} is not there yet; jobs that need it will fail")
RUNS = study_runs.runs(STUDY)
for line in [*hidden_inserts(STUDY), *study_seen.warnings(STUDY, RUNS)]:
    logger.warning(line)
DATASETS, ENCODERS, BASELINES = STUDY["datasets"], STUDY["encoders"], STUDY["baselines"]
# names of encoders whose weights are drawn anew for each seed: each draw has caches of its own
DRAWN = {name for name in ENCODERS if study_draws.is_drawn(STUDY, "encoders", name)}
RUNS_OF = by_split(RUNS)
SPLITS = [
    (dataset, split) for dataset in DATASETS for split in DATASETS[dataset]["splits"]
]
K_FOLDS = [
    name for dataset in DATASETS for name in study_comparison.families(STUDY, dataset)
]


# --- Wildcards


def any_of(names):
    """Pattern of a wildcard that is any of `names`; without names, nothing matches it.

    Names that differ only after their last dot, such as one protein with each kind of negatives, share a part of the
    pattern: Snakemake reads a rule's patterns again for each file of each job, so their length counts in a study of
    many datasets.
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
    """Pattern of the wildcard `dataset` in paths …/{dataset}/{name}/…, for the pairs (dataset, name) in `places` only.

    With another `rest` the names stand elsewhere in the path: `rest` is the pattern of what follows {dataset}/, and its
    {} the place of the names.
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
    augmentation=any_of(run.augmentation for run in RUNS if run.head),
    head=any_of(run.head for run in RUNS if run.head),
    baseline=any_of(BASELINES),
    model=any_of(run.model for run in RUNS),
    seed=r"\d+",
    shift=r"[+-]\d+",
    strand="forward|reverse",


# --- Params: sections of the study, as text; fingerprints of code and weights


def source_section(wildcards):
    """Section of the study: the source of a dataset."""
    return DATASETS[wildcards.dataset]["source"]


def construct_section(wildcards):
    """Section of the study: the construct of a dataset."""
    return STUDY["constructs"][DATASETS[wildcards.dataset]["construct"]]


def panel_section(wildcards):
    """Section of the study: a panel of a dataset."""
    return DATASETS[wildcards.dataset]["panels"][wildcards.panel]


def homology_section(wildcards):
    """Section of the study: which inserts of a dataset are homologous."""
    return DATASETS[wildcards.dataset]["homology"]


def split_section(wildcards):
    """Section of the study: a split."""
    return STUDY["splits"][wildcards.split]


def encoder_section(wildcards):
    """Section of the study: an encoder."""
    return ENCODERS[wildcards.encoder]


def augmentation_section(wildcards):
    """Section of the study: an augmentation."""
    return STUDY["augmentations"][wildcards.augmentation]


def baseline_section(wildcards):
    """Section of the study: a baseline."""
    return BASELINES[wildcards.baseline]


def tapt_section(wildcards):
    """Section of the study: the adaptation of a language model, or a draw of one."""
    return study_draws.adaptation(STUDY, wildcards.tapt)


def seed_of(wildcards):
    """Seed whose draw of weights a job makes or reads: that of its path, else the first of the study."""
    draw = wildcards.get("draw", "").removeprefix("draw").rstrip("/")
    return int(draw or wildcards.get("seed", STUDY["seeds"][0]))


def seed_of_split(wildcards):
    """Seed of a split: that of the study, or 0 where nothing is drawn."""
    return study_jobs.split_seed(STUDY, wildcards.split)


@functools.cache
def section_of_draw(family, name, seed):
    """Section of the study: an encoder or a baseline (`family`) with the weights that are drawn for a seed; adapted ones
    by their folder."""
    section = study_draws.entry(STUDY, family, name, seed)
    adapted = section.get("weights", {}).get("tapt")
    if adapted is None:
        return section
    return {**section, "weights": {"tapt": f"results/tapt/{adapted}"}}


def drawn_encoder(wildcards):
    """Section of the study: an encoder, with the weights of the job's draw."""
    return section_of_draw("encoders", wildcards.encoder, seed_of(wildcards))


def drawn_baseline(wildcards):
    """Section of the study: a baseline, with the weights of the job's draw."""
    return section_of_draw("baselines", wildcards.baseline, seed_of(wildcards))


def one_draw_of(family, wildcard):
    """What is random in the weights of an encoder or a baseline and shared by all seeds, as text."""
    return lambda wildcards: study_draws.one_draw(
        STUDY, family, getattr(wildcards, wildcard)
    )


def drawn_per_seed(family, wildcard):
    """Option of training where the weights of an encoder or a baseline are drawn anew for each seed."""

    def option(wildcards):
        drawn = study_draws.is_drawn(STUDY, family, getattr(wildcards, wildcard))
        return "--drawn-per-seed" if drawn else ""

    return option


def as_json(value):
    """A value as text: a job runs again when its own section of the study changes, and only then."""
    return json.dumps(value, sort_keys=True)


def literal(text):
    """A text as it stands: in one that no function returns, Snakemake takes words in braces for wildcards."""
    return lambda wildcards: text


def json_of(section):
    """A section as text."""
    return lambda wildcards: as_json(section(wildcards))


def options_of(family, section):
    """The options that a section gives its kind, as text; `family` as in `kinds.FOLDERS`."""
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
def _weights_id(moment, path):
    return study_jobs.weights_id({"weights": {"path": path}})


def moment():
    """The time in steps of fifteen seconds. What is cached by it is computed once for the thousands of jobs of a plan,
    and again often enough to notice a file that is edited during a run."""
    return int(time.monotonic() // 15)


def code_fingerprint(*modules):
    """Hash of the behaviour of programs and modules, as `provenance.code_fingerprint`, and the facts of kinds that
    programs read."""
    return _code_fingerprint(moment(), *modules)


def code_of_kind(program, family, section):
    """Fingerprint of a program that loads the module of a section's kind; `family` as in `kinds.FOLDERS`."""
    return lambda wildcards: code_fingerprint(
        program, kinds.module_name(family, section(wildcards)["kind"])
    )


def weights_id(section):
    """Identifies the weights at the path of a section, as `study_jobs.weights_id`."""
    return _weights_id(moment(), section.get("weights", {}).get("path"))


def weights_id_of(section):
    """Identifies the weights that a section names."""
    return lambda wildcards: weights_id(section(wildcards))


def settings_of_tapt(wildcards):
    """Settings of an adaptation, as text; its rows are inputs."""
    section = tapt_section(wildcards)
    return as_json({key: section[key] for key in section if key != "datasets"})


def start_of_tapt(wildcards):
    """Identifies the weights that an adaptation starts from."""
    return weights_id({"weights": tapt_section(wildcards)["start"]})


def items_of_panels(wildcards):
    """What each panel of a dataset lists, rows or pairs, in the order of the panels' names."""
    panels = DATASETS[wildcards.dataset]["panels"]
    return [study_comparison.items_of(panel) for _, panel in sorted(panels.items())]


def strand_rule_of_rows(wildcards):
    """What the reading of rows asks of the strand rule: a table of unknown origin may hold RNA, which has one strand.
    Rows of other sources are the same by any rule, and are not read again for another one.
    """
    source = kinds.facts("sources", source_section(wildcards)["kind"])
    strands = DATASETS[wildcards.dataset]["strand_rule"]
    return strands if source["of_any_letters"] else "forward"


# --- Params that Snakemake does not compare with those of an earlier run, which are all that ask for `input` or `output`.
# Where the workflow is a module with a prefix, only paths of inputs and outputs have it: a param that holds a path takes
# it from there, and another param says what is compared.


def not_compared(text):
    """A text that is no reason to make anything again."""
    return lambda wildcards, output: text


def python(wildcards, output):
    """How the shell calls programs, which are modules of workflow/scripts, also where the environment is conda's or the
    job is a cluster's. No prefix of all commands: the jobs of other modules are none of its business. With -P no file of
    the working folder is taken for a program or a library.
    """
    compiled = " S2F_COMPILED=.snakemake/compiled" if STUDY["keep_compiled"] else ""
    path = shlex.quote(str(SCRIPTS))
    return f"PYTHONPATH={path} PYTHONUNBUFFERED=1{compiled} python -P -m"


def files_by_name(wildcards, input):
    """The files of a dataset's source, as text."""
    return as_json(dict(zip(source_section(wildcards)["files"], input.files)))


def split_with_files(wildcards, input):
    """Section of a split, as text."""
    section = split_section(wildcards)
    if "files" in section:
        section = {**section, "files": dict(zip(section["files"], input.files))}
    return as_json(section)


def panel_with_files(wildcards, input):
    """Section of a panel, as text."""
    section = panel_section(wildcards)
    if "file" in section:
        section = {**section, "file": str(input.file)}
    if "within" in section:
        within = study_jobs.with_region_files(section["within"], input.regions)
        section = {**section, "within": within}
    return as_json(section)


def with_adapted_weights(section, family=None):
    """A section, or the options that it gives its kind (`family` as in `kinds.FOLDERS`), as text."""

    def text(wildcards, input):
        named = section(wildcards)
        if "tapt" in named.get("weights", {}):
            named = {**named, "weights": {"tapt": str(input.weights)}}
        return as_json(study_jobs.options(family, named) if family else named)

    return text


# --- Inputs


def is_made(path):
    """Whether the workflow makes or downloads a file that a study names."""
    folder, _, name = path.partition("/")
    return folder == "results" or (folder == "resources" and name in STUDY["downloads"])


def found(path):
    """A path that a study names, as an input. Files that the workflow does not make are those of the working folder also
    where it is a module with a prefix."""
    return path if is_made(path) or not HOSTED else local(path)


COMPARED = 10**7  # bytes of files of which the content is compared


@functools.cache
def _state_of(moment, path):
    try:
        if os.path.getsize(path) <= COMPARED:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
        status = os.stat(path)
        return f"{status.st_size} bytes of {status.st_mtime_ns}"
    except OSError:  # Snakemake says that it is missing
        return ""


def contents_of(*inputs):
    """What the user's own files among some inputs of a job hold, as text, so that a job runs again also where a file is
    replaced by one that is older: Snakemake looks for newer ones. Of a large file its size and date stand for it.
    """

    def states(wildcards):
        paths = []
        for named in inputs:
            some = named(wildcards)
            paths += [some] if isinstance(some, str) else some
        own = sorted(str(path) for path in paths if not is_made(str(path)))
        return as_json({path: _state_of(moment(), path) for path in own})

    return states


def files_of(section):
    """Files that a section names."""
    return lambda wildcards: [
        found(path) for path in section(wildcards).get("files", {}).values()
    ]


def file_of(section, key):
    """The file at a key of a section, if there is one."""

    def path(wildcards):
        named = section(wildcards)
        return found(named[key]) if key in named else []

    return path


def units_of_split(wildcards):
    """Units of the rows of a split, if it goes by homology: another threshold makes no other split again, and so trains
    nothing again."""
    if by_homology(split_section(wildcards)):
        return f"results/{wildcards.dataset}/units.tsv"
    return []


def regions_of(section):
    """Files of the regions that a section is limited to: the BED file, and the chain file if there is one."""
    return lambda wildcards: [
        found(path) for path in study_jobs.region_files(section(wildcards))
    ]


def adapted_weights_of(section):
    """Folder of the weights of a section that rule tapt makes, if it names such weights."""
    return lambda wildcards: section(wildcards).get("weights", {}).get("tapt", [])


def windows_of_tapt(part):
    """Windows of train or val (`part`) of an adaptation, which all of its draws share."""

    def path(wildcards):
        plain, _ = study_draws.without_draw(wildcards.tapt)
        return f"results/tapt/{plain}.{part}.parquet"

    return path


def rows_of_tapt(wildcards):
    """Rows of every dataset that an adaptation trains on, once for each of its splits."""
    held_out = tapt_section(wildcards)["datasets"]
    return [
        f"results/{dataset}/rows.parquet"
        for dataset, splits in held_out.items()
        for _ in splits
    ]


def positives_of_tapt(wildcards):
    """Option of the choice of windows where an adaptation trains on those with label 1 only."""
    return "--positives" if tapt_section(wildcards)["positives"] else ""


def datasets_of_tapt(wildcards):
    """Names of the datasets that an adaptation trains on, in the order of `rows_of_tapt`."""
    held_out = tapt_section(wildcards)["datasets"]
    return [dataset for dataset, splits in held_out.items() for _ in splits]


def units_of_tapt(wildcards):
    """Units of every dataset that an adaptation trains on, in the order of `rows_of_tapt`."""
    return [f"results/{dataset}/units.tsv" for dataset in datasets_of_tapt(wildcards)]


def splits_of_tapt(wildcards):
    """Splits whose held-out rows an adaptation does not train on, in the order of `rows_of_tapt`."""
    held_out = tapt_section(wildcards)["datasets"]
    return [
        f"results/{dataset}/splits/{split}.tsv"
        for dataset, splits in held_out.items()
        for split in splits
    ]


def cache_paths(dataset, encoder, seed, views, ending):
    """Paths of the caches that hold `views`, pairs of shift and strand, or of their manifests; `seed` counts where the
    encoder is drawn anew for each."""
    name = study_draws.draw_name(encoder, seed) if encoder in DRAWN else encoder
    folder = f"results/{dataset}/embeddings/{name}"
    return [f"{folder}/{shift:+03d}.{strand}.{ending}" for shift, strand in views]


# --- Rules that a study needs once per set of panels


def numbered(first, number):
    """Name of rules that a study may need more than once, without a number for the first: train, train_2, train_3 …

    Threads and resources that a profile or the command line sets for the first hold for all that it does not name.
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
    """{names of panels: datasets that have them}. The files of a job are no function of its wildcards, so each set of
    panels has a rule of its own. Names are sorted, as another order in the study is no other job.
    """
    found = {}
    for name, dataset in DATASETS.items():
        found.setdefault(tuple(sorted(dataset["panels"])), []).append(name)
    return found


def panel_paths(folder, panels):
    """A table in `folder` for each panel."""
    return [f"{folder}/{panel}.tsv" for panel in panels]


# --- The end of a run


def warn_of_losses(since):
    """Say on the terminal which stages of the jobs since a time dropped more than the study's `warn_dropped`."""
    tables = [
        path
        for job in workflow.dag.jobs
        for path in job.output
        if path.endswith(".stages.tsv")
    ]
    for line in run_summary.losses(tables, since, STUDY["warn_dropped"]):
        logger.warning(line)


def end_timers():
    """End the timers of Snakemake's scheduler, which would keep a finished run waiting."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()
