# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, panels/
# OUTPUTS:          results/{dataset}/{split}/{baseline}/seed{seed}/best_model/, history.tsv
#                   …/predictions/{panel}.tsv, metrics.tsv


rule train_baseline:
    """Train one baseline with one seed on the training rows of a split."""
    input:
        rows="results/{dataset}/rows.parquet",
        split=split_to_train(["{seed}"]),
        artifact=file_of(baseline_section, "path"),
        weights=adapted_weights_of(drawn_baseline),
    output:
        model=directory("results/{dataset}/{split}/{baseline}/seed{seed}/best_model"),
        history="results/{dataset}/{split}/{baseline}/seed{seed}/history.tsv",
    log:
        "logs/{dataset}/{split}/{baseline}/seed{seed}/train.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{baseline}/seed{seed}/train.tsv"
    wildcard_constraints:
        split=TRAINED_SPLITS,
    priority: 5  # long, or others wait for it: if it started late, it would run alone at the end
    conda:
        of_kinds("baselines", environment_of_baseline)
    threads: 2
    resources:
        gpu=gpus_of_baseline,
        mem_mb=times_attempt(16000),
        runtime=times_trainings(720, trainings_of_baseline),
    params:
        python=python,
        code=code_of_kind("train_baseline", "baselines", baseline_section),
        kind=value_of(baseline_section, "kind"),
        options=options_of("baselines", drawn_baseline),
        spec=with_adapted_weights(drawn_baseline, "baselines"),
        search=search_of_baseline,
        weights=weights_id_of(drawn_baseline),
        artifact=published_id_of(baseline_section),
        per_seed=drawn_per_seed("baselines", "baseline"),
        one_draw=one_draw_of("baselines", "baseline"),
        task=dataset_of("task"),
        construct=json_of(construct_section),
        strand_rule=dataset_of("strand_rule"),
        seed=STUDY["seed"],
    message:
        "Training baseline {wildcards.baseline}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} train_baseline "
        "--rows {input.rows:q} "
        "--split {input.split:q} "
        "--task {params.task} "
        "--construct {params.construct:q} "
        "--dataset {wildcards.dataset} "
        "--split-name {wildcards.split} "
        "--baseline {wildcards.baseline} "
        "--kind {params.kind} "
        "--seed {wildcards.seed} "
        "--study-seed {params.seed} "
        "--spec {params.spec:q} "
        "--one-draw {params.one_draw:q} "
        "{params.per_seed} "
        "--strand-rule {params.strand_rule} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--model {output.model:q} "
        "--history {output.history:q} "
        "--search {params.search:q} "
        "> {log:q} 2>&1"


for number, (panels, datasets) in enumerate(datasets_by_panels().items(), 1):

    rule:
        """Predict the rows of every panel with a trained baseline, and measure the predictions."""
        name:
            numbered("evaluate_baseline", number)
        input:
            rows="results/{dataset}/rows.parquet",
            panels=panels_to_predict(panels),
            model="results/{dataset}/{split}/{baseline}/seed{seed}/best_model",
            weights=adapted_weights_of(below_adapters),
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
            dataset=any_of(datasets),
            split=TRAINED_SPLITS,
        conda:
            of_kinds("baselines", environment_of_baseline)
        threads: 2
        resources:
            gpu=gpus_of_baseline,
            mem_mb=times_attempt(8000),
            runtime=times_attempt(120),
        params:
            python=python,
            code=code_of_kind("evaluate_baseline", "baselines", baseline_section),
            weights=weights_id_of(below_adapters),
            task=dataset_of("task"),
            names=panels,
            kinds=items_of_panels,
        message:
            "Evaluating baseline {wildcards.baseline}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
        shell:
            "{params.python} evaluate_baseline "
            "--rows {input.rows:q} "
            "--task {params.task} "
            "--models {input.model:q} "
            "--names {params.names} "
            "--kinds {params.kinds} "
            "--panels {input.panels:q} "
            "--threads {threads} "
            "--gpus {resources.gpu} "
            "--predictions {output.predictions:q} "
            "--metrics {output.metrics:q} "
            "> {log:q} 2>&1"
