"""Heads: small trainable networks on frozen embeddings (B, T, D), named by slug. JAX is loaded only by `build`."""

import importlib
import re

from s2f.files import InputError

# module of this package -> pattern of the slugs it builds
SLUGS = {
    "boda": re.compile(r"boda-(?P<reduction>flatten|sum|mean|max|center)-(?P<widths>[1-9]\d*(-[1-9]\d*)*)"),
    "encoder_mlp": re.compile(r"encoder-(?P<width>[1-9]\d*)-dropout"),
}


def module_of(slug):
    """Dotted name of the module that defines head `slug`. Raises `InputError` for an unknown slug."""
    return f"s2f.heads.{_match(slug)[0]}"


def build(slug, dropout):
    """The head as a pair of pure functions (`haiku.Transformed`).

    ``init(key, x, is_training=False) -> parameters``, ``apply(parameters, key, x, is_training) -> (B,)``; x is
    float32 (B, T, D). `dropout` is the drop probability of hidden layers, active only in training. Raises
    `InputError` for a slug that no family knows.
    """
    module, match = _match(slug)
    return importlib.import_module(f"s2f.heads.{module}").build(dropout=dropout, **match.groupdict())


def _match(slug):
    for module, pattern in SLUGS.items():
        match = pattern.fullmatch(slug)
        if match:
            return module, match
    raise InputError(
        f"head {slug!r} is unknown; known: boda-(flatten|sum|mean|max|center)-WIDTHS such as boda-flatten-512-512, "
        "encoder-WIDTH-dropout such as encoder-1024-dropout"
    )
