# REQUIRED INPUTS:  results/{dataset}/rows.parquet, splits/, panels/, embeddings/
# OUTPUTS:          results/{dataset}/{split}/{encoder}/{augmentation}/{head}/seed{seed}/best_model/
#                       with trials.tsv for a search: the settings tried and their validation scores
#                   …/history.tsv     loss and validation Pearson r, or AUROC, for every epoch
#                   …/predictions/{panel}.tsv, metrics.tsv


# Usually one rule, in which each job trains one head. With train_together, in a study that does not search, one rule
# for each set of runs that share a job, with the same results.
for training in training_rules():

    rule:
        """Train heads on the embedding caches that their augmentations read: one head, several of a family together, or
        all heads of an encoder one family after the other, on embeddings that are loaded once.
        """
        name:
            training.name
        input:
            rows="results/{dataset}/rows.parquet",
            split=split_to_train(training.seeds),
            manifests=caches_to_train_of("json", training),
            caches=ancient(caches_to_train_of("h5", training)),
            shards=ancient(shards_of(caches_to_train_of("h5", training))),
        output:
            models=[directory(f"results/{run}/best_model") for run in training.runs],
            histories=[f"results/{run}/history.tsv" for run in training.runs],
        log:
            f"logs/{training.runs[0]}/train.log",
        benchmark:
            f"benchmarks/{training.runs[0]}/train.tsv"
        wildcard_constraints:
            dataset=datasets_of_training(training.places, DATASETS),
            split=TRAINED_SPLITS,
            augmentation=only(training, "augmentation"),
            head=only(training, "head"),
            seed=only(training, "seed"),
        priority: first_seed_first  # other seeds then find its programs already compiled
        conda:
            environment("jax")
        threads: 2
        resources:
            gpu=gpus_of_training(training),
            mem_mb=times_attempt(32000),
            runtime=times_trainings(240, trainings_of_head(training)),
        params:
            python=python,
            code=code_of_training(training),
            task=dataset_of("task"),
            construct=json_of(construct_section),
            encoder=encoder_in_training(training),
            per_seed=drawn_per_seed("encoders", "encoder"),
            one_draw=one_draw_of("encoders", "encoder"),
            settings=settings_of_training(training),
            search=search_of_head(training),
            strand_rule=dataset_of("strand_rule"),
            seed=STUDY["seed"],
            heads=of_runs("head"),
            seeds=of_runs("seed"),
            augmentations=of_runs("augmentation"),
            modes=modes_of_runs,
            training=settings_of_runs,
        message:
            f"Training {training.title} on {{wildcards.encoder}}: {{wildcards.dataset}}, {{wildcards.split}}"
        shell:
            "{params.python} train_head "
            "--rows {input.rows:q} "
            "--split {input.split:q} "
            "--caches {input.caches:q} "
            "--task {params.task} "
            "--construct {params.construct:q} "
            "--dataset {wildcards.dataset} "
            "--split-name {wildcards.split} "
            "--encoder {wildcards.encoder} "
            "--encoder-spec {params.encoder:q} "
            "--one-draw {params.one_draw:q} "
            "{params.per_seed} "
            "--heads {params.heads} "
            "--seeds {params.seeds} "
            "--augmentations {params.augmentations} "
            "--modes {params.modes:q} "
            "--study-seed {params.seed} "
            "--training {params.training:q} "
            "--strand-rule {params.strand_rule} "
            "--threads {threads} "
            "--gpus {resources.gpu} "
            "--memory-mb {resources.mem_mb} "
            "--models {output.models:q} "
            "--histories {output.histories:q} "
            "--search {params.search:q} "
            "> {log:q} 2>&1"


# What one job trains, one job evaluates.
for number, (panels, training, datasets) in enumerate(rules_that_evaluate_heads(), 1):

    rule:
        """Predict the rows of every panel with trained heads, and measure the predictions."""
        name:
            numbered("evaluate_head", number)
        input:
            rows="results/{dataset}/rows.parquet",
            panels=panels_to_predict(panels),
            models=[f"results/{run}/best_model" for run in training.runs],
            manifests=caches_to_predict_of("json", training),
            caches=ancient(caches_to_predict_of("h5", training)),
            shards=ancient(shards_of(caches_to_predict_of("h5", training))),
        output:
            predictions=[
                path
                for run in training.runs
                for path in panel_paths(f"results/{run}/predictions", panels)
            ],
            metrics=[f"results/{run}/metrics.tsv" for run in training.runs],
        log:
            f"logs/{training.runs[0]}/evaluate.log",
        benchmark:
            f"benchmarks/{training.runs[0]}/evaluate.tsv"
        wildcard_constraints:
            dataset=datasets,
            split=TRAINED_SPLITS,
            augmentation=only(training, "augmentation"),
            head=only(training, "head"),
            seed=only(training, "seed"),
        group:
            group_of("evaluate_head")
        conda:
            environment("jax")
        threads: 1
        resources:
            mem_mb=times_attempt(16000),
            runtime=times_trainings(30, families_of_head(training)),
            in_turn=in_turn("evaluate_head"),
        params:
            python=python,
            code=code_of_evaluation(training),
            task=dataset_of("task"),
            names=panels,
            kinds=items_of_panels,
        message:
            f"Evaluating {training.title} on {{wildcards.encoder}}: {{wildcards.dataset}}, {{wildcards.split}}"
        shell:
            # small matrices: this would only take a GPU from a job that needs it
            "{params.python} evaluate_head "
            "--rows {input.rows:q} "
            "--task {params.task} "
            "--models {input.models:q} "
            "--names {params.names} "
            "--kinds {params.kinds} "
            "--panels {input.panels:q} "
            "--caches {input.caches:q} "
            "--threads {threads} "
            "--predictions {output.predictions:q} "
            "--metrics {output.metrics:q} "
            "> {log:q} 2>&1"
