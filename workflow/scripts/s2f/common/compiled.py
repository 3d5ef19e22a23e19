"""Programs that JAX compiled, kept for the next job: JAX's own persistent cache, made safe for parallel jobs.

JAX writes an entry in place. A job that is killed while writing would leave half an entry under its final name, which
no later job repairs. JAX's limit on the size of the cache needs a lock, which a shared file system may not have. So
each job works in its own folder, which starts with links to the entries kept so far, and moves what it compiled to the
shared entries when it ends: every entry that other jobs see is complete, and no job waits for another. If the folder
cannot be used, for lack of space or permissions, the job says so and compiles for itself.
"""

import atexit
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
import zlib
from pathlib import Path

VARIABLE = "S2F_COMPILED"  # the folder that the jobs of a study share; if it is not set, every job compiles for itself
MOST_BYTES, MOST_ENTRIES = 2e9, 4000  # limits for all entries together; every job that starts makes a link to each
JOB = ".job-"  # prefix of the name of a job's folder
STALE = 7 * 86400  # seconds without a new entry after which a job's folder is taken to be left over from a killed job


def keep_compiled(threads: int) -> None:
    """Let JAX use what earlier jobs compiled, and keep what this job compiles. JAX must not be imported yet.

    Does nothing if the environment names no folder (`VARIABLE`) or if the user has chosen a JAX cache
    (JAX_COMPILATION_CACHE_DIR). A program is reused only by jobs with the same number of `threads` on the same kind of
    processor: both are compiled into it, and JAX's own key includes neither.
    """
    shared = os.environ.get(VARIABLE)
    if not shared or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    kept = Path(shared) / _machine(threads)
    try:
        kept.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(kept)
        job_folder = Path(tempfile.mkdtemp(prefix=JOB, dir=kept))
        given = {entry.name for entry in _entries(kept) if _link(entry, job_folder / entry.name)}
    except OSError as error:
        print(f"note: {shared} cannot be used ({error}): this job compiles its programs itself", file=sys.stderr)
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(job_folder.resolve())
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"  # a small job consists of hundreds of small programs
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    os.environ["JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES"] = "none"  # these would contain the path of this job's folder
    atexit.register(_give, job_folder, kept, given)


def _machine(threads: int) -> str:
    """The name of the folder for programs that run on this kind of processor with this number of threads."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
        processor = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    except OSError:  # not Linux
        processor = [platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *processor, str(threads)]).encode()).hexdigest()[:16]


def _entries(folder: Path) -> list[Path]:
    """The programs in a folder, recognised by the suffix that JAX gives them; none if the folder no longer exists."""
    try:
        return [path for path in folder.iterdir() if path.name.endswith("-cache")]
    except FileNotFoundError:
        return []


def _link(entry: Path, link: Path) -> bool:
    """Make `link`, in this job's folder, a hard link to `entry`, or a copy if the file system has no hard links.

    Returns whether it exists now: another job may have removed the entry to keep within the limits.
    """
    try:
        os.link(entry, link)
    except FileNotFoundError:
        return False
    except OSError:
        try:
            shutil.copyfile(entry, link)
        except FileNotFoundError:
            return False
    return True


def _give(job_folder: Path, kept: Path, given: set[str]) -> None:
    """Move what this job compiled to the shared entries, remove its folder and keep the cache within the limits;
    `given` holds the names of the entries that the job started with."""
    try:
        for entry in _entries(job_folder):
            if entry.name not in given and _is_whole(entry):
                entry.replace(kept / entry.name)
        shutil.rmtree(job_folder, ignore_errors=True)
        _keep_to_bounds(kept.parent)
    except OSError as error:  # the results are safe, so this is no reason to fail
        print(f"note: {kept} cannot be used ({error}): other jobs compile their programs themselves", file=sys.stderr)


def _is_whole(entry: Path) -> bool:
    """Whether JAX managed to write an entry completely: on a full disk it leaves part of one and only warns.

    Checked by decompressing it with zlib. With the package zstandard, JAX compresses differently; such an entry must
    only not be empty.
    """
    content, reader = entry.read_bytes(), zlib.decompressobj()
    if not content.startswith(b"x"):
        return bool(content)
    try:
        reader.decompress(content)
    except zlib.error:
        return False
    return reader.eof


def _keep_to_bounds(shared: Path) -> None:
    """Remove the least recently used entries, across all processors and thread counts, until the limits are met."""
    aged = []
    for folder in shared.iterdir():
        for entry in _entries(folder) if folder.is_dir() else []:
            status = _status(entry)
            if status:
                aged.append((max(status.st_atime, status.st_mtime), status.st_size, entry))
    total, count = sum(size for _, size, _ in aged), len(aged)
    for _, size, entry in sorted(aged):
        if total <= MOST_BYTES and count <= MOST_ENTRIES:
            break
        entry.unlink(missing_ok=True)
        total, count = total - size, count - 1


def _remove_left_behind(kept: Path) -> None:
    """Remove the folders that killed jobs left behind."""
    for folder in kept.glob(f"{JOB}*"):
        status = _status(folder)
        if status and time.time() - status.st_mtime > STALE:
            shutil.rmtree(folder, ignore_errors=True)


def _status(path: Path) -> os.stat_result | None:
    """`path.stat()`, or None if another job has removed it in the meantime."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
