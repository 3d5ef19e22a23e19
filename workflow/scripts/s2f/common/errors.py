"""Errors that a user can fix, and how a program ends with one."""

import sys
from collections.abc import Callable


class InputError(ValueError):
    """Bad input from the user: the message names the file, the row or key, what is wrong and what is expected."""


def run(main: Callable[[], object]) -> None:
    """Call a program's `main`; on bad input, exit with status 1 and only the message, without a traceback."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
