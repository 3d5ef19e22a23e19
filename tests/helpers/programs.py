"""The programs of the rules, called in the process of the test."""

import importlib
import sys

import pytest

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
