"""Snakemake in a process that has loaded it already: starting it takes longer than most plans that tests need.

The process also knows the code of this checkout's library (`known_code`): plans with it take half as long as with a
copy.
"""

import multiprocessing
import os
import re
import signal
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

from helpers import forked_programs

ROOT = Path(__file__).resolve().parents[2]
# programs run as `python -P -m …`: the interpreter of these tests must be the first on the path
ENVIRONMENT = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", JAX_PLATFORMS="cpu")
# in a run of pytest, the folder of the forking command comes before it
FORKED = ENVIRONMENT
if forked_programs.VARIABLE in os.environ:
    FORKED = dict(ENVIRONMENT, PATH=f"{forked_programs.command().parent}:{ENVIRONMENT['PATH']}")
_SERVER = multiprocessing.get_context("forkserver")
PRELOADED = ["snakemake.cli", "snakemake.report.html_reporter", "jsonschema", "helpers.known_code"]
_SERVER.set_forkserver_preload(PRELOADED)


def snakemake(root, folder, *arguments, check=True, environment=FORKED):
    """Run Snakemake on the checkout `root` with results in `folder`; returns everything that it printed.

    Its programs are forked too (see `forked_programs`), but not in another `environment`.
    """
    places = ["--snakefile", root / "workflow" / "Snakefile", "--directory", folder]
    profile = ["--workflow-profile", root / "profiles" / "default"]
    code, output = run([*places, *profile, *arguments], folder, environment, timeout=600)
    assert not check or code == 0, output
    return output


def jobs(output):
    """Job counts of a dry run: {rule: number}, without the target rule."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)\n\n", output, re.MULTILINE | re.DOTALL)
    lines = [line.split() for line in table[1].splitlines()] if table else []
    return {rule: int(count) for rule, count in lines if rule not in ("total", "all")}


def run(arguments, folder, environment, timeout):
    """(exit code, output) of ``snakemake ARGUMENTS`` in a folder; raises `TimeoutError` after `timeout` seconds."""
    with tempfile.NamedTemporaryFile() as output:
        process = start(arguments, folder, environment, output.name)
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"snakemake {arguments} took more than {timeout} s")
        return process.exitcode, Path(output.name).read_text()


def start(arguments, folder, environment, output, apart=False):
    """The process of ``snakemake ARGUMENTS`` in a folder, which writes what it prints to the file `output`; `apart`: in
    a process group of its own, as if started in a terminal."""
    paths = os.pathsep.join(str(ROOT / part) for part in ("workflow/scripts", "tests"))
    with mock.patch.dict(os.environ, PYTHONPATH=paths):  # the only way to tell the server where modules are
        forkserver.ensure_running()
    process = _SERVER.Process(
        target=_main, args=(list(map(str, arguments)), str(folder), environment, str(output), apart)
    )
    process.start()
    return process


def _main(arguments, folder, environment, output, apart):
    if apart:
        os.setsid()
        # a shell that runs the tests in the background would have it ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with Path(output).open("wb", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    main(arguments, folder, environment)


def main(arguments, folder, environment):
    """Run ``snakemake ARGUMENTS`` in a process that was forked where `PRELOADED` is loaded; ends in `SystemExit`."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["snakemake", *arguments]
    from snakemake import cli

    from helpers import known_code  # loaded before

    known_code.forget_unless_of(arguments)
    cli.main(arguments)
