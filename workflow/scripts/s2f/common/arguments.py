"""A program's command line: the command is the first line of the log, and JSON options also take a file."""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2f.common.errors import InputError
from s2f.common.files import check_writable, read_json

# in a URL: a name and password before the host, and anything after a question mark, which may contain a token
SECRETS = ((re.compile(r"(\w://)[^/@\s]+@"), r"\1***@"), (re.compile(r"(\w://[^\s'\"?]+\?)[^\s'\"]+"), r"\1***"))


class Parser(argparse.ArgumentParser):
    """A parser that first prints the command, so that a step can be run by hand from its log.

    An option whose help says "to write" is an output: parsing raises `InputError` if no file can be written there, and
    nothing is computed in vain.
    """

    def __init__(self, **settings: Any):
        super().__init__(**{"prog": f"python -P -m {Path(sys.argv[0]).stem}"} | settings)

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """As in `argparse`; the help of an option that takes JSON also says that it takes a file."""
        if settings.get("type") is json_option:
            settings.setdefault("metavar", "JSON|@FILE")
        return super().add_argument(*names, **settings)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> argparse.Namespace:  # type: ignore[override]
        """The options, as in `argparse`; the command is printed unless the user asks for help."""
        words = sys.argv[1:] if args is None else list(args)
        if not {"-h", "--help"} & set(words):
            print(self.prog, _without_secrets(shlex.join(words)), flush=True)
        parsed = super().parse_args(args, namespace)
        for action in self._actions:
            if "to write" in (action.help or ""):
                value = getattr(parsed, action.dest)
                paths = value if isinstance(value, list) else [value] if value else []
                for path in {Path(path).parent: path for path in paths}.values():
                    check_writable(path)
        return parsed


def json_option(text: str) -> Any:
    """The type of an option that takes JSON, or @FILE with JSON in it. Errors name the option and the place."""
    try:
        if text.startswith("@"):
            return read_json(text[1:])
        return json.loads(text)
    except json.JSONDecodeError as error:
        near = text[max(0, error.pos - 20) : error.pos + 20]
        raise argparse.ArgumentTypeError(
            f"is not JSON ({error.msg} at character {error.pos + 1}, near {near!r}); expected JSON, or @FILE for a "
            "file "
            "that holds it"
        ) from None
    except (InputError, OSError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _without_secrets(command: str) -> str:
    for pattern, instead in SECRETS:
        command = pattern.sub(instead, command)
    return command
