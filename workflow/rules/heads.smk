# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, panels/, embeddings/
# OUTPUTS:          results/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/best_model/
#                   …/history.tsv     loss and validation Pearson r, or AUROC, of every epoch
#                   …/predictions/{panel}.tsv, metrics.tsv


RUN = "{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}"
TRAIN = (
    "python -m train_head --rows {input.rows:q} --split {input.split:q} --caches {input.caches:q} --task {params.task} "
    "--construct {params.construct:q} --dataset {params.dataset} --split-name {params.split} "
    "--encoder {params.encoder_name} --encoder-spec {params.encoder:q} "
    "--augmentation {params.augmentation} --mode {params.mode:q} --heads {params.heads} --seeds {params.seeds} "
    "--study-seed {params.seed} --training {params.training:q} --strand-rule {params.strand_rule} "
    "--threads {threads} --gpus {resources.gpu} --memory-mb {resources.mem_mb} --models {output.models:q} "
    "--histories {output.histories:q} > {log:q} 2>&1"
)


if not STUDY["train_together"]:

    rule train_head:
        input:
            rows="results/{dataset}/rows.parquet",
            split="results/{dataset}/splits/{split}.tsv",
            manifests=lambda w: caches_of_mode(w, "json"),
            caches=lambda w: ancient(caches_of_mode(w, "h5")),
        output:
            models=directory(f"results/{RUN}/best_model"),
            histories=f"results/{RUN}/history.tsv",
        log:
            f"logs/{RUN}/train.log",
        benchmark:
            f"benchmarks/{RUN}/train.tsv"
        priority: first_of_seeds  # other seeds find its programs compiled
        conda:
            environment("jax")
        threads: 2
        resources:
            gpu=1,
            mem_mb=growing(32000),
            runtime=growing(240),
        params:
            code=training_code,
            dataset=lambda w: w.dataset,
            task=lambda w: DATASETS[w.dataset]["task"],
            split=lambda w: w.split,
            construct=lambda w: construct_of(w.dataset),
            encoder_name=lambda w: w.encoder,
            encoder=encoder_of_mode,
            augmentation=lambda w: w.augmentation,
            mode=lambda w: as_json(STUDY["augmentations"][w.augmentation]),
            heads=lambda w: w.head,
            seeds=lambda w: w.seed,
            training=lambda w: as_json(study.training_of(STUDY, w.head)),
            strand_rule=lambda w: DATASETS[w.dataset]["strand_rule"],
            seed=STUDY["seed"],
        message:
            "Training {wildcards.head} on {wildcards.encoder} ({wildcards.augmentation}), seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
        shell:
            TRAIN

else:
    # The same program, with the same results, once for all runs that one compiled training can hold: one rule, which a
    # profile can name, for all places where the same heads train together.
    for name, groups in study.rules_together(STUDY).items():
        first = groups[0][0]

        rule:
            name:
                name
            input:
                rows=of_views(first, lambda run: f"results/{run.dataset}/rows.parquet"),
                split=of_views(
                    first, lambda run: f"results/{run.dataset}/splits/{run.split}.tsv"
                ),
                manifests=of_views(first, lambda run: caches_of_mode(run, "json")),
                caches=of_views(first, lambda run: ancient(caches_of_mode(run, "h5"))),
            output:
                models=[
                    directory(
                        f"results/{{views}}/{run.head}/seed{run.seed}/best_model"
                    )
                    for run in groups[0]
                ],
                histories=[
                    f"results/{{views}}/{run.head}/seed{run.seed}/history.tsv"
                    for run in groups[0]
                ],
            log:
                f"logs/{{views}}/{first.head}/seed{first.seed}/train.log",
            benchmark:
                f"benchmarks/{{views}}/{first.head}/seed{first.seed}/train.tsv"
            wildcard_constraints:
                views=one_of(group[0].views for group in groups),
            conda:
                environment("jax")
            threads: 2
            resources:
                gpu=1,
                mem_mb=growing(32000),
                runtime=growing(240),
            params:
                code=of_views(first, training_code),
                dataset=of_views(first, lambda run: run.dataset),
                task=of_views(first, lambda run: DATASETS[run.dataset]["task"]),
                split=of_views(first, lambda run: run.split),
                construct=of_views(first, lambda run: construct_of(run.dataset)),
                encoder_name=of_views(first, lambda run: run.encoder),
                encoder=of_views(first, encoder_of_mode),
                augmentation=of_views(first, lambda run: run.augmentation),
                mode=of_views(
                    first,
                    lambda run: as_json(STUDY["augmentations"][run.augmentation]),
                ),
                heads=[run.head for run in groups[0]],
                seeds=[run.seed for run in groups[0]],
                training=as_json(study.training_of(STUDY, first.head)),
                strand_rule=of_views(
                    first, lambda run: DATASETS[run.dataset]["strand_rule"]
                ),
                seed=STUDY["seed"],
            message:
                f"Training {len(groups[0])} heads together: {{wildcards.views}}"
            shell:
                TRAIN


for number, (panels, datasets) in enumerate(datasets_by_panels().items(), 1):

    rule:
        name:
            numbered("evaluate_head", number)
        input:
            rows="results/{dataset}/rows.parquet",
            panels=panel_paths("results/{dataset}/panels/{split}", panels),
            model=f"results/{RUN}/best_model",
            manifests=lambda w: caches(
                w.dataset, w.encoder, views_of_rule(w.dataset), "json"
            ),
            caches=lambda w: ancient(
                caches(w.dataset, w.encoder, views_of_rule(w.dataset), "h5")
            ),
        output:
            predictions=panel_paths(f"results/{RUN}/predictions", panels),
            metrics=f"results/{RUN}/metrics.tsv",
        log:
            f"logs/{RUN}/evaluate.log",
        benchmark:
            f"benchmarks/{RUN}/evaluate.tsv"
        wildcard_constraints:
            dataset=one_of(datasets),
        conda:
            environment("jax")
        threads: 1
        resources:
            mem_mb=growing(16000),
            runtime=growing(30),
            in_turn=in_turn,
        params:
            code=lambda w: code_fingerprint("evaluate_head", heads.module_of(w.head)),
            task=lambda w: DATASETS[w.dataset]["task"],
            names=panels,
            kinds=lambda w: kinds_of_panels(w.dataset),
        message:
            "Evaluating {wildcards.head} on {wildcards.encoder}, seed {wildcards.seed}: {wildcards.dataset}, {wildcards.split}"
        shell:
            # small matrices: a GPU would only be taken from a job that needs it
            "python -m evaluate_head --rows {input.rows:q} --task {params.task} --model {input.model:q} "
            "--names {params.names} --kinds {params.kinds} --panels {input.panels:q} --caches {input.caches:q} "
            "--threads {threads} --predictions {output.predictions:q} --metrics {output.metrics:q} > {log:q} 2>&1"
