"""The study: its configuration, checked once at the door, and the list of runs that it asks for.

Needs only PyYAML and jsonschema, both part of Snakemake's own environment: the Snakefile loads this module.
"""

import difflib
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import yaml

from s2f import augmentation, heads, study_comparison, study_interpretation, study_representation, study_tapt
from s2f.files import InputError, sha256_file
from s2f.study_comparison import FLOORS, baseline_of

SCHEMAS = Path(__file__).resolve().parents[3] / "config" / "schemas"
WITHOUT_WEIGHTS = ("kmer", "onehot")  # kinds of encoders that compute next to nothing
IN_TRAINING = ("alphagenome", "kmer")  # kinds of encoders that can run inside a training step
TOKEN_BP = {"onehot": 1, "lamar": 1, "kmer": 128}  # kinds of encoders whose tokens are of so many bp
RNA = ("encode_eclip", "simulated_rbp")  # kinds of sources of windows in RNA sense
PARTS = ("train", "val", "test")
# files of a folder of weights whose content tells them apart: checkpoints of one model have equal sizes; of an Orbax
# folder manifest.ocdbt names the content of the rest
NAMED = ("manifest.ocdbt", "model.json", "config.json", "model.safetensors", "pytorch_model.bin")
RESERVED = ("plots", "tapt")  # folders of results that belong to no dataset


@dataclass(frozen=True)
class Run:
    """One trained model with one seed; `model` is `{encoder}/{augmentation}/{head}` or the name of a baseline."""

    dataset: str
    split: str
    model: str
    seed: int
    encoder: str = ""
    augmentation: str = ""
    head: str = ""

    @property
    def folder(self):
        """Path of the run below the results folder."""
        return f"{self.dataset}/{self.split}/{self.model}/seed{self.seed}"

    @property
    def views(self):
        """Dataset, split, encoder and augmentation of the run of a head, as in its path: what its training reads."""
        return f"{self.dataset}/{self.split}/{self.encoder}/{self.augmentation}"

    def at(self, views):
        """The run of the same head and seed in another place."""
        dataset, split, encoder, mode = views.split("/")
        return Run(dataset, split, f"{encoder}/{mode}/{self.head}", self.seed, encoder, mode, self.head)


def refuse_repeated_keys(path):
    """Raise `InputError` where a mapping of a YAML file names a key twice: parsers keep the last without a word.

    Merge keys (<<) may recur. A file that is no YAML is left to the parser that needs it.
    """
    seen = set()

    def check(node):
        if id(node) in seen:  # an alias
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                check(item)
        elif isinstance(node, yaml.MappingNode):
            lines = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                first = lines.setdefault(key.value, line) if isinstance(key, yaml.ScalarNode) else line
                if first != line and key.value != "<<":
                    raise InputError(f"{path}: line {line}: key {key.value!r} stands in line {first} already")
                check(value)

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=loader)
    except yaml.YAMLError:
        return
    check(root)


@functools.cache  # a study of hundreds of datasets asks for the schema of their sources hundreds of times
def schema(name="study"):
    """Parsed JSON schema `config/schemas/{name}.yaml`."""
    return yaml.safe_load((SCHEMAS / f"{name}.yaml").read_text(encoding="utf-8"))


@functools.cache
def kinds(room):
    """Kinds that exist in a room (`sources`, `splits`, `encoders`, `baselines`): one schema file each."""
    return sorted(path.stem for path in (SCHEMAS / room).glob("*.yaml"))


def validated(config):
    """The configuration with all defaults filled in.

    Raises `InputError` that names the key path, what is wrong and what is expected: unknown keys (with the nearest
    known one), wrong types and values, and names that no section defines.
    """
    study = _checked(config, schema(), "")
    for entry in study["models"]:  # a mode without options is named by its kind
        for mode in entry["augmentations"]:
            if mode in kinds("augmentations"):
                study["augmentations"].setdefault(mode, {"kind": mode})
    for room in ("splits", "encoders", "augmentations", "baselines"):
        for name, entry in study[room].items():
            study[room][name] = _checked_kind(entry, room, f"{room}.{name}")
    for name, dataset in study["datasets"].items():
        dataset["source"] = {"files": {}} | _checked_kind(dataset["source"], "sources", f"datasets.{name}.source")
    for section in ("datasets", "splits", "encoders", "baselines"):
        study[section] = _with_data_dir(study[section], study["data_dir"], section)
    for name, mode in study["augmentations"].items():
        if name in kinds("augmentations") and name != mode["kind"]:
            raise InputError(
                f"augmentations.{name}: its kind is {mode['kind']}, and {name!r} is the name of another kind: paths "
                "and tables would tell a lie; choose another name"
            )
        try:
            augmentation.views(mode)
        except InputError as error:
            raise InputError(f"augmentations.{name}: {error}") from None
    study_comparison.with_folds(study)
    _check_names(study)
    study_comparison.check_series(study)
    planned = runs(study)
    study_tapt.check(study, planned, _nearest)
    study_representation.check(study, planned, _nearest)
    study_interpretation.check(study, planned, _nearest)
    return study


def _with_data_dir(value, data_dir, where):
    """`value` with `{data_dir}` replaced in every text, at every depth."""
    if isinstance(value, dict):
        return {key: _with_data_dir(item, data_dir, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, str) and "{data_dir}" in value:
        if not data_dir:
            raise InputError(f"{where}: {value!r} needs the folder of the data: add --config data_dir=FOLDER")
        return value.replace("{data_dir}", str(data_dir))
    return value


def _checked_kind(entry, room, where):
    if entry.get("kind") not in kinds(room):
        raise InputError(f"{where}.kind: {entry.get('kind')!r} is unknown{_nearest(entry.get('kind'), kinds(room))}")
    return _checked(entry, schema(f"{room}/{entry['kind']}"), where)


def _checked(value, rules, where):
    errors = sorted(jsonschema.Draft202012Validator(rules).iter_errors(value), key=lambda e: len(e.absolute_path))
    if errors:
        raise InputError(_message(jsonschema.exceptions.best_match(errors), where))
    return _filled(value, rules)


def _message(error, where):
    path = ".".join([where, *map(str, error.absolute_path)]).strip(".") or "the study"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        key = next(key for key in error.instance if key not in known)
        return f"{path}: key {key!r} is unknown{_nearest(key, known)}"
    if error.validator == "required":
        key = next(key for key in error.validator_value if key not in error.instance)
        text = error.schema.get("properties", {}).get(key, {}).get("description", "")
        return f"{path}: key {key!r} is missing ({text})"
    expected = error.schema.get("description", "")
    return f"{path}: {error.message}" + (f" (expected: {expected})" if expected else "")


def _nearest(name, known):
    near = difflib.get_close_matches(str(name), known, 1)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" known: {', '.join(sorted(known))}"


def _filled(value, rules):
    """A copy of `value` with the defaults of the schema, at every depth."""
    if isinstance(value, dict):
        properties = rules.get("properties", {})
        out = {key: rule["default"] for key, rule in properties.items() if "default" in rule and key not in value}
        other = rules.get("additionalProperties")
        for key, item in {**out, **value}.items():
            rule = properties.get(key, other if isinstance(other, dict) else {})
            out[key] = _filled(item, rule)
        return out
    if isinstance(value, list):
        return [_filled(item, rules.get("items", {})) for item in value]
    return value


def _check_names(study):
    def known(name, section, where):
        if name not in study[section]:
            raise InputError(f"{where}: {name!r} is not in the section {section!r}{_nearest(name, study[section])}")

    for name, dataset in study["datasets"].items():
        where = f"datasets.{name}"
        if name in RESERVED:
            raise InputError(f"{where}: results/{name} holds other results, choose another name")
        if dataset["source"]["kind"].startswith("simulated") and "simulated" not in name:
            raise InputError(f"{where}: simulated rows must be called so: put 'simulated' into the dataset's name")
        if dataset["source"]["kind"] in RNA and dataset["strand_rule"] != "forward":
            raise InputError(f"{where}.strand_rule: expected forward, as windows of an RNA have one strand")
        known(dataset["construct"], "constructs", f"{where}.construct")
        for split in dataset["splits"]:
            known(split, "splits", f"{where}.splits")
        for panel, spec in dataset["panels"].items():
            if panel in ("train", "val", "test"):
                raise InputError(f"{where}.panels: {panel!r} is the name of a part of the split, choose another")
            if spec["match"] == "variant_key" and (spec["kind"] != "pairs" or "variant_key" not in panel):
                raise InputError(
                    f"{where}.panels.{panel}: match variant_key is for pairs that mix windows and haplotypes; tables "
                    "must show that: the panel's name must hold variant_key"
                )
    for place, entry in enumerate(study["models"]):
        where = f"models.{place}"
        for name in entry.get("datasets", []):
            known(name, "datasets", f"{where}.datasets")
        for encoder in entry["encoders"]:
            known(encoder, "encoders", f"{where}.encoders")
        for mode in entry["augmentations"]:
            if mode not in study["augmentations"]:
                names = {*study["augmentations"], *kinds("augmentations")}
                raise InputError(f"{where}: augmentation {mode!r} is unknown{_nearest(mode, names)}")
        for head in entry["heads"]:
            heads.module_of(head)
        for baseline in entry["baselines"]:
            known(baseline, "baselines", f"{where}.baselines")
        together = (bool(entry["encoders"]), bool(entry["heads"]))
        if together[0] != together[1]:
            raise InputError(f"{where}: encoders and heads go together; give both or neither")
    for name, split in study["splits"].items():
        lists = [set(split[part]) for part in PARTS if isinstance(split.get(part), list)]
        twice = sorted(set.union(*lists)) if lists else []
        twice = [value for value in twice if sum(value in one for one in lists) > 1]
        if twice:
            raise InputError(f"splits.{name}: {twice[0]!r} is listed in two parts")
    clash = set(study["encoders"]) & set(study["baselines"])
    if clash:
        raise InputError(f"baselines.{sorted(clash)[0]}: an encoder has the same name, choose another")
    planned = runs(study)
    for run in planned:
        if run.head:
            _check_mode(study, run)
            _check_tokens(study, run)
        else:
            study_comparison.check_task(study, run)
    for slug in study["heads"]:
        heads.module_of(slug)
        if slug not in {run.head for run in planned}:
            raise InputError(
                f"heads.{slug}: no entry of models uses this head{_nearest(slug, {r.head for r in planned})}"
            )
    if not planned:
        raise InputError("models: no model is asked for")
    models_of = {}
    for run in planned:
        models_of.setdefault(run.dataset, set()).add(run.model)
    for dataset in study["datasets"]:
        models = models_of.get(dataset, set())
        against = baseline_of(study, dataset)
        if against and against not in models:
            raise InputError(
                f"comparison.against: {against!r} is not among the models of dataset {dataset!r}"
                + _nearest(against, models)
            )


def _check_mode(study, run):
    """Refuse an augmentation that a dataset's construct, its strand rule or the encoder does not allow."""
    mode, dataset = study["augmentations"][run.augmentation], study["datasets"][run.dataset]
    layout = study["constructs"][dataset["construct"]]["layout"]
    where = f"augmentation {run.augmentation!r} (kind {mode['kind']}) of dataset {run.dataset!r}"
    encoder = study["encoders"][run.encoder]["kind"]
    views = augmentation.views(mode)
    if dataset["strand_rule"] == "forward" and (mode["kind"] != "none"):
        raise InputError(f"{where}: its strand_rule is forward, the reverse complement is no view of it; use 'none'")
    if dataset["strand_rule"] == "mean" and mode["kind"] == "none":
        raise InputError(
            f"{where}: it trains on one strand, and its strand_rule mean predicts on both; use 'no_shift', or "
            "strand_rule: forward"
        )
    if augmentation.encodes(mode) and encoder not in IN_TRAINING:
        raise InputError(
            f"{where}: it runs the encoder in training, which encoder {run.encoder!r} (kind {encoder}) cannot; kinds "
            f"that can: {', '.join(IN_TRAINING)}"
        )
    if mode["kind"] == "compact" and layout != "compact":
        raise InputError(f"{where}: its construct has layout {layout}, expected compact")
    if layout == "whole" and (augmentation.encodes(mode) or any(shift for shift, _ in views)):
        raise InputError(f"{where}: its construct has layout whole, whose window cannot be shifted")


def _check_tokens(study, run):
    """Refuse a head that needs more tokens than an encoder with a token per base, or one for all, gives."""
    encoder = study["encoders"][run.encoder]
    if encoder["kind"] not in TOKEN_BP:
        return
    length = study["constructs"][study["datasets"][run.dataset]["construct"]]["length"]
    tokens = 1 if encoder.get("pooling") == "mean" else -(-length // TOKEN_BP[encoder["kind"]])
    try:
        heads.check_tokens(run.head, tokens)
    except InputError as error:
        raise InputError(f"model {run.model!r} of dataset {run.dataset!r}: {error}") from None


def options(entry):
    """An entry of a room without what the workflow itself reads of it: the settings of its kind."""
    return {key: value for key, value in entry.items() if key not in ("kind", "files", "seeds")}


@functools.cache
def _content(path, *state):
    """SHA-256 of a file, once per `state` of it, as many jobs share it."""
    return sha256_file(path)


def weights_id(encoder):
    """What an encoder's weights at a path are, so that other weights there embed again: a hash, or empty.

    Names and sizes of all files, and the content of those `NAMED`.
    """
    path = Path(encoder.get("weights", {}).get("path") or "")
    if not path.name or not path.is_dir():
        return ""
    lines = []
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        status = file.stat()
        named = file.parent == path and file.name in NAMED
        content = _content(file, status.st_mtime_ns, status.st_size) if named else ""
        lines.append(f"{file.relative_to(path)} {status.st_size} {content}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def uses_gpu(encoder):
    """Whether embedding with an encoder asks for a GPU."""
    return encoder["kind"] not in WITHOUT_WEIGHTS and study_tapt.needs_gpu(encoder)


def split_seed(study, split):
    """Seed of a split: the study's where rows are drawn, 0 where nothing is."""
    drawn = study["splits"][split]["kind"] not in ("published", "chromosome") or "train_rows" in study["splits"][split]
    return study["seed"] if drawn else 0


def split_threads(study, split):
    """CPU threads of a split: homology search has work for four."""
    return 4 if study["splits"][split]["kind"] == "hashfrag" else 1


def split_minutes(study, split):
    """Time limit of a split in minutes: a search of 800,000 inserts for homology takes 45 minutes of CPU."""
    return 480 if study["splits"][split]["kind"] == "hashfrag" else 30


def modules_of_split(study, split):
    """Modules that a split loads by name."""
    return {"hashfrag": ["s2f.hashfrag"], "kfold": ["s2f.folds"]}.get(study["splits"][split]["kind"], [])


def training_of(study, head):
    """Training settings of a head: the section `training`, overridden by the head's own section."""
    return {**study["training"], **study["heads"].get(head, {})}


def runs(study):
    """All runs of the study, sorted by path, each once."""
    out = set()
    for entry in study["models"]:
        for dataset in entry.get("datasets", list(study["datasets"])):
            for split in study["datasets"][dataset]["splits"]:
                for seed in study["seeds"]:
                    for encoder in entry["encoders"]:
                        for mode in entry["augmentations"]:
                            for head in entry["heads"]:
                                model = f"{encoder}/{mode}/{head}"
                                out.add(Run(dataset, split, model, seed, encoder, mode, head))
                for baseline in entry["baselines"]:
                    for seed in study["seeds"][: study["baselines"][baseline].get("seeds")]:
                        out.add(Run(dataset, split, baseline, seed))
    return sorted(out, key=lambda run: run.folder)


def by_split(items, run_of=lambda run: run):
    """{(dataset, split): its runs, or what else belongs to the run ``run_of(item)``, in their order}."""
    found = {}
    for item in items:
        run = run_of(item)
        found.setdefault((run.dataset, run.split), []).append(item)
    return found


def together(study):
    """Runs of heads by the job that trains them: lists of runs that differ in seed or, within a family, in head."""
    groups = {}
    for run in runs(study):
        if run.head:
            settings = str(training_of(study, run.head))
            key = (run.dataset, run.split, run.encoder, run.augmentation, heads.family(run.head), settings)
            groups.setdefault(key, []).append(run)
    return list(groups.values())


def rules_together(study):
    """Groups of `together` by the name of the rule that trains them: the same heads and seeds, in all their places."""
    found = {}
    for group in together(study):
        slugs = "_and_".join(dict.fromkeys(run.head for run in group))
        found.setdefault(f"train_together_{slugs}".replace("-", "_"), []).append(group)
    return found


def missing_weights(study):
    """(key, path) of weights that the study takes from a path where nothing is, seen from the working folder."""
    sections = {f"{part}.{name}.weights": spec.get("weights") for part in ("encoders", "baselines")
                for name, spec in study[part].items()}  # fmt: skip
    sections |= {f"tapt.{name}.start": spec.get("start") for name, spec in study["tapt"].items()}
    paths = {f"{key}.path": spec["path"] for key, spec in sections.items() if spec and "path" in spec}
    return [(key, path) for key, path in paths.items() if not Path(path).exists()]


def trains(study, model):
    """Whether a model is trained here in epochs, so that it has a training curve."""
    kind = study["baselines"].get(model, {}).get("kind")
    return kind is None or (kind not in FLOORS and not kind.endswith("_published"))
