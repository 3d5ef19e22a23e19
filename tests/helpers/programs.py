"""The programs of the rules, called in the process of the test or run in one of their own."""

import importlib
import os
import subprocess
import sys

import pytest

from helpers import forked_programs
from s2f.common.arguments import Parser

PNG = b"\x89PNG\r\n\x1a\n"  # how the file of a picture begins


class _Asked(Exception):
    """A program has asked for its options."""


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
    """Call `main` of a program as its command line would."""
    monkeypatch.setattr(sys, "argv", [program.__name__, *map(str, arguments)])
    program.main()


def run(root, program, *arguments, folder=None, path=()):
    """The finished process of ``python -P -m PROGRAM ARGUMENTS`` of a checkout in a folder, with what it printed.

    It is forked (see `forked_programs`), and XLA compiles as with the fixture `compiled_quickly`. A program that is
    none of the checkout's is in a folder of `path`.
    """
    places = os.pathsep.join(map(str, [root / "workflow" / "scripts", *path]))
    environment = {**os.environ, "PYTHONPATH": places, "JAX_PLATFORMS": "cpu"}
    quickly = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {quickly}".strip()
    command = [forked_programs.command(), "-P", "-m", program, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, env=environment, cwd=folder, timeout=600)
