"""Tensors in a `torch.save` file, read and written without torch, which JAX environments lack.

Such a file is a ZIP archive with a pickle, which says what the tensors are called and where they are, and their bytes.
The unpickler knows the names below and refuses any other before it can run. Only the bytes of the requested tensors are
read, and their checksums are verified.
"""

import io
import math
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
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
DEEPEST = 20  # nesting depth of dictionaries and lists


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: its NumPy `dtype`, `shape`, and where it is; `offset` and `strides` count elements."""

    dtype: str
    shape: tuple[int, ...]
    storage: str
    offset: int
    strides: tuple[int, ...]

    def is_sound(self) -> bool:
        """Whether every field has a valid type and value: a pickle can put anything there."""
        numbers = self.offset, *self.shape, *self.strides
        return (
            self.dtype in DTYPES.values()
            and isinstance(self.storage, str)
            and len(self.shape) == len(self.strides)
            and all(type(number) is int and number >= 0 for number in numbers)
        )


def contents(path: str | Path) -> dict[str, Stored]:
    """The tensors of a state dict in a file, by name; their bytes are not read.

    Raises `InputError` as `tree` does, and if the pickle holds anything but named tensors.
    """
    found = tree(path)
    if not isinstance(found, dict) or not all(isinstance(tensor, Stored) for tensor in found.values()):
        raise InputError(f"{path}: holds something other than names and tensors, expected only these")
    return dict(found)


def tree(path: str | Path) -> Any:
    """What a file holds: tensors, texts, numbers, and nested dictionaries (with text keys), lists and tuples of these;
    the bytes of tensors are not read.

    Raises `InputError` for a file that is not a `torch.save` archive (version 1.6 or later), that is broken, or whose
    pickle holds anything else.
    """
    with _archive(path) as archive:
        pickled = _read(path, archive, "data.pkl")
        if "byteorder" in _entries(archive) and (order := _read(path, archive, "byteorder")) != b"little":
            raise InputError(f"{path}: its numbers are {order.decode(errors='replace')}-endian, expected little-endian")
    try:
        found = _Tensors(io.BytesIO(pickled)).load()
        sound = _is_sound(found)
    except pickle.UnpicklingError as error:
        raise InputError(f"{path}: is broken, or holds more than tensors and is refused: {error}") from None
    # what a pickle not written by torch may raise
    except (EOFError, LookupError, AttributeError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        raise InputError(f"{path}: is broken: not a pickle of tensors ({error!r})") from None
    if not sound:
        raise InputError(f"{path}: is broken: the name, shape or place of a tensor is not valid")
    return found


def _is_sound(value: Any, depth: int = 0, seen: set[int] | None = None) -> bool:
    """Whether everything is of a type that `tree` names; a list that contains itself is not. What occurs in several
    places is looked at once: lists that hold each other can make the tree larger than there is time for."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return True
    if isinstance(value, Stored):
        return value.is_sound()
    if depth > DEEPEST or not isinstance(value, (dict, list, tuple)):
        return value is None or isinstance(value, (str, int, float))
    parts = value.values() if isinstance(value, dict) else value
    names = value if isinstance(value, dict) else ()
    sound = all(isinstance(name, str) for name in names) and all(_is_sound(part, depth + 1, seen) for part in parts)
    seen.add(id(value))
    return sound


def arrays(path: str | Path, tensors: Mapping[str, Stored]) -> dict[str, np.ndarray]:
    """The values of some tensors in a file, by name. Raises `InputError` for missing or damaged bytes."""
    found = {}
    with _archive(path) as archive:
        for name, tensor in tensors.items():
            stored = _read(path, archive, f"data/{tensor.storage}", name)
            values = np.frombuffer(stored, tensor.dtype, len(stored) // np.dtype(tensor.dtype).itemsize)
            steps = zip(tensor.shape, tensor.strides, strict=True)
            last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
            # as many elements as are stored at most: with strides of 0 a few bytes could ask for terabytes
            if 0 not in tensor.shape and (last >= len(values) or math.prod(tensor.shape) > len(values)):
                raise InputError(
                    f"{path}: {name}: is broken: its elements lie outside the {len(values)} that are stored"
                )
            strides = [stride * values.itemsize for stride in tensor.strides]
            view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, strides, writeable=False)
            found[name] = np.array(view, order="C")
    return found


def write(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, with dtypes in `DTYPES`, as the state dict {name: tensor} that `torch.load` and `contents` read.

    The pickle is written opcode by opcode, because Python's own pickler would have to import torch to name its classes.
    """
    storages = {np.dtype(dtype): name for name, dtype in DTYPES.items()}

    def text(value: str) -> bytes:
        encoded = value.encode()
        return pickle.BINUNICODE + len(encoded).to_bytes(4, "little") + encoded

    def number(value: int) -> bytes:
        return pickle.LONG1 + b"\x08" + value.to_bytes(8, "little", signed=True)

    def numbers(values: Sequence[int]) -> bytes:
        return pickle.MARK + b"".join(map(number, values)) + pickle.TUPLE

    empty = pickle.GLOBAL + b"collections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE
    stream = [pickle.PROTO + b"\x02", empty, pickle.MARK]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, (name, array) in enumerate(arrays.items()):
            array = np.asarray(array, order="C")
            storage = pickle.GLOBAL + f"torch\n{storages[array.dtype]}\n".encode()
            where = text("storage") + storage + text(str(key)) + text("cpu") + number(array.size)
            strides = [stride // array.itemsize for stride in array.strides]
            arguments = (
                pickle.MARK + where + pickle.TUPLE + pickle.BINPERSID + number(0) + numbers(array.shape)
                + numbers(strides) + pickle.NEWFALSE + empty + pickle.TUPLE
            )  # fmt: skip
            rebuilt = pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n" + pickle.MARK + arguments + pickle.REDUCE
            stream += [text(name), rebuilt]
            with archive.open(f"archive/data/{key}", "w", force_zip64=True) as entry:
                entry.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        archive.writestr("archive/data.pkl", b"".join([*stream, pickle.SETITEMS, pickle.STOP]))
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")


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


def _archive(path: str | Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(
            f"{path}: is not a ZIP archive as written by torch.save ({error}); load and save a file of torch before "
            "1.6 again, fetch a broken one again"
        ) from None


def _entries(archive: zipfile.ZipFile) -> dict[str, str]:
    """The entries by name, without the folder into which `torch.save` puts all of them."""
    return {name.partition("/")[2]: name for name in archive.namelist()}


def _read(path: str | Path, archive: zipfile.ZipFile, entry: str, what: str = "") -> bytes:
    """All bytes of an entry, with its checksum verified; `what` is its name in the message. Raises `InputError`."""
    try:
        return archive.read(_entries(archive)[entry])
    except KeyError:
        problem = f"broken: it lacks the entry {entry}, which torch.save writes"
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError) as error:
        problem = f"broken ({error})"
    raise InputError(f"{path}: {what or entry}: {problem}; fetch it again")
