"""Loops that numba compiled, kept for the next process. (`compiled` keeps JAX programs.)"""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba

from s2f.common import provenance


def keeper(source: str) -> Callable[[Callable[..., Any]], Any]:
    """A decorator for functions of the module whose file is `source`: it compiles a function on its first call and
    keeps the code for the next process.

    Such functions must not call functions from our other modules, and must be called with one signature only; for the
    reasons see `folder_of_code`. If nothing can be written, every process compiles again.
    """
    folder = folder_of_code(source)

    def kept(function: Callable[..., Any]) -> Any:
        if folder is None:
            return numba.njit(nogil=True)(function)
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
        try:  # numba reads this setting when a function is decorated
            return numba.njit(nogil=True, cache=True)(function)
        finally:
            numba.config.CACHE_DIR = before

    return kept


def keep(functions: Iterable[Any], source: str, package: str) -> None:
    """Keep what numba compiles for `functions` of an installed package that are called by the module whose file is
    `source`, as `keeper` does.

    By itself, numba would keep the code beside the package's modules, where jobs that share an environment but run on
    different processors could read each other's code. Each function must be called with one signature only.
    """
    folder = folder_of_code(source, package)
    if folder is None:
        return
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        for function in functions:
            function.enable_caching()
    finally:
        numba.config.CACHE_DIR = before


def folder_of_code(source: str, *packages: str) -> Path | None:
    """The folder for the compiled code of the module whose file is `source`, or of the `packages` that it calls; None
    if it cannot be written to.

    It is in `__pycache__` beside the module, or in NUMBA_CACHE_DIR. numba writes the index of a function before its
    code, and numbers the code without regard to other processes: after a kill, or with two jobs at once, an index could
    point to code from another source, processor or signature. So the folder's name depends on everything that the code
    is made from (the module and the versions of the packages), and each function has only one signature.
    """
    host = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    asked = numba.config.CPU_NAME, numba.config.CPU_FEATURES, numba.config.OPT
    texts = (Path(path).read_text("utf-8") for path in (__file__, source))
    installed = provenance.versions(*packages).items()
    made_of = sys.version, numba.__version__, llvmlite.__version__, *host, *asked, *texts, *installed
    name = hashlib.sha256("\n".join(map(str, made_of)).encode()).hexdigest()[:16]
    folder = Path(numba.config.CACHE_DIR or Path(source).parent / "__pycache__") / f"compiled-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:  # a read-only checkout; the results are the same
        return None
    return folder
