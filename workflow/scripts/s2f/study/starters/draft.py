"""The text of a study while it is being written, and values as YAML."""

import re
import textwrap
from typing import Any

import yaml

from s2f.study.checks import RESERVED

WIDTH = 110  # of a comment
PLAIN = re.compile(r"[A-Za-z./][\w./-]*")  # text that needs no quotes in YAML, unless it is a word such as no


class Draft:
    """The text of a study as it is written, line by line, and its questions: (line, question).

    `summary` says in a few words what the files contain.
    """

    def __init__(self, name: str):
        self.name = as_name(name)
        self.lines: list[str] = []
        self.asked: list[tuple[int, str]] = []
        self.summary = ""

    def add(self, *lines: str) -> None:
        """Append lines."""
        self.lines += lines

    def say(self, indent: int, text: str) -> None:
        """Append a comment, without characters that YAML does not allow."""
        begin, text = " " * indent + "# ", "".join(letter if letter.isprintable() else " " for letter in text)
        self.lines += textwrap.wrap(
            text, WIDTH, initial_indent=begin, subsequent_indent=begin, break_long_words=False, break_on_hyphens=False
        )

    def ask(self, indent: int, text: str) -> None:
        """Append a question about the next line."""
        self.asked.append((len(self.lines) + 1, text))
        self.say(indent, f"QUESTION: {text}")

    def text(self) -> str:
        """The whole file."""
        return "\n".join(self.lines) + "\n"


def as_name(text: str) -> str:
    """A text as a name of a study or dataset."""
    return re.sub("[^A-Za-z0-9_-]+", "_", text).strip("_-") or "mine"


def dataset_name(text: str) -> str:
    """A text as a name of a dataset that no other result has."""
    name = as_name(text)
    return f"{name}_rows" if name in RESERVED["datasets"] else name


def scalar(value: Any) -> str:
    """A value as YAML, in quotes if it needs them."""
    if not isinstance(value, str) or (PLAIN.fullmatch(value) and yaml.safe_load(value) == value):
        return str(value)
    return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**9).strip()


def flow(value: Any) -> str:
    """Nested values as YAML in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {flow(item)}' for key, item in value.items())}}}"
    return f"[{', '.join(map(flow, value))}]" if isinstance(value, list) else scalar(value)
