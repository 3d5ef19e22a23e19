# REQUIRED INPUTS:  rows and panels, embedding caches, weights named by the encoder's section
# OUTPUTS:          results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5          maps and variant influence
#                   results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.tsv   truth, of simulated sites
#                   results/plots/{dataset}/{split}/dependency_maps/{encoder}/{panel}.{place}.png
#                   results/{dataset}/isoscore.tsv, results/plots/{dataset}/isoscore.png    evenness of embeddings


rule dependency_map:
    input:
        rows="results/{dataset}/rows.parquet",
        panel="results/{dataset}/panels/{split}/{panel}.tsv",
        weights=lambda w: weights_made_here(ENCODERS[w.encoder]),
    output:
        "results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5",
    log:
        "logs/{dataset}/{split}/dependency_maps/{encoder}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/{split}/dependency_maps/{encoder}/{panel}.tsv"
    wildcard_constraints:
        encoder=one_of(maps.encoder for maps in MAPS.values()),
    conda:
        environment("language-model")
    threads: 2
    resources:
        gpu=lambda w: int(study.uses_gpu(ENCODERS[w.encoder])),
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        code=code_fingerprint("dependency_map"),
        task=lambda w: DATASETS[w.dataset]["task"],
        first=lambda w: maps_of(w).rows,
        ids=lambda w: list(maps_of(w).ids),
        encoder=lambda w: as_json(ENCODERS[w.encoder]),
        weights=lambda w: weights_id(ENCODERS[w.encoder]),
    message:
        "Mapping dependencies in {wildcards.dataset}, {wildcards.split}, {wildcards.panel} with {wildcards.encoder}"
    shell:
        "python -m dependency_map --rows {input.rows:q} --task {params.task} --panel {input.panel:q} "
        "--first {params.first} --ids {params.ids:q} --encoder {wildcards.encoder} --encoder-spec {params.encoder:q} "
        "--threads {threads} --gpus {resources.gpu} --out {output:q} > {log:q} 2>&1"


rule measure_dependency_map:
    input:
        "results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5",
    output:
        "results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.tsv",
    log:
        "logs/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.log",
    benchmark:
        "benchmarks/{dataset}/{split}/dependency_maps/{encoder}/{panel}.pairs.tsv"
    wildcard_constraints:
        dataset=one_of(HAIRPINS),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("measure_dependency_map"),
        source=lambda w: as_json(study.options(DATASETS[w.dataset]["source"])),
    message:
        "Measuring planted pairs in the maps of {wildcards.dataset}, {wildcards.split}: {wildcards.encoder}"
    shell:
        "python -m measure_dependency_map --maps {input:q} --source {params.source:q} --out {output:q} > {log:q} 2>&1"


rule plot_dependency_map:
    input:
        "results/{dataset}/{split}/dependency_maps/{encoder}/{panel}.h5",
    output:
        report(
            "results/plots/{dataset}/{split}/dependency_maps/{encoder}/{panel}.{place}.png",
            category="Dependency maps",
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
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("plot_dependency_map"),
        source=lambda w: as_json(
            study.options(DATASETS[w.dataset]["source"])
            if w.dataset in HAIRPINS
            else None
        ),
    message:
        "Plotting dependency map {wildcards.place} of {wildcards.panel}: {wildcards.dataset}, {wildcards.encoder}"
    shell:
        "python -m plot_dependency_map --maps {input:q} --place {wildcards.place} --source {params.source:q} "
        "--title '{wildcards.dataset}, split {wildcards.split}, {wildcards.encoder}' --out {output:q} > {log:q} 2>&1"


rule isoscore:
    input:
        manifests=lambda w: caches_of_isoscore(w, "json"),
        caches=lambda w: ancient(caches_of_isoscore(w, "h5")),
    output:
        "results/{dataset}/isoscore.tsv",
    log:
        "logs/{dataset}/isoscore.log",
    benchmark:
        "benchmarks/{dataset}/isoscore.tsv"
    wildcard_constraints:
        dataset=one_of(ISOSCORES),
    conda:
        "../../envs/evaluation.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        code=code_fingerprint("isoscore"),
        levels=STUDY.get("isoscore", {}).get("levels", ["pooled"]),
    message:
        "Measuring how evenly the embeddings of {wildcards.dataset} spread"
    shell:
        "python -m isoscore --caches {input.caches:q} --levels {params.levels} --threads {threads} --out {output:q} "
        "> {log:q} 2>&1"


rule plot_isoscore:
    input:
        "results/{dataset}/isoscore.tsv",
    output:
        report(
            "results/plots/{dataset}/isoscore.png",
            category="Embeddings",
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
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_fingerprint("plot_isoscore"),
    message:
        "Plotting IsoScores: {wildcards.dataset}"
    shell:
        "python -m plot_isoscore --table {input:q} --title '{wildcards.dataset}, embeddings' --out {output:q} "
        "> {log:q} 2>&1"
