# What a job asks for: its environment, GPUs, threads, memory and time, and its turn in a group. No rule is defined here.

from snakemake.io import apply_wildcards

from s2f.common.contents import unpacked_lines, unpacked_size
from s2f.study import language_model as study_language_model

# --- Environments, GPUs and threads, by the kind of an encoder or baseline


def environment(family):
    """Environment file of a family of rules that compute on the accelerator of the study."""
    variant = {"cpu": "", "cuda": "-cuda"}[STUDY["accelerator"]]
    return f"../../envs/{family}{variant}.yaml"


def environment_of_encoder(wildcards):
    """Environment file of the jobs that run an encoder."""
    return environment(study_jobs.environment("encoders", encoder_section(wildcards)))


def environment_of_baseline(wildcards):
    """Environment file of the jobs that run a baseline."""
    return environment(study_jobs.environment("baselines", baseline_section(wildcards)))


def of_kinds(family, environment_of_job, possible=True):
    """Environment of the jobs of a rule: by the kind of encoder or baseline (`family`); one file where the study has
    kinds of one environment, or where no job is `possible`. Snakemake puts the environments of a study into a container
    (--containerize) only if those of rules without jobs are files."""
    entries = STUDY[family].values() if possible else ()
    needed = {study_jobs.environment(family, entry) for entry in entries}
    if len(needed) > 1:
        return environment_of_job
    return environment(next(iter(needed), "jax"))


def gpus_of_encoder(wildcards):
    """GPUs of a job that runs an encoder: 1 or 0."""
    return int(study_jobs.uses_gpu("encoders", encoder_section(wildcards)))


def gpus_of_baseline(wildcards):
    """GPUs of a job that runs a baseline: 1 or 0."""
    return int(study_jobs.uses_gpu("baselines", baseline_section(wildcards)))


def gpus_of_tapt(wildcards):
    """GPUs of a job that adapts a language model: 1 or 0."""
    return int(study_language_model.tapt_uses_gpu(tapt_section(wildcards)))


def threads_of_encoder(wildcards):
    """CPU threads to embed: two small encoders side by side, which take longer to start than to compute, are faster than
    one after the other on two cores."""
    return 2 if gpus_of_encoder(wildcards) else 1


# --- Memory, time and turns


def times_attempt(amount):
    """Memory or time of a job: `amount`, and two and three times as much when a cluster tries the job again."""
    return lambda wildcards, attempt: amount * attempt


def memory_to_read(section, least):
    """Memory of a job that reads the files of a section as tables, in MB: `least`, or 5 bytes for each of theirs, unpacked,
    and 250 for each line, where that is more; two and three times as much when a cluster tries the job again. A genome is
    read piece by piece. Of 10 million rows, lines of 67 bytes took 306 bytes each, and lines of 217 bytes 483; Table S2,
    of 358 bytes and all columns, 1,340.
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


LONGEST = 2880  # minutes: the two days that partitions with GPUs often allow


def times_trainings(amount, trainings):
    """Time of a job: `amount` minutes for each of its ``trainings(wildcards)``, `LONGEST` at most at the first attempt."""

    def minutes(wildcards, attempt):
        return min(amount * trainings(wildcards), LONGEST) * attempt

    return minutes


def group_of(first):
    """Group of the jobs of a numbered rule: the one into which a profile or the command line puts the `first`, which
    holds for all that it does not name. None where it names no group."""
    named = workflow.modifier.modify_rulename(first)

    def group(wildcards):
        pattern = workflow.group_settings.overwrite_groups.get(named)
        if pattern is None:
            return None
        name = apply_wildcards(pattern, wildcards)
        # how Snakemake finds the size of a group, which is set for the pattern
        workflow.parent_groupids[name] = pattern
        return name

    return group


def in_turn(first):
    """Resource of jobs that take seconds: 1 if they are in a group (`group_of`), whose jobs run one after the other.

    There is one of it (profiles/default), so that Snakemake asks for the memory and cores of one job and the time of
    all; without it, Snakemake would ask for the memory and cores of all and the time of one.
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
