"""Public functions, methods and fields of dataclasses say in hints what they take and give."""

import ast

import pytest


def without_hints(tree):
    """(line, name) of what lacks a hint."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from unhinted_fields(node)
            members = node.body
        elif isinstance(node, ast.Module):
            members = node.body
        else:
            continue
        for function in members:
            if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
                arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
                arguments += filter(None, [function.args.vararg, function.args.kwarg])
                lacking = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
                lacking += ["return"] if function.returns is None else []
                yield from ((function.lineno, f"{function.name}: {name}") for name in lacking)


def unhinted_fields(node):
    """(line, name) of plain assignments in a dataclass: they are no fields."""
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        for statement in node.body:
            if isinstance(statement, ast.Assign) and not ast.unparse(statement.targets[0]).isupper():
                yield statement.lineno, f"{node.name}.{ast.unparse(statement.targets[0])}"


def test_public_functions_and_dataclasses_are_hinted(root):
    library = root / "workflow" / "scripts" / "s2f"
    found = [
        f"{path.relative_to(library)}:{line}: {name}"
        for path in sorted(library.rglob("*.py"))
        for line, name in without_hints(ast.parse(path.read_text()))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text", ["def f(x) -> int: ...", "def f(x: int): ...", "class A:\n    def f(self, x: int): ...",
             "@dataclass\nclass A:\n    x = 1"],
)  # fmt: skip
def test_a_missing_hint_is_found(text):
    assert list(without_hints(ast.parse(text)))
