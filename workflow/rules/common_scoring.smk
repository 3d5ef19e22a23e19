# The functions with which the rules for scoring read the study. No rule is defined here.

from s2f.study import scoring as study_scoring

SCORED = {job.stem: job for job in study_scoring.jobs(STUDY, [*RUNS, *ENSEMBLES])}


def scoring_section(wildcards):
    """Section of the study: what is scored."""
    return STUDY["scoring"][wildcards.scores]


def run_that_scores(wildcards):
    """The run that computes a table of scores."""
    stem = f"scores/{wildcards.scores}/{wildcards.model}"
    if stem not in SCORED:
        raise WorkflowError(
            f"results/{stem}.tsv: the study does not score {wildcards.scores!r} by {wildcards.model!r}; add the model to "
            f"scoring.{wildcards.scores}.models"
        )
    return SCORED[stem].run


def members_that_score(wildcards):
    """The run that computes a table of scores, or its members if it is an ensemble."""
    run = run_that_scores(wildcards)
    return run.members or (run,)


def model_that_scores(wildcards):
    """Folder of the run's checkpoint."""
    return f"results/{run_that_scores(wildcards).folder}/best_model"


def encoders_that_score(wildcards):
    """The section of the encoder that the head reads, with the weights of its draw; empty for a baseline; for an
    ensemble, a list with the sections of its members."""
    run = run_that_scores(wildcards)
    found = [encoder_of(member) for member in members_that_score(wildcards)]
    return found if run.members else found[0]


def listed(sections):
    """One section, or several, as a list."""
    return sections if isinstance(sections, list) else [sections]


def adapted_weights_that_score(wildcards):
    """Folders of weights beside the checkpoints that rule tapt makes, each once."""
    return adapted_weights_beside(members_that_score(wildcards))


def encoders_with_weights(wildcards, input):
    """`encoders_that_score`, as text."""
    sections = encoders_that_score(wildcards)
    made = dict(zip(adapted_weights_that_score(wildcards), map(str, input.weights)))
    here = [
        (
            {**section, "weights": {"tapt": made[section["weights"]["tapt"]]}}
            if "tapt" in section.get("weights", {})
            else section
        )
        for section in listed(sections)
    ]
    return as_json(here if isinstance(sections, list) else here[0])


def weights_that_score(wildcards):
    """Identifies the weights beside the checkpoints."""
    return weights_beside(members_that_score(wildcards))


def files_scored(wildcards):
    """The files that are scored, in the order of `study_scoring.FILES`."""
    section = scoring_section(wildcards)
    return [found(section[key]) for key in study_scoring.FILES if key in section]


def measured_for_scores(wildcards):
    """The run's predictions for a panel of measured effects, and the panel; nothing if there is no such panel."""
    run = run_that_scores(wildcards)
    panel = study_scoring.panel_of(STUDY, scoring_section(wildcards))
    place = f"results/{run.dataset}/panels/{run.split}"
    return (
        [f"results/{run.folder}/predictions/{panel}.tsv", f"{place}/{panel}.tsv"]
        if panel
        else []
    )


def asked_of_scores(wildcards):
    """What an entry asks of each model, as text; the model, the panel of measured effects and the VCF are inputs and
    outputs, and other keys are for the judge."""
    section = scoring_section(wildcards)
    return as_json(
        {key: section[key] for key in section if key not in study_scoring.OF_MODELS}
    )


def options_of_scores(wildcards, input):
    """Options for the program, quoted for the shell."""
    section, words = scoring_section(wildcards), []
    named = [key for key in study_scoring.FILES if key in section]
    for key, path in zip(named, input.files, strict=True):
        words += [f"--{key}", str(path)]
    for key, value in section.items():
        if key in study_scoring.FILES or key in study_scoring.OF_MODELS:
            continue
        values = value if isinstance(value, list) else [value]
        words += [f"--{key.replace('_', '-')}", *map(str, values)]
    if input.measured:
        words += ["--measured", *map(str, input.measured)]
    return shlex.join(words)


def option_of_vcf(wildcards, output):
    """Option for the program that names the VCF to write."""
    return f"--vcf-out {shlex.quote(str(output.vcf))}" if output.vcf else ""


def code_of_scores(wildcards):
    """Fingerprint of the program that scores, and of the modules that it loads by name."""
    run = run_that_scores(wildcards)
    return code_fingerprint(
        "score",
        *study_scoring.modules_of(STUDY, run),
        *dict.fromkeys(
            networks.module_of(one.head) for one in run.members or (run,) if one.head
        ),
    )


def gpus_of_scores(wildcards):
    """GPUs for scoring with a run."""
    return gpus_to_use(run_that_scores(wildcards))


def entries_by_vcf():
    """{suffix of the VCF to write, or "": names of entries}, with one rule for each."""
    found = {}
    for name, section in STUDY["scoring"].items():
        found.setdefault(section.get("vcf_out", ""), []).append(name)
    return found


def scored_by_models(ending):
    """Tables from all models that score an entry."""
    return lambda wildcards: [
        f"results/{stem}{ending}"
        for stem, job in SCORED.items()
        if job.name == wildcards.scores
    ]


def scores_judged():
    """Names of the scores that are judged against measured values."""
    return [
        name
        for name, section in STUDY["scoring"].items()
        if study_scoring.judged(section)
    ]


def measured_to_judge(wildcards):
    """The file with measured values."""
    section = scoring_section(wildcards)
    return found(section["satmut" if "satmut" in section else "table"])


def judged_by_panel(wildcards):
    """The panel with the active rows, and the runs that predict it; none if no controls are judged."""
    panel = study_scoring.active_panel(STUDY, scoring_section(wildcards))
    runs = [job.run for job in SCORED.values() if job.name == wildcards.scores]
    return panel, runs if panel else []


def active_panels(wildcards):
    """File of the panel with the active rows."""
    panel, runs = judged_by_panel(wildcards)
    return sorted(
        {f"results/{run.dataset}/panels/{run.split}/{panel}.tsv" for run in runs}
    )


def predictions_of_active(wildcards):
    """The models' predictions for the panel with the active rows."""
    panel, runs = judged_by_panel(wildcards)
    return [f"results/{run.folder}/predictions/{panel}.tsv" for run in runs]


def floor_of_scores(wildcards):
    """The model that all others should beat, if there is one and saturation mutagenesis is judged."""
    if "satmut" not in scoring_section(wildcards):
        return ""
    return study_scoring.floor_of(STUDY, [*RUNS, *ENSEMBLES], wildcards.scores)


def asked_of_judge(wildcards):
    """How the scores of an entry are judged, as text."""
    section, keys = scoring_section(wildcards), study_scoring.FOR_JUDGE
    asked = {key: section[key] for key in keys if key in section}
    return as_json({**asked, "floor": floor_of_scores(wildcards)})


def options_of_judge(wildcards, input):
    """Options for the program that judges, quoted for the shell."""
    section, path = scoring_section(wildcards), str(input.measured)
    if "satmut" in section:
        words = ["--satmut", path]
        if "barcodes" in section:
            words += ["--barcodes", section["barcodes"]]
        floor = floor_of_scores(wildcards)
        words += ["--floor", floor] if floor else []
    else:
        words = ["--controls", path, "--column", section["controls"]]
        for key in ("id_column", "separator", "active_above"):
            if key in section:
                words.append(f"--{key.replace('_', '-')}={section[key]}")
        models = [run.model for run in judged_by_panel(wildcards)[1]]
        words += ["--panel", *input.panel, "--models", *models]
        words += ["--predictions", *input.predictions]
    return shlex.join(map(str, words))


def scoring_targets():
    """Everything that the study asks for in scoring."""
    return [f"results/scores/{name}.tsv" for name in STUDY["scoring"]]


def judged_targets():
    """The tables in which scores are judged."""
    return [f"results/scores/{name}.judged.tsv" for name in scores_judged()]
