# REQUIRED INPUTS:  rows and panels, embedding caches, the weights named in the encoder's section
# OUTPUTS:          results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5          maps and variant influence
#                   results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.tsv   truth, for simulated sites
#                   …/{panel}.stages.tsv, …/{panel}.pairs.stages.tsv    how many rows each stage keeps
#                   results/plots/{dataset}/{split}/dependency_maps/{encoder}/{panel}.{place}.png
#                   results/{dataset}/isoscore.tsv, results/plots/{dataset}/isoscore.png    evenness of embeddings
#                   results/{dataset}/{split}/{model}/seed{seed}/drift.tsv, results/plots/{dataset}/{split}/drift.png
#                                                                                           how far layers moved


rule dependency_map:
    """Map which letters of a sequence a language model uses to predict which other letters."""
    input:
        rows="results/{dataset}/rows.parquet",
        panel="results/{dataset}/panels/{split}/{panel}.tsv",
        weights=adapted_weights_of(drawn_encoder),
    output:
        maps="results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5",
        stages="results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.stages.tsv",
    log:
        "logs/{dataset}/{split}/dependency_maps/{encoder}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/{split}/dependency_maps/{encoder}/{panel}.tsv"
    wildcard_constraints:
        encoder=any_of(maps.encoder for maps in MAPS.values()),
    conda:
        environment("language-model")
    threads: 2
    resources:
        gpu=gpus_of_encoder,
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
    params:
        python=python,
        code=code_fingerprint("dependency_map"),
        task=dataset_of("task"),
        first=rows_to_map,
        ids=ids_to_map,
        encoder=json_of(drawn_encoder),
        spec=with_adapted_weights(drawn_encoder),
        weights=weights_id_of(drawn_encoder),
    message:
        "Mapping dependencies in {wildcards.dataset}, {wildcards.split}, {wildcards.panel} with {wildcards.encoder}"
    shell:
        "{params.python} dependency_map "
        "--rows {input.rows:q} "
        "--task {params.task} "
        "--panel {input.panel:q} "
        "--first {params.first} "
        "--ids {params.ids:q} "
        "--encoder {wildcards.encoder} "
        "--encoder-spec {params.spec:q} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output.maps:q} "
        "--stages {output.stages:q} "
        "> {log:q} 2>&1"


rule measure_dependency_map:
    """Measure how strongly the planted base pairs of simulated binding sites show in dependency maps."""
    input:
        "results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5",
    output:
        table="results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.tsv",
        stages="results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.stages.tsv",
    log:
        "logs/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.log",
    benchmark:
        "benchmarks/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.tsv"
    wildcard_constraints:
        dataset=any_of(WITH_HAIRPINS),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("measure_dependency_map"),
        source=options_of("sources", source_section),
    message:
        "Measuring planted pairs in the maps of {wildcards.dataset}, {wildcards.split}: {wildcards.encoder}"
    shell:
        "{params.python} measure_dependency_map "
        "--maps {input:q} "
        "--source {params.source:q} "
        "--out {output.table:q} "
        "--stages {output.stages:q} "
        "> {log:q} 2>&1"


rule plot_dependency_map:
    """Draw one dependency map, with planted base pairs if they are known."""
    input:
        "results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5",
    output:
        report(
            "results/plots/{dataset}/{split}/dependency_maps/{encoder}/{panel}.{place}.png",
            category=CATEGORIES["interpretation"],
            labels={
                "dataset": "{dataset}",
                "split": "{split}",
                "encoder": "{encoder}",
                "panel": "{panel}, {place}",
            },
            caption="../report/dependency_map.rst",
        ),
    log:
        "logs/plots/{dataset}/{split}/dependency_maps/{encoder}/{panel}.{place}.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/dependency_maps/{encoder}/{panel}.{place}.tsv"
    wildcard_constraints:
        place=r"\d+",
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("plot_dependency_map"),
        source=source_of_hairpins,
    message:
        "Drawing dependency map {wildcards.place} of {wildcards.panel}: {wildcards.dataset}, {wildcards.encoder}"
    shell:
        "{params.python} plot_dependency_map "
        "--maps {input:q} "
        "--place {wildcards.place} "
        "--source {params.source:q} "
        "--title '{wildcards.dataset}, split {wildcards.split}, {wildcards.encoder}' "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule isoscore:
    """Measure how evenly the embeddings of each encoder spread over their dimensions (IsoScore)."""
    input:
        manifests=caches_of_isoscore("json"),
        caches=ancient(caches_of_isoscore("h5")),
        shards=ancient(shards_of(caches_of_isoscore("h5"))),
    output:
        "results/{dataset}/isoscore.tsv",
    log:
        "logs/{dataset}/isoscore.log",
    benchmark:
        "benchmarks/{dataset}/isoscore.tsv"
    wildcard_constraints:
        dataset=any_of(ISOSCORES),
    conda:
        "../../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(60),
    params:
        python=python,
        code=code_fingerprint("isoscore"),
        levels=STUDY.get("isoscore", {}).get("levels", ["pooled"]),
    message:
        "Measuring how evenly the embeddings of {wildcards.dataset} spread"
    shell:
        "{params.python} isoscore "
        "--caches {input.caches:q} "
        "--levels {params.levels} "
        "--threads {threads} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule plot_isoscore:
    """Draw the IsoScore of every encoder on a dataset beside that of an isotropic cloud."""
    input:
        "results/{dataset}/isoscore.tsv",
    output:
        report(
            "results/plots/{dataset}/isoscore.png",
            category=CATEGORIES["interpretation"],
            labels={"dataset": "{dataset}", "split": "all", "panel": "all"},
            caption="../report/isoscore.rst",
        ),
    log:
        "logs/plots/{dataset}/isoscore.log",
    benchmark:
        "benchmarks/plots/{dataset}/isoscore.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("plot_isoscore"),
    message:
        "Drawing IsoScores: {wildcards.dataset}"
    shell:
        "{params.python} plot_isoscore "
        "--table {input:q} "
        "--title '{wildcards.dataset}, embeddings' "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule measure_drift:
    """Measure how far fine-tuning moved each layer of an encoder, on validation sequences (linear CKA, IsoScore)."""
    input:
        rows="results/{dataset}/rows.parquet",
        split="results/{dataset}/splits/{split}.tsv",
        model="results/{dataset}/{split}/{model}/seed{seed}/best_model",
        weights=adapted_weights_of(section_of_run),
    output:
        "results/{dataset}/{split}/{model}/seed{seed}/drift.tsv",
    log:
        "logs/{dataset}/{split}/{model}/seed{seed}/drift.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{model}/seed{seed}/drift.tsv"
    wildcard_constraints:
        model=any_of(run.model for run in DRIFTS),
    conda:
        environment("interpretation")
    threads: 2
    resources:
        gpu=gpus_of_interpretation,
        mem_mb=times_attempt(16000),
        runtime=times_attempt(120),
    params:
        python=python,
        code=code_of_drift,
        weights=weights_id_of(section_of_run),
        sequences=STUDY.get("drift", {}).get("rows"),
        seed=STUDY["seed"],
    message:
        "Measuring the drift of {wildcards.model}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} measure_drift "
        "--rows {input.rows:q} "
        "--split {input.split:q} "
        "--model {input.model:q} "
        "--count {params.sequences} "
        "--study-seed {params.seed} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule plot_drift:
    """Draw how far fine-tuning moved each layer of the encoders of a dataset and split."""
    input:
        drifts_to_plot,
    output:
        picture("drift", "interpretation", "drift"),
    log:
        "logs/plots/{dataset}/{split}/drift.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/drift.tsv"
    wildcard_constraints:
        dataset=dataset_before(DRIFTS_IN),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("plot_drift"),
    message:
        "Drawing drift: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} plot_drift "
        "--tables {input:q} "
        "--title '{wildcards.dataset}, split {wildcards.split}' "
        "--out {output:q} "
        "> {log:q} 2>&1"
