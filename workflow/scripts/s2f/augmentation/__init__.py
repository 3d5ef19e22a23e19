"""Augmentation modes: on which views of a batch the trainer takes gradient steps, one step per view.

A mode is a function ``views(key, tables, rows) -> (V, B, T, D)``: `tables` holds the embeddings that the job loaded
(`forward` and `reverse`, each (U, T, D)), `rows` (B,) points into them. It runs inside the compiled epoch. JAX is
loaded only by `build`.
"""

import importlib

from s2f.files import InputError

# mode -> caches that it reads, pairs of shift in bp and strand
VIEWS = {
    "none": ((0, "forward"),),
    "no_shift": ((0, "forward"), (0, "reverse")),
    "random_rc": ((0, "forward"), (0, "reverse")),
}


def module_of(name):
    """Dotted name of the module that defines mode `name`. Raises `InputError` for an unknown name."""
    if name not in VIEWS:
        raise InputError(f"augmentation {name!r} is unknown; known: {', '.join(VIEWS)}")
    return "s2f.augmentation.cached"


def build(name):
    """The view function of mode `name`. Raises `InputError` for an unknown name."""
    return getattr(importlib.import_module(module_of(name)), name)
