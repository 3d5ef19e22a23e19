"""Errors that a user can fix, and how a program ends with one."""

import errno
import sys
from collections.abc import Callable

# of a path that a user gave: a file in the place of a folder or the reverse, no permission, a name that is too long
OF_A_PATH = (errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


class InputError(ValueError):
    """Bad input from the user: the message names the file, the row or key, what is wrong and what is expected."""


def run(main: Callable[[], object]) -> None:
    """Call a program's `main`; on bad input, or if a path among its arguments cannot be used, exit with status 1 and
    only the message, without a traceback."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        path = str(error.filename or "")
        given = any(path in argument or path.startswith(f"{argument}/") for argument in filter(None, sys.argv[1:]))
        if error.errno not in OF_A_PATH or not path or not given:
            raise
        sys.exit(f"error: {path}: {error.strerror}")
