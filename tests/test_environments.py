"""Environments: one pin per package everywhere, and each program's imports satisfied by its own environment file."""

import ast
import re
import sys

import yaml

from s2f import provenance

# name of the package on conda-forge -> name on the Python index, where they differ
CONDA_NAMES = {"pytorch": "torch"}
# name in an import -> name of the package
MODULES = {"haiku": "dm-haiku", "sklearn": "scikit-learn", "orbax": "orbax-checkpoint", "yaml": "pyyaml"}


def pins(root):
    lines = (root / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def environment(path):
    """{package: version} of an environment file, names as on the Python index."""
    found = dict(entry.split("=", 1) for entry in yaml.safe_load(path.read_text())["dependencies"])
    return {CONDA_NAMES.get(name, name): version for name, version in found.items()}


def rules(root):
    """{rule: (program, environment file)} from the text of the rules."""
    found = {}
    for path in sorted((root / "workflow" / "rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL):
            program = re.search(r"python -m (\w+)", body)[1]
            found[name] = (program, re.search(r'"\.\./\.\./envs/(\w+\.yaml)"', body)[1])
    return found


def imports(program, *registered):
    """Third-party packages that a program needs, through all s2f modules it imports."""
    found, waiting, seen = set(), [program, *registered], set()
    while waiting:
        name = waiting.pop()
        path = provenance._source(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        names = provenance._imports(ast.parse(path.read_text()), name, path.name == "__init__.py")
        waiting += names
        tops = {n.split(".")[0] for n in names if n}
        found |= {top for top in tops if provenance._source(top) is None and top not in sys.stdlib_module_names}
    return {MODULES.get(name, name) for name in found}


def test_environment_files_pin_what_the_virtual_environment_has(root):
    pinned = pins(root)
    for path in sorted((root / "envs").glob("*.yaml")):
        for name, version in environment(path).items():
            if name != "python":
                assert pinned[name] == version, f"{path.name}: {name}"


def test_installed_versions_are_the_pinned_ones(root):
    for name, version in pins(root).items():
        assert provenance.versions(name)[name].split("+")[0] == version


def test_every_rule_has_log_benchmark_environment_and_resources(root):
    for path in sorted((root / "workflow" / "rules").glob("*.smk")):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL):
            # a better downloader is no reason to fetch a file, and remake all that follows, again
            code = () if name == "download" else ("code=",)
            for directive in ("log:", "benchmark:", "conda:", "threads:", "mem_mb=", "runtime=", "message:", *code):
                assert directive in body, f"{path.name}: rule {name} lacks {directive}"


REGISTERED = {
    "make_rows": ["s2f.sources"], "embed": ["s2f.encoders"], "train_head": ["s2f.heads", "s2f.augmentation"],
    "predict_head": ["s2f.heads"], "train_baseline": ["s2f.baselines"], "predict_baseline": ["s2f.baselines"],
}  # fmt: skip


def test_imports_of_every_program_are_in_its_environment(root):
    for rule, (program, file) in rules(root).items():
        registered = [
            f"{room}.{path.stem}"
            for room in REGISTERED.get(rule, [])
            for path in (provenance.SCRIPTS / room.replace(".", "/")).glob("*.py")
            if path.stem != "__init__"
        ]
        needed = imports(program, *registered)
        missing = needed - set(environment(root / "envs" / file))
        assert not missing, f"rule {rule}: {file} lacks {sorted(missing)}"
