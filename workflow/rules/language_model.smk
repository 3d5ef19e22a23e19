# REQUIRED INPUTS:  results/{dataset}/rows.parquet, units.tsv and splits/ for every dataset named in tapt.{name}
# OUTPUTS:          results/tapt/{name}.train.parquet  windows to train on, and {name}.val.parquet for validation
#                   results/tapt/{name}.stages.tsv     how many windows each stage keeps
#                   results/tapt/{name}/               weights adapted to the windows of a task, and model.json
#                   results/tapt/{name}.history.tsv    masked-language-model loss on training and validation windows
#                   results/tapt/{name}/draw{seed}/, draw{seed}.history.tsv    if it is made anew for each seed


# an adaptation that is made anew for each seed has draws as targets, and is not a target itself
ADAPTED_ANEW = {name for name, section in STUDY["tapt"].items() if section["per_seed"]}
NAME_OR_DRAW = (
    rf"{any_of(set(STUDY['tapt']) - ADAPTED_ANEW)}|(?:{any_of(ADAPTED_ANEW)})/draw\d+"
)


# On CPUs, and once for all draws, because homologs are searched between datasets
rule adaptation_windows:
    """Choose the windows for an adaptation: training rows of datasets, without what any of their splits holds out."""
    input:
        rows=rows_of_tapt,
        units=units_of_tapt,
        splits=splits_of_tapt,
    output:
        train="results/tapt/{tapt}.train.parquet",
        val="results/tapt/{tapt}.val.parquet",
        stages="results/tapt/{tapt}.stages.tsv",
    log:
        "logs/tapt/{tapt}.windows.log",
    benchmark:
        "benchmarks/tapt/{tapt}.windows.tsv"
    wildcard_constraints:
        tapt=any_of(STUDY["tapt"]),
    priority: 5  # a long job waits for it
    conda:
        "../../envs/tables.yaml"
    threads: 4
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
    params:
        python=python,
        code=code_fingerprint("adaptation_windows"),
        positives=positives_of_tapt,
    message:
        "Choosing windows of {input.rows} to adapt a language model: {wildcards.tapt}"
    shell:
        "{params.python} adaptation_windows "
        "--rows {input.rows:q} "
        "--units {input.units:q} "
        "--split {input.splits:q} "
        "{params.positives} "
        "--threads {threads} "
        "--train {output.train:q} "
        "--val {output.val:q} "
        "--stages {output.stages:q} "
        "> {log:q} 2>&1"


# A killed job continues from its checkpoint, a hidden file beside the folder.
rule tapt:
    """Adapt a language model to the training windows of datasets by predicting masked tokens, without labels."""
    input:
        train=windows_of_tapt("train"),
        val=windows_of_tapt("val"),
    output:
        folder=directory("results/tapt/{tapt}"),
        history="results/tapt/{tapt}.history.tsv",
    log:
        "logs/tapt/{tapt}.log",
    benchmark:
        "benchmarks/tapt/{tapt}.tsv"
    wildcard_constraints:
        tapt=NAME_OR_DRAW,
    priority: 5  # long, or others wait for it: if it started late, it would run alone at the end
    conda:
        environment("language-model")
    threads: 2
    resources:
        gpu=gpus_of_tapt,
        mem_mb=times_attempt(16000),
        runtime=times_attempt(720),
    params:
        python=python,
        code=code_of_tapt,
        datasets=datasets_of_tapt,
        spec=settings_of_tapt,
        start=start_of_tapt,
        seed=STUDY["seed"],
    message:
        "Adapting a language model to the windows {input.train}: {wildcards.tapt}"
    shell:
        "{params.python} tapt "
        "--train {input.train:q} "
        "--val {input.val:q} "
        "--datasets {params.datasets} "
        "--name {wildcards.tapt} "
        "--spec {params.spec:q} "
        "--study-seed {params.seed} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output.folder:q} "
        "--history {output.history:q} "
        "> {log:q} 2>&1"
