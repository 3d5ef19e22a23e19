# REQUIRED INPUTS:  predictions of every run, rows and panels
# OUTPUTS:          results/{dataset}/{split}/{model}/seed{seed}/metrics.tsv
#                   results/compare.tsv, results/compare.md
#                   results/across.tsv, results/across.md, results/plots/across.png     over the datasets of a series
#                   results/plots/{dataset}/{split}/{panel}.comparison.png, …/{panel}.predictions.png, …/training.png
#                   results/plots/{dataset}/{split}/audit.png


rule measure:
    input:
        rows="results/{dataset}/rows.parquet",
        panels=lambda w: panels_of(w.dataset, w.split),
        predictions=lambda w: predictions_of(
            w.dataset, f"results/{w.dataset}/{w.split}/{w.model}/seed{w.seed}"
        ),
    output:
        "results/{dataset}/{split}/{model}/seed{seed}/metrics.tsv",
    log:
        "logs/{dataset}/{split}/{model}/seed{seed}/measure.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{model}/seed{seed}/measure.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        code=code_fingerprint("measure"),
        task=lambda w: DATASETS[w.dataset]["task"],
        names=lambda w: list(DATASETS[w.dataset]["panels"]),
        kinds=lambda w: [
            panel["kind"] for panel in DATASETS[w.dataset]["panels"].values()
        ],
    message:
        "Measuring {wildcards.model}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m measure --rows {input.rows:q} --task {params.task} --names {params.names} --kinds {params.kinds} "
        "--panels {input.panels:q} --predictions {input.predictions:q} --out {output:q} > {log:q} 2>&1"


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


rule plot_comparison:
    input:
        "results/compare.tsv",
    output:
        report(
            "results/plots/{dataset}/{split}/{panel}.comparison.png",
            category="Comparison",
            labels={"dataset": "{dataset}", "split": "{split}", "panel": "{panel}"},
            caption="../report/comparison.rst",
        ),
    log:
        "logs/plots/{dataset}/{split}/{panel}.comparison.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/{panel}.comparison.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("plot_comparison"),
        baseline=lambda w: study_comparison.baseline_of(STUDY, w.dataset),
        floors=study_comparison.floors(STUDY),
    message:
        "Plotting the comparison on {wildcards.panel}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m plot_comparison --compare {input:q} --dataset {wildcards.dataset} --split {wildcards.split} "
        "--panel {wildcards.panel} --baseline {params.baseline:q} --floors {params.floors:q} --out {output:q} "
        "> {log:q} 2>&1"


rule plot_predictions:
    input:
        rows="results/{dataset}/rows.parquet",
        panel="results/{dataset}/panels/{split}/{panel}.tsv",
        predictions=lambda w: [
            f"results/{run.folder}/predictions/{w.panel}.tsv"
            for run in runs_of(w.dataset, w.split, first_seed=True)
        ],
    output:
        report(
            "results/plots/{dataset}/{split}/{panel}.predictions.png",
            category="Predictions",
            labels={"dataset": "{dataset}", "split": "{split}", "panel": "{panel}"},
            caption="../report/predictions.rst",
        ),
    log:
        "logs/plots/{dataset}/{split}/{panel}.predictions.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/{panel}.predictions.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(15),
    params:
        code=code_fingerprint("plot_predictions"),
        task=lambda w: DATASETS[w.dataset]["task"],
        kind=lambda w: DATASETS[w.dataset]["panels"][w.panel]["kind"],
        labels=lambda w: [
            run.model for run in runs_of(w.dataset, w.split, first_seed=True)
        ],
        unit=lambda w: DATASETS[w.dataset]["measured"],
    message:
        "Plotting predicted against measured on {wildcards.panel}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m plot_predictions --rows {input.rows:q} --task {params.task} --panel {input.panel:q} "
        "--kind {params.kind} --predictions {input.predictions:q} --labels {params.labels:q} "
        "--title '{wildcards.dataset}, split {wildcards.split}, panel {wildcards.panel}' --unit {params.unit:q} "
        "--out {output:q} > {log:q} 2>&1"


rule plot_history:
    input:
        lambda w: [
            f"results/{run.folder}/history.tsv"
            for run in runs_of(w.dataset, w.split, trained=True)
        ],
    output:
        report(
            "results/plots/{dataset}/{split}/training.png",
            category="Training",
            labels={"dataset": "{dataset}", "split": "{split}", "panel": "all"},
            caption="../report/training.rst",
        ),
    log:
        "logs/plots/{dataset}/{split}/training.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/training.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("plot_history"),
        labels=lambda w: [
            run.model for run in runs_of(w.dataset, w.split, trained=True)
        ],
        seeds=lambda w: [run.seed for run in runs_of(w.dataset, w.split, trained=True)],
    message:
        "Plotting training curves: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m plot_history --history {input:q} --labels {params.labels:q} --seeds {params.seeds} "
        "--title '{wildcards.dataset}, split {wildcards.split}' --out {output:q} > {log:q} 2>&1"


rule plot_audit:
    input:
        "results/{dataset}/splits/{split}.audit.tsv",
    output:
        report(
            "results/plots/{dataset}/{split}/audit.png",
            category="Splits",
            labels={"dataset": "{dataset}", "split": "{split}", "panel": "all"},
            caption="../report/audit.rst",
        ),
    log:
        "logs/plots/{dataset}/{split}/audit.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/audit.tsv"
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
        "Plotting the leak audit: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m plot_audit --audit {input:q} --threshold {params.threshold} "
        "--title '{wildcards.dataset}, split {wildcards.split}' --out {output:q} > {log:q} 2>&1"
