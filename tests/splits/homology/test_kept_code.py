"""Compiled code of the homology search is kept for the next process, and is never that of another source."""

import ast
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from s2f.splits.homology import alignment
from s2f.splits.homology.groups import best_scores, homologous_groups
from s2f.splits.homology.thresholds import thresholds

MODULE = "s2f/splits/homology/alignment.py"
# merges two forests and tells what numba found in its cache, and whether the result is right
PROGRAM = """
import numpy as np
from s2f.splits.homology import alignment as code
parent = np.arange(4, dtype=np.int32)
code.merge(parent, np.array([0, 1, 1, 0], np.int32))
stats = code.merge.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), parent.tolist(), code.FOLDER_OF_CODE)
"""


@pytest.fixture
def scripts(root, tmp_path):
    """The module and its packages alone, in a folder of their own."""
    (tmp_path / MODULE).parent.mkdir(parents=True)
    for name in ("s2f/__init__.py", "s2f/splits/__init__.py", "s2f/splits/homology/__init__.py", MODULE):
        shutil.copy(root / "workflow" / "scripts" / name, tmp_path / name)
    return tmp_path


def kept_code(scripts):
    """The folder where Python and numba keep compiled code of the module."""
    return (scripts / MODULE).parent / "__pycache__"


def start(scripts):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment["PYTHONPATH"] = str(scripts)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=scripts, stdout=subprocess.PIPE, text=True
    )


def run(scripts):
    """(hits, misses, whether the result is right, folder) of a process."""
    process = start(scripts)
    said = process.communicate()[0]
    assert process.returncode == 0
    hits, misses, *parent, folder = said.split()
    return int(hits), int(misses), "".join(parent) == "[0,1,1,0]", folder


def test_a_second_process_compiles_nothing(scripts):
    first, second = run(scripts), run(scripts)
    assert first[:3] == (0, 1, True) and second[:3] == (1, 0, True)
    assert first[3] == second[3] and first[3].startswith(str(kept_code(scripts)))


def test_a_change_of_the_source_has_a_folder_of_its_own(scripts):
    """Also one that changes neither the size nor the time of the file."""
    path = scripts / MODULE
    before, status = run(scripts), path.stat()
    text = path.read_text()
    changed = text.replace("parent[max(a, b)] = min(a, b)", "parent[min(a, b)] = max(a, b)")
    assert changed != text and len(changed) == len(text)
    path.write_text(changed)
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


def test_kept_functions_have_one_signature_and_call_no_other_module(root):
    homologous_groups(["ACGT" * 20, "ACGTACGA" * 10], both_strands=False, threads=1)
    homologous_groups(["ACGT" * 200, "ACGTACGA" * 10], threshold=20, word=6)
    homologous_groups(["ACGT" * 200, "ACGTACGA" * 10], np.array([100, 30]))
    best_scores(["ACGT" * 20], ["ACGTACGA" * 10], enough=20, word=7)
    thresholds(["ACGT" * 20, "ACGTACGA" * 5], 0.3)
    for function in (alignment.index_words, alignment.search, alignment.merge, alignment.align_rows):
        assert len(function.signatures) == 1
    tree = ast.parse((root / "workflow" / "scripts" / MODULE).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported and not any(name.startswith("s2f") for name in imported)
