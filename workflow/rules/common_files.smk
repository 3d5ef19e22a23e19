# The files that jobs read and the params that hold their paths. No job is defined here.

import hashlib

# --- Params that Snakemake does not compare with those of an earlier run, which are all that ask for `input` or `output`.
# Where the workflow is a module with a prefix, only paths of inputs and outputs have it: a param that holds a path takes
# it from there, and another param says what is compared.


def not_compared(text):
    """A text that is no reason to make anything again."""
    return lambda wildcards, output: text


def python(wildcards, output):
    """How the shell calls programs, which are modules of workflow/scripts, also where the environment is conda's or the
    job is a cluster's. No prefix of all commands: the jobs of other modules are none of its business. With -P no file of
    the working folder is taken for a program or a library.
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
    """A section, or the options that it gives its kind (`family` as in `kinds.FOLDERS`), as text."""

    def text(wildcards, input):
        named = section(wildcards)
        if "tapt" in named.get("weights", {}):
            named = {**named, "weights": {"tapt": str(input.weights)}}
        return as_json(study_jobs.options(family, named) if family else named)

    return text


# --- Inputs


def is_made(path):
    """Whether the workflow makes or downloads a file that a study names."""
    folder, _, name = path.partition("/")
    return folder == "results" or (folder == "resources" and name in STUDY["downloads"])


def found(path):
    """A path that a study names, as an input. Files that the workflow does not make are those of the working folder also
    where it is a module with a prefix."""
    return path if is_made(path) or not HOSTED else local(path)


COMPARED = 10**7  # bytes of files of which the content is compared


@functools.cache
def _state_of(moment, path):
    try:
        if os.path.getsize(path) <= COMPARED:
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
        status = os.stat(path)
        return f"{status.st_size} bytes of {status.st_mtime_ns}"
    except OSError:  # Snakemake says that it is missing
        return ""


def contents_of(*inputs):
    """What the user's own files among some inputs of a job hold, as text, so that a job runs again also where a file is
    replaced by one that is older: Snakemake looks for newer ones. Of a large file its size and date stand for it.
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
    """The file at a key of a section, if there is one."""

    def path(wildcards):
        named = section(wildcards)
        return found(named[key]) if key in named else []

    return path


def units_of_split(wildcards):
    """Units of the rows of a split, if it needs them: another threshold makes no other split again, and so trains
    nothing again."""
    if need_units(split_section(wildcards)):
        return f"results/{wildcards.dataset}/units.tsv"
    return []


def split_to_train(seeds):
    """Table of the split of a job that trains with `seeds`; of a point of a learning curve, whose jobs have one seed,
    that of the training rows that are drawn for it."""

    def path(wildcards):
        folder = f"results/{wildcards.dataset}/splits/{wildcards.split}"
        if (wildcards.dataset, wildcards.split) in CURVE:
            return f"{folder}/draw{wildcards.get('seed', seeds[0])}.tsv"
        return f"{folder}.tsv"

    return path


def split_of_point(wildcards):
    """Table of the split of a point of a learning curve."""
    split, _ = CURVE[wildcards.dataset, wildcards.point]
    return f"results/{wildcards.dataset}/splits/{split}.tsv"


def panels_to_predict(panels):
    """Files of the panels of a split that a job evaluates; at a point of a learning curve they are those of the split."""

    def paths(wildcards):
        place = wildcards.dataset, wildcards.split
        split = CURVE[place][0] if place in CURVE else wildcards.split
        return panel_paths(f"results/{wildcards.dataset}/panels/{split}", panels)

    return paths


def regions_of(section):
    """Files of the regions that a section is limited to: the BED file, and the chain file if there is one."""
    return lambda wildcards: [
        found(path) for path in study_jobs.region_files(section(wildcards))
    ]


def adapted_weights_of(section):
    """Folder of the weights of a section that rule tapt makes, if it names such weights."""
    return lambda wildcards: section(wildcards).get("weights", {}).get("tapt", [])


def weights_below_adapters(wildcards):
    """Folder of the weights that a baseline's adapters stand on, which its checkpoint does not hold, if rule tapt makes
    it."""
    adapted = baseline_section(wildcards).get("lora")
    return adapted_weights_of(drawn_baseline)(wildcards) if adapted else []


def windows_of_tapt(part):
    """Windows of train or val (`part`) of an adaptation, which all of its draws share."""

    def path(wildcards):
        plain, _ = study_draws.without_draw(wildcards.tapt)
        return f"results/tapt/{plain}.{part}.parquet"

    return path


def rows_of_tapt(wildcards):
    """Rows of every dataset that an adaptation trains on, once for each of its splits."""
    held_out = tapt_section(wildcards)["datasets"]
    return [
        f"results/{dataset}/rows.parquet"
        for dataset, splits in held_out.items()
        for _ in splits
    ]


def positives_of_tapt(wildcards):
    """Option of the choice of windows where an adaptation trains on those with label 1 only."""
    return "--positives" if tapt_section(wildcards)["positives"] else ""


def datasets_of_tapt(wildcards):
    """Names of the datasets that an adaptation trains on, in the order of `rows_of_tapt`."""
    held_out = tapt_section(wildcards)["datasets"]
    return [dataset for dataset, splits in held_out.items() for _ in splits]


def units_of_tapt(wildcards):
    """Units of every dataset that an adaptation trains on, in the order of `rows_of_tapt`."""
    return [f"results/{dataset}/units.tsv" for dataset in datasets_of_tapt(wildcards)]


def splits_of_tapt(wildcards):
    """Splits whose held-out rows an adaptation does not train on, in the order of `rows_of_tapt`."""
    held_out = tapt_section(wildcards)["datasets"]
    return [
        f"results/{dataset}/splits/{split}.tsv"
        for dataset, splits in held_out.items()
        for split in splits
    ]


def cache_paths(dataset, encoder, seed, views, ending):
    """Paths of the caches that hold `views`, pairs of shift and strand, or of their manifests; `seed` counts where the
    encoder is drawn anew for each."""
    name = study_draws.draw_name(encoder, seed) if encoder in DRAWN else encoder
    folder = f"results/{dataset}/embeddings/{name}"
    return [f"{folder}/{shift:+03d}.{strand}.{ending}" for shift, strand in views]
