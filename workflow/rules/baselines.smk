# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, panels/
# OUTPUTS:          results/{dataset}/{split}/{baseline}/seed{seed}/best_model/, history.tsv, predictions/{panel}.tsv


rule train_baseline:
    input:
        rows="results/{dataset}/rows.parquet",
        split="results/{dataset}/splits/{split}.tsv",
        artifact=lambda w: BASELINES[w.baseline].get("path", []),
        weights=lambda w: weights_made_here(BASELINES[w.baseline]),
    output:
        model=directory("results/{dataset}/{split}/{baseline}/seed{seed}/best_model"),
        history="results/{dataset}/{split}/{baseline}/seed{seed}/history.tsv",
    log:
        "logs/{dataset}/{split}/{baseline}/seed{seed}/train.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{baseline}/seed{seed}/train.tsv"
    conda:
        lambda w: environment_of_baseline(w.baseline)
    threads: 2
    resources:
        gpu=lambda w: gpus_of(w.baseline),
        mem_mb=growing(16000),
        runtime=growing(720),
    params:
        code=lambda w: code_fingerprint(
            "train_baseline", f"s2f.baselines.{BASELINES[w.baseline]['kind']}"
        ),
        kind=lambda w: BASELINES[w.baseline]["kind"],
        spec=lambda w: as_json(study.options(BASELINES[w.baseline])),
        weights=lambda w: study.weights_id(BASELINES[w.baseline]),
        construct=lambda w: construct_of(w.dataset),
        strand_rule=lambda w: DATASETS[w.dataset]["strand_rule"],
        seed=STUDY["seed"],
    message:
        "Training baseline {wildcards.baseline}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m train_baseline --rows {input.rows:q} --split {input.split:q} --construct {params.construct:q} "
        "--dataset {wildcards.dataset} --split-name {wildcards.split} --baseline {wildcards.baseline} "
        "--kind {params.kind} --seed {wildcards.seed} --study-seed {params.seed} --spec {params.spec:q} "
        "--strand-rule {params.strand_rule} --threads {threads} --gpus {resources.gpu} --model {output.model:q} --history {output.history:q} "
        "> {log:q} 2>&1"


rule predict_baseline:
    input:
        rows="results/{dataset}/rows.parquet",
        panel="results/{dataset}/panels/{split}/{panel}.tsv",
        model="results/{dataset}/{split}/{baseline}/seed{seed}/best_model",
    output:
        "results/{dataset}/{split}/{baseline}/seed{seed}/predictions/{panel}.tsv",
    log:
        "logs/{dataset}/{split}/{baseline}/seed{seed}/predictions/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{baseline}/seed{seed}/predictions/{panel}.tsv"
    conda:
        lambda w: environment_of_baseline(w.baseline)
    threads: 2
    resources:
        gpu=lambda w: gpus_of(w.baseline),
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        code=lambda w: code_fingerprint(
            "predict_baseline", f"s2f.baselines.{BASELINES[w.baseline]['kind']}"
        ),
    message:
        "Predicting {wildcards.panel} with baseline {wildcards.baseline}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m predict_baseline --rows {input.rows:q} --panel {input.panel:q} --model {input.model:q} "
        "--threads {threads} --gpus {resources.gpu} --out {output:q} > {log:q} 2>&1"
