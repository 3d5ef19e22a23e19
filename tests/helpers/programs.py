"""The programs of the rules, called in the process of the test or run in a separate one."""

import importlib
import os
import subprocess
import sys

import pytest

from helpers import forked_programs
from s2f.common.arguments import Parser

PNG = b"\x89PNG\r\n\x1a\n"  # the first bytes of a PNG file


class _Asked(Exception):
    """Raised when a program parses its options."""


def parser_of(program):
    """The parser of a program's options, by the program's name."""

    def ask(parser, args=None, namespace=None):
        raise _Asked(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "parse_args", ask)
        with pytest.raises(_Asked) as asked:
            importlib.import_module(program).main()
    return asked.value.args[0]


def call(monkeypatch, program, *arguments):
    """Call `main` of a program as from the command line."""
    monkeypatch.setattr(sys, "argv", [program.__name__, *map(str, arguments)])
    program.main()


def run(root, program, *arguments, folder=None, path=()):
    """The finished process of ``python -P -m PROGRAM ARGUMENTS`` from a checkout, run in a folder, with what it
    printed.

    It is forked (see `forked_programs`), and XLA compiles as with the fixture `compiled_quickly`. A program that is not
    part of the checkout is in a folder of `path`.
    """
    places = os.pathsep.join(map(str, [root / "workflow" / "scripts", *path]))
    environment = {**os.environ, "PYTHONPATH": places, "JAX_PLATFORMS": "cpu"}
    quickly = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {quickly}".strip()
    command = [forked_programs.command(), "-P", "-m", program, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, env=environment, cwd=folder, timeout=600)
