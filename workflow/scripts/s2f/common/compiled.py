"""Programs that JAX compiled, kept for the next job: JAX's own persistent cache, made safe for jobs side by side.

JAX writes an entry in place: a job that is killed meanwhile would leave half an entry under its final name, which no
later job repairs, and its own bound on the size needs a lock, which a shared file system may not have. So each job
works in a folder of its own, whose entries are links to those kept, and moves what it compiled to the others when it
ends: an entry that others see is complete, and nobody waits for anybody. Where the folder cannot be
used, for want of space or rights, a job says so and compiles for itself.
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

VARIABLE = "S2F_COMPILED"  # folder that the jobs of a study share; not set: every job compiles for itself
MOST_BYTES, MOST_ENTRIES = 2e9, 4000  # of all entries together; each start of a job makes a link for each
JOB = ".job-"  # how the name of a job's own folder begins
STALE = 7 * 86400  # s without a new entry after which the folder of a job counts as left behind by a kill


def keep_compiled(threads: int) -> None:
    """Let JAX, which must not be imported yet, find what earlier jobs of the study compiled, and keep what it compiles.

    Does nothing unless the environment names a folder (`VARIABLE`), and where the user has chosen a cache of JAX's
    (JAX_COMPILATION_CACHE_DIR). A program is reused on the same kind of processor by jobs with as many `threads`: both
    are compiled into it, and JAX's own key names neither.
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
        print(f"note: {shared} cannot be used ({error}): this job compiles for itself", file=sys.stderr)
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(job_folder.resolve())
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"  # a small job is hundreds of small programs
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    os.environ["JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES"] = "none"  # these would hold the path of this job's folder
    atexit.register(_give, job_folder, kept, given)


def _machine(threads: int) -> str:
    """Name of a folder for programs that run on this kind of processor with so many threads."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
        processor = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    except OSError:  # not Linux
        processor = [platform.processor()]
    return hashlib.sha256("\n".join([platform.machine(), *processor, str(threads)]).encode()).hexdigest()[:16]


def _entries(folder: Path) -> list[Path]:
    """Programs in a folder, by the ending that JAX gives them; nothing where the folder is gone."""
    try:
        return [path for path in folder.iterdir() if path.name.endswith("-cache")]
    except FileNotFoundError:
        return []


def _link(entry: Path, link: Path) -> bool:
    """Make `link`, in the folder of this job, the same file as `entry`, or a copy on a file system without hard links.

    Returns whether it is there now: another job may have removed the entry to keep to the bounds.
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
    """Move what this job compiled to the entries kept, remove its folder, keep all to the bounds; `given`: names of
    the entries that the job was given at its start."""
    try:
        for entry in _entries(job_folder):
            if entry.name not in given and _is_whole(entry):
                entry.replace(kept / entry.name)
        shutil.rmtree(job_folder, ignore_errors=True)
        _keep_to_bounds(kept.parent)
    except OSError as error:  # what was computed is safe: nothing to fail for
        print(f"note: {kept} cannot be used ({error}): other jobs compile for themselves", file=sys.stderr)


def _is_whole(entry: Path) -> bool:
    """Whether JAX could write all of an entry: on a full disk it leaves a part and warns. By its compression, zlib;
    with the package zstandard it has another, which cannot be told."""
    content, reader = entry.read_bytes(), zlib.decompressobj()
    if not content.startswith(b"x"):
        return bool(content)
    try:
        reader.decompress(content)
    except zlib.error:
        return False
    return reader.eof


def _keep_to_bounds(shared: Path) -> None:
    """Remove the entries that were not used for longest, of all processors and thread counts, beyond the bounds."""
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
    """Remove folders of jobs that were killed."""
    for folder in kept.glob(f"{JOB}*"):
        status = _status(folder)
        if status and time.time() - status.st_mtime > STALE:
            shutil.rmtree(folder, ignore_errors=True)


def _status(path: Path) -> os.stat_result | None:
    """`path.stat()`, None where another job has removed it meanwhile."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
