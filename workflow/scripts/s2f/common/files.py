"""Reading and writing files: a file under its final name is always complete; errors name the file, place and fix."""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from s2f.common.errors import InputError


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it, on any error remove it.

    A killed job therefore leaves either the complete file or nothing under the final name. The temporary name is fixed
    (``.{name}.tmp``), so a later run replaces what a killed job left behind. Directories work like files. A full disk,
    and a folder in which no file can be written, raise `InputError`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(temporary)
    except OSError:
        check_writable(path)
        raise
    try:
        yield temporary
        _flush(temporary)
        if path.is_dir():
            if not temporary.is_dir():
                raise InputError(f"{path}: is a folder, expected the name of a file to write; choose another name")
            remove(path)
        temporary.replace(path)
    except BaseException as error:
        remove(temporary)
        if is_disk_full(error):
            raise InputError(f"{path}: the disk of {path.parent} is full; free some space and run it again") from error
        raise


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception says that the disk is full: by its number, or in words, as in HDF5 and Orbax."""
    number = getattr(error, "errno", None)
    return number in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error)


def remove(path: str | Path) -> None:
    """Delete a file, or a folder and everything in it; do nothing if it does not exist."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Raise `InputError` now if no file can be written in the folder of a file or, if that does not exist yet, in the
    folder in which it will be made. Nothing is made."""
    folder = Path(path).parent
    try:
        with tempfile.TemporaryFile(dir=next(place for place in (folder, *folder.parents) if place.exists())):
            pass  # it has no name, so it cannot be left behind
    except OSError as error:
        raise InputError(
            f"{path}: no file can be written in {folder} ({error.strerror}); choose another folder"
        ) from None


def _flush(path: Path) -> None:
    """fsync a file, or every file in a folder, so that after a power cut a renamed file always has its content."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock(path: str | Path, does: str) -> int:
    """Open a file for appending (a descriptor, which the caller closes) under a lock that ends with the process.

    `does` says in the message what the process that holds the lock is doing. Raises `InputError` if the lock is taken;
    if the file system has no locks, prints a line to stderr.
    """
    path = Path(path)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InputError(f"{path}: another process {does}; wait for it to finish, or stop it") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                os.close(descriptor)
                raise
            print(
                f"{path}: this file system has no locks; make sure that only one process writes this file",
                file=sys.stderr,
                flush=True,
            )
        # an earlier writer may have finished and removed the file between our open and our lock
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as stable, readable JSON: keys are sorted, so equal values give equal bytes. Raises `InputError`
    with the key of any number that is not finite."""
    try:
        text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    except ValueError:
        place = _not_finite(value)
        if not place:
            raise
        raise InputError(
            f"{path}: {place}, but JSON holds finite numbers only; are labels or predictions very large?"
        ) from None
    write_text(path, text + "\n")


def _not_finite(value: Any, place: str = "") -> str:
    """The key and value of the first non-finite number in a value for JSON; empty if all are finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place or 'the value'} is {value}"
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return next(filter(None, (_not_finite(item, f"{place}.{key}".strip(".")) for key, item in items)), "")


def read_json(path: str | Path) -> Any:
    """Parse a JSON file; `InputError` says that the file is missing, or where it is broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: line {error.lineno}: is not JSON ({error.msg})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start}: is not UTF-8 text") from None


def read_object(path: str | Path) -> dict[str, Any]:
    """Parse a JSON file that holds an object. Raises `InputError` as `read_json`, and for a list, text or number."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds a JSON {type(found).__name__}, expected an object, {{...}}")
    return found


def sha256_file(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
