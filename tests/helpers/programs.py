"""The programs of the rules, called in the process of the test or run in one of their own."""

import os
import subprocess
import sys

from helpers import forked_programs

PNG = b"\x89PNG\r\n\x1a\n"  # how the file of a picture begins


def call(monkeypatch, program, *arguments):
    """Call `main` of a program as its command line would."""
    monkeypatch.setattr(sys, "argv", [program.__name__, *map(str, arguments)])
    program.main()


def run(root, program, *arguments, folder=None):
    """The finished process of ``python -m PROGRAM ARGUMENTS`` of a checkout in a folder, with what it printed as text.

    It is forked (see `forked_programs`), and XLA compiles as with the fixture `compiled_quickly`.
    """
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow" / "scripts"), "JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    command = [forked_programs.command(), "-m", program, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, env=environment, cwd=folder, timeout=600)
