# The functions with which the rules for motifs read the study. No rule is defined here.

from s2f.study import motifs as study_motifs

MOTIFS = {job.stem: job for job in study_motifs.jobs(STUDY, RUNS)}
MOTIFS_JUDGED = study_motifs.judged(STUDY, RUNS)
TRUTH_OF_MOTIFS = {
    job.run.dataset: study_motifs.truth_of(STUDY, job.run.dataset)
    for job in MOTIFS_JUDGED
}


def job_of_motifs(wildcards):
    """What the study says about the motifs of one model by one method."""
    place = f"{wildcards.dataset}/{wildcards.split}/{wildcards.model}"
    stem = f"{place}/motifs/{wildcards.method}/{wildcards.panel}"
    if stem not in MOTIFS:
        raise WorkflowError(
            f"results/{stem}: no entry of motifs makes it; add one to the study"
        )
    return MOTIFS[stem]


def entry_of_motifs(wildcards):
    """Entry in the section motifs."""
    return STUDY["motifs"][job_of_motifs(wildcards).entry]


def settings_of_motifs(wildcards):
    """The settings for clustering, as text."""
    entry = entry_of_motifs(wildcards)
    return as_json({name: entry[name] for name in study_motifs.SETTINGS})


def attributions_of_motifs(wildcards):
    """Attributions of all seeds, which are averaged."""
    return [f"results/{path}" for path in job_of_motifs(wildcards).attributions]


def effects_of_motifs(wildcards):
    """The effects of the inserted motifs, for each of these seeds."""
    return [f"results/{path}" for path in job_of_motifs(wildcards).effects]


def known_motifs(wildcards):
    """The file of known motifs."""
    return found(entry_of_motifs(wildcards)["known"])


def title_of_motifs(wildcards):
    """Title of the page."""
    return f"Motifs of {wildcards.model}: {wildcards.dataset}, split {wildcards.split}, panel {wildcards.panel}"


def code_of_inserted_motifs(wildcards):
    """Fingerprint of the program that inserts motifs, and of the modules that it loads by name."""
    run = run_of(wildcards)
    return code_fingerprint(
        "insert_motifs",
        kinds.module_name(*study_interpretation.kind_of(STUDY, run)),
        *([networks.module_of(run.head)] if run.head else []),
    )


def motifs_with_known_truth(wildcards):
    """Patterns found in datasets whose motifs are known."""
    if not MOTIFS_JUDGED:
        raise WorkflowError(
            "results/motifs_truth.tsv: no motifs are found in datasets with known motifs; give the study a section motifs, and "
            "datasets that are simulated or of a protein"
        )
    return [f"results/{job.stem}.h5" for job in MOTIFS_JUDGED]


def known_motifs_of_truth(wildcards):
    """The files of known motifs for these patterns, each once."""
    paths = [STUDY["motifs"][job.entry]["known"] for job in MOTIFS_JUDGED]
    return [found(path) for path in dict.fromkeys(paths)]


def known_motifs_of_each(wildcards, input):
    """The file of known motifs for each of the patterns, as it appears in the input."""
    paths = [STUDY["motifs"][job.entry]["known"] for job in MOTIFS_JUDGED]
    given = dict(zip(dict.fromkeys(paths), input.known))
    return [given[path] for path in paths]


def code_of_motifs_truth():
    """Fingerprint of the program that judges motifs, and of the sources that say what they plant."""
    sources = {known["kind"] for known in TRUTH_OF_MOTIFS.values() if "kind" in known}
    return code_fingerprint(
        "motifs_truth",
        *(kinds.module_name("sources", kind) for kind in sorted(sources)),
    )


def motif_targets():
    """Everything that the study asks for in motifs."""
    pages = [f"results/plots/{job.page}" for job in MOTIFS.values()]
    return pages + (["results/motifs_truth.tsv"] if MOTIFS_JUDGED else [])
