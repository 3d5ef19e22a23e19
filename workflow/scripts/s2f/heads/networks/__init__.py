"""Heads: small trainable networks on frozen embeddings (B, T, D), named by slug. JAX is loaded only by `build`."""

import importlib
import re

from s2f.common.errors import InputError

# module of this package -> pattern of the slugs it builds
SLUGS = {
    "boda": re.compile(r"boda-(?P<reduction>flatten|sum|mean|max|center)-(?P<widths>[1-9]\d*(-[1-9]\d*)*)"),
    "encoder_mlp": re.compile(r"encoder-(?P<width>[1-9]\d*)-dropout"),
    "chip_cnn": re.compile(r"chip-cnn"),
    "linear_probe": re.compile(r"linear-probe"),
}
MIN_TOKENS = {"chip_cnn": 32}  # of modules that need more than one: pools of 4, 4 and 2 tokens


def module_of(slug):
    """Dotted name of the module that defines head `slug`. Raises `InputError` for an unknown slug."""
    return f"s2f.heads.networks.{_match(slug)[0]}"


def family(slug):
    """Heads of one family have the same parameters and differ in the last step only: they may train in one program.

    Those are the sum, mean and max of one network per token; any other head is a family of its own.
    """
    _, match = _match(slug)
    return re.sub(r"^boda-(sum|mean|max)-", "boda-pooled-", match[0])


def min_tokens(slug):
    """Fewest tokens T per window that head `slug` can read."""
    return MIN_TOKENS.get(_match(slug)[0], 1)


def check_tokens(slug, tokens):
    """Raise `InputError` where embeddings of `tokens` tokens per window are too short for head `slug`."""
    if tokens >= min_tokens(slug):
        return
    pooled = " (pooled vectors, or windows as long as a token: use linear-probe)" if tokens == 1 else ""
    raise InputError(f"{slug} needs {min_tokens(slug)} tokens per window or more, this encoder gives {tokens}{pooled}")


def fit(slug, tables, index):
    """The part of a head's state that the training rows determine before the first step: {module: {leaf: array}},
    empty for most heads. `tables`, one (U, T, D) per view, and `index` (N,) into each as in `examples.Examples`."""
    module = importlib.import_module(module_of(slug))
    return module.fit(tables, index) if hasattr(module, "fit") else {}


def build(slugs, dropout, precision="float32"):
    """The head as a pair of pure functions (`haiku.TransformedWithState`).

    ``init(key, x, is_training=False) -> (parameters, state)``, both {module: {leaf: array}}, together the head's
    *variables*; ``apply(parameters, state, key, x, is_training, lane=0, weight=None) -> (y, state)`` with x float32
    (B, T, D) and y float32 (B,), a logit in a classification. The state holds what is measured and not trained, such
    as running statistics; most heads have none. `weight` (B,), needed in training, is 0 for rows that fill up a batch.
    `slugs` is one slug, or several of one `family`, of which `lane`, their place, is computed. `dropout` is the drop
    probability of hidden layers, active only in training (chip-cnn has rates of its own, linear-probe none);
    `precision` that of the factors of matrix products (see `layers.matmul`). Raises `InputError` for a slug that no
    family knows.
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
    return importlib.import_module(f"s2f.heads.networks.{module}").build(dropout=dropout, precision=precision, **parts)


def _match(slug):
    for module, pattern in SLUGS.items():
        match = pattern.fullmatch(slug)
        if match:
            return module, match
    raise InputError(
        f"head {slug!r} is unknown; known: boda-(flatten|sum|mean|max|center)-WIDTHS such as boda-flatten-512-512, "
        "encoder-WIDTH-dropout such as encoder-1024-dropout, chip-cnn, linear-probe"
    )
