"""Tensors of a file of `torch.save`, read without torch: environments of JAX lack it.

Such a file is a ZIP archive of a pickle, which says what the tensors are called and where they lie, and of their bytes.
The pickle is read by an unpickler that knows the names below and refuses every other before anything of it runs. Bytes
are read of the tensors that are asked for alone, each with its checksum.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common.errors import InputError

DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: `dtype` of NumPy, `shape`, and where its elements are; `offset` and `strides` in elements."""

    dtype: str
    shape: tuple[int, ...]
    storage: str
    offset: int
    strides: tuple[int, ...]


def contents(path: str | Path) -> dict[str, Stored]:
    """The tensors of a state dict in a file, by name; their bytes are not read.

    Raises `InputError` for a file that is no archive of `torch.save` (version 1.6 or later), that is broken, or whose
    pickle holds more than named tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open(_entry(archive, "data.pkl")) as file:
                found = _Tensors(file).load()
            _check_byte_order(path, archive)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path}: no ZIP archive as torch.save writes it ({error}); a file of torch before 1.6 becomes one when it "
            "is loaded and saved again, a broken one must be fetched again"
        ) from None
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: broken, or holds more than tensors, which is refused: {error}") from None
    # what a pickle that was not written by torch may raise
    except (EOFError, KeyError, IndexError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: broken: not a pickle of tensors ({error!r})") from None
    if not isinstance(found, dict) or not all(isinstance(tensor, Stored) for tensor in found.values()):
        raise InputError(f"{path}: expected names and tensors only")
    return dict(found)


def arrays(path: str | Path, tensors: Mapping[str, Stored]) -> dict[str, np.ndarray]:
    """The values of some tensors of a file, by name. Raises `InputError` for bytes that are missing or damaged."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name, tensor in tensors.items():
            try:
                values = np.frombuffer(archive.read(_entry(archive, f"data/{tensor.storage}")), tensor.dtype)
            except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
                raise InputError(f"{path}: {name}: broken ({error})") from None
            steps = zip(tensor.shape, tensor.strides, strict=True)
            last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
            if min((tensor.offset, *tensor.shape, *tensor.strides)) < 0 or (
                0 not in tensor.shape and last >= len(values)
            ):
                raise InputError(
                    f"{path}: {name}: broken: its elements lie outside of the {len(values)} that are stored"
                )
            strides = [stride * values.itemsize for stride in tensor.strides]
            view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides, writeable=False)
            found[name] = np.array(view, order="C")
    return found


class _Tensors(pickle.Unpickler):
    """Reads the pickle of a state dict as {name: `Stored`} and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _stored
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        _, dtype, key, *_ = pid  # "storage", dtype, key, device, number of elements
        return dtype, key


def _stored(storage: tuple[str, str], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Stored:
    return Stored(storage[0], tuple(shape), storage[1], offset, tuple(strides))


def _entry(archive: zipfile.ZipFile, name: str) -> str:
    """The name of an entry with the folder that `torch.save` puts all of them into."""
    first = archive.namelist()[0] if archive.namelist() else ""
    return f"{first.partition('/')[0]}/{name}"


def _check_byte_order(path: str | Path, archive: zipfile.ZipFile) -> None:
    entry = _entry(archive, "byteorder")
    if entry in archive.namelist() and archive.read(entry) != b"little":
        raise InputError(f"{path}: its numbers are {archive.read(entry).decode()}-endian, expected little-endian")
