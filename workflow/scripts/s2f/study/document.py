"""Write config/README.md: every key of the configuration, from the descriptions in the schemas."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from s2f.common import kinds
from s2f.common.files import write_text
from s2f.study.schema import schema as study_schema

HEAD = """# Configuration

A study is one YAML file. `snakemake` alone runs the embedded study `config/config.yaml`; `--configfile FILE` runs
another one instead, and `--configfile FILE CHANGES` (one flag: of two, only the last counts) the same with the keys
of a second file. `--config key=value` changes single keys, with values as in the file: `--config seeds=[1,2]
study=mine 'training={{epochs: 3}}'`. The study, UTF-8 text, is checked before anything runs: an unknown key, a value
of the wrong type or a name that no section defines is an error that names the key. A first study of your own data is
written by `python -m s2f.study.new my_table.csv` ([how](../docs/first_study.md)), and this page by
`PYTHONPATH=workflow/scripts python -m s2f.study.document config/README.md`, from the schemas that stand beside the
modules that they are for.

A new dataset, split, encoder, augmentation, head or baseline of a known kind is a new entry. A new kind is two files in
one folder of `workflow/scripts/s2f`, a module and a schema of the same name, whose key `x-kind` states what the rest of
the workflow must know of it (`common/kinds.py` lists the facts):

{folders}
"""


def main() -> None:
    """Write the page to the path given as the only argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="page to write")
    write_text(parser.parse_args().out, page())


def page() -> str:
    """The page as text: one table for the study, one per kind of each section."""
    folders = "\n".join(f"* {section}: `{folder}`" for section, folder in kinds.FOLDERS.items())
    parts = [HEAD.format(folders=folders), "## The study", *_tables("", study_schema())]
    titles = {
        "sources": "`datasets.*.source`",
        "splits": "`splits.*`",
        "panels": "`datasets.*.panels.*`",
        "encoders": "`encoders.*`",
        "augmentations": "`augmentations.*`",
        "heads": "heads, by the names in `models[].heads`",
        "baselines": "`baselines.*`",
    }
    for section in titles:
        parts.append(f"## Kinds of {titles[section]}")
        for kind in kinds.names(section):
            schema = kinds.schema(section, kind)
            parts += [f"### {kind}", schema["description"], *_tables("", schema, skip=("kind",))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _tables(prefix: str, schema: dict[str, Any], skip: Sequence[str] = ()) -> list[str]:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|", *_lines(prefix, schema, skip)]
    return ["\n".join(lines)] if len(lines) > 2 else ["No further keys."]


def _lines(prefix: str, schema: dict[str, Any], skip: Sequence[str] = ()) -> Iterator[str]:
    for key, rule in schema.get("properties", {}).items():
        if key in skip:
            continue
        name = f"{prefix}{key}"
        default = f"`{rule['default']}`" if "default" in rule else ""
        default = "required" if key in schema.get("required", ()) else default
        searched = _range(rule.get("x-search"))
        yield f"| `{name}` | {_type(rule)} | {default} | {rule.get('description', '')}{searched} |"
        yield from _lines(f"{name}.", rule)
        inner = rule.get("additionalProperties")
        if isinstance(inner, dict):
            yield from _lines(f"{name}.*.", inner)
        if isinstance(rule.get("items"), dict):
            yield from _lines(f"{name}[].", rule["items"])


def _range(searched: Any) -> str:
    """The range that a search draws from, as the end of a description."""
    if isinstance(searched, dict):
        return f". Search: {searched['from']:g} to {searched['to']:g}, {searched.get('scale', 'linear')}"
    return f". Search: {', '.join(map(str, searched))}" if searched else ""


def _type(rule: dict[str, Any]) -> str:
    if "enum" in rule:
        return ", ".join(f"`{value}`" for value in rule["enum"])
    kind = rule.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else kind


if __name__ == "__main__":
    main()
