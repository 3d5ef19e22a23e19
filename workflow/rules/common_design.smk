# The functions with which the rules for design read the study. No rule is defined here.

from s2f.study import design as study_design

DESIGNED = {job.path: job for job in study_design.jobs(STUDY, [*RUNS, *ENSEMBLES])}
DESIGNS_OF_KNOWN_TRUTH = study_design.of_known_truth(STUDY, [*RUNS, *ENSEMBLES])
TRUTH_OF_DESIGNS = study_design.truth_spec(
    STUDY, [*RUNS, *ENSEMBLES], functools.partial(study_jobs.options, "sources")
)


def design_section(wildcards):
    """Section of the study: a design."""
    return STUDY["design"][wildcards.design]


def design_job(wildcards):
    """What designs, by which method, and what judges it."""
    path = f"designs/{wildcards.design}/{wildcards.method}"
    if path not in DESIGNED:
        raise WorkflowError(
            f"results/{path}: the study does not design {wildcards.design!r} by {wildcards.method!r}; add the method to "
            f"design.{wildcards.design}.methods"
        )
    return DESIGNED[path]


def models_that_design(wildcards):
    """Folders of the checkpoints of the models that design."""
    return [f"results/{run.folder}/best_model" for run in design_job(wildcards).members]


def model_that_judges(wildcards):
    """Folder of the judge's checkpoint."""
    return f"results/{design_job(wildcards).judge.folder}/best_model"


def start_of_design(wildcards):
    """The user's file with which a design starts, if there is one."""
    start = design_section(wildcards)["start"]
    return [found(start["fasta"])] if "fasta" in start else []


def panel_of_design(wildcards):
    """Rows and panel with which a design starts, if it starts with rows."""
    section, split = design_section(wildcards), design_job(wildcards).judge.split
    place, start = f"results/{section['dataset']}", section["start"]
    if "panel" not in start:
        return []
    return [f"{place}/rows.parquet", f"{place}/panels/{split}/{start['panel']}.tsv"]


def training_of_design(wildcards):
    """Rows and split whose training rows a design must not repeat, if this is requested."""
    section, split = design_section(wildcards), design_job(wildcards).judge.split
    place = f"results/{section['dataset']}"
    return (
        [f"{place}/rows.parquet", f"{place}/splits/{split}.tsv"]
        if section["avoid_training"]
        else []
    )


def adapted_weights_of_design(wildcards):
    """Folders of adapted weights that a design's models and its judge read beside their checkpoints."""
    job = design_job(wildcards)
    return adapted_weights_beside((*job.members, job.judge))


def specs_of_design(judge):
    """The sections of the encoders of a design's models, or of its judge, as text."""

    def text(wildcards, input):
        job, specs = design_job(wildcards), []
        adapted = dict(
            zip(adapted_weights_of_design(wildcards), input.weights, strict=True)
        )
        for run in [job.judge] if judge else job.members:
            spec = encoder_of(run)
            if "tapt" in spec.get("weights", {}):
                spec = {
                    **spec,
                    "weights": {"tapt": str(adapted[spec["weights"]["tapt"]])},
                }
            specs.append(spec)
        return as_json(specs)

    return text


def weights_of_design(wildcards):
    """Identifies the weights that a design's models and its judge read beside their checkpoints."""
    job = design_job(wildcards)
    return weights_beside((*job.members, job.judge))


def options_of_design(wildcards, input):
    """Options for the program, quoted for the shell."""
    section, words = design_section(wildcards), []
    start = section["start"]
    if "panel" in start:
        rows, panel = map(str, input.panel)
        words += ["--rows", rows, "--panel", panel]
        words += ["--count", start["count"], "--take", start["take"]]
    elif "fasta" in start:
        words += ["--start", *map(str, input.start)]
    else:
        words += ["--random", start["random"]]
    if input.training:
        words += ["--avoid-training", *map(str, input.training)]
    for key, value in section.items():
        if key in study_design.OF_WORKFLOW or value == []:
            continue
        if key == "protect":
            value = [f"{first}-{end}" for first, end in value]
        # with =, because a number such as -1e-05 would be taken for an option
        words += (
            [f"--{key}", *value] if isinstance(value, list) else [f"--{key}={value}"]
        )
    for key, value in section[wildcards.method].items():
        words.append(f"--{key.replace('_', '-')}={value}")
    return shlex.join(map(str, words))


def asked_of_design(wildcards):
    """What a design asks for, as text; models, judge, rows and split are inputs."""
    by_input = ("dataset", "split", "model", "seeds", "judge", "methods")
    others = set(study_design.options.METHODS) - {wildcards.method}
    section = design_section(wildcards)
    return as_json(
        {key: section[key] for key in section if key not in {*by_input, *others}}
    )


def code_of_design(wildcards):
    """Fingerprint of the program that designs, and of the modules that it loads by name."""
    job = design_job(wildcards)
    heads = [
        networks.module_of(run.head) for run in (*job.members, job.judge) if run.head
    ]
    return code_fingerprint(
        "design_sequences", *study_design.code_of(STUDY, job), *dict.fromkeys(heads)
    )


def gpus_of_design(wildcards):
    """GPUs for a design: as many as its models or its judge need."""
    job = design_job(wildcards)
    return max(map(gpus_to_use, (*job.members, job.judge)))


def designs_by_methods(wildcards):
    """Folders of a design, one for each method."""
    return [
        f"results/{path}"
        for path, job in DESIGNED.items()
        if job.name == wildcards.design
    ]


def unit_of_design(wildcards):
    """Unit of a design's predictions, with the cells."""
    return study_design.unit_of(STUDY, design_section(wildcards))


def designs_of_known_truth(wildcards):
    """Folders of designs whose true activity is known."""
    if not DESIGNS_OF_KNOWN_TRUTH:
        raise WorkflowError(
            "results/designs_truth.tsv: no design of the study has a known true activity; give the study a section "
            "design on simulated rows"
        )
    return [f"results/{job.path}" for job in DESIGNS_OF_KNOWN_TRUTH]


def splits_of_known_truth(wildcards):
    """The split tables for these designs."""
    return [
        f"results/{job.judge.dataset}/splits/{job.judge.split}.tsv"
        for job in DESIGNS_OF_KNOWN_TRUTH
    ]


def code_of_design_truth():
    """Fingerprint of the program that judges designs by the truth, and of the sources whose rows it simulates again."""
    sources = {source["kind"] for source in TRUTH_OF_DESIGNS.values()}
    return code_fingerprint(
        "design_truth",
        *(kinds.module_name("sources", kind) for kind in sorted(sources)),
    )


def design_targets():
    """Everything that the study asks for in design."""
    if not DESIGNED:
        return []
    pictures = [f"results/plots/designs/{name}.png" for name in STUDY["design"]]
    truth = ["results/designs_truth.tsv"] if DESIGNS_OF_KNOWN_TRUTH else []
    return ["results/designs.tsv", *pictures, *truth]
