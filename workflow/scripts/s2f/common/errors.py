"""Errors that a user can fix, and how a program ends with one."""

import sys
from collections.abc import Callable


class InputError(ValueError):
    """Bad input of the user: the message names the file, the row or key, what is wrong and what is expected."""


def run(main: Callable[[], object]) -> None:
    """Call the `main` of a program; bad input ends it with status 1 and the message alone, without a traceback."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
