"""A forked program behaves as one that is started: streams, folder, arguments, environment, status, end."""

import os
import signal
import subprocess
import time

import pytest

from helpers import forked_programs

COMMAND = [forked_programs.command(), "-P", "-m", "program"]
PROGRAM = """
import atexit, os, signal, sys
assert not {"jax", "torch"} & set(sys.modules)
atexit.register(print, "at exit")
print(sys.argv[1:], os.getcwd(), os.environ["OWN"], sys.stdin.read())
import jax, torch
print(int(jax.numpy.arange(4).sum()), torch.get_num_threads())
print("aside", file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "end", ["", "sys.exit(3)", "sys.exit('error: no')", "1 / 0", "os.kill(os.getpid(), signal.SIGTERM)"]
)
def test_streams_status_and_surroundings_are_those_of_a_program_that_is_started(tmp_path, end):
    (tmp_path / "program.py").write_text(PROGRAM + end)
    settings = {"OWN": "x", "OMP_NUM_THREADS": "2", "JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, **settings, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, "a b", "c"],
        cwd=tmp_path,
        env=environment,
        input="given",
        text=True,
        capture_output=True,
    )
    printed = f"['a b', 'c'] {tmp_path} x given\n6 2\n"
    killed = "SIGTERM" in end
    assert done.stdout == printed + ("" if killed else "at exit\n")
    said = {"sys.exit('error: no')": "error: no\n", "1 / 0": "ZeroDivisionError: division by zero\n"}.get(end, "")
    assert done.stderr.startswith("aside\n") and done.stderr.endswith(said)
    assert done.returncode == (-signal.SIGTERM if killed else {"": 0, "sys.exit(3)": 3}.get(end, 1))


def test_with_another_setting_that_is_read_early_it_is_started(tmp_path):
    (tmp_path / "program.py").write_text("import sys; print('numpy' in sys.modules)")
    environment = {**os.environ, "JAX_PLATFORMS": "other", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        COMMAND,
        cwd=tmp_path,
        env=environment,
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_who_is_killed_takes_the_program_along(tmp_path):
    (tmp_path / "program.py").write_text("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(tmp_path)}
    asked = subprocess.Popen(COMMAND, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE)
    pid = int(asked.stdout.readline())
    assert pid != asked.pid
    asked.kill()
    asked.communicate()
    for _ in range(3000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("the program still runs")
