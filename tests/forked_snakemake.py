"""Snakemake in a process that has loaded it already: its start takes longer than most plans that tests ask for."""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["snakemake.cli"])


def run(arguments, folder, environment, timeout):
    """(exit code, output) of ``snakemake ARGUMENTS`` in a folder; raises `TimeoutError` after so many seconds."""
    with tempfile.NamedTemporaryFile() as output:
        process = _SERVER.Process(target=_main, args=(list(map(str, arguments)), str(folder), environment, output.name))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"snakemake {arguments} took more than {timeout} s")
        return process.exitcode, Path(output.name).read_text()


def _main(arguments, folder, environment, output):
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with Path(output).open("wb", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main(arguments)
