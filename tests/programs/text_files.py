"""Check text files: UTF-8, lines that end with \\n and nothing before it, one end of line at the end; YAML parses.

    python tests/programs/text_files.py FILE …

This is a hook of .pre-commit-config.yaml and a test of all files in the repository. Exits with 1 and a line per fault.
"""

import sys
from pathlib import Path

import yaml

YAML = (".yaml", ".yml", ".cff")


def faults(path: Path) -> list[str]:
    """What is wrong with a file, as FILE: line N: what."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        return [f"{path}: byte {error.start + 1} is not UTF-8"]
    lines = text.split("\n")
    found = [f"{path}: line {n}: blanks at its end" for n, line in enumerate(lines, 1) if line != line.rstrip()]
    if text and not text.endswith("\n"):
        found.append(f"{path}: line {len(lines)}: no end of line at the end of the file")
    if text.endswith("\n\n"):
        found.append(f"{path}: line {len(lines) - 1}: empty lines at the end of the file")
    if path.suffix in YAML:
        try:
            for _ in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                pass
        except yaml.YAMLError as error:
            found.append(f"{path}: is not YAML: {' '.join(str(error).split())}")
    return found


if __name__ == "__main__":
    found = [fault for name in sys.argv[1:] for fault in faults(Path(name))]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))
