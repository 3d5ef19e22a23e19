"""HDF5 on file systems without locks, and on ones that refuse to read: neither is called a broken file."""

import errno
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from helpers import shims
from s2f.common import hdf5
from s2f.common.errors import InputError
from s2f.embeddings import cache
from s2f.interpretation import attributions
from s2f.representation import map_files

# what opens HDF5 files, each with a file of its own; the plain call shows that the shim is at work
PROGRAM = """
import sys
from pathlib import Path
import h5py, pandas as pd, numpy as np
from helpers import cache_builds
from s2f.interpretation import attributions
from s2f.representation import map_files
folder = Path(sys.argv[1])
try:
    h5py.File(folder / "plain.h5", "w")
except OSError as error:
    print("plain:", error.errno)
cache_builds.build(folder / "cache.h5")
assert cache_builds.of(cache_builds.ROWS, folder / "cache.h5").shape == (30, 3, 4)
rows = pd.DataFrame({"row_id": ["a"], "sequence": ["ACGT"], "label": [1.0]})
one = np.ones(4, np.float32)
found = [{"attribution": np.ones((4, 4)), "importance": one, "score": 1.0, "seconds": 1.0}]
attributions.write(folder / "attributions.h5", rows, found, method="ism")
assert attributions.read(folder / "attributions.h5")[1]["method"] == "ism"
map_files.write(folder / "maps.h5", rows, [(np.ones((4, 4)), np.ones((4, 4)))])
assert map_files.read(folder / "maps.h5")[0][0].sequence == "ACGT"
print("all written and read")
"""


@pytest.mark.skipif(not shims.can_be_built(), reason="needs a C compiler")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_files_are_written_and_read_where_there_are_no_locks(tmp_path, number):
    environment = {name: value for name, value in os.environ.items() if name != "HDF5_USE_FILE_LOCKING"}
    environment |= {"LD_PRELOAD": str(shims.built(tmp_path, shims.NO_LOCKS)), "FLOCK_ERRNO": str(number)}
    environment |= {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"plain: {number}", "all written and read"]
    assert (
        "this file system has no locks; make sure that only one process writes this file" in done.stderr
    )  # of the cache's journal


@pytest.mark.skipif(not shims.can_be_built(), reason="needs a C compiler")
def test_locks_that_the_environment_asks_for_are_named(tmp_path):
    program = "from s2f.common.hdf5 import open_hdf5; import sys; open_hdf5(sys.argv[1], 'w')"
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shims.built(tmp_path, shims.NO_LOCKS)),
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.h5")],
        env={**environment, "HDF5_USE_FILE_LOCKING": "TRUE"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == (
        f"s2f.common.errors.InputError: {tmp_path}/x.h5: HDF5 cannot lock it (No locks available), and the "
        "environment demands locks; set HDF5_USE_FILE_LOCKING=FALSE"
    )


@pytest.mark.parametrize(
    ("read", "fix"),
    [
        (cache.open_cache, "delete it and run again"),
        (attributions.read, "not a readable file of attributions"),
        (map_files.read, "delete it and run again"),
    ],
)
def test_only_what_is_wrong_with_a_file_is_said_of_the_file(tmp_path, monkeypatch, read, fix):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(10000)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=fix):
        read(path)

    def fail(*arguments, **settings):
        raise PermissionError(errno.EACCES, "[Errno 13] Unable to open file")

    monkeypatch.setattr(hdf5.h5py, "File", fail)  # the tests may run as root, who may read all
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value) == f"{path}: cannot be read (Permission denied); the file itself may be intact"
