# REQUIRED INPUTS:  results/{dataset}/rows.parquet
# OUTPUTS:          results/{dataset}/splits/{split}.tsv             row_id, split, reason
#                   results/{dataset}/panels/{split}/{panel}.tsv     evaluation sets made of the test rows
#                   results/{dataset}/splits/{split}.audit.tsv       how close evaluated rows come to train rows


rule make_split:
    input:
        rows="results/{dataset}/rows.parquet",
        files=lambda w: list(STUDY["splits"][w.split].get("files", {}).values()),
    output:
        "results/{dataset}/splits/{split}.tsv",
    log:
        "logs/{dataset}/splits/{split}.log",
    benchmark:
        "benchmarks/{dataset}/splits/{split}.tsv"
    priority: 10  # mistakes in the data show before anything expensive
    conda:
        "../../envs/tables.yaml"
    threads: lambda w: study.split_threads(STUDY, w.split)
    resources:
        mem_mb=growing(8000),
        runtime=lambda w, attempt: attempt * study.split_minutes(STUDY, w.split),
    params:
        code=lambda w: code_fingerprint(
            "make_split", *study.modules_of_split(STUDY, w.split)
        ),
        spec=lambda w: as_json(STUDY["splits"][w.split]),
        seed=lambda w: study.split_seed(STUDY, w.split),
    message:
        "Splitting {wildcards.dataset}: {wildcards.split}"
    shell:
        "python -m make_split --rows {input.rows:q} --spec {params.spec:q} --seed {params.seed} "
        "--out {output:q} > {log:q} 2>&1"


# one job for each: a new panel leaves the others alone, and with them all that was made from their sequences
rule make_panel:
    input:
        rows="results/{dataset}/rows.parquet",
        split="results/{dataset}/splits/{split}.tsv",
        file=lambda w: DATASETS[w.dataset]["panels"][w.panel].get("file", []),
    output:
        "results/{dataset}/panels/{split}/{panel}.tsv",
    log:
        "logs/{dataset}/panels/{split}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/panels/{split}/{panel}.tsv"
    wildcard_constraints:
        dataset=dataset_before(
            (
                (name, panel)
                for name, section in DATASETS.items()
                for panel in section["panels"]
            ),
            r"panels/[^/]+/(?:{})\.tsv",
        ),
    priority: 10  # mistakes in the data show before anything expensive
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        code=code_fingerprint("make_panel"),
        spec=lambda w: as_json(DATASETS[w.dataset]["panels"][w.panel]),
    message:
        "Making panel {wildcards.panel} of {wildcards.dataset}, split {wildcards.split}"
    shell:
        "python -m make_panel --rows {input.rows:q} --split {input.split:q} --name {wildcards.panel} --spec {params.spec:q} "
        "--out {output:q} > {log:q} 2>&1"


# any number of threads: --set-threads audit_split=16. With two, 800,000 rows of 200 bp take about a quarter of an hour
rule audit_split:
    input:
        rows="results/{dataset}/rows.parquet",
        split="results/{dataset}/splits/{split}.tsv",
    output:
        "results/{dataset}/splits/{split}.audit.tsv",
    log:
        "logs/{dataset}/splits/{split}.audit.log",
    benchmark:
        "benchmarks/{dataset}/splits/{split}.audit.tsv"
    conda:
        "../../envs/tables.yaml"
    threads: 2
    resources:
        mem_mb=growing(8000),
        runtime=growing(360),
    params:
        code=code_fingerprint("audit_split"),
        threshold=lambda w: audit_threshold(w.split),
    message:
        "Auditing {wildcards.dataset} for leaks: {wildcards.split}"
    shell:
        "python -m audit_split --rows {input.rows:q} --split {input.split:q} --threshold {params.threshold} "
        "--threads {threads} --out {output:q} > {log:q} 2>&1"
