import shutil

import pytest

from s2f.common import provenance
from s2f.common.provenance import code_fingerprint, derived_seed, versions

PROGRAM = '''"""What it does."""
import json
from s2f import rows


def main():
    """Run."""
    return rows.LIMIT  # the limit
'''
SOURCES = {
    "program.py": PROGRAM,
    "other.py": "import s2f.unused\n",
    "s2f/__init__.py": '"""Library."""\n',
    "s2f/rows.py": "from s2f.deep import inner as renamed\nLIMIT = renamed.near\n",
    "s2f/unused.py": "X = 1\n",
    "s2f/deep/__init__.py": "from . import sibling\n",
    "s2f/deep/inner.py": """
from .nephew import near
from ..uncle import far

def late():
    import s2f.lazy
    return s2f.lazy, far

near += 1
""",
    "s2f/deep/sibling.py": "X = 1\n",
    "s2f/deep/nephew.py": "near = 1\n",
    "s2f/deep/by_name.py": "import s2f.of_by_name\nX = s2f.of_by_name.X\n",
    "s2f/uncle.py": "import s2f.far.away as far\nX = far.X\n",
    "s2f/far/__init__.py": "",
    "s2f/far/away.py": "X = 1\n",
    "s2f/lazy.py": "X = 1\n",
    "s2f/of_by_name.py": "X = 1\n",
}


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A folder of programs and library modules that stands in for the real one."""
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)
    return tmp_path


def test_a_fingerprint_is_short_hexadecimal_and_stable(scripts):
    assert len(code_fingerprint("program")) == 16 and int(code_fingerprint("program"), 16) >= 0
    assert code_fingerprint("program") == code_fingerprint("program")


@pytest.mark.parametrize(
    "text",
    [
        PROGRAM.replace("  # the limit", ""),
        PROGRAM.replace("What it does", "What it did"),
        PROGRAM.replace('    """Run."""\n', ""),
        PROGRAM.replace('"""What it does."""\n', "# no docstring\n\n\n"),
        PROGRAM.replace("def main():", "def main(\n):"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(scripts, text):
    before = code_fingerprint("program")
    assert text != PROGRAM
    (scripts / "program.py").write_text(text)
    assert code_fingerprint("program") == before


def test_type_hints_and_what_they_import_do_not_count(scripts):
    before = code_fingerprint("program")
    hinted = PROGRAM.replace("import json\n", "import json\nfrom s2f.unused import X\n")
    (scripts / "program.py").write_text(hinted.replace("def main():", "def main() -> dict[str, X]:"))
    assert code_fingerprint("program") == before


def test_a_field_of_a_dataclass_counts(scripts):
    (scripts / "program.py").write_text("class Row:\n    label: float\n")
    before = code_fingerprint("program")
    (scripts / "program.py").write_text("class Row:\n    label: int\n")
    assert code_fingerprint("program") == before
    (scripts / "program.py").write_text("class Row:\n    label: float\n    start: int\n")
    assert code_fingerprint("program") != before


def test_a_docstring_that_was_the_whole_body_may_become_pass(scripts):
    (scripts / "program.py").write_text('def f():\n    """Later."""\n')
    before = code_fingerprint("program")
    (scripts / "program.py").write_text("def f():\n    pass\n")
    assert code_fingerprint("program") == before


@pytest.mark.parametrize(
    "module",
    [
        "program", "s2f/rows",  # itself, imported
        "s2f/__init__", "s2f/deep/__init__", "s2f/far/__init__",  # packages on the way
        "s2f/deep/inner", "s2f/deep/nephew", "s2f/deep/sibling", "s2f/uncle",  # relative imports, one and two dots
        "s2f/lazy",  # an import inside a function
    ],
)  # fmt: skip
def test_behaviour_of_every_imported_module_counts(scripts, module):
    before = code_fingerprint("program")
    path = scripts / f"{module}.py"
    path.write_text(path.read_text() + "\nCHANGED = True\n")
    assert code_fingerprint("program") != before


@pytest.mark.parametrize("module", ["other", "s2f/unused", "s2f/deep/by_name", "s2f/of_by_name"])
def test_modules_that_are_not_imported_do_not_count(scripts, module):
    before = code_fingerprint("program")
    (scripts / f"{module}.py").write_text("CHANGED = True\n")
    assert code_fingerprint("program") == before


@pytest.mark.parametrize("module", ["s2f/deep/by_name", "s2f/of_by_name"])
def test_a_module_named_by_the_caller_counts_with_its_imports(scripts, module):
    before = code_fingerprint("program", "s2f.deep.by_name")
    assert before != code_fingerprint("program")
    (scripts / f"{module}.py").write_text("CHANGED = True\n")
    assert code_fingerprint("program", "s2f.deep.by_name") != before


def test_a_constant_moved_between_modules_counts(scripts):
    before = code_fingerprint("program")
    (scripts / "s2f/uncle.py").write_text("")
    (scripts / "s2f/deep/nephew.py").write_text("near = 1\nfar = 1\n")
    assert code_fingerprint("program") != before


def test_the_place_of_the_checkout_does_not_count(scripts, tmp_path_factory, monkeypatch):
    before = code_fingerprint("program")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "scripts"
    shutil.copytree(scripts, elsewhere)
    monkeypatch.setattr(provenance, "SCRIPTS", elsewhere)
    assert code_fingerprint("program") == before


@pytest.mark.parametrize("names", [("absent",), ("program", "s2f.absent")])
def test_an_unknown_program_or_module_is_refused(scripts, names):
    with pytest.raises(ModuleNotFoundError, match=f"no program or module '{names[-1]}' in"):
        code_fingerprint(*names)


def test_modules_of_this_project_are_found():
    assert code_fingerprint("make_split") != code_fingerprint("make_panel")


def test_derived_seeds_are_the_same_everywhere():
    assert derived_seed() == 634351890
    assert derived_seed("a") == 1431053258
    assert derived_seed(1, "head", "gosai") == 1014819848


def test_derived_seeds_depend_on_every_name_its_place_and_its_borders():
    seeds = [derived_seed(*names) for names in [(1, 2), (2, 1), (12,), (1, 2, ""), ("1", "2", "3"), (1,)]]
    assert len(set(seeds)) == len(seeds)
    assert derived_seed(1, "2") == derived_seed("1", 2)


def test_derived_seeds_fill_32_bits():
    seeds = [derived_seed("fill", i) for i in range(2000)]
    assert len(set(seeds)) == 2000 and 0 <= min(seeds) < 2**24 and 2**32 - 2**24 < max(seeds) < 2**32


def test_versions_of_installed_packages():
    import numpy

    assert versions("numpy") == {"numpy": numpy.__version__}


@pytest.mark.parametrize(
    ("plain", "hinted"),
    [
        ("x = 1\n", "x: int = 1\n"),
        ("def f():\n    y = 1\n    return y\n", "def f() -> int:\n    y: int\n    y = 1\n    return y\n"),
        ("def f(x):\n    return x\n", "from typing import Any\n\n\ndef f(x: Any) -> Any:\n    return x\n"),
    ],
)
@pytest.mark.parametrize("file", ["program.py", "s2f/__init__.py"])
def test_hints_of_variables_and_in_packages_do_not_count(scripts, file, plain, hinted):
    (scripts / file).write_text(plain)
    before = code_fingerprint("program", "s2f")
    (scripts / file).write_text(hinted)
    assert code_fingerprint("program", "s2f") == before


def test_a_name_that_a_package_imports_for_others_counts(scripts):
    before = code_fingerprint("program")
    (scripts / "s2f" / "__init__.py").write_text('"""Library."""\nfrom s2f.far import away\n')
    assert code_fingerprint("program") != before
