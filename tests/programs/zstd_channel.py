"""Run a script that builds a conda channel, with its packages in the `.conda` format instead of `.tar.bz2`.

    python zstd_channel.py BUILDER ARGUMENTS...

The builder writes each package by `tarfile.open(PATH.tar.bz2, "w:bz2")`. For the environments of this workflow, bz2
takes minutes of CPU to compress and to decompress; Zstandard, which conda's newer format uses, takes seconds. Needs the
package zstandard.
"""

import contextlib
import io
import json
import runpy
import sys
import tarfile
import zipfile
from pathlib import Path

import zstandard

open_tar = tarfile.open


@contextlib.contextmanager
def open_package(path, mode, **options):
    """A tar file to write to, saved as a package in the `.conda` format: a zip of two compressed tar files, one of them
    with the metadata (`info/`)."""
    assert mode == "w:bz2", mode
    everything = io.BytesIO()
    with open_tar(fileobj=everything, mode="w") as tar:
        yield tar
    name = Path(path).name.removesuffix(".tar.bz2")
    with zipfile.ZipFile(Path(path).with_name(f"{name}.conda"), "w", zipfile.ZIP_STORED) as package:
        package.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        for part in ("pkg", "info"):
            compressor = zstandard.ZstdCompressor(level=1)
            package.writestr(f"{part}-{name}.tar.zst", compressor.compress(members(everything, part == "info")))


def members(everything, of_info):
    """Bytes of a tar file with the members of another that are in `info/`, or with the others."""
    everything.seek(0)
    chosen = io.BytesIO()
    with open_tar(fileobj=everything) as source, open_tar(fileobj=chosen, mode="w") as tar:
        for member in source:
            if member.name.startswith("info/") == of_info:
                tar.addfile(member, source.extractfile(member) if member.isreg() else None)
    return chosen.getvalue()


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    tarfile.open = open_package
    runpy.run_path(sys.argv[0], run_name="__main__")
