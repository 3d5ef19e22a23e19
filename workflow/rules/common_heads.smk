# The functions with which the rules for heads read the study. No rule is defined here.

from typing import NamedTuple


def seed_to_train(seeds, wildcards):
    """Seed of a job that trains heads; if it trains several, they share an encoder that is not drawn for each seed."""
    return int(wildcards.get("seed", seeds[0]))


def views_to_predict(wildcards):
    """Views that predictions need, pairs of shift and strand: both strands if predictions are the mean over both."""
    both = DATASETS[wildcards.dataset]["strand_rule"] == "mean"
    return [(0, strand) for strand in (["forward", "reverse"] if both else ["forward"])]


def caches_to_train_of(ending, seeds):
    """Caches (`h5`) that training with an augmentation reads, or their manifests (`json`), including those with which
    the trained head predicts the validation rows."""

    def caches(wildcards):
        views = augmentations.views(augmentation_section(wildcards))
        needed = dict.fromkeys([*views, *views_to_predict(wildcards)])
        seed = seed_to_train(seeds, wildcards)
        return cache_paths(wildcards.dataset, wildcards.encoder, seed, needed, ending)

    return caches


def caches_to_predict_of(ending, seeds):
    """Caches (`h5`) that evaluation reads, or their manifests (`json`)."""

    def caches(wildcards):
        seed = seed_to_train(seeds, wildcards)
        views = views_to_predict(wildcards)
        return cache_paths(wildcards.dataset, wildcards.encoder, seed, views, ending)

    return caches


class TrainingRule(NamedTuple):
    """A rule that trains heads. `heads`, `seeds` and `runs` (paths) list what one job trains; they may be wildcards."""

    name: str
    title: str  # what one job trains, for its message
    heads: list
    seeds: list
    runs: list
    places: (
        list | None
    )  # pairs: dataset and what follows it in the path of a run; None: anywhere


def training_rules():
    """The rules that train heads. Usually one rule, in which each job trains one head; with `train_together`, unless a
    study searches, one rule for each set of heads that a single compiled training can hold, with the same results.
    """
    folder = "{dataset}/{split}/{encoder}/{augmentation}"
    if not study_runs.trains_together(STUDY):
        return [
            TrainingRule(
                name="train_head",
                title="{wildcards.head}, seed {wildcards.seed},",
                heads=["{head}"],
                seeds=["{seed}"],
                runs=[f"{folder}/{{head}}/seed{{seed}}"],
                places=None,
            )
        ]
    return [
        TrainingRule(
            name=name,
            title=", ".join(dict.fromkeys(run.head for run in runs)),
            heads=[run.head for run in runs],
            seeds=[run.seed for run in runs],
            runs=[f"{folder}/{run.head}/seed{run.seed}" for run in runs],
            places=[
                (run.dataset, f"{run.split}/{run.encoder}/{run.augmentation}")
                for run, *_ in groups
            ],
        )
        for name, groups in study_runs.rules_together(
            STUDY, [*RUNS, *CURVE_RUNS]
        ).items()
        for runs in groups[:1]  # the others are the same heads and seeds elsewhere
    ]


def datasets_of_training(places, datasets):
    """Pattern of the wildcard `dataset` for a rule's `places` (as in `TrainingRule`) in some of the datasets; empty if
    it has none there."""
    if places is None:
        return any_of(datasets)
    return dataset_before(place for place in places if place[0] in datasets)


def rules_that_evaluate_heads():
    """(panels, `TrainingRule`, pattern of the wildcard `dataset`) for each training rule and each set of panels."""
    return [
        (panels, training, pattern)
        for training in training_rules()
        for panels, datasets in datasets_by_panels().items()
        if (pattern := datasets_of_training(training.places, datasets))
    ]


def first_head(heads, wildcards):
    """The first head of a job; its module and settings are the same for all heads of the job."""
    return wildcards.get("head", heads[0])


def gpus_of_training(heads):
    """GPUs for a job that trains heads: 1, or 0 if their kind is solved on the CPU."""
    return lambda wildcards: int(networks.facts(first_head(heads, wildcards))["gpu"])


def code_of_training(heads):
    """Fingerprint of the program that trains heads, and of the modules that it loads by name."""

    def code(wildcards):
        mode = augmentation_section(wildcards)
        modules = [
            networks.module_of(first_head(heads, wildcards)),
            augmentations.module_of(mode),
        ]
        if augmentations.encodes(mode):
            kind = encoder_section(wildcards)["kind"]
            modules.append(kinds.module_name("encoders", kind))
        return code_fingerprint("train_head", *modules)

    return code


def settings_of_training(heads):
    """Training settings for the heads of a job, as text."""
    return lambda wildcards: as_json(
        study_runs.training_of(STUDY, first_head(heads, wildcards))
    )


@functools.cache
def _search_of_kind(section, kind, dataset):
    return as_json(
        study_search.of_kind(STUDY, section, kind, DATASETS[dataset]["task"])
    )


def search_of_head(heads):
    """The settings that each head of a job tries, as text: null if the study does not search."""
    return lambda wildcards: _search_of_kind(
        "heads", networks.kind_of(first_head(heads, wildcards)), wildcards.dataset
    )


def trainings_of_head(heads):
    """How many trainings a job does, one after the other."""
    return lambda wildcards: study_search.trainings(
        STUDY,
        "heads",
        networks.kind_of(first_head(heads, wildcards)),
        DATASETS[wildcards.dataset]["task"],
    )


def trainings_of_baseline(wildcards):
    """How many trainings a job does, one after the other."""
    kind = baseline_section(wildcards)["kind"]
    return study_search.trainings(
        STUDY, "baselines", kind, DATASETS[wildcards.dataset]["task"]
    )


def search_of_baseline(wildcards):
    """The settings that a baseline tries, as text: null if the study does not search."""
    kind = baseline_section(wildcards)["kind"]
    return _search_of_kind("baselines", kind, wildcards.dataset)


def encoder_in_training(seeds):
    """The encoder's section, as text, if the augmentation runs the encoder during training, otherwise nothing."""

    def section(wildcards):
        if not augmentations.encodes(augmentation_section(wildcards)):
            return as_json(None)
        seed = seed_to_train(seeds, wildcards)
        return as_json(section_of_draw("encoders", wildcards.encoder, seed))

    return section


def code_of_evaluation(heads):
    """Fingerprint of the program that evaluates heads, and of their module."""
    return lambda wildcards: code_fingerprint(
        "evaluate_head", networks.module_of(first_head(heads, wildcards))
    )


def first_seed_first(wildcards):
    """Priority of a job that trains one head: 1 for the study's first seed, otherwise 0."""
    return int(wildcards.get("seed") == str(STUDY["seeds"][0]))
