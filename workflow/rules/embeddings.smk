# REQUIRED INPUTS:  results/{dataset}/rows.parquet, weights named by the encoder's section
# OUTPUTS:          results/{dataset}/embeddings/{encoder}/{shift}.{strand}.h5     embeddings of every unique sequence
#                   results/{dataset}/embeddings/{encoder}/{shift}.{strand}.json   manifest: what it holds, content hash


# Jobs that read a cache follow its manifest, which is compared by content: a touched or copied cache retrains nothing.
rule embed:
    input:
        rows="results/{dataset}/rows.parquet",
    output:
        cache="results/{dataset}/embeddings/{encoder}/{shift}.{strand}.h5",
        manifest="results/{dataset}/embeddings/{encoder}/{shift}.{strand}.json",
    log:
        "logs/{dataset}/embeddings/{encoder}/{shift}.{strand}.log",
    benchmark:
        "benchmarks/{dataset}/embeddings/{encoder}/{shift}.{strand}.tsv"
    conda:
        "../../envs/jax.yaml"
    threads: 2
    resources:
        gpu=lambda w: 0 if ENCODERS[w.encoder]["kind"] in study.WITHOUT_WEIGHTS else 1,
        mem_mb=16000,
        runtime=240,
    params:
        code=lambda w: code_fingerprint(
            "embed", f"s2f.encoders.{ENCODERS[w.encoder]['kind']}"
        ),
        encoder=lambda w: as_json(ENCODERS[w.encoder]),
        construct=lambda w: construct_of(w.dataset),
        weights=lambda w: study.weights_id(ENCODERS[w.encoder]),
        dtype=STUDY["cache"]["dtype"],
    message:
        "Embedding {wildcards.dataset} with {wildcards.encoder}, shift {wildcards.shift}, {wildcards.strand} strand"
    shell:
        "python -m embed --rows {input.rows:q} --encoder {wildcards.encoder} --encoder-spec {params.encoder:q} "
        "--construct {params.construct:q} --shift {wildcards.shift} --strand {wildcards.strand} --dtype {params.dtype} "
        "--threads {threads} --out {output.cache:q} --manifest {output.manifest:q} > {log:q} 2>&1"
