# REQUIRED INPUTS:  checkpoints, predictions and metrics of the members, rows, splits, panels
# OUTPUTS:          results/{dataset}/{split}/{ensemble}/seed{seed}/best_model/, predictions/{panel}.tsv, metrics.tsv


for number, (panels, datasets) in enumerate(datasets_by_panels().items(), 1):

    rule:
        """Make an ensemble of trained models: a checkpoint that contains them, and the mean of their predictions."""
        name:
            numbered("make_ensemble", number)
        input:
            rows="results/{dataset}/rows.parquet",
            splits=split_tables_of_ensemble,
            panels=panels_of_ensemble(panels),
            models=members_of("best_model"),
            predictions=members_of(*panel_paths("predictions", panels)),
            metrics=members_of("metrics.tsv"),
        output:
            model=directory(
                "results/{dataset}/{split}/{ensemble}/seed{seed}/best_model"
            ),
            predictions=panel_paths(
                "results/{dataset}/{split}/{ensemble}/seed{seed}/predictions", panels
            ),
            metrics="results/{dataset}/{split}/{ensemble}/seed{seed}/metrics.tsv",
        log:
            "logs/{dataset}/{split}/{ensemble}/seed{seed}/make_ensemble.log",
        benchmark:
            "benchmarks/{dataset}/{split}/{ensemble}/seed{seed}/make_ensemble.tsv"
        wildcard_constraints:
            dataset=any_of(datasets),
        conda:
            "../../envs/evaluation.yaml"
        threads: 1
        resources:
            mem_mb=times_attempt(8000),
            runtime=times_attempt(30),
        params:
            python=python,
            code=code_fingerprint("make_ensemble"),
            task=dataset_of("task"),
            over=over_of,
            members=order_of_members,
            names=panels,
            kinds=items_of_panels,
        message:
            "Making ensemble {wildcards.ensemble}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
        shell:
            "{params.python} make_ensemble "
            "--rows {input.rows:q} "
            "--splits {input.splits:q} "
            "--task {params.task} "
            "--dataset {wildcards.dataset} "
            "--split-name {wildcards.split} "
            "--ensemble {wildcards.ensemble} "
            "--seed {wildcards.seed} "
            "--over {params.over} "
            "--members {input.models:q} "
            "--names {params.names} "
            "--kinds {params.kinds} "
            "--panels {input.panels:q} "
            "--model {output.model:q} "
            "--predictions {output.predictions:q} "
            "--metrics {output.metrics:q} "
            "> {log:q} 2>&1"
