"""Weights of a head on disk: an Orbax tree of only the head, compared with what the head expects before it is used.

The tree {module: {leaf: array}} holds both parameters and state; a module's leaves have different names in the two. If
the encoder was fine-tuned, the arrays that were trained, and no others, are saved beside the tree: {name: array}.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from s2f.common.errors import InputError

Tree = dict[str, dict[str, Any]]  # {module: {leaf: array}}


def save_head(directory: str | Path, variables: tuple[Tree, Tree]) -> None:
    """Save `variables` of a head, the pair (parameters, state) of `networks.build`, with Orbax under `checkpoint/`."""
    parameters, state = variables
    tree = {name: {**parameters.get(name, {}), **state.get(name, {})} for name in {**parameters, **state}}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((Path(directory) / "checkpoint").resolve(), tree)


def load_head(directory: str | Path, template: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
    """Restore a head's (parameters, state) and compare every key and shape with `template`, a like pair of shaped
    arrays.

    Raises `InputError` for a missing or broken checkpoint, a missing or unexpected array, another shape, or a value
    that is not finite.
    """
    path = (Path(directory) / "checkpoint").resolve()
    restored = _restored(path)
    stored = {f"{module}/{leaf}": np.asarray(a) for module, leaves in restored.items() for leaf, a in leaves.items()}
    modules = [item for tree in template for item in tree.items()]
    wanted = {f"{module}/{leaf}": a.shape for module, leaves in modules for leaf, a in leaves.items()}
    for name in sorted(set(stored) ^ set(wanted)):
        fault = "missing" if name in wanted else "unexpected"
        raise InputError(f"{path}: array {name} is {fault}: this is the checkpoint of another head")
    for name, array in stored.items():
        if array.shape != wanted[name]:
            raise InputError(f"{path}: {name} has shape {array.shape}, this head on this encoder has {wanted[name]}")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite; train this model again")
    parameters, state = (
        {module: {leaf: restored[module][leaf] for leaf in leaves} for module, leaves in tree.items()}
        for tree in template
    )
    return parameters, state


def save_changes(directory: str | Path, changes: Mapping[str, np.ndarray]) -> None:
    """Save the trained arrays of an encoder with Orbax under `encoder/`."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((Path(directory) / "encoder").resolve(), dict(changes))


def load_changes(directory: str | Path) -> dict[str, np.ndarray]:
    """Restore the trained arrays {name: float32} of an encoder, which then compares names and shapes with its own.

    Raises `InputError` for a missing or broken checkpoint and a value that is not finite.
    """
    path = (Path(directory) / "encoder").resolve()
    found = {name: np.asarray(array) for name, array in _restored(path).items()}
    for name, array in found.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite float32; train this model again")
    return found


def _restored(path: Path) -> Any:
    if not path.is_dir():
        raise InputError(f"{path}: no such checkpoint; train this model again")
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            return checkpointer.restore(path)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"{path}: broken checkpoint ({error}); train this model again") from None
