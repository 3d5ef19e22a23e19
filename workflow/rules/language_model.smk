# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, of every dataset that tapt.{name} names
# OUTPUTS:          results/tapt/{name}/               weights adapted to the windows of a task, and model.json
#                   results/tapt/{name}.history.tsv    masked-language-model loss of training and validation


# A job that was killed continues from its checkpoint, a hidden file beside the folder.
rule tapt:
    input:
        rows=lambda w: windows_of_tapt(w, "rows.parquet"),
        splits=lambda w: windows_of_tapt(w, "splits/{split}.tsv"),
    output:
        folder=directory("results/tapt/{tapt}"),
        history="results/tapt/{tapt}.history.tsv",
    log:
        "logs/tapt/{tapt}.log",
    benchmark:
        "benchmarks/tapt/{tapt}.tsv"
    wildcard_constraints:
        tapt=one_of(STUDY["tapt"]),
    priority: 5  # long, or others wait for it: started late, it would run alone at the end
    conda:
        environment("language-model")
    threads: 2
    resources:
        gpu=lambda w: int(study_tapt.needs_gpu(STUDY["tapt"][w.tapt])),
        mem_mb=growing(16000),
        runtime=growing(720),
    params:
        code=code_fingerprint("tapt"),
        spec=lambda w: as_json(
            {k: v for k, v in STUDY["tapt"][w.tapt].items() if k != "datasets"}
        ),
        start=lambda w: weights_id({"weights": STUDY["tapt"][w.tapt]["start"]}),
        seed=STUDY["seed"],
    message:
        "Adapting a language model to the windows of {input.rows}: {wildcards.tapt}"
    shell:
        "python -m tapt --rows {input.rows:q} --split {input.splits:q} --name {wildcards.tapt} --spec {params.spec:q} "
        "--study-seed {params.seed} --threads {threads} --gpus {resources.gpu} --out {output.folder:q} --history {output.history:q} "
        "> {log:q} 2>&1"
