# REQUIRED INPUTS:  the files that datasets.{dataset}.source.files names (none for simulated rows)
# OUTPUTS:          results/{dataset}/rows.parquet        rows in canonical form
#                   results/{dataset}/rows.stages.tsv     how many rows each filter kept


rule make_rows:
    input:
        lambda w: list(DATASETS[w.dataset]["source"]["files"].values()),
    output:
        rows="results/{dataset}/rows.parquet",
        stages="results/{dataset}/rows.stages.tsv",
    log:
        "logs/{dataset}/make_rows.log",
    benchmark:
        "benchmarks/{dataset}/make_rows.tsv"
    priority: 10  # mistakes in the data show before anything expensive
    conda:
        "../../envs/tables.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        code=lambda w: code_fingerprint(
            "make_rows", f"s2f.rows.sources.{DATASETS[w.dataset]['source']['kind']}"
        ),
        kind=lambda w: DATASETS[w.dataset]["source"]["kind"],
        files=lambda w: as_json(DATASETS[w.dataset]["source"]["files"]),
        spec=lambda w: as_json(study.options(DATASETS[w.dataset]["source"])),
        construct=lambda w: construct_of(w.dataset),
        task=lambda w: DATASETS[w.dataset]["task"],
    message:
        "Reading the rows of {wildcards.dataset}"
    shell:
        "python -m make_rows --kind {params.kind} --files {params.files:q} --spec {params.spec:q} --task {params.task} "
        "--construct {params.construct:q} "
        "--rows {output.rows:q} --stages {output.stages:q} > {log:q} 2>&1"
