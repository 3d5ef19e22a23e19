"""The programs of the rules, called in the process of the test."""

import sys

PNG = b"\x89PNG\r\n\x1a\n"  # how the file of a picture begins


def call(monkeypatch, program, *arguments):
    """Call `main` of a program as its command line would."""
    monkeypatch.setattr(sys, "argv", [program.__name__, *map(str, arguments)])
    program.main()
