"""Where a result comes from: code fingerprints, seeds derived from names, library versions. Standard library only."""

import ast
import functools
import hashlib
import importlib.metadata
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]


def code_fingerprint(program, *modules):
    """Hash of the behaviour of a program: its syntax tree and those of the s2f modules it imports, transitively.

    Comments, docstrings and layout do not count, so only a change of behaviour changes the value. Modules that a
    registry loads by name cannot be seen in the imports: the caller names them in `modules`
    (``code_fingerprint("train_head", "s2f.heads.networks.boda")``). Values of different Python versions cannot be
    compared, as their syntax trees differ. Raises `ModuleNotFoundError` for a program or module that is not there (not
    `FileNotFoundError`, which Snakemake takes in `params` for "not known yet").
    """
    for name in (program, *modules):
        if _source(name) is None:
            raise ModuleNotFoundError(f"no program or module {name!r} in {SCRIPTS}")
    seen = {}
    waiting = [program, *modules]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in seen or path is None:
            continue
        status = path.stat()
        seen[name], imports = _parsed(path, name, status.st_mtime_ns, status.st_size)
        waiting += imports
    text = "\n".join(f"{name} {seen[name]}" for name in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def _parsed(path, name, *state):
    """Syntax tree of a module as text, and the modules it imports: once per `state` of the file, as jobs share most."""
    tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
    return ast.dump(tree), _imports(tree, name, path.name == "__init__.py")


def _source(name):
    base = SCRIPTS.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def _imports(tree, name, is_package):
    """Names of all modules that could be meant by the import statements of `tree`, wherever they stand in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    # importing a.b.c runs a and a.b too
    return [".".join(full.split(".")[: depth + 1]) for full in found for depth in range(full.count(".") + 1)]


def derived_seed(*names):
    """A seed in [0, 2**32) from names and numbers: the same on every machine and Python, unlike `hash`.

    ``derived_seed(study_seed, "head", dataset, split, model, seed)`` gives each job and purpose its own stream.
    """
    text = "\x1f".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def versions(*packages):
    """Installed version of each package, for the records that are stored with results."""
    return {name: importlib.metadata.version(name) for name in packages}
