"""Where a result comes from: code fingerprints, seeds derived from names, library versions. Standard library only."""

import ast
import functools
import hashlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
# what a package imports for its hints; other names it may import for those that use it
OF_HINTS = ("typing", "collections.abc")


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
    waiting = [program, *modules]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in seen or path is None:
            continue
        status = path.stat()
        seen[name], imports = _parsed(path, name, status.st_mtime_ns, status.st_size)
        waiting += imports
    return seen


@functools.cache
def _parsed(path: Path, name: str, *state: int) -> tuple[str, list[str]]:
    """Syntax tree of a module as text, and the modules it imports: once per `state` of the file, as jobs share most."""
    is_package = path.name == "__init__.py"
    tree = _HintsAway().visit(_without_docstrings(ast.parse(path.read_text(encoding="utf-8"))))
    tree = _without_unused_imports(tree, OF_HINTS if is_package else None)
    return ast.dump(tree), _imports(tree, name, is_package)


def _source(name: str) -> Path | None:
    base = SCRIPTS.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
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


class _HintsAway(ast.NodeTransformer):
    """Drops type hints. A class keeps that a name is annotated, which makes it a field of a dataclass."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Without the hints of the signature, and those inside."""
        node.returns = None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """As of a function."""
        node.returns = None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Without the hint of an argument."""
        node.annotation = None
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Fields stay, without what their hints say."""
        fields = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
        for field in fields:
            field.annotation = ast.Constant(None)
        node.body = [statement if statement in fields else self.visit(statement) for statement in node.body]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """An assignment without its hint; nothing where it only declares."""
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=self.visit(node.value), lineno=node.lineno)


def _without_unused_imports(tree: ast.Module, modules: Sequence[str] | None) -> ast.Module:
    """Without the imports whose names were in hints only; of these `modules` alone, if given."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                kept = [_narrowed(statement, used, modules) for statement in statements]
                setattr(node, field, [statement for statement in kept if statement is not None])
    return tree


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
    for node in ast.walk(tree):
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
