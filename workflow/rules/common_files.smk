# The files that jobs read, and the params that hold their paths. No job is defined here.

import hashlib

# --- Params that Snakemake does not compare with those of an earlier run: all that take `input` or `output` as
# arguments. If the workflow is a module with a prefix, only the paths of inputs and outputs have the prefix: a param
# that contains a path takes it from there, and another param says what is to be compared.


def not_compared(text):
    """A text whose change is no reason to make anything again."""
    return lambda wildcards, output: text


def python(wildcards, output):
    """How the shell calls programs, which are modules in workflow/scripts, even in a conda environment or in a job on a
    cluster. This is not set as a prefix for all commands, because it must not affect the jobs of other modules. With
    -P, no file in the working folder is taken for a program or a library.
    """
    compiled = " S2F_COMPILED=.snakemake/compiled" if STUDY["keep_compiled"] else ""
    path = shlex.quote(str(SCRIPTS))
    return f"PYTHONPATH={path} PYTHONUNBUFFERED=1{compiled} python -P -m"


def files_by_name(wildcards, input):
    """The files of a dataset's source, as text."""
    return as_json(dict(zip(source_section(wildcards)["files"], input.files)))


def split_with_files(wildcards, input):
    """Section of a split, as text."""
    section = split_section(wildcards)
    if "files" in section:
        section = {**section, "files": dict(zip(section["files"], input.files))}
    return as_json(section)


def panel_with_files(wildcards, input):
    """Section of a panel, as text."""
    section = panel_section(wildcards)
    if "file" in section:
        section = {**section, "file": str(input.file)}
    if "within" in section:
        within = study_jobs.with_region_files(section["within"], input.regions)
        section = {**section, "within": within}
    return as_json(section)


def with_adapted_weights(section, family=None):
    """A section, or the options that it gives its kind (`family` is as in `kinds.FOLDERS`), as text."""

    def text(wildcards, input):
        named = section(wildcards)
        if "tapt" in named.get("weights", {}):
            named = {**named, "weights": {"tapt": str(input.weights)}}
        return as_json(study_jobs.options(family, named) if family else named)

    return text


# --- Inputs


def is_made(path):
    """Whether the workflow makes or downloads a file that a study names."""
    return study_files.is_made(STUDY, path)


def found(path):
    """A path named in a study, as an input. Files that the workflow does not make are taken from the working folder,
    even if the workflow is a module with a prefix."""
    return path if is_made(path) or not HOSTED else local(path)


COMPARED = 10**7  # the largest size, in bytes, of files whose content is compared


@functools.cache
def _state_of(moment, path):
    try:
        if os.path.getsize(path) <= COMPARED:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
        status = os.stat(path)
        return f"{status.st_size} bytes of {status.st_mtime_ns}"
    except OSError:  # Snakemake reports that it is missing
        return ""


def contents_of(*inputs):
    """What the user's own files among some inputs of a job contain, as text, so that a job also runs again if a file is
    replaced by an older one: Snakemake looks only for newer ones. A large file is represented by its size and date.
    """

    def states(wildcards):
        paths = []
        for named in inputs:
            some = named(wildcards)
            paths += [some] if isinstance(some, str) else some
        own = sorted(str(path) for path in paths if not is_made(str(path)))
        return as_json({path: _state_of(moment(), path) for path in own})

    return states


def files_of(section):
    """Files that a section names."""
    return lambda wildcards: [
        found(path) for path in section(wildcards).get("files", {}).values()
    ]


def file_of(section, key):
    """The file under a key of a section, if there is one."""

    def path(wildcards):
        named = section(wildcards)
        return found(named[key]) if key in named else []

    return path


def units_of_split(wildcards):
    """Units of a split's rows, if the split needs them: then a new threshold does not remake any other split, and so
    does not retrain anything."""
    if need_units(split_section(wildcards)):
        return f"results/{wildcards.dataset}/units.tsv"
    return []


def split_to_train(seeds):
    """Table of the split for a job that trains with `seeds`; for a point of a learning curve, whose jobs have one seed,
    the table with the training rows drawn for that seed."""

    def path(wildcards):
        folder = f"results/{wildcards.dataset}/splits/{wildcards.split}"
        if (wildcards.dataset, wildcards.split) in CURVE:
            return f"{folder}/draw{wildcards.get('seed', seeds[0])}.tsv"
        return f"{folder}.tsv"

    return path


def split_of_point(wildcards):
    """Table of the split for a point of a learning curve."""
    split, _ = CURVE[wildcards.dataset, wildcards.point]
    return f"results/{wildcards.dataset}/splits/{split}.tsv"


def panels_to_predict(panels):
    """Files of the panels of a split that a job evaluates; for a point of a learning curve, the panels of its split."""

    def paths(wildcards):
        place = wildcards.dataset, wildcards.split
        split = CURVE[place][0] if place in CURVE else wildcards.split
        return panel_paths(f"results/{wildcards.dataset}/panels/{split}", panels)

    return paths


def regions_of(section):
    """Files of the regions to which a section is limited: the BED file and, if there is one, the chain file."""
    return lambda wildcards: [
        found(path) for path in study_jobs.region_files(section(wildcards))
    ]


def adapted_weights_of(section):
    """Folder of a section's weights, if rule tapt makes them."""
    return lambda wildcards: section(wildcards).get("weights", {}).get("tapt", [])


# What a trained run reads beside its checkpoint, which does not contain it: the weights of the encoder of its head, or
# those below a baseline's adapters. Every rule that loads a trained run names them.


def only_adapters(section):
    """Section of a baseline whose checkpoint contains adapters only; empty for a baseline whose checkpoint is complete."""
    return section if section.get("lora") else {}


def below_adapters(wildcards):
    """Section of the job's baseline, with the weights of the job's draw, if its checkpoint contains adapters only."""
    return only_adapters(drawn_baseline(wildcards))


def encoder_of(run):
    """The section of the encoder that a run's head reads, with the weights of the run's draw; empty for a baseline."""
    return section_of_draw("encoders", run.encoder, run.seed) if run.head else {}


def beside_checkpoint(run):
    """The section of the weights that a run reads beside its checkpoint; empty if the checkpoint is complete."""
    if run.head:
        return encoder_of(run)
    return only_adapters(section_of_draw("baselines", run.model, run.seed))


def adapted_weights_beside(runs):
    """Folders of the weights that runs read beside their checkpoints and that rule tapt makes, each once."""
    sections = map(beside_checkpoint, runs)
    paths = (section.get("weights", {}).get("tapt") for section in sections)
    return list(dict.fromkeys(filter(None, paths)))


def weights_beside(runs):
    """Identifies the weights at paths that runs read beside their checkpoints."""
    return " ".join(dict.fromkeys(weights_id(beside_checkpoint(run)) for run in runs))


def windows_of_tapt(part):
    """Windows of train or val (`part`) for an adaptation, shared by all its draws."""

    def path(wildcards):
        plain, _ = study_draws.without_draw(wildcards.tapt)
        return f"results/tapt/{plain}.{part}.parquet"

    return path


def rows_of_tapt(wildcards):
    """Rows of every dataset on which an adaptation trains, repeated for each of its splits."""
    held_out = tapt_section(wildcards)["datasets"]
    return [
        f"results/{dataset}/rows.parquet"
        for dataset, splits in held_out.items()
        for _ in splits
    ]


def positives_of_tapt(wildcards):
    """Option for choosing windows if an adaptation trains only on those with label 1."""
    return "--positives" if tapt_section(wildcards)["positives"] else ""


def datasets_of_tapt(wildcards):
    """Names of the datasets on which an adaptation trains, in the order of `rows_of_tapt`."""
    held_out = tapt_section(wildcards)["datasets"]
    return [dataset for dataset, splits in held_out.items() for _ in splits]


def units_of_tapt(wildcards):
    """Units of every dataset on which an adaptation trains, in the order of `rows_of_tapt`."""
    return [f"results/{dataset}/units.tsv" for dataset in datasets_of_tapt(wildcards)]


def splits_of_tapt(wildcards):
    """Splits whose held-out rows an adaptation must not train on, in the order of `rows_of_tapt`."""
    held_out = tapt_section(wildcards)["datasets"]
    return [
        f"results/{dataset}/splits/{split}.tsv"
        for dataset, splits in held_out.items()
        for split in splits
    ]


def cache_paths(dataset, encoder, seed, views, ending):
    """Paths of the caches that contain `views`, pairs of shift and strand, or of their manifests; `seed` matters if the
    encoder is drawn anew for each seed."""
    name = study_draws.draw_name(encoder, seed) if encoder in DRAWN else encoder
    folder = f"results/{dataset}/embeddings/{name}"
    return [f"{folder}/{shift:+03d}.{strand}.{ending}" for shift, strand in views]


def shards_of(caches):
    """The shards of the caches that a function of wildcards names, so that one that is missing is made again; none if
    caches are not made in shards."""

    def shards(wildcards):
        return [
            f"{path.removesuffix('.h5')}.shards/{shard}.h5"
            for path in caches(wildcards)
            for shard in (SHARDS if len(SHARDS) > 1 else [])
        ]

    return shards
