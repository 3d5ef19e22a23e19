"""Write config/README.md: every key of the configuration, from the descriptions and examples in the schemas."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from s2f.common import kinds
from s2f.common.errors import run
from s2f.common.files import write_text
from s2f.study.schema import schema as study_schema

HEAD = """# Configuration

A study is one YAML file, UTF-8 text. `snakemake` alone runs the embedded study, `config/config.yaml`; `--configfile
FILE` runs another one instead, and `--configfile FILE CHANGES` (give the option once; a second one replaces the first)
the same with the keys of a second file. `--config key=value` changes single keys, with values as in the file: `--config
seeds=[1,2] study=mine 'training={epochs: 3}'`. The study is checked before anything runs: an unknown key, a value of
the wrong type or a name that no section defines is an error that names the key. `python -m s2f.study.new my_table.csv`
writes a first study of your own data ([how](../docs/first_study.md)).

Most studies need only these keys; the others have defaults:

* [`study`](#general) names the study, and `seeds: [1, 2, 3]` gives each model three trainings, which p values need.
* [`datasets`](#datasets): for each table its `source` (file and columns), `construct`, `splits` and `panels`.
* [`constructs`](#constructs): flanks and window; [`splits`](#splits): which rows are held out.
* [`encoders`](#encoders) and [`baselines`](#baselines): what can be compared; [`training`](#training): how heads learn.
* [`models`](#models): what is compared; [`comparison`](#comparison): the model that the others are compared with.

Required are `study`, `datasets` and `models`, and each section that they refer to. In the tables below required keys
come first, `*` stands for a name that you choose, and `[]` for an entry of a list.

This page is written by `.venv/bin/python -P -m s2f.study.document config/README.md`, from the schemas
beside the modules. A new kind of source, split, panel, encoder, augmentation, head or baseline is two files in one
folder: [CONTRIBUTING.md](../CONTRIBUTING.md).
"""
# sections of a study, and the kinds that are listed below them: (section of `kinds`, heading)
KINDS = {
    "datasets": [("sources", "Kinds of `datasets.*.source`"), ("panels", "Kinds of `datasets.*.panels.*`")],
    "splits": [("splits", "Kinds of `splits.*`")],
    "encoders": [("encoders", "Kinds of `encoders.*`")],
    "augmentations": [("augmentations", "Kinds of `augmentations.*`")],
    "heads": [("heads", "Kinds of heads, by the names in `models[].heads`")],
    "baselines": [("baselines", "Kinds of `baselines.*`")],
}
OF_THE_KIND = "The keys of an entry are those of its kind, below."
OF_TRAINING = "Its keys are those of [`training`](#training)."  # a head that is not solved


def main() -> None:
    """Write the page to the path given as the only argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="page to write")
    write_text(parser.parse_args().out, page())


def page() -> str:
    """The page as text: the general keys, then a heading with an example and a table for each section and kind."""
    study = study_schema()
    sections = {key: rule for key, rule in study["properties"].items() if "x-example" in rule}
    general = {key: rule for key, rule in study["properties"].items() if key not in sections}
    contents = " · ".join(f"[{section}](#{section})" for section in ("general", *sections))
    parts = [HEAD, contents, "## General", *_tables("", {**study, "properties": general})]
    for section, rule in sections.items():
        parts += [f"## {section}", f"{rule['description']}.", _example(rule["x-example"])]
        parts += _tables(
            "", {"properties": {section: rule}}, (section,), OF_TRAINING if section == "heads" else OF_THE_KIND
        )
        for kind_of, heading in KINDS.get(section, ()):
            parts.append(f"### {heading}")
            for kind in kinds.names(kind_of):
                schema = kinds.schema(kind_of, kind)
                parts += [f"#### {kind}", schema["description"], _example(schema["x-example"])]
                parts += _tables("", schema, ("kind",), OF_TRAINING if kind_of == "heads" else "It has no options.")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _example(text: str) -> str:
    return f"```yaml\n{text.strip()}\n```"


def _tables(prefix: str, schema: dict[str, Any], skip: Sequence[str] = (), empty: str = "") -> list[str]:
    """The table of the keys of a schema, or the sentence `empty` if there are none."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|", *_lines(prefix, schema, skip)]
    return ["\n".join(lines)] if len(lines) > 2 else [empty]


def _lines(prefix: str, schema: dict[str, Any], skip: Sequence[str] = ()) -> Iterator[str]:
    """Rows of a table: the keys of an object, required ones first, each followed by the keys inside it. A key in `skip`
    is omitted, but not the keys inside it."""
    properties, required = schema.get("properties", {}), schema.get("required", ())
    for key, rule in sorted(properties.items(), key=lambda item: item[0] not in required):
        name = f"{prefix}{key}"
        if key not in skip:
            default = "required" if key in required else _default(rule)
            meaning = f"{rule.get('description', '')}{_range(rule.get('x-search'))}"
            yield f"| `{name}` | {_type(rule)} | {default} | {meaning} |"
        yield from _lines(f"{name}.", rule)
        inner = rule.get("additionalProperties")
        if isinstance(inner, dict):
            yield from _lines(f"{name}.*.", inner)
        if isinstance(rule.get("items"), dict):
            yield from _lines(f"{name}[].", rule["items"])


def _default(rule: dict[str, Any]) -> str:
    """The default of a key, or its defaults by the strand rule of a dataset; empty if it has none."""
    if "x-strands" in rule:
        return ", ".join(f"`{_shown(value)}` if strand_rule is {name}" for name, value in rule["x-strands"].items())
    return f"`{_shown(rule['default'])}`" if "default" in rule else ""


def _shown(value: Any) -> str:
    """A default written as YAML."""
    words = {True: "true", False: "false", None: "null", "": '""', "\t": "\\t"}
    if isinstance(value, list):
        return f"[{', '.join(_shown(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    return words[value] if isinstance(value, (bool, str, type(None))) and value in words else str(value)


def _range(searched: Any) -> str:
    """The range that a search draws from, as the end of a description."""
    if isinstance(searched, dict):
        return f". Search: {searched['from']:g} to {searched['to']:g}, {searched.get('scale', 'linear')}"
    return f". Search: {', '.join(map(str, searched))}" if searched else ""


def _type(rule: dict[str, Any]) -> str:
    """Type of a value, with its bounds."""
    if "enum" in rule:
        return ", ".join(f"`{_shown(value)}`" for value in rule["enum"])
    kind = rule.get("type", "")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " ".join([kind, *(f"{sign} {rule[bound]:g}" for bound, sign in signs.items() if bound in rule)])


if __name__ == "__main__":
    run(main)
