"""Files of weights as names and tensors: read without executing anything, strictly checked, fingerprinted.

Strictly means that a tensor missing from the model or from the file is refused by name, unless the caller allows it. A
loader with `strict=False` once renamed `lm_head.dense.weight` to `esm.lm_head.dense.weight`, dropped it silently and
left the language-model head random.
"""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch

from s2f.common import files, weights
from s2f.common.errors import InputError

FILES = ("model.safetensors", "pytorch_model.bin")
WRAPPED = ("state_dict", "model_state_dict", "model")  # keys under which training checkpoints keep the tensors


def read_state(folder: str | Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """Path and named tensors of the weights in a folder: from one file, or from the shards that an index names.

    Wrappers and prefixes that training put around all tensors are removed. Raises `InputError` if there are no weights,
    or if they are broken.
    """
    folder = Path(folder)
    candidates = [folder / name for name in (*FILES, *(f"{name}.index.json" for name in FILES))]
    weights.refuse_pointers(candidates)
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        problem = weights.no_folder(folder)
        if folder.is_dir():
            there = sorted(entry.name for entry in folder.iterdir())
            problem = f"holds no weights ({', '.join(there[:5]) or 'nothing'}{', …' if len(there) > 5 else ''})"
        raise InputError(f"{folder}: {problem}; expected a folder with {' or '.join(FILES)}, or shards and their index")
    state = _of_shards(path) if path.suffix == ".json" else read_file(path)
    prefix = weights.wrapper_of(state)
    return path, {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def _of_shards(index: Path) -> dict[str, torch.Tensor]:
    """Named tensors of all shards that an index names; `InputError` if a shard, or a tensor in one, is missing."""
    places = files.read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"{index}: key 'weight_map' is missing, so it is not an index of shards")
    state: dict[str, torch.Tensor] = {}
    for shard in sorted(set(places.values())):
        path = index.with_name(Path(shard).name)
        weights.refuse_pointers([path])
        if not path.is_file():
            raise InputError(f"{path}: no such file, but {index.name} names it as one of its shards")
        state |= read_file(path)
    for name, shard in places.items():
        if name not in state:
            raise InputError(f"{index}: {name} is not in {shard}, which should hold it")
    return state


def read_file(path: Path) -> dict[str, torch.Tensor]:
    """Named tensors of one file. Raises `InputError` for a file that is broken or holds more than tensors."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch's own text explains how to run it anyway
        raise InputError(
            f"{path}: is broken, or holds more than tensors and is refused; get model.safetensors from its publisher"
        ) from None
    except (EOFError, RuntimeError, safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path}: is broken ({str(error).splitlines()[0]})") from None
    wrapped = next((key for key in WRAPPED if isinstance(state, dict) and isinstance(state.get(key), dict)), None)
    state = state[wrapped] if wrapped else state
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise InputError(f"{path}: holds something other than names and tensors, expected only these")
    return state


def check(
    path: Path, state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], may_lack: tuple[str, ...]
) -> None:
    """Raise `InputError`, naming file and tensors, unless a state has the names and shapes of `expected` and only
    finite numbers; tensors whose names begin with one of `may_lack` may be missing."""
    missing = [f"{n} is missing" for n in expected if n not in state and not n.startswith(may_lack)]
    unexpected, problems = [f"{n} is unexpected" for n in state if n not in expected], []
    for name, tensor in state.items():
        if name in expected and tensor.shape != expected[name].shape:
            problems.append(f"{name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}")
        elif not tensor.is_floating_point() or not tensor.isfinite().all():
            problems.append(f"{name} holds {tensor.dtype} values that are not all finite numbers")
    if missing or unexpected or problems:
        raise InputError(f"{path}: does not fit the model: {weights.listed(missing, unexpected, problems)}")


def write(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write named tensors as safetensors, each as a copy, because this format refuses one tensor under two names."""
    copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
    safetensors.torch.save_file(copies, path, {"format": "pt"})


def fingerprint(model: torch.nn.Module) -> str:
    """`fingerprint_of` the tensors of a model."""
    return fingerprint_of(model.state_dict())


def fingerprint_of(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over name, shape and float32 bytes of every tensor, sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy(), "<f4").data)
    return digest.hexdigest()
