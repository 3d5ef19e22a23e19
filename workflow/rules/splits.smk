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


for number, (panels, datasets) in enumerate(datasets_by_panels().items(), 1):

    rule:
        name:
            numbered("make_panels", number)
        input:
            rows="results/{dataset}/rows.parquet",
            split="results/{dataset}/splits/{split}.tsv",
            files=lambda w: [
                panel["file"]
                for panel in DATASETS[w.dataset]["panels"].values()
                if "file" in panel
            ],
        output:
            # by name, as in `specs`: another order in the study is no other job
            panel_paths("results/{dataset}/panels/{split}", sorted(panels)),
        log:
            "logs/{dataset}/panels/{split}.log",
        benchmark:
            "benchmarks/{dataset}/panels/{split}.tsv"
        wildcard_constraints:
            dataset=one_of(datasets),
        priority: 10  # mistakes in the data show before anything expensive
        conda:
            "../../envs/tables.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(30),
        params:
            code=code_fingerprint("make_panels"),
            specs=lambda w: as_json(DATASETS[w.dataset]["panels"]),
        message:
            "Making the panels of {wildcards.dataset}, split {wildcards.split}"
        shell:
            "python -m make_panels --rows {input.rows:q} --split {input.split:q} --specs {params.specs:q} "
            "--out {output:q} > {log:q} 2>&1"


# any number of threads: --set-threads audit_split=16. With two, 800,000 rows of 200 bp take about an hour
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
