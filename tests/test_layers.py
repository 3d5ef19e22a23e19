"""The library imports one way, downwards and in no circle; and no test imports another test."""

import ast
import graphlib
import re

import pytest

# packages from the ground up: each imports from lower levels only
LEVELS = [
    {"common"},
    {"sequences"},
    {"rows", "language_model"},
    {"splits", "embeddings", "models"},
    {"heads", "baselines", "evaluation", "representation"},
    {"interpretation", "plots"},
    {"scoring", "design"},
    {"study"},
]


def imports(path):
    """[(line, dotted name)] of all that a file imports, also inside functions and by a name that begins as a text."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            text = next((part for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)), None)
            found += [(node.lineno, text.value.rstrip("."))] if text else []
    return found


def library(scripts):
    """{module: [(line, module of the library that it imports)]}."""
    paths = {
        ".".join(path.relative_to(scripts).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (scripts / "s2f").rglob("*.py")
    }
    found = {}
    for module, path in paths.items():
        # `from s2f.rows import canonical` imports a module, `from s2f.rows.peaks import tiled` a name of one
        names = [(line, n if n in paths else n.rpartition(".")[0]) for line, n in imports(path)]
        found[module] = [(line, name) for line, name in names if name in paths or name.startswith(".")]
    return found


def not_downward(modules):
    """A line for each import of another package that is not of a lower level."""
    level = {package: number for number, packages in enumerate(LEVELS) for package in packages}
    found = []
    for module, imported in modules.items():
        own = package(module)
        if own and own not in level:
            found.append(f"{module}: package {own} is in no level: {LEVELS}")
        for line, name in imported:
            if name.startswith("."):
                found.append(f"{module}, line {line}: a relative import; begin with s2f")
            elif package(name) != own and not level.get(package(name), len(LEVELS)) < level.get(own, 0):
                found.append(f"{module}, line {line}: imports {name}, which is not of a lower level")
    return found


def package(module):
    """Name of the package of a module, "" for `s2f` itself."""
    return [*module.split("."), ""][1]


def circle(modules):
    """Modules that import each other in a circle, the first once more at the end; [] where there is none."""
    try:
        graphlib.TopologicalSorter(
            {module: {name for _, name in imported if name != module} for module, imported in modules.items()}
        ).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_packages_import_from_lower_levels_only(root):
    modules = library(root / "workflow" / "scripts")
    assert set.union(*LEVELS) == {package(module) for module in modules} - {""}
    assert not_downward(modules) == []


def test_the_page_on_architecture_shows_these_levels(root):
    (block,) = re.findall(r"^```\n(common\n.*?)```$", (root / "docs" / "architecture.md").read_text(), re.M | re.S)
    assert [set(line.split()) for line in block.splitlines()] == LEVELS


def test_no_modules_import_each_other(root):
    assert circle(library(root / "workflow" / "scripts")) == []


def test_no_module_imports_a_private_name_of_another(root):
    """What two modules need has a public name; a module with a private name is one for the modules beside it."""
    scripts = root / "workflow" / "scripts"
    modules = library(scripts)
    for path in scripts.rglob("*.py"):
        private = [name for _, name in imports(path) if name.startswith("s2f.") and name.rpartition(".")[2][0] == "_"]
        assert not set(private) - set(modules), path


TREE = {
    "s2f/__init__.py": '"""Library."""\n',
    "s2f/common/__init__.py": "",
    "s2f/common/files.py": "import json\n",
    "s2f/rows/__init__.py": "",
    "s2f/rows/canonical.py": "from s2f.common.files import atomic\nfrom s2f.rows import peaks\n",
    "s2f/rows/peaks.py": "import s2f.common.files\n",
    "s2f/heads/__init__.py": "",
    "s2f/heads/training.py": "def train():\n    from s2f.rows import canonical\n",
    "s2f/plots/__init__.py": "",
    "s2f/plots/style.py": "from s2f.heads.training import train\n",
}


@pytest.fixture
def scripts(tmp_path):
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_downward_are_fine(scripts):
    assert not_downward(library(scripts)) == [] == circle(library(scripts))


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        (
            "common/files",
            "from s2f.rows import canonical",
            "s2f.common.files, line 2: imports s2f.rows.canonical, which",
        ),
        ("rows/peaks", "from s2f.heads.training import train", "s2f.rows.peaks, line 2: imports s2f.heads.training"),
        ("rows/peaks", "import s2f.plots.style as style", "s2f.rows.peaks, line 2: imports s2f.plots.style"),
        (
            "rows/peaks",
            "def late():\n    import s2f.heads.training",
            "s2f.rows.peaks, line 3: imports s2f.heads.training",
        ),
        ("rows/peaks", "importlib.import_module('s2f.heads.training')", "line 2: imports s2f.heads.training"),
        (
            "heads/training",
            "import_module(f's2f.plots.{kind}')",
            "s2f.heads.training, line 3: imports s2f.plots, which",
        ),
        ("heads/training", "from s2f.evaluation import metrics", "s2f.heads.training, line 3: imports s2f.evaluation"),
        ("heads/training", "from ..plots import style", "s2f.heads.training, line 3: a relative import"),
        ("__init__", "from s2f.common import files", "s2f, line 2: imports s2f.common.files"),
        ("evaluation/metrics", "", ""),
        ("utils/all", "", "s2f.utils.all: package utils is in no level"),
    ],
)
def test_any_other_import_is_named(scripts, file, line, message):
    (scripts / "s2f" / "evaluation").mkdir()
    (scripts / "s2f" / "evaluation" / "metrics.py").write_text("")
    path = scripts / "s2f" / f"{file}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + line + "\n")
    found = not_downward(library(scripts))
    assert len(found) == bool(message) and all(message in text for text in found)


def test_a_circle_is_named(scripts):
    path = scripts / "s2f" / "rows" / "peaks.py"
    path.write_text("def late():\n    from s2f.rows.canonical import canonical\n")
    assert set(circle(library(scripts))) == {"s2f.rows.peaks", "s2f.rows.canonical"}


def test_no_test_imports_another_test(root):
    """What two tests need is in tests/helpers or a fixture of a conftest.py."""
    for path in (root / "tests").rglob("*.py"):
        for line, name in imports(path):
            tests = [part for part in name.split(".") if part.startswith("test_") or part == "conftest"]
            assert not tests, f"{path.relative_to(root)}, line {line}: imports {name}"
