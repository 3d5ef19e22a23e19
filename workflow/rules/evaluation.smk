# REQUIRED INPUTS:  predictions, metrics and histories of every run, rows, panels, leak audits
# OUTPUTS:          results/compare.tsv, results/compare.md
#                   results/across.tsv, results/across.md, results/plots/across.png     over the datasets of a series
#                   results/plots/{dataset}/{split}/{panel}.comparison.png, …/{panel}.predictions.png, …/training.png
#                   results/plots/{dataset}/{split}/audit.png


rule compare:
    input:
        rows=expand("results/{dataset}/rows.parquet", dataset=DATASETS),
        panels=[path for dataset, split in SPLITS for path in panels_of(dataset, split)],
        predictions=[
            path
            for run in RUNS
            for path in predictions_of(run.dataset, f"results/{run.folder}")
        ],
        models=[f"results/{run.folder}/best_model" for run in RUNS],
        metrics=[f"results/{run.folder}/metrics.tsv" for run in RUNS],
    output:
        table="results/compare.tsv",
        text=report(
            "results/compare.md",
            category="Comparison",
            caption="../report/compare.rst",
        ),
    log:
        "logs/compare.log",
    benchmark:
        "benchmarks/compare.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        code=code_fingerprint("compare"),
        study=as_json(study_comparison.comparison_spec(STUDY, "results")),
    message:
        "Comparing all models"
    shell:
        "python -m compare --study {params.study:q} --metrics {input.metrics:q} "
        "--out {output.table:q} --text {output.text:q} > {log:q} 2>&1"


rule compare_across:
    input:
        "results/compare.tsv",
    output:
        table="results/across.tsv",
        text=report(
            "results/across.md",
            category="Comparison",
            caption="../report/across.rst",
        ),
        picture=report(
            "results/plots/across.png",
            category="Comparison",
            labels={"dataset": "over datasets", "split": "all", "panel": "all"},
            caption="../report/across.rst",
        ),
    log:
        "logs/across.log",
    benchmark:
        "benchmarks/across.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("compare_across"),
        study=as_json(study_comparison.across_spec(STUDY)),
    message:
        "Comparing all models over the datasets of a series"
    shell:
        "python -m compare_across --compare {input:q} --study {params.study:q} --out {output.table:q} "
        "--text {output.text:q} --plot {output.picture:q} > {log:q} 2>&1"


rule plot_audit:
    input:
        "results/{dataset}/splits/{split}.audit.tsv",
    output:
        picture("audit", "Splits", "audit"),
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
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("plot_audit"),
        threshold=lambda w: audit_threshold(w.split),
    message:
        "Drawing the leak audit of {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m plot_audit --dataset {wildcards.dataset} --split {wildcards.split} --audit {input:q} "
        "--threshold {params.threshold} --out {output:q} > {log:q} 2>&1"


# Which pictures there are depends on the dataset and split, so that each set of them is a rule.
for number, ((panels, trained), places) in enumerate(places_with_pictures().items(), 1):

    rule:
        name:
            numbered("plot_split", number)
        input:
            rows="results/{dataset}/rows.parquet",
            panels=panel_paths("results/{dataset}/panels/{split}", panels),
            predictions=lambda w: [
                f"results/{run.folder}/predictions/{panel}.tsv"
                for panel in sorted(DATASETS[w.dataset]["panels"])
                for run in runs_of(w.dataset, w.split, first_seed=True)
            ],
            histories=lambda w: [
                f"results/{run.folder}/history.tsv"
                for run in runs_of(w.dataset, w.split, trained=True)
            ],
        output:
            predictions=pictures_of_panels(panels, "predictions"),
            training=picture("training", "Training", "training") if trained else [],
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
            mem_mb=growing(4000),
            runtime=growing(30),
        params:
            code=code_fingerprint("plot_split"),
            names=panels,
            task=lambda w: DATASETS[w.dataset]["task"],
            kinds=lambda w: kinds_of_panels(w.dataset),
            unit=lambda w: DATASETS[w.dataset]["measured"],
            models=lambda w: [
                run.model for run in runs_of(w.dataset, w.split, first_seed=True)
            ],
            history_models=lambda w: [
                run.model for run in runs_of(w.dataset, w.split, trained=True)
            ],
            history_seeds=lambda w: [
                run.seed for run in runs_of(w.dataset, w.split, trained=True)
            ],
        message:
            "Drawing predictions and training of {wildcards.dataset}, {wildcards.split}"
        shell:
            # the same for all: Snakemake evaluates a command when the job runs, when the loop is at its end
            "python -m plot_split --dataset {wildcards.dataset} --split {wildcards.split} --names {params.names} "
            "--rows {input.rows:q} --task {params.task} --unit {params.unit:q} --kinds {params.kinds} "
            "--panels {input.panels:q} --models {params.models:q} --predictions {input.predictions:q} "
            "--prediction-pictures {output.predictions:q} --training-picture {output.training:q} "
            "--histories {input.histories:q} --history-models {params.history_models:q} "
            "--history-seeds {params.history_seeds} > {log:q} 2>&1"


for number, (panels, places) in enumerate(places_compared().items(), 1):

    rule:
        name:
            numbered("plot_comparison", number)
        input:
            "results/compare.tsv",
        output:
            pictures_of_panels(panels, "comparison"),
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
            mem_mb=growing(2000),
            runtime=growing(15),
        params:
            code=code_fingerprint("plot_comparison"),
            names=panels,
            baseline=lambda w: study_comparison.baseline_of(STUDY, w.dataset),
            floors=study_comparison.floors(STUDY),
        message:
            "Drawing the comparison of models on {wildcards.dataset}, {wildcards.split}"
        shell:
            "python -m plot_comparison --dataset {wildcards.dataset} --split {wildcards.split} --names {params.names} "
            "--compare {input:q} --baseline {params.baseline:q} --floors {params.floors:q} --out {output:q} > {log:q} 2>&1"
