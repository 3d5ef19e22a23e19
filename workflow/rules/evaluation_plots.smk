# REQUIRED INPUTS:  tables of the evaluation, predictions, metrics and histories of every run, rows, panels, leak audits
# OUTPUTS:          results/plots/{dataset}/{split}/calibration.png, …/learning_curve.png, …/audit.png, …/training.png
#                   results/plots/{dataset}/{split}/{panel}.comparison.png and .svg, …/{panel}.predictions.png


rule plot_calibration:
    """Draw, for each panel of a dataset and split, what models' intervals cover or how far probabilities are off."""
    input:
        "results/calibration.tsv",
    output:
        picture("calibration", "calibration", "calibration"),
    log:
        "logs/plots/{dataset}/{split}/calibration.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/calibration.tsv"
    wildcard_constraints:
        dataset=dataset_before(splits_compared()),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("plot_calibration"),
        baseline=baseline_to_plot,
        floors=study_comparison.floors(STUDY),
    message:
        "Drawing the calibration of models on {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} plot_calibration "
        "--dataset {wildcards.dataset} "
        "--split {wildcards.split} "
        "--calibration {input:q} "
        "--baseline={params.baseline:q} "
        "--floors {params.floors:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule plot_learning_curve:
    """Draw, for each panel of a dataset and split, how good models are at each number of training rows."""
    input:
        "results/learning_curve.tsv",
    output:
        picture("learning_curve", "training", "learning_curve"),
    log:
        "logs/plots/{dataset}/{split}/learning_curve.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/learning_curve.tsv"
    wildcard_constraints:
        dataset=dataset_before(places_of_curves()),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("plot_learning_curve"),
        baseline=baseline_to_plot,
        floors=study_comparison.floors(STUDY),
    message:
        "Drawing learning curves of {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} plot_learning_curve "
        "--dataset {wildcards.dataset} "
        "--split {wildcards.split} "
        "--curve {input:q} "
        "--baseline={params.baseline:q} "
        "--floors {params.floors:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule plot_audit:
    """Draw the leak audit of a split."""
    input:
        "results/{dataset}/splits/{split}.audit.tsv",
    output:
        picture("audit", "audit", "audit"),
    log:
        "logs/plots/{dataset}/{split}/audit.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/audit.tsv"
    wildcard_constraints:
        dataset=dataset_before(SPLITS),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("plot_audit"),
    message:
        "Drawing the leak audit of {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} plot_audit "
        "--dataset {wildcards.dataset} "
        "--split {wildcards.split} "
        "--audit {input:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


# The pictures that exist depend on the dataset and split, so each set of them has a separate rule.
for number, ((panels, trained), places) in enumerate(places_with_pictures().items(), 1):

    rule:
        """Draw the runs of one dataset and split: predicted against measured on each panel, and training curves."""
        name:
            numbered("plot_split", number)
        input:
            rows="results/{dataset}/rows.parquet",
            panels=panel_paths("results/{dataset}/panels/{split}", panels),
            predictions=predictions_to_plot,
            histories=histories_to_plot,
        output:
            predictions=pictures_of_panels(panels, "predictions"),
            training=picture("training", "training", "training") if trained else [],
        log:
            "logs/plots/{dataset}/{split}/runs.log",
        benchmark:
            "benchmarks/plots/{dataset}/{split}/runs.tsv"
        wildcard_constraints:
            dataset=dataset_before(places),
        conda:
            "../../envs/evaluation.yaml"
        threads: 1
        resources:
            mem_mb=times_attempt(4000),
            runtime=times_attempt(30),
        params:
            python=python,
            code=code_fingerprint("plot_split"),
            names=panels,
            task=dataset_of("task"),
            kinds=items_of_panels,
            unit=dataset_of("measured"),
            models=runs_of(all_runs, "model"),
            seeds=runs_of(all_runs, "seed"),
            history_models=runs_of(trained_runs, "model"),
            history_seeds=runs_of(trained_runs, "seed"),
        message:
            "Drawing predictions and training of {wildcards.dataset}, {wildcards.split}"
        shell:
            # the same for all rules: Snakemake evaluates a command when the job runs, after the loop has ended
            "{params.python} plot_split "
            "--dataset {wildcards.dataset} "
            "--split {wildcards.split} "
            "--names {params.names} "
            "--rows {input.rows:q} "
            "--task {params.task} "
            "--unit={params.unit:q} "
            "--kinds {params.kinds} "
            "--panels {input.panels:q} "
            "--models {params.models:q} "
            "--seeds {params.seeds} "
            "--predictions {input.predictions:q} "
            "--prediction-pictures {output.predictions:q} "
            "--training-picture {output.training:q} "
            "--histories {input.histories:q} "
            "--history-models {params.history_models:q} "
            "--history-seeds {params.history_seeds} "
            "> {log:q} 2>&1"


for number, (panels, places) in enumerate(places_compared().items(), 1):

    rule:
        """Draw the comparison of all models on each panel of a dataset and split."""
        name:
            numbered("plot_comparison", number)
        input:
            compare="results/compare.tsv",
            metrics=metrics_to_plot,
        output:
            pictures=pictures_of_panels(panels, "comparison"),
            slides=[
                f"results/plots/{{dataset}}/{{split}}/{panel}.comparison.svg"
                for panel in panels
            ],
        log:
            "logs/plots/{dataset}/{split}/comparison.log",
        benchmark:
            "benchmarks/plots/{dataset}/{split}/comparison.tsv"
        wildcard_constraints:
            dataset=dataset_before(places),
        conda:
            "../../envs/evaluation.yaml"
        threads: 1
        resources:
            mem_mb=times_attempt(2000),
            runtime=times_attempt(15),
        params:
            python=python,
            code=code_fingerprint("plot_comparison"),
            names=panels,
            baseline=baseline_to_plot,
            floors=study_comparison.floors(STUDY),
            models=runs_of(all_runs, "model"),
            seeds=runs_of(all_runs, "seed"),
        message:
            "Drawing the comparison of models on {wildcards.dataset}, {wildcards.split}"
        shell:
            "{params.python} plot_comparison "
            "--dataset {wildcards.dataset} "
            "--split {wildcards.split} "
            "--names {params.names} "
            "--compare {input.compare:q} "
            "--metrics {input.metrics:q} "
            "--models {params.models:q} "
            "--seeds {params.seeds} "
            "--baseline={params.baseline:q} "
            "--floors {params.floors:q} "
            "--out {output.pictures:q} "
            "--slides {output.slides:q} "
            "> {log:q} 2>&1"
