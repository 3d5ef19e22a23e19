"""The quick part of the fault drill: what is found in each case is what is expected."""

import os
import subprocess
import sys

from programs.faults import CASES


def test_what_is_found_is_what_is_expected(root):
    """In a process of its own, whose children have the library loaded, while other tests change copies of it."""
    paths = [str(root / "workflow" / "scripts"), str(root / "tests")]
    done = subprocess.run(
        [sys.executable, "-P", root / "tests" / "programs" / "faults.py", "--quick"], text=True, capture_output=True,
        cwd=root, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_case_has_a_name_of_its_own_and_every_kind_of_fault_has_cases():
    names = [(case.row, case.name) for case in CASES]
    assert len(names) == len(set(names)) >= 60
    assert {row[0] for row, _ in names} == set("ABCKP")
