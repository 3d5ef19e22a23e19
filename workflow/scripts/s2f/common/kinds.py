"""The kinds of each section of a study: two files in one folder, and nothing to register elsewhere.

A kind is a module and, beside it, a YAML file of the same name. The YAML is the JSON schema of the kind's options with
their defaults, which stand nowhere else; its key `x-kind` holds what the rest of the code must know of the kind, see
`FACTS`. Reading it imports no module of a kind, so the Snakefile loads neither JAX nor torch.
"""

import difflib
import functools
import importlib
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from s2f.common.errors import InputError

LIBRARY = Path(__file__).resolve().parents[1]
# section of a study -> folder of its kinds
FOLDERS = {
    "sources": "rows/sources", "splits": "splits/kinds", "panels": "splits/panel_kinds",
    "encoders": "embeddings/encoders", "augmentations": "heads/augmentations", "heads": "heads/networks",
    "baselines": "baselines",
}  # fmt: skip
# section -> facts that its kinds may state under `x-kind`, with what holds where one does not
FACTS: dict[str, dict[str, Any]] = {
    "sources": {
        "rna": False,  # windows in RNA sense: one strand
        "simulated": False,  # simulated rows, whose truth is known
        "planted_pairs": False,  # whose truth is base pairs too, for dependency maps
    },
    "splits": {
        "drawn": True,  # depends on the study's seed
        "folds": False,  # stands for one split per fold
        "threads": 1,
        "minutes": 30,  # time limit on a cluster
    },
    "panels": {
        "items": "rows",  # what a panel lists, thus how it is measured: rows, or pairs
    },
    "encoders": {
        "environment": "jax",  # family of conda environments
        "gpu": True,  # computes with a GPU,
        "sizes_without_gpu": [],  # but for models of these sizes
        "in_training": False,  # can run inside a compiled training step
        "token_bp": 0,  # bp per token, where windows of any length have that many; else 0
        "layers": {},  # size -> number of layers, where an encoder reads one of them, which its name must tell
        "masked_language_model": False,  # predicts masked letters, as dependency maps need
        "gradient": "",  # module of interpretation/tangents that derives its models by their input
    },
    "augmentations": {
        "encodes": False,  # runs the encoder in training
        "reads_caches": True,  # takes gradient steps on cached embeddings
        "strands": "both",  # trains on both strands, or on the `given` one
        "layout": "",  # of the construct that it needs
    },
    "heads": {
        "slug": "",  # pattern of the names of its heads
        "names": "",  # these names, for people
        "family": "",  # pattern of names that train in one program where its groups are equal
        "min_tokens": 1,  # fewest tokens per window that it can read
    },
    "baselines": {
        "environment": "torch",
        "gpu": True,
        "sizes_without_gpu": [],
        "task": "",  # regression or classification, where it does one only
        "floor": False,  # what every other model should beat
        "epochs": True,  # trained here in epochs, so that it has a training curve
        "constant": False,  # predicts a constant: there is nothing to explain
        "gradient": "",
    },
}
# keys of an entry that the workflow itself reads; all others are options of the kind
OF_WORKFLOW = ("kind", "files", "seeds", "fold")


@functools.cache
def names(section: str) -> list[str]:
    """The kinds of a section, sorted."""
    return sorted(path.stem for path in (LIBRARY / FOLDERS[section]).glob("*.yaml"))


@functools.cache  # a study of hundreds of datasets asks for the schema of their sources hundreds of times
def schema(section: str, kind: str) -> dict[str, Any]:
    """The parsed YAML of a kind. Raises `InputError` for a kind that does not exist, naming the nearest."""
    if kind not in names(section):
        raise InputError(f"{section}: kind {kind!r} is unknown{nearest(kind, names(section))}")
    return read_yaml(FOLDERS[section], kind)


@functools.cache
def facts(section: str, kind: str) -> dict[str, Any]:
    """All `FACTS` of a kind. Raises `InputError` as `schema`, and for a fact that no other code reads."""
    stated = schema(section, kind).get("x-kind", {})
    for name in stated:
        if name not in FACTS[section]:
            raise InputError(f"{FOLDERS[section]}/{kind}.yaml: x-kind: {name!r}{nearest(name, FACTS[section])}")
    return {**FACTS[section], **stated}


def having(section: str, fact: str) -> list[str]:
    """The kinds of a section of which a fact holds, sorted."""
    return [kind for kind in names(section) if facts(section, kind)[fact]]


def module_name(section: str, kind: str) -> str:
    """Dotted name of the module of a kind. Raises `InputError` as `schema`."""
    schema(section, kind)
    return f"s2f.{FOLDERS[section].replace('/', '.')}.{kind}"


def module(section: str, kind: str) -> ModuleType:
    """The module of a kind, imported. Raises `InputError` as `schema`."""
    return importlib.import_module(module_name(section, kind))


def settings(section: str, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The options in an entry of a study, with the defaults of the kind; nothing of what `OF_WORKFLOW` names.

    Raises `InputError` for an option that the kind does not have. Types and ranges are checked with the study.
    """
    return _options(schema(section, kind), entry, f"{section.removesuffix('s')} {kind}")


def section_settings(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """As `settings`, for a section whose schema stands beside its module: `heads/training`, `language_model/tapt`."""
    return _options(section_schema(name), entry, name.rpartition("/")[2])


@functools.cache
def section_schema(name: str) -> dict[str, Any]:
    """The parsed schema of a section that has no kinds, which stands beside the module that it is for."""
    return read_yaml(*name.rsplit("/", 1))


def read_yaml(folder: str, name: str) -> dict[str, Any]:
    """A YAML file of the library, parsed."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
    return yaml.load((LIBRARY / folder / f"{name}.yaml").read_text(encoding="utf-8"), loader)


def _options(rules: dict[str, Any], entry: dict[str, Any], where: str) -> dict[str, Any]:
    known = {key: rule for key, rule in rules["properties"].items() if key not in OF_WORKFLOW}
    given = {key: value for key, value in entry.items() if key not in OF_WORKFLOW}
    for key in given:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}{nearest(key, known)}")
    return filled(given, {"properties": known})


def filled(value: Any, rules: dict[str, Any]) -> Any:
    """A copy of `value` with the defaults of a schema, at every depth."""
    if isinstance(value, dict):
        properties = rules.get("properties", {})
        out = {key: rule["default"] for key, rule in properties.items() if "default" in rule and key not in value}
        other = rules.get("additionalProperties")
        for key, item in {**out, **value}.items():
            rule = properties.get(key, other if isinstance(other, dict) else {})
            out[key] = filled(item, rule)
        return out
    if isinstance(value, list):
        return [filled(item, rules.get("items", {})) for item in value]
    return value


def nearest(name: object, known: Collection[str]) -> str:
    """The end of a message on a name that is not among the `known` ones."""
    near = difflib.get_close_matches(str(name), list(known), 1)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" known: {', '.join(sorted(known))}"
