# REQUIRED INPUTS:  results/{dataset}/rows.parquet, the weights named in the encoder's section
# OUTPUTS:          results/{dataset}/embeddings/{encoder}/{shift}.{strand}.h5     embeddings of every unique sequence
#                   results/{dataset}/embeddings/{encoder}/{shift}.{strand}.json   manifest: contents and their hash
#                   …/{encoder}/draw{seed}/{shift}.{strand}.h5, .json              if each seed draws new weights
#                   …/{shift}.{strand}.shards/{shard}.h5, .json                    if several jobs share the sequences


# datasets for which one job embeds both strands: if the study says so and evaluation needs both
BOTH_STRANDS_IN_ONE_JOB = [
    name
    for name, dataset in DATASETS.items()
    if (STUDY["cache"]["strands"], dataset["strand_rule"]) == ("together", "mean")
]


# what the jobs that encode write: whole caches, or shards of them, to be joined
OF_SHARD = ".shards/{shard}" if len(SHARDS) > 1 else ""
ENCODED = (
    f"results/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}.{{strand}}{OF_SHARD}"
)


# the path contains a draw only for an encoder whose weights are drawn anew for each seed
ENCODER_AND_DRAW = (
    rf"(?:{any_of(DRAWN)})(?=/draw)|(?:{any_of(set(ENCODERS) - DRAWN)})(?=/[+-])"
)


# Jobs that read a cache depend on its manifest, which is compared by content: touching or copying a cache retrains
# nothing.
rule embed:
    """Encode the rows of a dataset, or a shard of them, at one shift into one embedding cache per strand."""
    input:
        rows="results/{dataset}/rows.parquet",
        weights=adapted_weights_of(drawn_encoder),
    output:
        caches=expand(
            f"{ENCODED}.h5", strand=["forward", "reverse"], allow_missing=True
        ),
        manifests=expand(
            f"{ENCODED}.json", strand=["forward", "reverse"], allow_missing=True
        ),
    log:
        f"logs/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}{OF_SHARD}.log",
    benchmark:
        f"benchmarks/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}{OF_SHARD}.tsv"
    wildcard_constraints:
        dataset=any_of(BOTH_STRANDS_IN_ONE_JOB),
        encoder=ENCODER_AND_DRAW,
    priority: 5  # long, or others wait for it: if it started late, it would run alone at the end
    conda:
        of_kinds("encoders", environment_of_encoder, BOTH_STRANDS_IN_ONE_JOB)
    threads: threads_of_encoder
    resources:
        gpu=gpus_of_encoder,
        mem_mb=times_attempt(16000),
        runtime=times_attempt(240),
    params:
        python=python,
        code=code_of_kind("embed", "encoders", encoder_section),
        encoder=json_of(drawn_encoder),
        spec=with_adapted_weights(drawn_encoder),
        construct=json_of(construct_section),
        weights=weights_id_of(drawn_encoder),
        dtype=STUDY["cache"]["dtype"],
        strands="forward reverse",
        shard=lambda wildcards: f"--shard {wildcards.shard}" if OF_SHARD else "",
    message:
        "Embedding {wildcards.dataset} with {wildcards.encoder}, shift {wildcards.draw}{wildcards.shift}, {params.strands}"
        + (", shard {wildcards.shard}" if OF_SHARD else "")
    shell:
        "{params.python} embed "
        "--rows {input.rows:q} "
        "--encoder {wildcards.encoder} "
        "--encoder-spec {params.spec:q} "
        "--construct {params.construct:q} "
        "--shift {wildcards.shift} "
        "--strands {params.strands} "
        "{params.shard} "
        "--dtype {params.dtype} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output.caches:q} "
        "--manifests {output.manifests:q} "
        "> {log:q} 2>&1"


# for strand-specific datasets, and for sharing the work between two GPUs
use rule embed as embed_strand with:
    """Encode the rows of a dataset, or a shard of them, at one shift into an embedding cache for one strand."""
    output:
        caches=f"{ENCODED}.h5",
        manifests=f"{ENCODED}.json",
    log:
        f"logs/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}.{{strand}}{OF_SHARD}.log",
    benchmark:
        f"benchmarks/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}.{{strand}}{OF_SHARD}.tsv"
    wildcard_constraints:
        dataset=any_of(set(DATASETS) - set(BOTH_STRANDS_IN_ONE_JOB)),
        encoder=ENCODER_AND_DRAW,
    conda:
        of_kinds(
            "encoders",
            environment_of_encoder,
            set(DATASETS) - set(BOTH_STRANDS_IN_ONE_JOB),
        )
    params:
        strands="{strand}",


if OF_SHARD:

    rule join_shards:
        """Join the shards of an embedding cache into one cache, without copying an embedding."""
        input:
            rows="results/{dataset}/rows.parquet",
            manifests=expand(
                "results/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}.{{strand}}.shards/{shard}.json",
                shard=SHARDS,
            ),
            caches=ancient(
                expand(
                    "results/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}.{{strand}}.shards/{shard}.h5",
                    shard=SHARDS,
                )
            ),
        output:
            cache="results/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.h5",
            manifest="results/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.json",
        log:
            "logs/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.join.log",
        benchmark:
            "benchmarks/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.join.tsv"
        wildcard_constraints:
            encoder=ENCODER_AND_DRAW,
        priority: 5
        conda:
            "../../envs/evaluation.yaml"
        resources:
            mem_mb=times_attempt(16000),
            runtime=times_attempt(60),
        params:
            python=python,
            code=code_fingerprint("join_shards"),
        message:
            "Joining {wildcards.dataset}, {wildcards.encoder}, shift {wildcards.draw}{wildcards.shift}, {wildcards.strand}"
        shell:
            "{params.python} join_shards "
            "--rows {input.rows:q} "
            "--shards {input.caches:q} "
            "--out {output.cache:q} "
            "--manifest {output.manifest:q} "
            "> {log:q} 2>&1"
