"""The schema of the study file, and checks against it."""

import difflib
import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.kinds import most_similar, near, nearest
from s2f.heads import networks

# how YAML reads an unquoted name that it does not take as text
READ_AS = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"}
# such as `1e-3`, which YAML 1.1 reads as text: it requires a point, and a sign after the e
EXPONENT = re.compile(r"([+-]?\d+)(\.\d*)?[eE]([+-]?)(\d+)")
WORDS = re.compile(r"\^\(?([a-z_]+(?:\|[a-z_]+)*)\)?(?:\$|\(\?!\[\\s\\S\]\))")  # a pattern of whole words, as `enum`
LETTERS = re.compile(r"\^(\[[^]]+\])[*+]\$")  # a pattern of letters, in any order
CHROMOSOME = "^chr"  # pattern of chromosome names in the schemas
TYPED = re.compile(r"([A-Za-z]+)[ _:.-]*(\d{1,2}[A-DLR]?|[XYMZW]|MT)", re.IGNORECASE)  # chromosome names, also misspelt
# numbers that YAML 1.1 reads in base 8 or 60, such as 010 and 1:30
OTHER_BASE = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
# an integer is a number without a point: the seed 1.0 would give another path and another draw than 1
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda checker, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
MOST_LISTED = 10  # problems in one message
TEXTS = ("measured", "description", "licence", "text")  # keys whose values are for people and may contain braces


def check_keys(path: str | Path) -> None:
    """Raise `InputError` if a mapping of a YAML file has a key twice (parsers silently keep the last), or a key that
    YAML does not read as text, such as 2024 or no; and for a number that YAML does not read as it looks, such as 010
    (8) or 1:30 (90).

    Merge keys (<<) may occur more than once. A file that is not YAML is left to the parser that needs it.
    """
    seen: set[int] = set()

    def check(node: Any) -> None:
        if id(node) in seen:  # an alias
            return
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            kind = node.tag.rpartition(":")[2]
            if kind in ("int", "float") and OTHER_BASE.fullmatch(node.value):
                raise InputError(
                    f"{path}: line {node.start_mark.line + 1}: YAML takes {node.value} for the number "
                    f"{yaml.safe_load(node.value):g}; write that number, or put text in quotes: '{node.value}'"
                )
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                check(item)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                tag = key.tag.rpartition(":")[2]
                if tag in READ_AS:
                    raise InputError(
                        f"{path}: line {line}: YAML takes the name {key.value} for {READ_AS[tag]}; write it in quotes: "
                        f"'{key.value}'"
                    )
                first = lines.setdefault(key.value, line) if isinstance(key, yaml.ScalarNode) else line
                if first != line and key.value != "<<":
                    raise InputError(
                        f"{path}: line {line}: key {key.value!r} is already on line {first}; remove one of them"
                    )
                check(value)

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if PyYAML was built with it
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=loader)
    except yaml.YAMLError:
        return
    check(root)


@functools.cache
def schema() -> dict[str, Any]:
    """The schema of a study, including the schemas of sections that are kept beside their modules."""
    rules = kinds.read_yaml("study", "study")
    sections = rules["properties"]
    sections["training"] |= kinds.section_schema("heads/training")
    sections["stage2"]["additionalProperties"] = kinds.section_schema("heads/stage2")
    sections["tapt"]["additionalProperties"] = kinds.section_schema("language_model/tapt")
    sections["constructs"]["additionalProperties"] = kinds.section_schema("sequences/constructs")
    return rules


def checked_head(slug: str, entry: dict[str, Any]) -> dict[str, Any]:
    """As `checked`, for the entry of a head: by the schema of `training` without its defaults or, if the head is
    solved, by the schema of its kind."""
    where, training = f"heads.{slug}", kinds.section_schema("heads/training")
    try:
        solved = not networks.facts(slug)["epochs"]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if solved:
        rules = networks.schema(slug)
        for key in entry:
            if key in training["properties"] and key not in rules["properties"]:
                raise InputError(
                    f"{where}: key {key!r} has no effect, because this head is solved, not trained in epochs; "
                    f"known: {', '.join(rules['properties'])}"
                )
        return checked(entry, rules, where)
    without = {key: {k: v for k, v in rule.items() if k != "default"} for key, rule in training["properties"].items()}
    return checked(entry, training | {"properties": without}, where)


def with_data_dir(value: Any, data_dir: str, where: str) -> Any:
    """`value` with `{data_dir}` replaced in every text, at every depth, and ~/ at its start by the home of the user.
    Raises `InputError` for other words in braces, except in texts for people (`TEXTS`)."""
    if isinstance(value, dict):
        return {
            key: item if key in TEXTS else with_data_dir(item, data_dir, f"{where}.{key}")
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [with_data_dir(item, data_dir, f"{where}.{position}") for position, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    if "{data_dir}" in value and not data_dir:
        raise InputError(f"{where}: {value!r} needs the folder of the data: add --config data_dir=FOLDER")
    other = re.search(r"\{[^{}]*\}", value.replace("{data_dir}", ""))
    if other:
        raise InputError(f"{where}: {value!r}: {other[0]} is not a known placeholder; known: {{data_dir}}")
    value = value.replace("{data_dir}", str(data_dir))
    if not value.startswith("~/"):
        return value
    try:
        return str(Path(value).expanduser())
    except RuntimeError:
        raise InputError(f"{where}: {value!r}: this user has no home directory; write the full path") from None


def refuse_other_names(value: Any, where: str) -> None:
    """Raise `InputError` for a key that YAML does not read as text, such as 5 or yes, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InputError(
                    f"{where or 'the study'}: YAML does not read the name {key!r} as text; write it in quotes"
                )
            refuse_other_names(item, f"{where}.{key}".strip("."))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            refuse_other_names(item, f"{where}.{position}")


def checked_kind(entry: dict[str, Any], section: str, where: str) -> dict[str, Any]:
    """As `checked`, by the schema of the kind that the entry names. Options that depend on the strand rule of a dataset
    (`x-strands`) are left as they are given: see `strands`."""
    kind, known = entry.get("kind"), kinds.names(section)
    if kind not in known:
        raise InputError(f"{where}.kind: {kind!r} is unknown{nearest(kind, known)}")
    rules = kinds.schema(section, kind)
    completed = checked(entry, rules, where)
    by_rule = {key for key, rule in rules["properties"].items() if "x-strands" in rule}
    return {key: value for key, value in completed.items() if key in entry or key not in by_rule}


def checked(value: Any, rules: dict[str, Any], where: str) -> Any:
    """`value` with the defaults of the schema `rules`. Raises `ProblemsError` with every place at which `value` breaks
    the rules; each begins with `where`."""
    by_place: dict[tuple[Any, ...], list[Any]] = {}
    for error in Validator(rules).iter_errors(value):
        keys = error.validator in ("additionalProperties", "required")  # what else is wrong there is another problem
        place = (error.validator, *error.absolute_path) if keys else (repr(error.instance), *error.absolute_path)
        by_place.setdefault(place, []).append(error)
    if by_place:
        errors = map(jsonschema.exceptions.best_match, by_place.values())
        raise ProblemsError([message for error in errors for message in _messages(error, where)])
    return kinds.filled(value, rules)


class ProblemsError(InputError):
    """One or more `problems` of a study."""

    def __init__(self, problems: Sequence[str]):
        super().__init__(listed(problems, "problems"))
        self.problems = list(problems)


def listed(problems: Sequence[str], called: str) -> str:
    """One problem as it is; several on a line each, after their number and what they are `called`, at most
    `MOST_LISTED`."""
    if len(problems) == 1:
        return problems[0]
    more = [f"and {len(problems) - MOST_LISTED:,} more"] if len(problems) > MOST_LISTED else []
    return "".join([f"{len(problems):,} {called}:", *(f"\n  {line}" for line in [*problems[:MOST_LISTED], *more])])


def _messages(error: Any, where: str) -> list[str]:
    """What is wrong at a place: a line for each unknown or missing key, otherwise one."""
    path = ".".join([where, *map(str, error.absolute_path)]).strip(".") or "the study"
    rules = error.schema.get("properties", {})
    if error.validator == "additionalProperties":
        unknown = [key for key in error.instance if key not in rules]
        return [f"{path}: key {key!r} is unknown{nearest(key, list(rules))}" for key in unknown]
    if error.validator == "required":
        absent = [key for key in error.validator_value if key not in error.instance]
        # where keys that no rule knows are not refused, one of them may be the missing key, misspelt
        others = [] if error.schema.get("additionalProperties") is False else [*error.instance.keys() - rules.keys()]
        meant = {key: most_similar(key, others) for key in absent}
        return [
            f"{path}: key {key!r} is missing ({rules.get(key, {}).get('description', '')})"
            + (f"; did you mean {key!r} by {meant[key]!r}?" if meant[key] else "")
            for key in absent
        ]
    explained = error.validator == "pattern" and "x-pattern" in error.schema
    expected = "" if explained else error.schema.get("description", "").partition(". ")[0]
    return [f"{path}: {_found(error)}{_fix(error)}" + (f" (expected: {expected})" if expected else "")]


def _found(error: Any) -> str:
    """What is wrong with a value; of words that it may be, those are shown as YAML writes them; a pattern is said in
    words."""
    words = WORDS.fullmatch(error.validator_value) if error.validator == "pattern" else None
    if error.validator == "pattern" and not words:
        return _unlike(error.instance, error.schema)
    if error.validator != "enum" and not words:
        return error.message
    known = words[1].split("|") if words else [json.dumps(value).strip('"') for value in error.validator_value]
    hint = near(error.instance.strip(), known) if isinstance(error.instance, str) and not _fix(error) else ""
    return f"{error.instance!r} is not one of {', '.join(known)}{hint}"


def _unlike(value: str, rules: Mapping[str, Any]) -> str:
    """How a text differs from the `pattern` of a schema, as its `x-pattern` explains it."""
    letters = LETTERS.fullmatch(rules["pattern"])
    if not letters:
        return f"{value!r} is not {rules['x-pattern']}"
    odd = next((at for at, letter in enumerate(value) if not re.match(letters[1], letter)), None)
    found = "is empty" if odd is None else f"holds {value[odd]!r} (letter {odd + 1} of {len(value)})"
    return f"{found}, expected {rules['x-pattern']}"


def _fix(error: Any) -> str:
    """The end of a message on a value that YAML reads as something other than was meant; otherwise empty."""
    if error.validator == "pattern" and error.validator_value == CHROMOSOME:
        meant = _typed_chromosome(error.instance)
        return f"; did you mean {meant}?" if meant else f"; write {_chromosome(error.instance)}"
    if error.validator not in ("type", "enum"):
        return ""
    wanted, value = _types(error.schema), error.instance
    if value is None:
        return ", because it is empty"
    if isinstance(value, str) and wanted & {"number", "integer"}:
        parts = EXPONENT.fullmatch(value)
        if parts:
            whole, fraction, sign, power = parts.groups()
            fraction = fraction if fraction and fraction != "." else ".0"
            return f", because YAML reads it as text; write {whole}{fraction}e{sign or '+'}{power}"
        return ", because it is text in quotes; remove the quotes" if _scalar(value) != value else ""
    if isinstance(value, str) and "boolean" in wanted and isinstance(_scalar(value), bool):
        return f", because it is text in quotes; write {str(_scalar(value)).lower()}"
    if "array" in wanted and isinstance(value, (str, int, float)):
        items = _types(error.schema.get("items", {}))
        numbers = items and not items & {"string", "object"}
        if "object" in items:
            return ""
        if "x-count" in error.schema and type(value) is int and 1 < value <= MOST_LISTED:
            every = list(range(1, value + 1))
            return f"; write {every} for {value} {error.schema['x-count']}, or [{value}] for one alone"
        words = isinstance(value, str) and not all(isinstance(_scalar(part), (int, float)) for part in value.split(","))
        return "; write a list, such as [1, 2, 3]" if numbers and words else f"; write a list: [{value}]"
    if type(value) is int and error.schema.get("pattern") == CHROMOSOME:
        return f"; write chr{value}"
    if type(value) is float and value.is_integer() and "integer" in wanted:
        return f"; write {value:.0f}"
    if "string" in wanted and not isinstance(value, (str, dict, list)):
        return ", as read by YAML; write it in quotes"
    return ""


def _chromosome(name: str) -> str:
    """The name of a chromosome in the form of rows: CHR7, 7 and chromosome 7 as chr7."""
    bare = re.sub(r"^chr(om(osome)?)?[ _:-]*", "", name.strip(), flags=re.IGNORECASE)
    return "chr" + {"x": "X", "y": "Y", "m": "M", "mt": "M"}.get(bare.lower(), bare)


def _typed_chromosome(name: str) -> str:
    """The chromosome that was meant by a name whose letters are nearly chr, such as ch7; empty if there is none."""
    parts = TYPED.fullmatch(name.strip())
    letters = parts[1].lower() if parts else ""
    known = ("chr", "chrom", "chromosome")
    misspelt = letters not in known and bool(difflib.get_close_matches(letters, known, 1, 0.5))
    return _chromosome(parts[2]) if parts and misspelt else ""


def _types(rules: Any) -> set[str]:
    """The types that a schema allows, including its alternatives; empty: not stated."""
    found = rules.get("type", [])
    types = {found} if isinstance(found, str) else set(found)
    for key in ("anyOf", "oneOf"):
        types = types.union(*map(_types, rules.get(key, ())))
    return types | ({"string"} if any(isinstance(value, str) for value in rules.get("enum", ())) else set())


def _scalar(text: str) -> Any:
    """The value of a text as YAML, also for numbers with an exponent as people write them; the text itself if no
    scalar."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if EXPONENT.fullmatch(text):
        return float(text)
    return value if isinstance(value, (bool, int, float)) else text


def with_types(config: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the values of `given`, which Snakemake has put into it from --config, converted to the
    types that the schema requires: Snakemake reads true, lists and their items as text, and an empty value as none."""
    return {**config, **_typed({key: config[key] for key in given if key in config}, given, schema(), ())}


def _typed(value: Any, given: Any, rules: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    if isinstance(value, dict) and isinstance(given, Mapping):
        rules = _rules_of_kind(value, rules, path)
        properties, other = rules.get("properties", {}), rules.get("additionalProperties")
        for key in value.keys() & given.keys():
            rule = properties.get(key, other if isinstance(other, dict) else {})
            value = {**value, key: _typed(value[key], given[key], rule, (*path, key))}
        return value
    if isinstance(value, list):
        return [_typed(item, item, rules.get("items", {}), (*path, "")) for item in value]
    types = _types(rules)
    if value is None:
        return "" if types == {"string"} else None
    if isinstance(value, str):
        read = _scalar(value)
        return value if "string" in types and not ("boolean" in types and isinstance(read, bool)) else read
    return str(value) if types == {"string"} and type(value) is int else value


def _rules_of_kind(entry: Mapping[str, Any], rules: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    """The schema of an entry at a path of the study, by its kind if it has one."""
    section = ""
    match path:
        case ("heads", _):
            properties = kinds.section_schema("heads/training")["properties"]
            for kind in kinds.names("heads"):
                properties = properties | kinds.schema("heads", kind).get("properties", {})
            return {"properties": properties}
        case ("splits" | "encoders" | "augmentations" | "baselines", _):
            section = path[0]
        case ("datasets", _, "source"):
            section = "sources"
        case ("datasets", _, "panels", _):
            section = "panels"
    kind = str(entry.get("kind"))
    return kinds.schema(section, kind) if section and kind in kinds.names(section) else rules
