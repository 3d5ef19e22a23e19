# REQUIRED INPUTS:  predictions, metrics and histories of every run, rows, panels, leak audits
# OUTPUTS:          results/{dataset}/{split}/{ensemble}/seed{seed}/best_model/, predictions/{panel}.tsv, metrics.tsv
#                   results/calibration.tsv, results/compare.tsv, results/compare.md
#                   results/learning_curve.tsv, results/plots/{dataset}/{split}/learning_curve.png
#                   results/across.tsv, results/across.md, results/plots/across.png     for all datasets in a series
#                   results/plots/{dataset}/{split}/{panel}.comparison.png, …/{panel}.predictions.png, …/training.png
#                   results/plots/{dataset}/{split}/calibration.png, …/audit.png


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
        "Writing the page of the comparison"
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
