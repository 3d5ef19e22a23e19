# REQUIRED INPUTS:  predictions and metrics of every run and ensemble, rows, units, panels
# OUTPUTS:          results/calibration.tsv, results/learning_curve.tsv
#                   results/compare.tsv, results/compare.md, results/compare.html
#                   results/across.tsv, results/across.md, results/plots/across.png     for all datasets in a series


rule calibrate:
    """Calibrate all models on their validation rows, and check on their panels how confident they may be."""
    input:
        rows=rows_of_study(),
        panels=panels_of_study(),
        units=[f"results/{dataset}/units.tsv" for dataset in DATASETS],
        predictions=predictions_of_study(),
        models=[f"results/{run.folder}/best_model" for run in [*RUNS, *ENSEMBLES]],
        metrics=[f"results/{run.folder}/metrics.tsv" for run in [*RUNS, *ENSEMBLES]],
    output:
        "results/calibration.tsv",
    log:
        "logs/calibration.log",
    benchmark:
        "benchmarks/calibration.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
    params:
        python=python,
        code=code_fingerprint("calibrate"),
        compared=literal(as_json(study_comparison.comparison_spec(STUDY))),
        study=comparison_with_files,
    message:
        "Calibrating all models"
    shell:
        "{params.python} calibrate "
        "--study {params.study:q} "
        "--metrics {input.metrics:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule learning_curve:
    """Measure the models of learning curves at each number of training rows."""
    input:
        rows=rows_of_study(CURVED),
        panels=panels_of_study(CURVED),
        predictions=[
            path
            for run in runs_of_curve()
            for path in panel_paths(
                f"results/{run.folder}/predictions", DATASETS[run.dataset]["panels"]
            )
        ],
        models=[f"results/{run.folder}/best_model" for run in runs_of_curve()],
        metrics=[f"results/{run.folder}/metrics.tsv" for run in runs_of_curve()],
    output:
        "results/learning_curve.tsv",
    log:
        "logs/learning_curve.log",
    benchmark:
        "benchmarks/learning_curve.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
    params:
        python=python,
        code=code_fingerprint("learning_curve"),
        compared=literal(as_json(study_curve.spec(STUDY, RUNS))),
        study=curve_with_files,
    message:
        "Measuring learning curves"
    shell:
        "{params.python} learning_curve "
        "--study {params.study:q} "
        "--metrics {input.metrics:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule compare:
    """Compare all models of the study on their panels, in a table and in a text for people."""
    input:
        rows=rows_of_study(),
        panels=panels_of_study(),
        stages=stages_of_study(),
        predictions=predictions_of_study(),
        models=[f"results/{run.folder}/best_model" for run in [*RUNS, *ENSEMBLES]],
        metrics=[f"results/{run.folder}/metrics.tsv" for run in [*RUNS, *ENSEMBLES]],
        calibration="results/calibration.tsv",
        curve=curve_results(),
    output:
        table="results/compare.tsv",
        text="results/compare.md",
    log:
        "logs/compare.log",
    benchmark:
        "benchmarks/compare.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
    params:
        python=python,
        code=code_fingerprint("compare"),
        compared=literal(as_json(study_comparison.comparison_spec(STUDY))),
        study=comparison_with_files,
    message:
        "Comparing all models"
    shell:
        "{params.python} compare "
        "--study {params.study:q} "
        "--metrics {input.metrics:q} "
        "--calibration {input.calibration:q} "
        "--curve {input.curve:q} "
        "--out {output.table:q} "
        "--text {output.text:q} "
        "> {log:q} 2>&1"


rule comparison_page:
    """Write the comparison as a single page with its pictures, which opens in a browser without a network."""
    input:
        text="results/compare.md",
        pictures=comparison_pictures(),
    output:
        report(
            "results/compare.html",
            category=CATEGORIES["comparison"],
            caption="../report/compare.rst",
        ),
    log:
        "logs/comparison_page.log",
    benchmark:
        "benchmarks/comparison_page.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("comparison_page"),
    message:
        "Writing the comparison page"
    shell:
        "{params.python} comparison_page "
        "--text {input.text:q} "
        "--pictures {input.pictures:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule compare_across:
    """Compare all models across the datasets of each series, in a table, a text for people and a picture."""
    input:
        "results/compare.tsv",
    output:
        table="results/across.tsv",
        text=report(
            "results/across.md",
            category=CATEGORIES["comparison"],
            caption="../report/across.rst",
        ),
        picture=report(
            "results/plots/across.png",
            category=CATEGORIES["comparison"],
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
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("compare_across"),
        study=literal(as_json(study_comparison.across_spec(STUDY))),
    message:
        "Comparing all models over the datasets of a series"
    shell:
        "{params.python} compare_across "
        "--compare {input:q} "
        "--study {params.study:q} "
        "--out {output.table:q} "
        "--text {output.text:q} "
        "--plot {output.picture:q} "
        "> {log:q} 2>&1"
