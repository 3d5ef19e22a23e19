"""Loops that numba compiled, kept for the next process. (`compiled` keeps the programs of JAX.)"""

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
    """Decorator for functions of the module whose file is `source`: it compiles a function when it is first called,
    and keeps its code for the next process.

    Such functions must call none of other modules of ours, and must be called with one signature only, for the
    reasons that `folder_of_code` names. Where nothing can be written, every process compiles.
    """
    folder = folder_of_code(source)

    def kept(function: Callable[..., Any]) -> Any:
        if folder is None:
            return numba.njit(nogil=True)(function)
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
        try:  # numba reads the setting where a function is decorated
            return numba.njit(nogil=True, cache=True)(function)
        finally:
            numba.config.CACHE_DIR = before

    return kept


def keep(functions: Iterable[Any], source: str, package: str) -> None:
    """Keep what numba compiles of `functions` of an installed package, which the module whose file is `source` calls,
    as `keeper` does.

    Beside their own modules, where numba keeps it by itself, jobs on processors of two kinds that share an environment
    may read code of each other. Each function must be called with one signature only.
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
    """Folder for the compiled code of the module whose file is `source`, or of `packages` that it calls; None where
    nothing can be written.

    It lies in `__pycache__` beside the module, or in NUMBA_CACHE_DIR. numba writes the index of a function before its
    code, and numbers code without asking other processes: after a kill, or with two jobs at once, an index could name
    code of another source, processor or signature. So the folder is named after all that the code is made of, which is
    the module alone, or with the versions of the packages, and each function has one signature.
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
    except OSError:  # a read-only checkout; results are the same
        return None
    return folder
