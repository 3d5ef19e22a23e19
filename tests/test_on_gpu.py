"""Tests on a GPU: without one nothing runs, and what holds on a CPU only is skipped with its reason."""

import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from helpers import on_gpu

PRETENDED = """
from helpers import on_gpu
on_gpu.seen = lambda: {"JAX": "gpu", "torch": TORCH}
"""
TESTS = """
import os
import pytest
from helpers import forked_programs, on_gpu

def test_settings_of_a_job():
    assert on_gpu.by_device(cpu=1, gpu=2) == 2 and "JAX_PLATFORMS" not in os.environ
    assert "--xla_gpu_deterministic_ops=true" in os.environ["XLA_FLAGS"]
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"

@pytest.mark.cpu("bits of one kernel")
def test_of_a_cpu():
    raise AssertionError("ran")

def test_that_starts_a_program():
    forked_programs.command()
    raise AssertionError("ran")
"""


@pytest.fixture
def run(root, tmp_path):
    """Run pytest with --gpu on the file above where JAX has a GPU and torch has the given device."""
    (tmp_path / "test_it.py").write_text(TESTS)

    def run(torch):
        (tmp_path / "pretended.py").write_text(PRETENDED.replace("TORCH", repr(torch)))
        path = os.pathsep.join(map(str, [tmp_path, root / "tests", root / "workflow" / "scripts"]))
        changed = ("JAX_PLATFORMS", "XLA_FLAGS", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS")
        environment = {name: value for name, value in os.environ.items() if name not in changed}
        command = [sys.executable, "-P", "-m", "pytest", "-p", "helpers.on_gpu", "-p", "pretended", "-c", os.devnull]
        command += ["-p", "no:cacheprovider", "--rootdir", tmp_path, "--gpu", "-rs", "--junitxml", tmp_path / "r.xml"]
        return subprocess.run(
            [*command, tmp_path / "test_it.py"], env={**environment, "PYTHONPATH": path}, capture_output=True, text=True
        )

    return run


def test_what_holds_on_a_cpu_only_is_skipped_with_its_reason(run, tmp_path):
    done = run("cuda")
    assert done.returncode == 0 and "1 passed, 2 skipped" in done.stdout, done.stdout + done.stderr
    reasons = re.findall(r"^SKIPPED .*: (on a CPU only: .*)$", done.stdout, re.MULTILINE)
    assert reasons == [
        "on a CPU only: bits of one kernel",
        "on a CPU only: the programs that tests start compute there",
    ]
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()[0]
    (card,) = suite.iter("property")
    assert card.get("name") == "device" and '"jax' not in card.get("value") and suite.get("skipped") == "2"


def test_nothing_is_tested_where_a_library_has_no_gpu(run, tmp_path):
    done = run("cpu")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR and not (tmp_path / "r.xml").exists()
    assert "nothing was tested, because here JAX on gpu and torch on cpu would compute; both need a GPU" in done.stderr


def test_without_the_option_tests_compute_on_the_cpu():
    assert on_gpu.by_device(cpu=1, gpu=2) == 1 and os.environ["JAX_PLATFORMS"] == "cpu"
    assert on_gpu.seen() == {"JAX": "cpu", "torch": "cpu"}
