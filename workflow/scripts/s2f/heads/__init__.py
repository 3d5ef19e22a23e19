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


def family(slug):
    """Heads of one family have the same parameters and differ in the last step only: they may train in one program.

    Those are the sum, mean and max of one network per token; any other head is a family of its own.
    """
    _, match = _match(slug)
    return re.sub(r"^boda-(sum|mean|max)-", "boda-pooled-", match[0])


def build(slugs, dropout, precision="float32"):
    """The head as a pair of pure functions (`haiku.Transformed`).

    ``init(key, x, is_training=False) -> parameters``, ``apply(parameters, key, x, is_training, lane=0) -> (B,)``; x is
    float32 (B, T, D). `slugs` is one slug, or several of one `family`, of which `lane`, their place, is computed.
    `dropout` is the drop probability of hidden layers, active only in training; `precision` that of the factors of
    matrix products (see `layers.matmul`). Raises `InputError` for a slug that no family knows.
    """
    slugs = [slugs] if isinstance(slugs, str) else slugs
    slugs = slugs[:1] if len(set(slugs)) == 1 else slugs  # seeds of one head: nothing to pick
    if len({family(slug) for slug in slugs}) > 1:
        raise InputError(f"heads {', '.join(slugs)} are not of one family: they cannot be one network")
    module, match = _match(slugs[0])
    parts = match.groupdict()
    if "reduction" in parts:
        del parts["reduction"]
        parts["reductions"] = tuple(_match(slug)[1]["reduction"] for slug in slugs)
    return importlib.import_module(f"s2f.heads.{module}").build(dropout=dropout, precision=precision, **parts)


def _match(slug):
    for module, pattern in SLUGS.items():
        match = pattern.fullmatch(slug)
        if match:
            return module, match
    raise InputError(
        f"head {slug!r} is unknown; known: boda-(flatten|sum|mean|max|center)-WIDTHS such as boda-flatten-512-512, "
        "encoder-WIDTH-dropout such as encoder-1024-dropout"
    )
