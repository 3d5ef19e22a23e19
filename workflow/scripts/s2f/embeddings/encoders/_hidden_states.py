"""What encoders that read a layer of a language model share: options, names of layers, arrays, the record."""

from collections.abc import Collection, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import torch

from s2f.common import provenance
from s2f.common.errors import InputError

PRECISIONS = ("float32", "bfloat16")


def layer_name(layer: int) -> str:
    """A layer's name within the name of an encoder: `layer06` is the output of the sixth block."""
    return f"layer{layer:02d}"


def checked_layer(
    where: str,
    options: Mapping[str, Any],
    sizes: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Collection[str]],
) -> int:
    """The layer that `options` names, or the last one if it names none. Raises `InputError`, whose text begins with
    `where`, for an impossible size, precision, batch size or layer, and for an option whose value is not among the
    `known` ones."""
    for key, values in {"size": sizes, **known, "precision": PRECISIONS}.items():
        if options[key] not in values:
            raise InputError(f"{where}: {key} is {options[key]!r}, expected one of: {', '.join(values)}")
    if not isinstance(options["batch_size"], int) or options["batch_size"] < 1:
        raise InputError(f"{where}: batch_size is {options['batch_size']!r}, expected a whole number of at least 1")
    layers = sizes[options["size"]]["num_hidden_layers"]
    layer = options.get("layer", layers)
    if not isinstance(layer, int) or not 0 <= layer <= layers:
        raise InputError(f"{where}: layer is {layer!r}, {options['size']} has layers 0 to {layers}")
    return layer


def round_once(model: torch.nn.Module) -> None:
    """Round the weights of the linear layers of a frozen model to bfloat16, as autocast does again in each batch."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.to(torch.bfloat16)


def room(shape: tuple[int, ...], half: bool, device: torch.device) -> torch.Tensor:
    """Place on the device for the hidden states of a call, as `array_of` takes them. Copied batch by batch, each copy
    would wait for its batch, and a GPU for the next one."""
    return torch.empty(shape, dtype=torch.bfloat16 if half else torch.float32, device=device)


def array_of(hidden: torch.Tensor, half: bool) -> np.ndarray:
    """Hidden states as an array, float32 or bfloat16. NumPy has no bfloat16, so it is given the bits."""
    if half:
        return hidden.to(torch.bfloat16).view(torch.int16).cpu().numpy().view(ml_dtypes.bfloat16)
    return hidden.float().cpu().numpy()


def backend(device: torch.device, *packages: str, **more: str) -> dict[str, Any]:
    """What a record says about the machine and the `packages` used besides torch and NumPy."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    return {"name": "torch", "device": name, **more, "versions": provenance.versions("torch", *packages, "numpy")}
