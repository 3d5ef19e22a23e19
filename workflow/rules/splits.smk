# REQUIRED INPUTS:  results/{dataset}/rows.parquet
# OUTPUTS:          results/{dataset}/units.tsv                      rows at one locus or homologous
#                   results/{dataset}/splits/{split}.tsv             row_id, split, reason
#                   results/{dataset}/panels/{split}/{panel}.tsv     evaluation sets made from the test rows
#                   …/splits/{split}.stages.tsv, …/panels/{split}/{panel}.stages.tsv    how many rows each stage keeps
#                   results/{dataset}/splits/{split}-train10pct/draw{seed}.tsv    fewer training rows, for a learning curve
#                   results/{dataset}/splits/{split}.audit.tsv       how similar evaluated rows are to train rows


# once per dataset, because it takes longest: about an hour of CPU for 800,000 inserts of 200 bp. Any number of threads
rule make_units:
    """Find which rows of a dataset are not independent: at one locus, or with homologous inserts."""
    input:
        "results/{dataset}/rows.parquet",
    output:
        "results/{dataset}/units.tsv",
    log:
        "logs/{dataset}/make_units.log",
    benchmark:
        "benchmarks/{dataset}/make_units.tsv"
    priority: 10  # splits by homology, panels and audits wait for it
    conda:
        "../../envs/tables.yaml"
    threads: 4
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
    params:
        python=python,
        code=code_fingerprint("make_units"),
        identity=value_of(homology_section, "identity"),
        backend=value_of(homology_section, "backend"),
    message:
        "Searching {wildcards.dataset} for homologs"
    shell:
        "{params.python} make_units "
        "--rows {input:q} "
        "--identity {params.identity} "
        "--backend {params.backend} "
        "--threads {threads} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule make_split:
    """Assign the rows of a dataset to train, val and test."""
    input:
        rows="results/{dataset}/rows.parquet",
        units=units_of_split,
        files=files_of(split_section),
    output:
        table="results/{dataset}/splits/{split}.tsv",
        stages="results/{dataset}/splits/{split}.stages.tsv",
    log:
        "logs/{dataset}/splits/{split}.log",
    benchmark:
        "benchmarks/{dataset}/splits/{split}.tsv"
    priority: 11  # mistakes in the data show up before anything expensive, even the search for homologs if possible
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_of_kind("make_split", "splits", split_section),
        section=json_of(split_section),
        contents=contents_of(files_of(split_section)),
        spec=split_with_files,
        seed=seed_of_split,
    message:
        "Splitting {wildcards.dataset}: {wildcards.split}"
    shell:
        "{params.python} make_split "
        "--rows {input.rows:q} "
        "--units {input.units:q} "
        "--spec {params.spec:q} "
        "--seed {params.seed} "
        "--out {output.table:q} "
        "--stages {output.stages:q} "
        "> {log:q} 2>&1"


rule make_subset:
    """Keep a part of a split's training rows, drawn for a seed: a point of a learning curve."""
    input:
        rows="results/{dataset}/rows.parquet",
        units="results/{dataset}/units.tsv",
        split=split_of_point,
    output:
        "results/{dataset}/splits/{point}/draw{seed}.tsv",
    log:
        "logs/{dataset}/splits/{point}/draw{seed}.log",
    benchmark:
        "benchmarks/{dataset}/splits/{point}/draw{seed}.tsv"
    wildcard_constraints:
        dataset=dataset_before(CURVE, "splits/(?:{})/"),
    priority: 10  # a part that is too small shows up before models are trained
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_fingerprint("make_subset"),
        split=lambda wildcards: CURVE[wildcards.dataset, wildcards.point][0],
        fraction=lambda wildcards: CURVE[wildcards.dataset, wildcards.point][1],
        seed=STUDY["seed"],
    message:
        "Drawing training rows of {wildcards.dataset}: {wildcards.point}, seed {wildcards.seed}"
    shell:
        "{params.python} make_subset "
        "--rows {input.rows:q} "
        "--units {input.units:q} "
        "--split {input.split:q} "
        "--dataset {wildcards.dataset} "
        "--split-name {params.split} "
        "--fraction {params.fraction} "
        "--seed {wildcards.seed} "
        "--study-seed {params.seed} "
        "--out {output:q} "
        "> {log:q} 2>&1"


# one job each, so that a new panel does not affect the others or anything made from their sequences
rule make_panel:
    """Make one evaluation panel of a dataset from the test rows of a split."""
    input:
        rows="results/{dataset}/rows.parquet",
        units="results/{dataset}/units.tsv",
        split="results/{dataset}/splits/{split}.tsv",
        file=file_of(panel_section, "file"),
        regions=regions_of(panel_section),
    output:
        table="results/{dataset}/panels/{split}/{panel}.tsv",
        stages="results/{dataset}/panels/{split}/{panel}.stages.tsv",
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
            r"panels/[^/]+/(?:{})(?:\.stages)?\.tsv",
        ),
    priority: 10  # mistakes in a panel show up before models are trained, but after the search for homologs
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_of_kind("make_panel", "panels", panel_section),
        section=json_of(panel_section),
        contents=contents_of(file_of(panel_section, "file"), regions_of(panel_section)),
        spec=panel_with_files,
    message:
        "Making panel {wildcards.panel} of {wildcards.dataset}, split {wildcards.split}"
    shell:
        "{params.python} make_panel "
        "--rows {input.rows:q} "
        "--units {input.units:q} "
        "--split {input.split:q} "
        "--name {wildcards.panel} "
        "--spec {params.spec:q} "
        "--out {output.table:q} "
        "--stages {output.stages:q} "
        "> {log:q} 2>&1"


# any number of threads: --set-threads audit_split=16. With two, 800,000 rows of 200 bp take about a quarter of an hour
rule audit_split:
    """Measure how similar the test and val rows of a split are to its train rows."""
    input:
        rows="results/{dataset}/rows.parquet",
        units="results/{dataset}/units.tsv",
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
        mem_mb=times_attempt(8000),
        runtime=times_attempt(360),
    params:
        python=python,
        code=code_fingerprint("audit_split"),
    message:
        "Auditing {wildcards.dataset} for leaks: {wildcards.split}"
    shell:
        "{params.python} audit_split "
        "--rows {input.rows:q} "
        "--units {input.units:q} "
        "--split {input.split:q} "
        "--threads {threads} "
        "--out {output:q} "
        "> {log:q} 2>&1"
