# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, panels/, embeddings/
# OUTPUTS:          results/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/best_model/
#                   …/history.tsv     loss and validation Pearson r of every epoch
#                   …/predictions/{panel}.tsv


rule train_head:
    input:
        rows="results/{dataset}/rows.parquet",
        split="results/{dataset}/splits/{split}.tsv",
        manifests=lambda w: caches(
            w.dataset, w.encoder, augmentation.VIEWS[w.augmentation], "json"
        ),
        caches=lambda w: ancient(
            caches(w.dataset, w.encoder, augmentation.VIEWS[w.augmentation], "h5")
        ),
    output:
        model=directory(
            "results/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/best_model"
        ),
        history="results/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/history.tsv",
    log:
        "logs/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/train.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/train.tsv"
    conda:
        "../../envs/jax.yaml"
    threads: 2
    resources:
        gpu=1,
        mem_mb=32000,
        runtime=240,
    params:
        code=lambda w: code_fingerprint(
            "train_head",
            heads.module_of(w.head),
            augmentation.module_of(w.augmentation),
        ),
        construct=lambda w: construct_of(w.dataset),
        training=lambda w: as_json(study.training_of(STUDY, w.head)),
        strand_rule=lambda w: DATASETS[w.dataset]["strand_rule"],
        seed=STUDY["seed"],
    message:
        "Training {wildcards.head} on {wildcards.encoder} ({wildcards.augmentation}), seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "python -m train_head --rows {input.rows:q} --split {input.split:q} --caches {input.caches:q} "
        "--construct {params.construct:q} "
        "--dataset {wildcards.dataset} --split-name {wildcards.split} --encoder {wildcards.encoder} "
        "--augmentation {wildcards.augmentation} --head {wildcards.head} --seed {wildcards.seed} "
        "--study-seed {params.seed} --training {params.training:q} --strand-rule {params.strand_rule} "
        "--threads {threads} --model {output.model:q} --history {output.history:q} > {log:q} 2>&1"


rule predict_head:
    input:
        rows="results/{dataset}/rows.parquet",
        panel="results/{dataset}/panels/{split}/{panel}.tsv",
        model="results/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/best_model",
        manifests=lambda w: caches(
            w.dataset, w.encoder, views_of_rule(w.dataset), "json"
        ),
        caches=lambda w: ancient(
            caches(w.dataset, w.encoder, views_of_rule(w.dataset), "h5")
        ),
    output:
        "results/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/predictions/{panel}.tsv",
    log:
        "logs/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/predictions/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/predictions/{panel}.tsv"
    conda:
        "../../envs/jax.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=lambda w: code_fingerprint("predict_head", heads.module_of(w.head)),
    message:
        "Predicting {wildcards.panel} with {wildcards.head} on {wildcards.encoder}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
    shell:
        # small matrices: a GPU would only be taken from a job that needs it
        "JAX_PLATFORMS=cpu python -m predict_head --rows {input.rows:q} --panel {input.panel:q} --model {input.model:q} "
        "--caches {input.caches:q} --threads {threads} --out {output:q} > {log:q} 2>&1"
