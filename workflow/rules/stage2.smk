# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, panels/, best_model/ with which it starts
# OUTPUTS:          results/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/best_model/, history.tsv
#                   …/predictions/{panel}.tsv, metrics.tsv


rule train_stage2:
    """Fine-tune an encoder together with a head, starting from the checkpoint of that head."""
    input:
        rows="results/{dataset}/rows.parquet",
        split=split_to_train(["{seed}"]),
        start=start_of_stage2,
        manifests=caches_of_stage2("json"),
        caches=ancient(caches_of_stage2("h5")),
        shards=ancient(shards_of(caches_of_stage2("h5"))),
    output:
        model=directory(
            "results/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/best_model"
        ),
        history="results/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/history.tsv",
    log:
        "logs/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/train.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/train.tsv"
    wildcard_constraints:
        split=TRAINED_SPLITS,
    conda:
        environment("jax")
    threads: 2
    resources:
        gpu=gpus_of_encoder,
        mem_mb=times_attempt(32000),
        runtime=times_attempt(1440),
    params:
        python=python,
        code=code_of_stage2("train_stage2"),
        task=dataset_of("task"),
        construct=json_of(construct_section),
        encoder=json_of(drawn_encoder),
        weights=weights_id_of(drawn_encoder),
        settings=json_of(stage2_section),
        unfrozen=unfrozen_of_stage2,
        strand_rule=dataset_of("strand_rule"),
        seed=STUDY["seed"],
    message:
        "Fine-tuning {wildcards.encoder} with {wildcards.head}, seed {wildcards.seed} ({wildcards.stage2}): {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} train_stage2 "
        "--rows {input.rows:q} "
        "--split {input.split:q} "
        "--task {params.task} "
        "--construct {params.construct:q} "
        "--dataset {wildcards.dataset} "
        "--split-name {wildcards.split} "
        "--encoder {wildcards.encoder} "
        "--encoder-spec {params.encoder:q} "
        "--stage2 {wildcards.stage2} "
        "--settings {params.settings:q} "
        "--unfrozen {params.unfrozen} "
        "--start {input.start:q} "
        "--caches {input.caches:q} "
        "--head {wildcards.head} "
        "--seed {wildcards.seed} "
        "--study-seed {params.seed} "
        "--strand-rule {params.strand_rule} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--memory-mb {resources.mem_mb} "
        "--model {output.model:q} "
        "--history {output.history:q} "
        "> {log:q} 2>&1"


for number, (panels, datasets) in enumerate(datasets_by_panels().items(), 1):

    rule:
        """Predict the rows of every panel with a fine-tuned encoder and its head, and measure the predictions."""
        name:
            numbered("evaluate_stage2", number)
        input:
            rows="results/{dataset}/rows.parquet",
            panels=panels_to_predict(panels),
            model="results/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/best_model",
        output:
            predictions=panel_paths(
                "results/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/predictions",
                panels,
            ),
            metrics="results/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/metrics.tsv",
        log:
            "logs/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/evaluate.log",
        benchmark:
            "benchmarks/{dataset}/{split}/{encoder}/{stage2}/{head}/seed{seed}/evaluate.tsv"
        wildcard_constraints:
            dataset=any_of(datasets),
            split=TRAINED_SPLITS,
        conda:
            environment("jax")
        threads: 2
        resources:
            gpu=gpus_of_encoder,
            mem_mb=times_attempt(16000),
            runtime=times_attempt(240),
        params:
            python=python,
            code=code_of_stage2("evaluate_stage2"),
            encoder=json_of(drawn_encoder),
            weights=weights_id_of(drawn_encoder),
            task=dataset_of("task"),
            names=panels,
            kinds=items_of_panels,
        message:
            "Evaluating {wildcards.head} on {wildcards.encoder}, seed {wildcards.seed} ({wildcards.stage2}): {wildcards.dataset}, {wildcards.split}"
        shell:
            "{params.python} evaluate_stage2 "
            "--rows {input.rows:q} "
            "--task {params.task} "
            "--models {input.model:q} "
            "--names {params.names} "
            "--kinds {params.kinds} "
            "--panels {input.panels:q} "
            "--encoder-spec {params.encoder:q} "
            "--threads {threads} "
            "--gpus {resources.gpu} "
            "--predictions {output.predictions:q} "
            "--metrics {output.metrics:q} "
            "> {log:q} 2>&1"
