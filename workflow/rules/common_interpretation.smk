# The functions with which the rules for representation and interpretation read the study. No rule is defined here.

from s2f.interpretation.methods import METHODS
from s2f.study import interpretation as study_interpretation
from s2f.study import representation as study_representation


def lookup_or_fail(look_up, *place):
    """`look_up(*place)`, but with a message instead of a traceback for a requested file that is not in the study."""
    try:
        return look_up(*place)
    except InputError as error:
        raise WorkflowError(str(error)) from None


# --- Representation

MAPS = study_representation.dependency_maps(STUDY)
# datasets whose base pairs are known
WITH_HAIRPINS = [
    name
    for name, dataset in DATASETS.items()
    if kinds.facts("sources", dataset["source"]["kind"])["planted_pairs"]
]
ISOSCORES = study_representation.isoscores(STUDY, RUNS)


DRIFTS = study_representation.drifts(STUDY, RUNS)  # runs whose encoder is fine-tuned
DRIFTS_IN = by_split(DRIFTS)  # by dataset and split


def code_of_drift(wildcards):
    """Fingerprint of the program that measures the drift of a run, and of its encoder's module."""
    run = run_of(wildcards)
    if run.head:
        kind = ENCODERS[run.encoder]["kind"]
    else:
        kind = kinds.facts("baselines", BASELINES[run.model]["kind"])["weights_of"]
    return code_fingerprint("measure_drift", kinds.module_name("encoders", kind))


def drifts_to_plot(wildcards):
    """Tables of drift for one dataset and split."""
    runs = DRIFTS_IN[wildcards.dataset, wildcards.split]
    return [f"results/{run.folder}/drift.tsv" for run in runs]


def maps_of(wildcards):
    """What the study says about one file of dependency maps."""
    folder = f"{wildcards.dataset}/{wildcards.split}/dependency_maps"
    stem = f"{folder}/{wildcards.encoder}/{wildcards.panel}"
    return lookup_or_fail(study_representation.maps_of, MAPS, stem)


def rows_to_map(wildcards):
    """How many rows of a panel are mapped."""
    return maps_of(wildcards).rows


def ids_to_map(wildcards):
    """Ids of the rows to map, if the study gives these instead."""
    return list(maps_of(wildcards).ids)


def source_of_hairpins(wildcards):
    """Options of the source that plants base pairs, as text; null for another source."""
    known = wildcards.dataset in WITH_HAIRPINS
    return as_json(
        study_jobs.options("sources", source_section(wildcards)) if known else None
    )


def caches_of_isoscore(ending):
    """Caches (`h5`) of the forward strand for every encoder that is measured on a dataset, or their manifests (`json`);
    for the first seed if weights are drawn anew for each seed."""
    return lambda wildcards: [
        path
        for encoder in ISOSCORES[wildcards.dataset]
        for path in cache_paths(
            wildcards.dataset, encoder, STUDY["seeds"][0], [(0, "forward")], ending
        )
    ]


def representation_targets():
    """Everything that the study asks for in dependency maps, IsoScores and drift."""
    found = [
        f"results/plots/{stem}.{number}.png"
        for stem, maps in MAPS.items()
        for number in maps.numbers
    ]
    found += [
        f"results/{stem}.pairs.tsv"
        for stem, maps in MAPS.items()
        if maps.dataset in WITH_HAIRPINS
    ]
    if "isoscore" in STUDY:
        found += [f"results/plots/{dataset}/isoscore.png" for dataset in ISOSCORES]
    found += [f"results/plots/{place}/{split}/drift.png" for place, split in DRIFTS_IN]
    return found


# --- Interpretation

RUN_OF = {run.folder: run for run in RUNS}
EXPLAINED = study_interpretation.jobs(STUDY, RUNS)
EXPLAINED_IN = by_split(EXPLAINED, lambda job: job.run)
WITH_KNOWN_TRUTH = study_interpretation.judged(STUDY, RUNS)
TRUTH = study_interpretation.truth_spec(
    STUDY, RUNS, functools.partial(study_jobs.options, "sources")
)


def entry_of(wildcards):
    """What the study says about the sequences of one panel."""
    return lookup_or_fail(
        study_interpretation.entry_of, STUDY, wildcards.dataset, wildcards.panel
    )


def run_of(wildcards):
    """The run that belongs to a path."""
    place = f"{wildcards.dataset}/{wildcards.split}"
    folder = f"{place}/{wildcards.model}/seed{wildcards.seed}"
    return lookup_or_fail(study_interpretation.run_of, RUN_OF, folder)


def encoder_of_run(wildcards):
    """The section of the encoder that a run's head reads, with the weights of the run's draw; empty for a baseline."""
    return encoder_of(run_of(wildcards))


def section_of_run(wildcards):
    """The section of a run's encoder, or of its baseline, with the weights of the run's draw."""
    run = run_of(wildcards)
    place = ("encoders", run.encoder) if run.head else ("baselines", run.model)
    return section_of_draw(*place, run.seed)


def beside_run(wildcards):
    """The section of the weights that a run reads beside its checkpoint; empty if the checkpoint is complete."""
    return beside_checkpoint(run_of(wildcards))


def settings_of_method(wildcards):
    """A method's settings for one panel, as text."""
    return as_json(entry_of(wildcards).get(wildcards.method, {}))


def unit_of_score(wildcards):
    """Unit of the scores that are explained."""
    return study_interpretation.unit_of(STUDY, wildcards.dataset)


def code_of_interpretation(wildcards):
    """Fingerprint of the program that explains a run, and of the modules that it loads by name."""
    run = run_of(wildcards)
    return code_fingerprint(
        "interpret",
        *study_interpretation.modules_of(STUDY, run),
        *([networks.module_of(run.head)] if run.head else []),
    )


def gpus_to_use(run):
    """GPUs for using a trained run: as many as for embedding with its encoder, or for training its baseline; for an
    ensemble as many as for its members."""
    if run.members:
        return max(map(gpus_to_use, run.members))
    section, name = ("encoders", run.encoder) if run.head else ("baselines", run.model)
    return int(study_jobs.uses_gpu(section, STUDY[section][name]))


def gpus_of_interpretation(wildcards):
    """GPUs for explaining a run."""
    return gpus_to_use(run_of(wildcards))


def places_by_explanations():
    """{(model, method, panel) of each picture: pairs (dataset, split) that have these}, with one rule for each set."""
    found = {}
    for place, jobs in EXPLAINED_IN.items():
        pictures = tuple((job.run.model, job.method, job.panel) for job in jobs)
        found.setdefault(pictures, []).append(place)
    return found


def explained(wildcards):
    """What is explained for one dataset and split."""
    return EXPLAINED_IN[wildcards.dataset, wildcards.split]


def attributions_to_plot(wildcards):
    """Attributions for one dataset and split."""
    return [f"results/{job.path}" for job in explained(wildcards)]


def most_pictures(wildcards):
    """The largest number of sequences in each picture, in the order of `attributions_to_plot`."""
    return [
        STUDY["interpretation"][job.entry]["pictures"] for job in explained(wildcards)
    ]


def titles_of_pictures(wildcards):
    """Title of each picture, in the order of `attributions_to_plot`."""
    place = f"{wildcards.dataset}, split {wildcards.split}"
    return [f"{place}, {job.run.model}" for job in explained(wildcards)]


def attributions_with_known_truth(wildcards):
    """Attributions for sequences whose truth is known."""
    if not WITH_KNOWN_TRUTH:
        raise WorkflowError(
            "results/interpretation_truth.tsv: no explained sequence has a known truth; give the study a section "
            "interpretation, and datasets that are simulated or have a motif (datasets.*.motif)"
        )
    return [f"results/{job.path}" for job in WITH_KNOWN_TRUTH]


def code_of_truth():
    """Fingerprint of the program that judges attributions, and of the sources whose rows it simulates again."""
    sources = {dataset["kind"] for dataset in TRUTH.values() if "kind" in dataset}
    return code_fingerprint(
        "interpretation_truth",
        *(kinds.module_name("sources", kind) for kind in sorted(sources)),
    )


def interpretation_targets():
    """Everything that the study asks for in interpretation."""
    pictures = [f"results/plots/{job.picture}" for job in EXPLAINED]
    tables = ["results/interpretation.tsv"] if EXPLAINED else []
    if WITH_KNOWN_TRUTH:
        tables.append("results/interpretation_truth.tsv")
    return pictures + tables
