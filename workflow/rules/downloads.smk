# REQUIRED INPUTS:  none; the network, or a mirror
# OUTPUTS:          resources/{name}             published files of the section `downloads`
#                   resources/{name}.sha256      their checksums, kept for good: later downloads must agree
#
# A plain rule and not Snakemake's storage plugins: those are one more package per protocol in every environment, ask
# the server at every parse of the workflow (so that a dry run needs the network), do not resume, and compare no
# checksum. Here a file that is present is used as it is, with or without network, and a failure says what to do by
# hand. The record of checksums is no output, as Snakemake deletes outputs before a job runs again.


rule download:
    """Fetch a published file, resume where it stopped, and compare its checksum."""
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
