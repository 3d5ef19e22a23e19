# REQUIRED INPUTS:  results/{dataset}/rows.parquet, the weights named in the encoder's section
# OUTPUTS:          results/{dataset}/embeddings/{encoder}/{shift}.{strand}.h5     embeddings of every unique sequence
#                   results/{dataset}/embeddings/{encoder}/{shift}.{strand}.json   manifest: contents and their hash
#                   …/{encoder}/draw{seed}/{shift}.{strand}.h5, .json              if weights are drawn anew for each
# seed


# datasets for which one job embeds both strands: if the study says so and evaluation needs both
BOTH_STRANDS_IN_ONE_JOB = [
    name
    for name, dataset in DATASETS.items()
    if (STUDY["cache"]["strands"], dataset["strand_rule"]) == ("together", "mean")
]


# the path contains a draw only for an encoder whose weights are drawn anew for each seed
ENCODER_AND_DRAW = (
    rf"(?:{any_of(DRAWN)})(?=/draw)|(?:{any_of(set(ENCODERS) - DRAWN)})(?=/[+-])"
)


# Jobs that read a cache depend on its manifest, which is compared by content: touching or copying a cache retrains
# nothing.
rule embed:
    """Encode the rows of a dataset with a frozen encoder, at one shift, into one embedding cache per strand."""
    input:
        rows="results/{dataset}/rows.parquet",
        weights=adapted_weights_of(drawn_encoder),
    output:
        caches=expand(
            "results/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}.{strand}.h5",
            strand=["forward", "reverse"],
        ),
        manifests=expand(
            "results/{{dataset}}/embeddings/{{encoder}}/{{draw}}{{shift}}.{strand}.json",
            strand=["forward", "reverse"],
        ),
    log:
        "logs/{dataset}/embeddings/{encoder}/{draw}{shift}.log",
    benchmark:
        "benchmarks/{dataset}/embeddings/{encoder}/{draw}{shift}.tsv"
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
    message:
        "Embedding {wildcards.dataset} with {wildcards.encoder}, shift {wildcards.draw}{wildcards.shift}, {params.strands}"
    shell:
        "{params.python} embed "
        "--rows {input.rows:q} "
        "--encoder {wildcards.encoder} "
        "--encoder-spec {params.spec:q} "
        "--construct {params.construct:q} "
        "--shift {wildcards.shift} "
        "--strands {params.strands} "
        "--dtype {params.dtype} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output.caches:q} "
        "--manifests {output.manifests:q} "
        "> {log:q} 2>&1"


# for strand-specific datasets, and for sharing the work between two GPUs
use rule embed as embed_strand with:
    """Encode the rows of a dataset at one shift into an embedding cache for one strand."""
    output:
        caches="results/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.h5",
        manifests="results/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.json",
    log:
        "logs/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.log",
    benchmark:
        "benchmarks/{dataset}/embeddings/{encoder}/{draw}{shift}.{strand}.tsv"
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
