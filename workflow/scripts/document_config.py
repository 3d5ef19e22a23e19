"""Write config/README.md: every key of the configuration, from the descriptions in the schemas."""

import argparse
from pathlib import Path

from s2f.common.files import write_text
from s2f.study import schema as schemas

HEAD = """# Configuration

A study is one YAML file. `snakemake` alone runs the embedded study `config/config.yaml`; `--configfile FILE` runs
another one instead, and `--config key=value` changes single keys. The file is checked before anything runs: an unknown
key, a value of the wrong type or a name that no section defines is an error that names the key. This page is written
from the schemas in `config/schemas` (`python -m document_config`).

A new dataset, split, encoder, augmentation, head or baseline of a known kind is a new entry; a new kind is one module
in its room (`workflow/scripts/s2f/sources`, `encoders`, `augmentation`, `heads`, `baselines`) and one schema beside the
others.
"""


def main():
    """Write the page to the path given as the only argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="page to write")
    write_text(parser.parse_args().out, page())


def page():
    """The page as text: one table for the study, one per kind of each room."""
    parts = [HEAD, "## The study", *_tables("", schemas.schema())]
    titles = {
        "sources": "`datasets.*.source`",
        "splits": "`splits.*`",
        "encoders": "`encoders.*`",
        "augmentations": "`augmentations.*`",
        "baselines": "`baselines.*`",
    }
    for room in titles:
        parts.append(f"## Kinds of {titles[room]}")
        for kind in schemas.kinds(room):
            schema = schemas.schema(f"{room}/{kind}")
            parts += [f"### {kind}", schema["description"], *_tables("", schema, skip=("kind",))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _tables(prefix, schema, skip=()):
    lines = ["| key | type | default | meaning |", "|---|---|---|---|", *_lines(prefix, schema, skip)]
    return ["\n".join(lines)] if len(lines) > 2 else ["No further keys."]


def _lines(prefix, schema, skip=()):
    for key, rule in schema.get("properties", {}).items():
        if key in skip:
            continue
        name = f"{prefix}{key}"
        default = f"`{rule['default']}`" if "default" in rule else ""
        default = "required" if key in schema.get("required", ()) else default
        yield f"| `{name}` | {_type(rule)} | {default} | {rule.get('description', '')} |"
        yield from _lines(f"{name}.", rule)
        inner = rule.get("additionalProperties")
        if isinstance(inner, dict):
            yield from _lines(f"{name}.*.", inner)
        if isinstance(rule.get("items"), dict):
            yield from _lines(f"{name}[].", rule["items"])


def _type(rule):
    if "enum" in rule:
        return ", ".join(f"`{value}`" for value in rule["enum"])
    kind = rule.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else kind


if __name__ == "__main__":
    main()
