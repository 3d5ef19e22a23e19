# What a job requests: its environment, GPUs, threads, memory and time, and its turn in a group. No rule is defined
# here.

from snakemake.io import apply_wildcards

from s2f.common.contents import unpacked_lines, unpacked_size
from s2f.study import language_model as study_language_model

# --- Environments, GPUs and threads, by the kind of an encoder or baseline


def environment(family):
    """Environment file for a family of rules that compute on the study's accelerator."""
    variant = {"cpu": "", "cuda": "-cuda"}[STUDY["accelerator"]]
    return f"../../envs/{family}{variant}.yaml"


def environment_of_encoder(wildcards):
    """Environment file for jobs that run an encoder."""
    return environment(study_jobs.environment("encoders", encoder_section(wildcards)))


def environment_of_baseline(wildcards):
    """Environment file for jobs that run a baseline."""
    return environment(study_jobs.environment("baselines", baseline_section(wildcards)))


def of_kinds(family, environment_of_job, possible=True):
    """Environment of a rule's jobs: depends on the kind of encoder or baseline (`family`), but is a single file if the
    study's kinds all have the same environment or if no job is `possible`. Snakemake can put the environments of a
    study into a container (--containerize) only if rules without jobs have files as environments.
    """
    entries = STUDY[family].values() if possible else ()
    needed = {study_jobs.environment(family, entry) for entry in entries}
    if len(needed) > 1:
        return environment_of_job
    return environment(next(iter(needed), "jax"))


def gpus_of_encoder(wildcards):
    """GPUs for a job that runs an encoder: 1 or 0."""
    return int(study_jobs.uses_gpu("encoders", encoder_section(wildcards)))


def gpus_of_baseline(wildcards):
    """GPUs for a job that runs a baseline: 1 or 0."""
    return int(study_jobs.uses_gpu("baselines", baseline_section(wildcards)))


def gpus_of_tapt(wildcards):
    """GPUs for a job that adapts a language model: 1 or 0."""
    return int(study_language_model.tapt_uses_gpu(tapt_section(wildcards)))


def threads_of_encoder(wildcards):
    """CPU threads for embedding. On two cores, two small encoders run faster side by side than one after the other,
    because they take longer to start than to compute."""
    return 2 if gpus_of_encoder(wildcards) else 1


# --- Memory, time and turns


def times_attempt(amount):
    """Memory or time of a job: `amount`, then twice and three times as much when a cluster tries the job again."""
    return lambda wildcards, attempt: amount * attempt


def memory_to_read(section, least):
    """Memory in MB of a job that reads a section's files as tables: `least`, or, if that is more, 5 bytes for each of
    their unpacked bytes and 250 for each line; twice and three times as much when a cluster tries the job again. A
    genome is read piece by piece and does not count. Measured on 10 million rows, lines of 67 bytes took 306 bytes
    each, and lines of 217 bytes took 483; lines of Table S2, of 358 bytes and with all columns, took 1,340.
    """

    def megabytes(wildcards, input, attempt):
        names = section(wildcards).get("files", {})
        files = zip(names, input.files, strict=True)
        tables = [path for name, path in files if name != "genome"]
        size = sum(
            5 * unpacked_size(path) + 250 * unpacked_lines(path) for path in tables
        )
        return max(least, 1000 + round(size / 1e6)) * attempt

    return megabytes


LONGEST = 2880  # minutes: two days, a common limit of partitions with GPUs


def times_trainings(amount, trainings):
    """Time of a job: `amount` minutes for each of its ``trainings(wildcards)``, at first `LONGEST` at most."""

    def minutes(wildcards, attempt):
        return min(amount * trainings(wildcards), LONGEST) * attempt

    return minutes


def group_of(first):
    """Group of the jobs of a numbered rule: the group that a profile or the command line gives the rule `first`, which
    also applies to all others for which it gives none. None if it gives no group."""
    named = workflow.modifier.modify_rulename(first)

    def group(wildcards):
        pattern = workflow.group_settings.overwrite_groups.get(named)
        if pattern is None:
            return None
        name = apply_wildcards(pattern, wildcards)
        # where Snakemake looks up the size of a group, which is set for the pattern
        workflow.parent_groupids[name] = pattern
        return name

    return group


def in_turn(first):
    """Resource for jobs that take seconds: 1 if they are in a group (`group_of`), whose jobs run one after the other.

    There is only one unit of it (profiles/default), so Snakemake requests the memory and cores of one job and the total
    time of all; without it, Snakemake would request the total memory and cores and the time of one job.
    """
    named = workflow.modifier.modify_rulename(first)

    def turns(wildcards, rulename):
        groups = workflow.group_settings.overwrite_groups
        grouped = named in groups or rulename in groups
        if grouped and "in_turn" not in workflow.global_resources:
            raise WorkflowError(
                f"{rulename} is in a group, which needs the resource in_turn of profiles/default; add in_turn=1 to "
                "--resources"
            )
        return int(grouped)

    return turns
