# REQUIRED INPUTS:  rows and panels, best_model/ of the runs to explain
# OUTPUTS:          results/{dataset}/interpretation/{split}/{panel}.tsv      the sequences, the same for all models
#                   results/{dataset}/interpretation/{split}/{panel}.stages.tsv   how many were available at each stage
#                   results/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.h5
#                   results/plots/{dataset}/{split}/interpretation/{model}/{method}.{panel}.png
#                   results/interpretation.tsv            everything explained: sequences, completeness, cost
#                   results/interpretation_truth.tsv      compared with planted positions and known motifs


rule select_sequences:
    """Choose the sequences of a panel for which predictions are explained."""
    input:
        rows="results/{dataset}/rows.parquet",
        panel="results/{dataset}/panels/{split}/{panel}.tsv",
    output:
        table="results/{dataset}/interpretation/{split}/{panel}.tsv",
        stages="results/{dataset}/interpretation/{split}/{panel}.stages.tsv",
    log:
        "logs/{dataset}/interpretation/{split}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/interpretation/{split}/{panel}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("select_sequences"),
        top=value_of(entry_of, "top"),
        bottom=value_of(entry_of, "bottom"),
        pairs=value_of(entry_of, "pairs"),
        ids=value_of(entry_of, "ids"),
        seed=STUDY["seed"],
    message:
        "Choosing sequences of {wildcards.panel} to explain: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} select_sequences "
        "--rows {input.rows:q} "
        "--panel {input.panel:q} "
        "--top {params.top} "
        "--bottom {params.bottom} "
        "--pairs {params.pairs} "
        "--ids {params.ids:q} "
        "--study-seed {params.seed} "
        "--out {output.table:q} "
        "--stages {output.stages:q} "
        "> {log:q} 2>&1"


rule interpret:
    """Explain the predictions of one model for chosen sequences by one method."""
    input:
        rows="results/{dataset}/rows.parquet",
        selection="results/{dataset}/interpretation/{split}/{panel}.tsv",
        model="results/{dataset}/{split}/{model}/seed{seed}/best_model",
        weights=adapted_weights_of(beside_run),
    output:
        "results/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.h5",
    log:
        "logs/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.tsv"
    wildcard_constraints:
        method=any_of(METHODS),
    conda:
        environment("interpretation")
    threads: 2
    resources:
        gpu=gpus_of_interpretation,
        mem_mb=times_attempt(16000),
        runtime=times_attempt(240),
    params:
        python=python,
        code=code_of_interpretation,
        encoder=json_of(encoder_of_run),
        spec=with_adapted_weights(encoder_of_run),
        weights=weights_id_of(beside_run),
        settings=settings_of_method,
        unit=unit_of_score,
        seed=STUDY["seed"],
    message:
        "Explaining {wildcards.model}, seed {wildcards.seed}, by {wildcards.method}, {wildcards.panel}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} interpret "
        "--rows {input.rows:q} "
        "--selection {input.selection:q} "
        "--panel {wildcards.panel} "
        "--model {input.model:q} "
        "--encoder-spec {params.spec:q} "
        "--method {wildcards.method} "
        "--settings {params.settings:q} "
        "--unit={params.unit:q} "
        "--study-seed {params.seed} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output:q} "
        "> {log:q} 2>&1"


for number, (pictures, places) in enumerate(places_by_explanations().items(), 1):

    rule:
        """Draw attributions by several methods: logos, and for mutagenesis the effect of each substitution."""
        name:
            numbered("plot_interpretation", number)
        input:
            attributions=attributions_to_plot,
            selections=[
                f"results/{{dataset}}/interpretation/{{split}}/{panel}.tsv"
                for _, _, panel in pictures
            ],
        output:
            [
                report(
                    f"results/plots/{{dataset}}/{{split}}/interpretation/{model}/{method}.{panel}.png",
                    category=CATEGORIES["interpretation"],
                    labels={
                        "dataset": "{dataset}",
                        "split": "{split}",
                        "model": model,
                        "method": method,
                        "panel": panel,
                    },
                    caption="../report/interpretation.rst",
                )
                for model, method, panel in pictures
            ],
        log:
            "logs/plots/{dataset}/{split}/interpretation.log",
        benchmark:
            "benchmarks/plots/{dataset}/{split}/interpretation.tsv"
        wildcard_constraints:
            dataset=dataset_before(places),
        conda:
            "../../envs/evaluation.yaml"
        threads: 1
        resources:
            mem_mb=times_attempt(2000),
            runtime=times_attempt(60),
        params:
            python=python,
            code=code_fingerprint("plot_interpretation"),
            most=most_pictures,
            titles=titles_of_pictures,
        message:
            "Drawing the interpretation of the models of {wildcards.dataset}, {wildcards.split}"
        shell:
            "{params.python} plot_interpretation "
            "--attributions {input.attributions:q} "
            "--selections {input.selections:q} "
            "--most {params.most} "
            "--titles {params.titles:q} "
            "--out {output:q} "
            "> {log:q} 2>&1"


rule summarise_interpretation:
    """Write one table of all attributions: models, methods, sequences, completeness, cost and provenance."""
    input:
        [f"results/{job.path}" for job in EXPLAINED],
    output:
        "results/interpretation.tsv",
    log:
        "logs/interpretation.log",
    benchmark:
        "benchmarks/interpretation.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("summarise_interpretation"),
    message:
        "Summarising interpretations"
    shell:
        "{params.python} summarise_interpretation "
        "--attributions {input:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule interpretation_truth:
    """Judge attributions by what is known: planted positions in simulated rows, and motifs of proteins."""
    input:
        attributions_with_known_truth,
    output:
        "results/interpretation_truth.tsv",
    log:
        "logs/interpretation_truth.log",
    benchmark:
        "benchmarks/interpretation_truth.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(60),
    params:
        python=python,
        code=code_of_truth(),
        datasets=literal(as_json(TRUTH)),
        seed=STUDY["seed"],
    message:
        "Judging attributions against planted positions and known motifs"
    shell:
        "{params.python} interpretation_truth "
        "--datasets {params.datasets:q} "
        "--attributions {input:q} "
        "--study-seed {params.seed} "
        "--out {output:q} "
        "> {log:q} 2>&1"
