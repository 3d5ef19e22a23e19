# REQUIRED INPUTS:  the files named in datasets.{dataset}.source.files (none for simulated rows)
# OUTPUTS:          results/{dataset}/rows.parquet        rows in canonical form
#                   results/{dataset}/rows.stages.tsv     how many rows each filter kept


rule make_rows:
    """Read or simulate an assay table, convert it to canonical rows, and count what each filter keeps."""
    input:
        files=files_of(source_section),
    output:
        rows="results/{dataset}/rows.parquet",
        stages="results/{dataset}/rows.stages.tsv",
    log:
        "logs/{dataset}/make_rows.log",
    benchmark:
        "benchmarks/{dataset}/make_rows.tsv"
    priority: 10  # mistakes in the data show up before anything expensive
    conda:
        "../../envs/tables.yaml"
    threads: 2
    resources:
        mem_mb=memory_to_read(source_section, 4000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_of_kind("make_rows", "sources", source_section),
        kind=value_of(source_section, "kind"),
        named=json_of(value_of(source_section, "files")),
        contents=contents_of(files_of(source_section)),
        files=files_by_name,
        spec=options_of("sources", source_section),
        construct=json_of(construct_section),
        task=dataset_of("task"),
        cells=dataset_of("cells"),
        strand_rule=strand_rule_of_rows,
    message:
        "Reading the rows of {wildcards.dataset}"
    shell:
        "{params.python} make_rows "
        "--kind {params.kind} "
        "--files {params.files:q} "
        "--spec {params.spec:q} "
        "--task {params.task} "
        "--cells {params.cells} "
        "--strand-rule {params.strand_rule} "
        "--construct {params.construct:q} "
        "--rows {output.rows:q} "
        "--stages {output.stages:q} "
        "> {log:q} 2>&1"
