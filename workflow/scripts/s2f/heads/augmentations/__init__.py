"""Augmentation modes: on which views of a batch the trainer takes gradient steps, one step per view.

A view is a shift of the window in bp (by re-cutting it from longer real flank, never by rolling) and a strand. Cached
modes draw among views that stand in embedding caches, encoded modes cut new windows and run the frozen encoder inside
the training step; `hybrid` does either by a coin per batch. This module knows names and options only; the draws are in
`cached` and `encoded`, which load JAX.
"""

import importlib

from s2f.common.errors import InputError

CANONICAL = (0, "forward")  # the view on which every head is validated
BOTH = (CANONICAL, (0, "reverse"))
# kind -> module of this package that draws it
MODULES = {
    "none": "cached", "no_shift": "cached", "random_rc": "cached", "multi_shift": "cached",
    "full": "encoded", "compact": "encoded", "hybrid": "encoded",
}  # fmt: skip


def module_of(spec):
    """Dotted name of the module that defines the mode of a config section."""
    return f"s2f.heads.augmentations.{MODULES[spec['kind']]}"


def encodes(spec):
    """Whether the mode runs the encoder in training."""
    return MODULES[spec["kind"]] == "encoded"


def views(spec):
    """The caches that a mode reads: pairs of shift in bp and strand, `CANONICAL` first."""
    if spec["kind"] in ("none", "full", "compact"):
        return (CANONICAL,)
    if spec["kind"] == "multi_shift":
        return tuple((shift, strand) for strand in ("forward", "reverse") for shift in shifts(spec))
    return BOTH


def shifts(spec):
    """The shifts of mode `multi_shift` in bp: 0, then the others of an even ladder from -reach to +reach."""
    half = spec["shifts"] // 2
    if spec["shifts"] % 2 == 0 or spec["reach"] < half:
        raise InputError(
            f"augmentation multi_shift: {spec['shifts']} shifts within +-{spec['reach']} bp, expected an odd number "
            f"(0 and as many to either side) of at most {2 * spec['reach'] + 1}"
        )
    ladder = [round(spec["reach"] * step / half) for step in range(1, half + 1)]
    return (0, *(shift for step in ladder for shift in (-step, step)))


def build(spec):
    """The draw of a mode: a function ``draw(key, low, high) -> Draw``, see `draws.Draw`."""
    return getattr(importlib.import_module(module_of(spec)), spec["kind"])(spec)
