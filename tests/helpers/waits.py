"""How often a program that computes with torch would wait for a GPU, counted on a CPU."""

import collections
import contextlib

import torch
from torch.overrides import TorchFunctionMode

VALUES = {"item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__", "__index__"}  # read a value
COUNTS = {"nonzero", "unique", "argwhere", "masked_select", "equal", "allclose"}  # ask how many there are
CONSTANTS = {"tensor", "as_tensor", "scalar_tensor"}  # copy numbers of Python to the device


def waits(name, arguments, options):
    """Whether a call of a function of torch would wait until a GPU has done all that was asked of it before."""
    if name == "__getitem__":
        parts = arguments[1] if isinstance(arguments[1], tuple) else (arguments[1],)
        masks = (isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)
        return any(isinstance(part, list | tuple | range) for part in parts) or any(masks)  # copied; counted
    if name == "repeat_interleave":
        return isinstance(arguments[1], torch.Tensor) and options.get("output_size") is None
    return name in VALUES | COUNTS or (name in CONSTANTS and "device" in options)


class _Counting(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.found = collections.Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if waits(name, args, kwargs or {}):
            self.found[name] += 1
        return function(*args, **(kwargs or {}))


@contextlib.contextmanager
def counted():
    """A `Counter` of the names of the functions that would wait within the block."""
    with _Counting() as mode:
        yield mode.found
