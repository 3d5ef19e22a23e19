# REQUIRED INPUTS:  none, only the network or a mirror
# OUTPUTS:          resources/{name}             published files listed in the section `downloads`
#                   resources/{name}.sha256      their checksums, never deleted: later downloads must agree
#
# This is a plain rule because Snakemake's storage plugins need one more package per protocol in every environment,
# contact the server whenever the workflow is parsed (so that a dry run needs the network), do not resume, and do not
# compare checksums. Here, an existing file is used as it is, with or without network, and a failure says what to do by
# hand. The record of checksums is not an output, because Snakemake deletes outputs before a job runs again.


rule download:
    """Fetch a published file, resuming an interrupted download, and check its checksum."""
    output:
        "resources/{file}",
    log:
        "logs/downloads/{file}.log",
    benchmark:
        "benchmarks/downloads/{file}.tsv"
    wildcard_constraints:
        file=any_of(STUDY["downloads"]),
    localrule: True
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        python=python,
        downloads=not_compared(as_json(STUDY["downloads"])),
        mirror=not_compared(STUDY["mirror"]),
    message:
        "Fetching {wildcards.file}"
    shell:
        "{params.python} download "
        "--name {wildcards.file:q} "
        "--downloads {params.downloads:q} "
        "--mirror={params.mirror:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"
