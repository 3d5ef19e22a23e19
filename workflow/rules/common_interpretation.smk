# The few functions by which the rules of representation and interpretation read the study. No rule stands here.

from s2f.study import interpretation as study_interpretation
from s2f.study import representation as study_representation
from s2f.interpretation.methods import METHODS

MAPS = study_representation.dependency_maps(STUDY)
# datasets whose truth is known
HAIRPINS = [
    name
    for name, dataset in DATASETS.items()
    if dataset["source"]["kind"] == "simulated_rbp"
]
ISOSCORES = study_representation.isoscores(STUDY, RUNS)


def asked_for(look_up, *place):
    """What the study says of a file; one that it does not ask for, wanted by name, ends with a message."""
    try:
        return look_up(*place)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def maps_of(w):
    """What the study says of one file of dependency maps."""
    stem = f"{w.dataset}/{w.split}/dependency_maps/{w.encoder}/{w.panel}"
    return asked_for(study_representation.maps_of, MAPS, stem)


def caches_of_isoscore(w, ending):
    """Files of the forward strand of every encoder that is measured on a dataset."""
    return [
        path
        for encoder in ISOSCORES[w.dataset]
        for path in caches(w.dataset, encoder, [(0, "forward")], ending)
    ]


def representation_targets():
    """All that the study asks for of this room."""
    found = [
        f"results/plots/{stem}.{place}.png"
        for stem, maps in MAPS.items()
        for place in maps.places
    ]
    found += [
        f"results/{stem}.pairs.tsv"
        for stem, maps in MAPS.items()
        if maps.dataset in HAIRPINS
    ]
    if "isoscore" in STUDY:
        found += [f"results/plots/{dataset}/isoscore.png" for dataset in ISOSCORES]
    return found


RUN_OF = {run.folder: run for run in RUNS}
EXPLAINED = study_interpretation.jobs(STUDY, RUNS)
EXPLAINED_IN = study.by_split(EXPLAINED, lambda job: job.run)
JUDGED = study_interpretation.judged(STUDY, RUNS)


def interpretation_targets():
    """All that the study asks for of this room."""
    pictures = [f"results/plots/{job.picture}" for job in EXPLAINED]
    tables = ["results/interpretation.tsv"] if EXPLAINED else []
    return pictures + tables + (["results/interpretation_truth.tsv"] if JUDGED else [])


def attributions_to_judge(w):
    """Attributions of sequences whose truth is known."""
    if not JUDGED:
        raise WorkflowError(
            "results/interpretation_truth.tsv: no sequence whose truth is known is explained; give the study a section "
            "interpretation, and datasets that are simulated or have a motif (datasets.*.motif)"
        )
    return [f"results/{job.path}" for job in JUDGED]


def entry_of(w):
    """What the study says of the sequences of one panel."""
    return asked_for(study_interpretation.entry_of, STUDY, w.dataset, w.panel)


def places_by_explanations():
    """{(model, method, panel) of each picture: pairs (dataset, split) that have these}, for a rule each."""
    found = {}
    for place, jobs in EXPLAINED_IN.items():
        pictures = tuple((job.run.model, job.method, job.panel) for job in jobs)
        found.setdefault(pictures, []).append(place)
    return found


def run_of(w):
    """The run of a path."""
    folder = f"{w.dataset}/{w.split}/{w.model}/seed{w.seed}"
    return asked_for(study_interpretation.run_of, RUN_OF, folder)


def encoder_of_run(w):
    """The section of the encoder that a run's head reads; empty for a baseline."""
    return ENCODERS[run_of(w).encoder] if run_of(w).head else {}


def code_of_interpretation(w):
    """Modules by name on which attributions depend."""
    run = run_of(w)
    return code_fingerprint(
        "interpret",
        *study_interpretation.modules_of(STUDY, run),
        *([heads.module_of(run.head)] if run.head else []),
    )


def gpus_of_interpretation(w):
    """GPUs to explain a run: as to embed with its encoder, or to train its baseline."""
    if run_of(w).head:
        return int(study.uses_gpu(encoder_of_run(w)))
    return gpus_of(w.model)
