"""Where a result comes from: code fingerprints, seeds derived from names, library versions. Standard library only."""

import ast
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
# a package may import these only for its hints; its other imports may be there for the modules that use the package
OF_HINTS = ("typing", "collections.abc")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)


def code_fingerprint(program: str, *modules: str) -> str:
    """A hash of a program's behaviour: its syntax tree and the trees of the s2f modules it imports, transitively.

    Comments, docstrings, type hints and layout do not count, so only a change of behaviour changes the value. Modules
    that are loaded by name do not appear in the imports, so the caller names them in `modules`
    (``code_fingerprint("train_head", "s2f.heads.networks.boda")``). Values from different Python versions cannot be
    compared, because their syntax trees differ. Raises `ModuleNotFoundError` for a program or module that does not
    exist (not `FileNotFoundError`, which Snakemake, in `params`, takes to mean "not known yet").
    """
    for name in (program, *modules):
        if _source(name) is None:
            raise ModuleNotFoundError(f"no program or module {name!r} in {SCRIPTS}")
    trees = behaviour_of(program, *modules)
    text = "\n".join(f"{name} {trees[name]}" for name in sorted(trees))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def behaviour_of(program: str, *modules: str) -> dict[str, str]:
    """{module: its syntax tree as text} for everything that goes into `code_fingerprint`."""
    seen: dict[str, str] = {}
    ours = {path.stem for path in SCRIPTS.iterdir()}  # most imported names belong to other libraries
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
    """A module's syntax tree as text and its imports, parsed once per `state` of the file, as jobs share modules."""
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

    Expressions contain no statements and make up most of a tree, so they are not searched.
    """
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            yield node, field, statements
            for statement in getattr(node, field):  # the list as it is now, perhaps replaced by the caller
                yield from _blocks(statement)
    for field in ("handlers", "cases"):
        for part in getattr(node, field, ()):
            yield from _blocks(part)


def _without_docstrings_and_hints(tree: ast.Module) -> None:
    """Keeps, in a class, the fact that a name is annotated: the annotation makes it a field of a dataclass."""
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
    """The statement, without its hint if it is an assignment; None if it only declares."""
    if not isinstance(statement, ast.AnnAssign):
        return statement
    if statement.value is None:
        return None
    return ast.Assign(targets=[statement.target], value=statement.value, lineno=statement.lineno)


def _without_unused_imports(tree: ast.Module, modules: Sequence[str] | None) -> None:
    """Remove the imports whose names appeared only in hints; if `modules` is given, only imports from those."""
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
    """The statement; if it is an import, without unused names, or None if nothing is left of it."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        if modules is not None and getattr(statement, "module", None) not in modules:
            return statement
        statement.names = [
            alias for alias in statement.names if (alias.asname or alias.name).split(".")[0] in {*used, "*"}
        ]
        return statement if statement.names else None
    return statement


def _imports(tree: ast.Module, name: str, is_package: bool) -> list[str]:
    """The names of all modules that the import statements anywhere in `tree` could mean."""
    found = []
    for node in (statement for _, _, statements in _blocks(tree) for statement in statements):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    # importing a.b.c also runs a and a.b
    return [".".join(full.split(".")[: depth + 1]) for full in found for depth in range(full.count(".") + 1)]


def derived_seed(*names: object) -> int:
    """A seed in [0, 2**32) from names and numbers: unlike `hash`, the same on every machine and in every Python.

    ``derived_seed(study_seed, "head", dataset, split, model, seed)`` gives each job and purpose its own random stream.
    """
    text = "\x1f".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def versions(*packages: str) -> dict[str, str]:
    """The installed version of each package, for the records stored with results."""
    return {name: importlib.metadata.version(name) for name in packages}
