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


# Which pictures there are depends on the dataset and split (`places_by_pictures`), so that each set of them is a rule.
for number, (drawn, places) in enumerate(places_by_pictures().items(), 1):

    rule:
        name:
            numbered("plot_split", number)
        input:
            rows="results/{dataset}/rows.parquet" if drawn.split else [],
            panels=(
                panel_paths("results/{dataset}/panels/{split}", drawn.panels)
                if drawn.split
                else []
            ),
            predictions=(
                (
                    lambda w: [
                        f"results/{run.folder}/predictions/{panel}.tsv"
                        for panel in DATASETS[w.dataset]["panels"]
                        for run in runs_of(w.dataset, w.split, first_seed=True)
                    ]
                )
                if drawn.split
                else []
            ),
            histories=(
                (
                    lambda w: [
                        f"results/{run.folder}/history.tsv"
                        for run in runs_of(w.dataset, w.split, trained=True)
                    ]
                )
                if drawn.training
                else []
            ),
            audit="results/{dataset}/splits/{split}.audit.tsv" if drawn.split else [],
            compare="results/compare.tsv" if drawn.comparison else [],
        output:
            **pictures_of(drawn, picture),
        log:
            "logs/plots/{dataset}/{split}.log",
        benchmark:
            "benchmarks/plots/{dataset}/{split}.tsv"
        wildcard_constraints:
            dataset=dataset_before(places),
        conda:
            "../../envs/evaluation.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(15),
        params:
            code=code_fingerprint("plot_split"),
            names=drawn.panels,
            task=lambda w: DATASETS[w.dataset]["task"],
            kinds=lambda w: kinds_of_panels(w.dataset),
            unit=lambda w: DATASETS[w.dataset]["measured"],
            models=lambda w: [
                run.model for run in runs_of(w.dataset, w.split, first_seed=True)
            ],
            baseline=lambda w: study_comparison.baseline_of(STUDY, w.dataset),
            floors=study_comparison.floors(STUDY),
            history_models=lambda w: [
                run.model for run in runs_of(w.dataset, w.split, trained=True)
            ],
            history_seeds=lambda w: [
                run.seed for run in runs_of(w.dataset, w.split, trained=True)
            ],
            threshold=(lambda w: audit_threshold(w.split)) if drawn.split else [],
        message:
            "Drawing the pictures of {wildcards.dataset}, {wildcards.split}"
        shell:
            # the same for all: Snakemake evaluates a command when the job runs, and `drawn` is the last one then
            "python -m plot_split --dataset {wildcards.dataset} --split {wildcards.split} --names {params.names} "
            "--prediction-pictures {output.predictions:q} --rows {input.rows:q} --task {params.task} "
            "--unit {params.unit:q} --kinds {params.kinds} --panels {input.panels:q} --models {params.models:q} "
            "--predictions {input.predictions:q} --audit-picture {output.audit:q} --audit {input.audit:q} "
            "--threshold {params.threshold} --comparison-pictures {output.comparison:q} --compare {input.compare:q} "
            "--baseline {params.baseline:q} --floors {params.floors:q} --training-picture {output.training:q} "
            "--histories {input.histories:q} --history-models {params.history_models:q} "
            "--history-seeds {params.history_seeds} > {log:q} 2>&1"
