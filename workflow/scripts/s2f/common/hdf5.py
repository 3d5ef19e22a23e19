"""Opening HDF5 files without locks, because HDF5 refuses to open anything on file systems that have none. No lock is
needed: a file is written by one process under a temporary name, and never changes once it has its final name."""

import errno
import os
from pathlib import Path
from typing import Any

import h5py

from s2f.common.errors import InputError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def open_hdf5(path: str | Path, mode: str = "r", **settings: Any) -> h5py.File:
    """``h5py.File(path, mode)``.

    Raises `InputError` if the environment asks for locks and there are none, and if a file cannot be read for a reason
    other than its content, such as permissions: to call such a file broken would be wrong. Faults in the content of a
    file, and faults in writing, remain the `OSError` that h5py raises.
    """
    try:
        return h5py.File(path, mode, locking=False, **settings)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in NO_LOCKS or "unable to lock file" in str(error):
            raise InputError(
                f"{path}: HDF5 cannot lock it ({_reason(error)}), and the environment demands locks; set "
                "HDF5_USE_FILE_LOCKING=FALSE"
            ) from None
        if error.errno and mode == "r":
            raise InputError(f"{path}: cannot be read ({_reason(error)}); the file itself may be intact") from None
        raise


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
