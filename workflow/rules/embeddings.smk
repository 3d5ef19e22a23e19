# REQUIRED INPUTS:  results/{dataset}/rows.parquet, weights named by the encoder's section
# OUTPUTS:          results/{dataset}/embeddings/{encoder}/{shift}.{strand}.h5     embeddings of every unique sequence
#                   results/{dataset}/embeddings/{encoder}/{shift}.{strand}.json   manifest: what it holds, content hash


# datasets whose two strands one job makes: where the study wants it so and evaluation needs both
TOGETHER = [
    name
    for name, dataset in DATASETS.items()
    if (STUDY["cache"]["strands"], dataset["strand_rule"]) == ("together", "mean")
]


# Jobs that read a cache follow its manifest, which is compared by content: a touched or copied cache retrains nothing.
rule embed:
    input:
        rows="results/{dataset}/rows.parquet",
        weights=lambda w: weights_made_here(ENCODERS[w.encoder]),
    output:
        caches=expand(
            "results/{{dataset}}/embeddings/{{encoder}}/{{shift}}.{strand}.h5",
            strand=["forward", "reverse"],
        ),
        manifests=expand(
            "results/{{dataset}}/embeddings/{{encoder}}/{{shift}}.{strand}.json",
            strand=["forward", "reverse"],
        ),
    log:
        "logs/{dataset}/embeddings/{encoder}/{shift}.log",
    benchmark:
        "benchmarks/{dataset}/embeddings/{encoder}/{shift}.tsv"
    wildcard_constraints:
        dataset=one_of(TOGETHER),
    priority: 5  # long, or others wait for it: started late, it would run alone at the end
    conda:
        lambda w: environment_of_encoder(w.encoder)
    # small encoders spend more time on their start than on sequences: two side by side are faster than one on two cores
    threads: lambda w: 2 if study.uses_gpu(ENCODERS[w.encoder]) else 1
    resources:
        gpu=lambda w: int(study.uses_gpu(ENCODERS[w.encoder])),
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        code=lambda w: code_fingerprint(
            "embed", f"s2f.embeddings.encoders.{ENCODERS[w.encoder]['kind']}"
        ),
        encoder=lambda w: as_json(ENCODERS[w.encoder]),
        construct=lambda w: construct_of(w.dataset),
        weights=lambda w: weights_id(ENCODERS[w.encoder]),
        dtype=STUDY["cache"]["dtype"],
        strands="forward reverse",
    message:
        "Embedding {wildcards.dataset} with {wildcards.encoder}, shift {wildcards.shift}, {params.strands}"
    shell:
        "python -m embed --rows {input.rows:q} --encoder {wildcards.encoder} --encoder-spec {params.encoder:q} "
        "--construct {params.construct:q} --shift {wildcards.shift} --strands {params.strands} --dtype {params.dtype} "
        "--threads {threads} --gpus {resources.gpu} --out {output.caches:q} --manifests {output.manifests:q} > {log:q} 2>&1"


# One strand per job: for strand-specific datasets, and where two GPUs shall share the work.
use rule embed as embed_strand with:
    output:
        caches="results/{dataset}/embeddings/{encoder}/{shift}.{strand}.h5",
        manifests="results/{dataset}/embeddings/{encoder}/{shift}.{strand}.json",
    log:
        "logs/{dataset}/embeddings/{encoder}/{shift}.{strand}.log",
    benchmark:
        "benchmarks/{dataset}/embeddings/{encoder}/{shift}.{strand}.tsv"
    wildcard_constraints:
        dataset=one_of(set(DATASETS) - set(TOGETHER)),
    params:
        strands=lambda w: w.strand,
