"""A file system without locks, for programs: a library, to be loaded before others, whose `flock` always fails."""

import shutil
import subprocess

import pytest

# as the C library has it; number 37 is ENOLCK, "No locks available"
CODE = """
#include <errno.h>
#include <stdlib.h>
int flock(int file, int operation) {
    const char *number = getenv("FLOCK_ERRNO");
    errno = number ? atoi(number) : 37;
    return -1;
}
"""


def built(folder):
    """Path of the library, made in `folder`; the test is skipped where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    source, library = folder / "nolock.c", folder / "nolock.so"
    source.write_text(CODE)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library
