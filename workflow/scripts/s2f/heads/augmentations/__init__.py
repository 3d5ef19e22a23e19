"""Augmentation modes: the views of a batch on which the trainer takes gradient steps, one step per view.

A view is a shift of the window in bp (by re-cutting it from longer real flank, never by rolling) and a strand. Some
modes draw among views in embedding caches, and some cut new windows and run the frozen encoder inside the training
step; `hybrid` tosses a coin between the two for each batch. Each mode is a kind: a module with

* ``views(options)``: the caches that it reads, pairs of shift in bp and strand, `CANONICAL` first;
* ``draw(options)``: its draw, a function ``(key, low, high) -> Draw``, see `draws.Draw`, where `low` and `high` (B,)
  are the smallest and largest shift of each row in bp. Only this function loads JAX.
"""

from collections.abc import Callable, Mapping
from typing import Any

from s2f.common import kinds

View = tuple[int, str]  # shift in bp, strand
CANONICAL: View = (0, "forward")  # the view on which every head is validated
BOTH: tuple[View, ...] = (CANONICAL, (0, "reverse"))


def module_of(options: Mapping[str, Any]) -> str:
    """Dotted name of the module that defines the mode of a config section."""
    return kinds.module_name("augmentations", options["kind"])


def encodes(options: Mapping[str, Any]) -> bool:
    """Whether the mode runs the encoder in training."""
    return kinds.facts("augmentations", options["kind"])["encodes"]


def views(options: Mapping[str, Any]) -> tuple[View, ...]:
    """The caches that a mode reads: pairs of shift in bp and strand, `CANONICAL` first."""
    return kinds.module("augmentations", options["kind"]).views(options)


def build(options: Mapping[str, Any]) -> Callable:
    """The draw of a mode: a function ``draw(key, low, high) -> Draw``, see `draws.Draw`."""
    return kinds.module("augmentations", options["kind"]).draw(options)
