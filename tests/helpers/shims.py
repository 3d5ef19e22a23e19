"""File systems that fail: libraries that programs load before others (LD_PRELOAD)."""

import shutil
import subprocess

# the signature is the C library's; 37 is ENOLCK, "No locks available"
NO_LOCKS = """
#include <errno.h>
#include <stdlib.h>
int flock(int file, int operation) {
    const char *number = getenv("FLOCK_ERRNO");
    errno = number ? atoi(number) : 37;
    return -1;
}
"""
# nothing can be written to files, only to pipes and the terminal; 28 is ENOSPC, "No space left on device"
FULL_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
static int on_disk(int file) {
    struct stat status;
    return file > 2 && fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}
ssize_t write(int file, const void *bytes, size_t count) {
    static ssize_t (*plain)(int, const void *, size_t);
    if (!plain) plain = dlsym(RTLD_NEXT, "write");
    if (on_disk(file)) { errno = 28; return -1; }
    return plain(file, bytes, count);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t place) {
    static ssize_t (*plain)(int, const void *, size_t, off64_t);
    if (!plain) plain = dlsym(RTLD_NEXT, "pwrite64");
    if (on_disk(file)) { errno = 28; return -1; }
    return plain(file, bytes, count, place);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t place) { return pwrite64(file, bytes, count, place); }
"""


def can_be_built():
    """Whether there is a C compiler."""
    return shutil.which("cc") is not None


def built(folder, code):
    """Path of the library of `code`, made in `folder`."""
    source, library = folder / "shim.c", folder / "shim.so"
    source.write_text(code)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library
