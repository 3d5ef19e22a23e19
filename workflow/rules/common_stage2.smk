# The functions with which the rules for stage 2 read the study. No rule is defined here.


def start_of_stage2(wildcards):
    """Folder of the checkpoint from which fine-tuning starts."""
    start = stage2_section(wildcards)["start"]
    place = f"{wildcards.dataset}/{wildcards.split}/{wildcards.encoder}/{start}"
    return f"results/{place}/{wildcards.head}/seed{wildcards.seed}/best_model"


def unfrozen_of_stage2(wildcards):
    """Blocks of the encoder that are trained."""
    return study_stage2.unfrozen(STUDY, wildcards.stage2, wildcards.encoder)


def caches_of_stage2(ending):
    """Caches (`h5`) of the input to the first unfrozen block, or their manifests (`json`); none if the whole encoder
    runs in every step."""

    def caches(wildcards):
        name = study_stage2.frozen_part(STUDY, wildcards.stage2, wildcards.encoder)
        if not name:
            return []
        views = augmentations.views(stage2_section(wildcards)["augmentation"])
        seed = int(wildcards.seed)
        return cache_paths(wildcards.dataset, name, seed, views, ending)

    return caches


def code_of_stage2(program):
    """Fingerprint of a program that trains or runs a fine-tuned encoder, and of the modules that it loads by name."""

    def code(wildcards):
        modules = [
            networks.module_of(wildcards.head),
            kinds.module_name("encoders", encoder_section(wildcards)["kind"]),
        ]
        if program == "train_stage2":
            mode = stage2_section(wildcards)["augmentation"]
            modules.append(augmentations.module_of(mode))
        return code_fingerprint(program, *modules)

    return code
