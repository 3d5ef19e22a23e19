"""Compiled loops are kept for the next process, and the code is never that of another source."""

import ast
import os
import subprocess
from pathlib import Path

import pytest

import s2f
from helpers import forked_programs

# a module that keeps its compiled code, and a program that tells what numba found and whether the result is right
MODULE = """
from s2f.common.compiled_loops import keeper

@keeper(__file__)
def larger(a, b):
    return max(a, b)
"""
PROGRAM = """
import sys
sys.dont_write_bytecode = True  # Python itself goes by the size and time of a file
import loops
from s2f.common.compiled_loops import folder_of_code
right = loops.larger(1, 2) == 2
stats = loops.larger.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), right, folder_of_code(loops.__file__))
"""


@pytest.fixture
def scripts(tmp_path):
    """A folder with the module and the program."""
    (tmp_path / "loops.py").write_text(MODULE)
    (tmp_path / "tell.py").write_text(PROGRAM)
    return tmp_path


def kept_code(scripts):
    """The folder where Python and numba keep compiled code of the module."""
    return scripts / "__pycache__"


def start(scripts):
    library = str(Path(s2f.__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(scripts), library])
    command = [forked_programs.command(), "-P", "-m", "tell"]  # numba, which takes long to load, has compiled nothing
    return subprocess.Popen(command, env=environment, cwd=scripts, stdout=subprocess.PIPE, text=True)


def run(scripts):
    """(hits, misses, whether the result is right, folder) of a process."""
    process = start(scripts)
    said = process.communicate()[0]
    assert process.returncode == 0
    hits, misses, right, folder = said.split()
    return int(hits), int(misses), right == "True", folder


def test_a_second_process_compiles_nothing(scripts):
    first, second = run(scripts), run(scripts)
    assert first[:3] == (0, 1, True) and second[:3] == (1, 0, True)
    assert first[3] == second[3] and first[3].startswith(str(kept_code(scripts)))


def test_a_change_of_the_source_has_a_folder_of_its_own(scripts):
    """Also one that changes neither the size nor the time of the file."""
    path = scripts / "loops.py"
    before, status = run(scripts), path.stat()
    path.write_text(MODULE.replace("max", "min"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    hits, misses, right, folder = run(scripts)
    assert (hits, misses, right) == (0, 1, False) and folder != before[3]


def test_an_index_without_its_code_is_compiled_again(scripts):
    """What a kill leaves behind: numba writes the index first."""
    folder = run(scripts)[3]
    kept = [path for path in kept_code(scripts).rglob("*.nbc") if folder in str(path)]
    assert len(kept) == 1
    kept[0].unlink()
    assert run(scripts)[:3] == (0, 1, True)
    assert run(scripts)[:3] == (1, 0, True)


def test_without_a_place_to_write_every_process_compiles(scripts):
    kept_code(scripts).write_text("no folder: as good as read-only, also for root")
    for _ in range(2):
        assert run(scripts) == (0, 1, True, "None")


def test_processes_at_once_leave_whole_code(scripts):
    for process in [start(scripts) for _ in range(3)]:
        process.communicate()
        assert process.returncode == 0
    assert run(scripts)[:3] == (1, 0, True)


def test_modules_that_keep_code_call_no_other_module_of_ours(root):
    """A change there would not change the name of the folder."""
    found = {}
    for path in (root / "workflow" / "scripts" / "s2f").rglob("*.py"):
        tree = ast.parse(text := path.read_text())
        if "keeper(__file__)" in text:
            names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
            found[path.stem] = [name for name in names if name.startswith("s2f")]
    assert found == {name: ["s2f.common.compiled_loops"] for name in ("alignment", "_resampled_ranks")}
