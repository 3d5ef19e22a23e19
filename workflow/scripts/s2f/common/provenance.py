"""Where a result comes from: code fingerprints, seeds derived from names, library versions. Standard library only."""

import ast
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
# what a package imports for its hints; other names it may import for those that use it
OF_HINTS = ("typing", "collections.abc")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)


def code_fingerprint(program: str, *modules: str) -> str:
    """Hash of the behaviour of a program: its syntax tree and those of the s2f modules it imports, transitively.

    Comments, docstrings, type hints and layout do not count, so only a change of behaviour changes the value. Modules
    that are loaded by name cannot be seen in the imports: the caller names them in `modules`
    (``code_fingerprint("train_head", "s2f.heads.networks.boda")``). Values of different Python versions cannot be
    compared, as their syntax trees differ. Raises `ModuleNotFoundError` for a program or module that is not there (not
    `FileNotFoundError`, which Snakemake takes in `params` for "not known yet").
    """
    for name in (program, *modules):
        if _source(name) is None:
            raise ModuleNotFoundError(f"no program or module {name!r} in {SCRIPTS}")
    trees = behaviour_of(program, *modules)
    text = "\n".join(f"{name} {trees[name]}" for name in sorted(trees))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def behaviour_of(program: str, *modules: str) -> dict[str, str]:
    """{module: its syntax tree as text} of all that `code_fingerprint` is the hash of."""
    seen: dict[str, str] = {}
    ours = {path.stem for path in SCRIPTS.iterdir()}  # most names that are imported are of other libraries
    waiting = [program, *modules]
    while waiting:
        name = waiting.pop()
        path = _source(name) if name not in seen and name.partition(".")[0] in ours else None
        if path is None:
            continue
        status = path.stat()
        seen[name], imports = _parsed(path, name, status.st_mtime_ns, status.st_size)
        waiting += imports
    return seen


@functools.cache
def _parsed(path: Path, name: str, *state: int) -> tuple[str, list[str]]:
    """Syntax tree of a module as text, and the modules it imports: once per `state` of the file, as jobs share most."""
    is_package = path.name == "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    _without_docstrings_and_hints(tree)
    _without_unused_imports(tree, OF_HINTS if is_package else None)
    return ast.dump(tree), _imports(tree, name, is_package)


def _source(name: str) -> Path | None:
    base = SCRIPTS.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def _blocks(node: ast.AST) -> Iterator[tuple[ast.AST, str, list[ast.stmt]]]:
    """All lists of statements in `node`, outer before inner, each with the node and the field that hold it.

    No expression holds a statement, so none is looked into: they are most of a tree.
    """
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            yield node, field, statements
            for statement in getattr(node, field):  # as it is now
                yield from _blocks(statement)
    for field in ("handlers", "cases"):
        for part in getattr(node, field, ()):
            yield from _blocks(part)


def _without_docstrings_and_hints(tree: ast.Module) -> None:
    """A class keeps that a name is annotated, which makes it a field of a dataclass."""
    for node, field, statements in _blocks(tree):
        if isinstance(node, DOCUMENTED):
            statements = _without_docstring(statements)
        if isinstance(node, ast.ClassDef):
            for statement in statements:
                if isinstance(statement, ast.AnnAssign):
                    statement.annotation = ast.Constant(None)
        else:
            statements = [s for statement in statements if (s := _without_hint(statement)) is not None]
        if isinstance(node, FUNCTIONS):
            statements = statements or [ast.Pass()]
            node.returns = None
            arguments = node.args
            for argument in (
                *arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg,
            ):  # fmt: skip
                if argument is not None:
                    argument.annotation = None
        setattr(node, field, statements)


def _without_hint(statement: ast.stmt) -> ast.stmt | None:
    """A statement, an assignment without its hint; None for one that only declares."""
    if not isinstance(statement, ast.AnnAssign):
        return statement
    if statement.value is None:
        return None
    return ast.Assign(targets=[statement.target], value=statement.value, lineno=statement.lineno)


def _without_unused_imports(tree: ast.Module, modules: Sequence[str] | None) -> None:
    """Without the imports whose names were in hints only; of these `modules` alone, if given."""
    used = _names(tree)
    for node, field, statements in _blocks(tree):
        kept = [_narrowed(statement, used, modules) for statement in statements]
        setattr(node, field, [statement for statement in kept if statement is not None])


def _names(tree: ast.AST) -> set[str]:
    """All names in expressions."""
    found, waiting = set(), [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            found.add(node.id)
            continue
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [part for part in value if isinstance(part, ast.AST)]
    return found


def _narrowed(statement: ast.stmt, used: set[str], modules: Sequence[str] | None) -> ast.stmt | None:
    """A statement, an import without names that are not used; None where nothing is left of it."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        if modules is not None and getattr(statement, "module", None) not in modules:
            return statement
        statement.names = [
            alias for alias in statement.names if (alias.asname or alias.name).split(".")[0] in {*used, "*"}
        ]
        return statement if statement.names else None
    return statement


def _imports(tree: ast.Module, name: str, is_package: bool) -> list[str]:
    """Names of all modules that could be meant by the import statements of `tree`, wherever they stand in it."""
    found = []
    for node in (statement for _, _, statements in _blocks(tree) for statement in statements):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    # importing a.b.c runs a and a.b too
    return [".".join(full.split(".")[: depth + 1]) for full in found for depth in range(full.count(".") + 1)]


def derived_seed(*names: object) -> int:
    """A seed in [0, 2**32) from names and numbers: the same on every machine and Python, unlike `hash`.

    ``derived_seed(study_seed, "head", dataset, split, model, seed)`` gives each job and purpose its own stream.
    """
    text = "\x1f".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def versions(*packages: str) -> dict[str, str]:
    """Installed version of each package, for the records that are stored with results."""
    return {name: importlib.metadata.version(name) for name in packages}
