"""Weights of a head on disk: an Orbax tree of the head alone, compared with what the head expects before it is used."""

from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp

from s2f.files import InputError


def save_head(directory, parameters):
    """Save the parameters {module: {leaf: array}} of a head, and nothing else, with Orbax under `checkpoint/`."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((Path(directory) / "checkpoint").resolve(), parameters)


def load_head(directory, template):
    """Restore a head's parameters and compare every key and shape with `template`, a tree of shaped arrays.

    Raises `InputError` for a missing or broken checkpoint, a missing or unexpected array, another shape, or a value
    that is not finite.
    """
    path = (Path(directory) / "checkpoint").resolve()
    if not path.is_dir():
        raise InputError(f"{path}: no such checkpoint; train this model again")
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            restored = checkpointer.restore(path)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"{path}: broken checkpoint ({error}); train this model again") from None
    found = {f"{module}/{leaf}": np.asarray(a) for module, leaves in restored.items() for leaf, a in leaves.items()}
    wanted = {f"{module}/{leaf}": a.shape for module, leaves in template.items() for leaf, a in leaves.items()}
    for name in sorted(set(found) ^ set(wanted)):
        fault = "missing" if name in wanted else "unexpected"
        raise InputError(f"{path}: array {name} is {fault}: this is the checkpoint of another head")
    for name, array in found.items():
        if array.shape != wanted[name]:
            raise InputError(f"{path}: {name} has shape {array.shape}, this head on this encoder has {wanted[name]}")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite; train this model again")
    return restored
