# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, panels/
# OUTPUTS:          results/{dataset}/{split}/{baseline}/seed{seed}/best_model/, history.tsv
#                   …/predictions/{panel}.tsv, metrics.tsv


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
    priority: 5  # long, or others wait for it: started late, it would run alone at the end
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
        weights=lambda w: weights_id(BASELINES[w.baseline]),
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


for number, (panels, datasets) in enumerate(datasets_by_panels().items(), 1):

    rule:
        name:
            numbered("evaluate_baseline", number)
        input:
            rows="results/{dataset}/rows.parquet",
            panels=panel_paths("results/{dataset}/panels/{split}", panels),
            model="results/{dataset}/{split}/{baseline}/seed{seed}/best_model",
        output:
            predictions=panel_paths(
                "results/{dataset}/{split}/{baseline}/seed{seed}/predictions", panels
            ),
            metrics="results/{dataset}/{split}/{baseline}/seed{seed}/metrics.tsv",
        log:
            "logs/{dataset}/{split}/{baseline}/seed{seed}/evaluate.log",
        benchmark:
            "benchmarks/{dataset}/{split}/{baseline}/seed{seed}/evaluate.tsv"
        wildcard_constraints:
            dataset=one_of(datasets),
        conda:
            lambda w: environment_of_baseline(w.baseline)
        threads: 2
        resources:
            gpu=lambda w: gpus_of(w.baseline),
            mem_mb=growing(8000),
            runtime=growing(120),
        params:
            code=lambda w: code_fingerprint(
                "evaluate_baseline", f"s2f.baselines.{BASELINES[w.baseline]['kind']}"
            ),
            task=lambda w: DATASETS[w.dataset]["task"],
            names=panels,
            kinds=lambda w: kinds_of_panels(w.dataset),
        message:
            "Evaluating baseline {wildcards.baseline}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
        shell:
            "python -m evaluate_baseline --rows {input.rows:q} --task {params.task} --model {input.model:q} "
            "--names {params.names} --kinds {params.kinds} --panels {input.panels:q} "
            "--threads {threads} --gpus {resources.gpu} --predictions {output.predictions:q} "
            "--metrics {output.metrics:q} > {log:q} 2>&1"
