# REQUIRED INPUTS:  rows and panels, best_model/ of the runs that are explained
# OUTPUTS:          results/{dataset}/interpretation/{split}/{panel}.tsv      the sequences, the same for all models
#                   results/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.h5
#                   results/plots/{dataset}/{split}/interpretation/{model}/{method}.{panel}.png
#                   results/interpretation.tsv            all that was explained: sequences, completeness, cost
#                   results/interpretation_truth.tsv      against planted positions and known motifs


rule select_sequences:
    input:
        rows="results/{dataset}/rows.parquet",
        panel="results/{dataset}/panels/{split}/{panel}.tsv",
    output:
        "results/{dataset}/interpretation/{split}/{panel}.tsv",
    log:
        "logs/{dataset}/interpretation/{split}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/interpretation/{split}/{panel}.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(15),
    params:
        code=code_fingerprint("select_sequences"),
        top=lambda w: entry_of(w)["top"],
        bottom=lambda w: entry_of(w)["bottom"],
        pairs=lambda w: entry_of(w)["pairs"],
        ids=lambda w: entry_of(w)["ids"],
        seed=STUDY["seed"],
    message:
        "Choosing sequences of {wildcards.panel} to explain: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m select_sequences --rows {input.rows:q} --panel {input.panel:q} --top {params.top} "
        "--bottom {params.bottom} --pairs {params.pairs} --ids {params.ids:q} --study-seed {params.seed} "
        "--out {output:q} > {log:q} 2>&1"


rule interpret:
    input:
        rows="results/{dataset}/rows.parquet",
        selection="results/{dataset}/interpretation/{split}/{panel}.tsv",
        model="results/{dataset}/{split}/{model}/seed{seed}/best_model",
        weights=lambda w: weights_made_here(encoder_of_run(w)),
    output:
        "results/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.h5",
    log:
        "logs/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.tsv"
    wildcard_constraints:
        method=one_of(METHODS),
    conda:
        environment("interpretation")
    threads: 2
    resources:
        gpu=gpus_of_interpretation,
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        code=code_of_interpretation,
        encoder=lambda w: as_json(encoder_of_run(w)),
        weights=lambda w: weights_id(encoder_of_run(w)),
        settings=lambda w: as_json(entry_of(w).get(w.method, {})),
        unit=lambda w: study_interpretation.unit_of(STUDY, w.dataset),
        seed=STUDY["seed"],
    message:
        "Explaining {wildcards.model}, seed {wildcards.seed}, by {wildcards.method}, {wildcards.panel}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m interpret --rows {input.rows:q} --selection {input.selection:q} --panel {wildcards.panel} "
        "--model {input.model:q} --encoder-spec {params.encoder:q} --method {wildcards.method} "
        "--settings {params.settings:q} --unit {params.unit:q} --study-seed {params.seed} --threads {threads} --gpus {resources.gpu} "
        "--out {output:q} > {log:q} 2>&1"


for number, (pictures, places) in enumerate(places_by_explanations().items(), 1):

    rule:
        name:
            numbered("plot_interpretation", number)
        input:
            attributions=lambda w: [
                f"results/{job.path}" for job in EXPLAINED_IN[w.dataset, w.split]
            ],
            selections=[
                f"results/{{dataset}}/interpretation/{{split}}/{panel}.tsv"
                for _, _, panel in pictures
            ],
        output:
            [
                report(
                    f"results/plots/{{dataset}}/{{split}}/interpretation/{model}/{method}.{panel}.png",
                    category="Interpretation",
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
            mem_mb=growing(2000),
            runtime=growing(60),
        params:
            code=code_fingerprint("plot_interpretation"),
            most=lambda w: [
                STUDY["interpretation"][job.entry]["pictures"]
                for job in EXPLAINED_IN[w.dataset, w.split]
            ],
            titles=lambda w: [
                f"{w.dataset}, split {w.split}, {job.run.model}"
                for job in EXPLAINED_IN[w.dataset, w.split]
            ],
        message:
            "Drawing the interpretation of the models of {wildcards.dataset}, {wildcards.split}"
        shell:
            "python -m plot_interpretation --attributions {input.attributions:q} --selections {input.selections:q} "
            "--most {params.most} --titles {params.titles:q} --out {output:q} > {log:q} 2>&1"


rule summarise_interpretation:
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
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("summarise_interpretation"),
    message:
        "Summarising what was explained"
    shell:
        "python -m summarise_interpretation --attributions {input:q} --out {output:q} > {log:q} 2>&1"


rule interpretation_truth:
    input:
        attributions_to_judge,
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
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        code=code_fingerprint("interpretation_truth"),
        datasets=as_json(study_interpretation.truth_spec(STUDY, RUNS, study.options)),
        seed=STUDY["seed"],
    message:
        "Judging attributions against planted positions and known motifs"
    shell:
        "python -m interpretation_truth --datasets {params.datasets:q} --attributions {input:q} "
        "--study-seed {params.seed} --out {output:q} > {log:q} 2>&1"
