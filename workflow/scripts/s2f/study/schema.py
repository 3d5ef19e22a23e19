"""Schemas of the study file."""

import difflib
import functools
from pathlib import Path

import jsonschema
import yaml

from s2f.common.errors import InputError

SCHEMAS = Path(__file__).resolve().parents[4] / "config" / "schemas"


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
