# The functions with which the rules for heads read the study. No rule is defined here.

from typing import NamedTuple


def seed_to_train(training, wildcards):
    """Seed of a job that trains heads; if it trains several, they share an encoder that is not drawn for each seed."""
    return int(wildcards.get("seed", training.seeds[0]))


def views_to_predict(wildcards):
    """Views that predictions need, pairs of shift and strand: both strands if predictions are the mean over both."""
    both = DATASETS[wildcards.dataset]["strand_rule"] == "mean"
    return [(0, strand) for strand in (["forward", "reverse"] if both else ["forward"])]


def caches_to_train_of(ending, training):
    """Caches (`h5`) that training with the augmentations of a job reads, or their manifests (`json`), including those
    with which the trained heads predict the validation rows."""

    def caches(wildcards):
        needed = {}
        for name, _ in trained_by(training, wildcards):
            needed |= dict.fromkeys(augmentations.views(STUDY["augmentations"][name]))
        needed |= dict.fromkeys(views_to_predict(wildcards))
        seed = seed_to_train(training, wildcards)
        return cache_paths(wildcards.dataset, wildcards.encoder, seed, needed, ending)

    return caches


def caches_to_predict_of(ending, training):
    """Caches (`h5`) that evaluation reads, or their manifests (`json`)."""

    def caches(wildcards):
        seed = seed_to_train(training, wildcards)
        views = views_to_predict(wildcards)
        return cache_paths(wildcards.dataset, wildcards.encoder, seed, views, ending)

    return caches


FOLDER = "{dataset}/{split}/{encoder}"  # of the runs that can share a job


class TrainingRule(NamedTuple):
    """A rule that trains heads. `runs` (paths, which may have wildcards) lists what one job trains. `members` are the
    study's runs, at one place, that count as trained together: settings, code and caches of all of them are recorded for
    each, so that a change of one trains all again. They are None if a job trains one run that counts by itself, and more
    than the job trains if they are trained apart. `families`: how many trainings follow each other.
    """

    name: str
    title: str  # what one job trains, for its message
    runs: list
    members: list | None
    families: int = 1
    places: list | None = (
        None  # pairs: dataset and what follows it in the path of a run; None: anywhere
    )

    @property
    def seeds(self):
        """Seeds of the runs; those of several share an encoder and rows that are not drawn for each seed."""
        return [run.seed for run in self.members] if self.members else ["{seed}"]


def training_rules():
    """The rules that train heads. Usually one rule, in which each job trains one head; with `train_together`, unless a
    study searches, one rule for each set of heads that share a job, with the same results.
    """
    one = f"{FOLDER}/{{augmentation}}/{{head}}/seed{{seed}}"
    what = "{wildcards.head} ({wildcards.augmentation}), seed {wildcards.seed},"
    if not study_runs.trains_together(STUDY):
        return [TrainingRule("train_head", what, [one], None)]
    rules, apart = [], study_runs.trains_apart(STUDY)
    groups_of_rule = study_runs.rules_together(STUDY, [*RUNS, *CURVE_RUNS])
    numbers = [name for name in groups_of_rule if name.startswith("train_caches")]
    for number, name in enumerate(numbers, 1):
        numbered("train_caches", number)  # what is set for the first holds for all
    for name, groups in groups_of_rule.items():
        members = groups[
            0
        ]  # the others are the same augmentations, heads and seeds elsewhere
        families = len({study_runs.family_of(STUDY, run) for run in members})
        # runs of one family are the same rule wherever they are, in whatever augmentation
        alike = name not in numbers
        rules.append(
            TrainingRule(
                name=name,
                title=(
                    what
                    if apart
                    else ", ".join(dict.fromkeys(run.head for run in members))
                    + (" ({wildcards.augmentation})" if alike else "")
                ),
                runs=(
                    [one]
                    if apart
                    else [
                        f"{FOLDER}/{'{augmentation}' if alike else run.augmentation}/{run.head}/seed{run.seed}"
                        for run in members
                    ]
                ),
                members=members,
                families=1 if apart else families,
                places=[
                    (
                        run.dataset,
                        "/".join(
                            [run.split, run.encoder, run.augmentation][: 2 + alike]
                        ),
                    )
                    for run, *_ in groups
                ],
            )
        )
    return rules


def only(training, key):
    """Pattern of the wildcard `augmentation`, `head` or `seed` of a rule, for those that it trains."""
    if training.members is None or (
        key == "augmentation" and not training.name.startswith("train_caches")
    ):
        return {
            "augmentation": any_of(
                run.augmentation for run in RUNS if run.head and not run.stage2
            ),
            "head": any_of(run.head for run in RUNS if run.head),
            "seed": r"\d+",
        }[key]
    return any_of(str(getattr(run, key)) for run in training.members)


def trained_by(training, wildcards):
    """Pairs (augmentation, head) of the runs whose settings and code count for a job, each once; for heads of one
    family, which share them, one pair."""
    if training.name.startswith("train_caches"):
        return list(
            dict.fromkeys((run.augmentation, run.head) for run in training.members)
        )
    head = wildcards.get("head") or training.members[0].head
    return [(wildcards.augmentation, head)]


def of_runs(part):
    """The `augmentation`, `head` or `seed` of each run that a job trains, as its paths name them. Snakemake does not
    record what it derives from outputs: a head that is trained by itself for once counts as trained with the others.
    """
    place = {"augmentation": -4, "head": -3, "seed": -2}[part]

    def parts(wildcards, output):
        return [
            Path(model).parts[place].removeprefix("seed" if part == "seed" else "")
            for model in output.models
        ]

    return parts


def settings_of_runs(wildcards, output):
    """Training settings of each run that a job trains, as text; see `of_runs`."""
    heads = of_runs("head")(wildcards, output)
    return [as_json(study_runs.training_of(STUDY, head)) for head in heads]


def modes_of_runs(wildcards, output):
    """The section of the augmentation of each run that a job trains, as text; see `of_runs`."""
    names = of_runs("augmentation")(wildcards, output)
    return [as_json(STUDY["augmentations"][name]) for name in names]


def settings_of_training(training):
    """What is recorded of the settings of a job: the sections of augmentations and the settings of heads."""

    def settings(wildcards):
        pairs = trained_by(training, wildcards)
        found = [
            (STUDY["augmentations"][name], study_runs.training_of(STUDY, head))
            for name, head in pairs
        ]
        return as_json(
            found[0] if len(pairs) == 1 else list(zip(pairs, found, strict=True))
        )

    return settings


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


def first_head(training, wildcards):
    """A head of a job; if it trains several, all of them need a GPU or none does, and what a search would try is the
    same for all that can share a job with it."""
    return trained_by(training, wildcards)[0][1]


def gpus_of_training(training):
    """GPUs for a job that trains heads: 1, or 0 if their kind is solved on the CPU."""
    return lambda wildcards: max(
        int(networks.facts(head)["gpu"]) for _, head in trained_by(training, wildcards)
    )


def code_of_training(training):
    """Fingerprint of the program that trains heads, and of the modules that it loads by name."""

    def code(wildcards):
        modules = set()
        for name, head in trained_by(training, wildcards):
            mode = STUDY["augmentations"][name]
            modules |= {networks.module_of(head), augmentations.module_of(mode)}
            if augmentations.encodes(mode):
                kind = encoder_section(wildcards)["kind"]
                modules.add(kinds.module_name("encoders", kind))
        return code_fingerprint("train_head", *sorted(modules))

    return code


@functools.cache
def _search_of_kind(section, kind, dataset):
    return as_json(
        study_search.of_kind(STUDY, section, kind, DATASETS[dataset]["task"])
    )


def search_of_head(training):
    """The settings that each head of a job tries, as text: null if the study does not search."""
    return lambda wildcards: _search_of_kind(
        "heads", networks.kind_of(first_head(training, wildcards)), wildcards.dataset
    )


def trainings_of_head(training):
    """How many trainings a job does, one after the other."""
    return lambda wildcards: training.families * study_search.trainings(
        STUDY,
        "heads",
        networks.kind_of(first_head(training, wildcards)),
        DATASETS[wildcards.dataset]["task"],
    )


def families_of_head(training):
    """How many families of heads a job evaluates, one after the other."""
    return lambda wildcards: training.families


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


def encoder_in_training(training):
    """The encoder's section, as text, if the augmentation runs the encoder during training, otherwise nothing."""

    def section(wildcards):
        name, _ = trained_by(training, wildcards)[0]
        if not augmentations.encodes(STUDY["augmentations"][name]):
            return as_json(None)
        seed = seed_to_train(training, wildcards)
        return as_json(section_of_draw("encoders", wildcards.encoder, seed))

    return section


def code_of_evaluation(training):
    """Fingerprint of the program that evaluates heads, and of their modules."""
    return lambda wildcards: code_fingerprint(
        "evaluate_head",
        *sorted(
            {networks.module_of(head) for _, head in trained_by(training, wildcards)}
        ),
    )


def first_seed_first(wildcards):
    """Priority of a job that trains one head: 1 for the study's first seed, otherwise 0."""
    return int(wildcards.get("seed") == str(STUDY["seeds"][0]))
