# REQUIRED INPUTS:  results/{dataset}/rows.parquet, units.tsv, splits/, of every dataset that tapt.{name} names
# OUTPUTS:          results/tapt/{name}/               weights adapted to the windows of a task, and model.json
#                   results/tapt/{name}.history.tsv    masked-language-model loss of training and validation
#                   results/tapt/{name}/draw{seed}/, draw{seed}.history.tsv    of one that is made anew for each seed


# an adaptation that is made anew for each seed has draws, and is itself no target
ADAPTED_ANEW = {name for name, section in STUDY["tapt"].items() if section["per_seed"]}
NAME_OR_DRAW = (
    rf"{any_of(set(STUDY['tapt']) - ADAPTED_ANEW)}|(?:{any_of(ADAPTED_ANEW)})/draw\d+"
)


# A job that was killed continues from its checkpoint, a hidden file beside the folder.
rule tapt:
    """Adapt a language model to the training windows of datasets, without labels."""
    input:
        rows=rows_of_tapt,
        units=units_of_tapt,
        splits=splits_of_tapt,
    output:
        folder=directory("results/tapt/{tapt}"),
        history="results/tapt/{tapt}.history.tsv",
    log:
        "logs/tapt/{tapt}.log",
    benchmark:
        "benchmarks/tapt/{tapt}.tsv"
    wildcard_constraints:
        tapt=NAME_OR_DRAW,
    priority: 5  # long, or others wait for it: started late, it would run alone at the end
    conda:
        environment("language-model")
    threads: 2
    resources:
        gpu=gpus_of_tapt,
        mem_mb=times_attempt(16000),
        runtime=times_attempt(720),
    params:
        code=code_fingerprint("tapt"),
        datasets=datasets_of_tapt,
        spec=settings_of_tapt,
        start=start_of_tapt,
        seed=STUDY["seed"],
    message:
        "Adapting a language model to the windows of {input.rows}: {wildcards.tapt}"
    shell:
        "python -m tapt "
        "--rows {input.rows:q} "
        "--units {input.units:q} "
        "--split {input.splits:q} "
        "--datasets {params.datasets} "
        "--name {wildcards.tapt} "
        "--spec {params.spec:q} "
        "--study-seed {params.seed} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output.folder:q} "
        "--history {output.history:q} "
        "> {log:q} 2>&1"
