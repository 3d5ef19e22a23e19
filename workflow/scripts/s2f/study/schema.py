"""The schema of the study file, and checks against it."""

import functools
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import nearest
from s2f.heads import networks


def refuse_repeated_keys(path: str | Path) -> None:
    """Raise `InputError` where a mapping of a YAML file names a key twice: parsers silently keep the last.

    Merge keys (<<) may recur. A file that is no YAML is left to the parser that needs it.
    """
    seen: set[int] = set()

    def check(node: Any) -> None:
        if id(node) in seen:  # an alias
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                check(item)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
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


@functools.cache
def schema() -> dict[str, Any]:
    """The schema of a study, with those of its sections that stand beside the modules that they are for."""
    rules = kinds.read_yaml("study", "study")
    sections = rules["properties"]
    sections["training"] |= kinds.section_schema("heads/training")
    sections["tapt"]["additionalProperties"] = kinds.section_schema("language_model/tapt")
    sections["constructs"]["additionalProperties"] = kinds.section_schema("sequences/constructs")
    return rules


def checked_head(slug: str, entry: dict[str, Any]) -> dict[str, Any]:
    """As `checked`, for the entry of a head: by the schema of `training`, without its defaults, or, where the head is
    solved, by that of its kind."""
    where, training = f"heads.{slug}", kinds.section_schema("heads/training")
    if not networks.facts(slug)["epochs"]:
        rules = networks.schema(slug)
        for key in entry:
            if key in training["properties"] and key not in rules["properties"]:
                raise InputError(
                    f"{where}: key {key!r} means nothing, as this head is solved, not trained in epochs; "
                    f"known: {', '.join(rules['properties'])}"
                )
        return checked(entry, rules, where)
    without = {key: {k: v for k, v in rule.items() if k != "default"} for key, rule in training["properties"].items()}
    return checked(entry, training | {"properties": without}, where)


def with_data_dir(value: Any, data_dir: str, where: str) -> Any:
    """`value` with `{data_dir}` replaced in every text, at every depth."""
    if isinstance(value, dict):
        return {key: with_data_dir(item, data_dir, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, str) and "{data_dir}" in value:
        if not data_dir:
            raise InputError(f"{where}: {value!r} needs the folder of the data: add --config data_dir=FOLDER")
        return value.replace("{data_dir}", str(data_dir))
    return value


def refuse_other_names(value: Any, where: str) -> None:
    """Raise `InputError` for a key that YAML does not read as text, such as 5 or yes, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(f"{where or 'the study'}: the name {key!r} is no text to YAML; write it in quotes")
            refuse_other_names(item, f"{where}.{key}".strip("."))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            refuse_other_names(item, f"{where}.{position}")


def checked_kind(entry: dict[str, Any], section: str, where: str) -> dict[str, Any]:
    """As `checked`, by the schema of the kind that the entry names."""
    kind, known = entry.get("kind"), kinds.names(section)
    if kind not in known:
        raise InputError(f"{where}.kind: {kind!r} is unknown{nearest(kind, known)}")
    return checked(entry, kinds.schema(section, kind), where)


def checked(value: Any, rules: dict[str, Any], where: str) -> Any:
    """`value` with the defaults of the schema `rules`. Raises `InputError`, which begins with `where`, if it does not
    follow them."""
    errors = sorted(jsonschema.Draft202012Validator(rules).iter_errors(value), key=lambda e: len(e.absolute_path))
    if errors:
        raise InputError(_message(jsonschema.exceptions.best_match(errors), where))
    return kinds.filled(value, rules)


def _message(error: Any, where: str) -> str:
    path = ".".join([where, *map(str, error.absolute_path)]).strip(".") or "the study"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        key = next(key for key in error.instance if key not in known)
        return f"{path}: key {key!r} is unknown{nearest(key, known)}"
    if error.validator == "required":
        key = next(key for key in error.validator_value if key not in error.instance)
        text = error.schema.get("properties", {}).get(key, {}).get("description", "")
        return f"{path}: key {key!r} is missing ({text})"
    expected = error.schema.get("description", "")
    return f"{path}: {error.message}" + (f" (expected: {expected})" if expected else "")
