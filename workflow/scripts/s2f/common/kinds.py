"""The kinds of each section of a study: two files in one folder, and nothing to register elsewhere.

A kind is a module and, beside it, a YAML file of the same name. The YAML is the JSON schema of the kind's options with
their defaults, which are given nowhere else; its key `x-kind` holds what the rest of the code must know about the kind,
see `kinds.yaml`. For an option, `x-task` is the only task that it applies to; `x-search` is the range that a search
draws from, or false if the option describes the data or the machine; `x-example` is an example for config/README.md;
`x-grid` marks a list of values, all of which training solves and from which the validation rows choose one. `x-strands`
marks the option of a baseline that decides on which strands it is trained: its value for each strand rule of a dataset,
which a study fills in (`study/strands.py`); the default then is only what the kind does without a study. `x-pattern`
says in words what a `pattern` asks for; `x-count` says what the number of items of a list is. A variant of
another kind inherits that kind's options with `x-options-of`. Reading all this imports no kind's module, so the
Snakefile loads neither JAX nor torch.
"""

import difflib
import functools
import importlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from s2f.common.errors import InputError

S2F = Path(__file__).resolve().parents[1]
# facts that programs read, so changing one changes behaviour: see `behaviour`
READ_BY_PROGRAMS = (
    "encodes", "reads_caches", "slug", "family", "min_tokens", "epochs", "items", "simulated", "gradient", "floor",
    "weightless", "checkpoints", "weights_of", "published", "unseen", "stochastic", "cells", "first_cell",
    "chromosomes", "folds", "blocks",
)  # fmt: skip


def read_yaml(folder: str, name: str) -> dict[str, Any]:
    """Parse a YAML file of the library; a property `{$ref: FOLDER/NAME}` becomes that schema, which kinds share."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if PyYAML was built with it
    path = S2F / folder / f"{name}.yaml"
    try:
        parsed = yaml.load(path.read_text(encoding="utf-8"), loader)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    for key, rule in parsed.get("properties", {}).items():
        reference = rule.get("$ref", "#") if isinstance(rule, dict) else "#"
        if not reference.startswith("#"):  # references with # are within the file
            parsed["properties"][key] = read_yaml(*reference.rsplit("/", 1))
    return parsed


SECTIONS = read_yaml("common", "kinds")  # not in this module: a new fact of baselines must not cause a new embedding
FOLDERS: dict[str, str] = {section: entry["folder"] for section, entry in SECTIONS.items()}
FACTS: dict[str, dict[str, Any]] = {section: entry["facts"] for section, entry in SECTIONS.items()}


@functools.cache
def names(section: str) -> list[str]:
    """The kinds of a section, sorted."""
    return sorted(path.stem for path in (S2F / FOLDERS[section]).glob("*.yaml"))


@functools.cache  # a study with hundreds of datasets asks for the schema of their sources hundreds of times
def schema(section: str, kind: str) -> dict[str, Any]:
    """The parsed YAML of a kind. For a kind that does not exist, raises `InputError` that names the closest match."""
    if kind not in names(section):
        raise InputError(f"{section}: kind {kind!r} is unknown{nearest(kind, names(section))}")
    rules = read_yaml(FOLDERS[section], kind)
    if "x-options-of" in rules:
        rules["properties"] = schema(section, rules["x-options-of"])["properties"] | rules["properties"]
    return rules


@functools.cache
def facts(section: str, kind: str) -> dict[str, Any]:
    """All `FACTS` of a kind. Raises `InputError` as `schema` does, and for a fact that no other code reads."""
    stated = schema(section, kind).get("x-kind", {})
    for name in stated:
        if name not in FACTS[section]:
            raise InputError(f"{FOLDERS[section]}/{kind}.yaml: x-kind: {name!r}{nearest(name, FACTS[section])}")
    return {**FACTS[section], **stated}


@functools.cache
def behaviour(module: str) -> dict[str, Any]:
    """The facts that programs read about the kind with this module (dotted name); empty for other modules."""
    folder, _, kind = module.removeprefix("s2f.").rpartition(".")
    for section, of_kinds in FOLDERS.items():
        if of_kinds == folder.replace(".", "/") and kind in names(section):
            return {name: value for name, value in facts(section, kind).items() if name in READ_BY_PROGRAMS}
    return {}


def having(section: str, fact: str) -> list[str]:
    """The kinds of a section for which a fact holds, sorted."""
    return [kind for kind in names(section) if facts(section, kind)[fact]]


@functools.cache
def encoder_of_size(size: str) -> str:
    """The kind of encoder that reads layers of a model of this size. Raises `InputError` for an unknown size."""
    sizes = {name: kind for kind in names("encoders") for name in facts("encoders", kind)["layers"]}
    if size not in sizes:
        raise InputError(f"size is {size!r}, expected one of: {', '.join(sizes)}")
    return sizes[size]


def module_name(section: str, kind: str) -> str:
    """The dotted name of a kind's module. Raises `InputError` as `schema` does."""
    schema(section, kind)
    return f"s2f.{FOLDERS[section].replace('/', '.')}.{kind}"


def module(section: str, kind: str) -> ModuleType:
    """A kind's module, imported. Raises `InputError` as `schema` does."""
    return importlib.import_module(module_name(section, kind))


def settings(section: str, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The options in an entry of a study, with the kind's defaults, without the keys that the workflow reads itself.

    Raises `InputError` for an option that the kind does not have. Types and ranges are checked with the whole study.
    """
    where = f"{section.removesuffix('s')} {kind}"
    return _options(schema(section, kind), entry, where, SECTIONS[section]["of_workflow"])


def section_settings(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """As `settings`, for a section whose schema is beside its module: `heads/training`, `language_model/tapt`."""
    return _options(section_schema(name), entry, name.rpartition("/")[2])


@functools.cache
def section_schema(name: str) -> dict[str, Any]:
    """The parsed schema of a section without kinds; it is beside the module that it is for."""
    return read_yaml(*name.rsplit("/", 1))


def _options(
    rules: dict[str, Any], entry: dict[str, Any], where: str, of_workflow: Sequence[str] = ()
) -> dict[str, Any]:
    known = {key: rule for key, rule in rules["properties"].items() if key not in of_workflow}
    given = {key: value for key, value in entry.items() if key not in of_workflow}
    rules = {"properties": known, "additionalProperties": False}
    _refuse_unknown(given, rules, where)
    return filled(given, rules)


def _refuse_unknown(value: Any, rules: Any, where: str) -> None:
    """Raise `InputError` for a key that a schema does not have, at any depth."""
    if isinstance(value, dict) and isinstance(rules, dict):
        known, patterns = rules.get("properties", {}), rules.get("patternProperties", {})
        for key, item in value.items():
            matching = (rule for pattern, rule in patterns.items() if re.search(pattern, key))
            rule = known[key] if key in known else next(matching, rules.get("additionalProperties", True))
            if rule is False:
                raise InputError(f"{where}: unknown key {key!r}{nearest(key, known)}")
            _refuse_unknown(item, rule, f"{where}: {key}")


def filled(value: Any, rules: dict[str, Any]) -> Any:
    """A copy of `value` with a schema's defaults filled in at every depth."""
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
    """The end of a message about a name that is not among the `known` ones."""
    return (near(name, known) or ";") + f" known: {', '.join(sorted(known))}"


def near(name: object, known: Collection[str]) -> str:
    """A question for the end of a message, proposing the `known` name most similar to `name`, ignoring case; empty if
    none is similar."""
    found = most_similar(name, known)
    return f"; did you mean {found!r}?" if found else ""


def most_similar(name: object, known: Collection[str]) -> str:
    """The `known` name most similar to `name`, ignoring case; empty if none is similar."""
    folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(str(name).casefold(), list(folded), 1)
    return folded[found[0]] if found else ""
