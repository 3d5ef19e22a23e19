"""Heads: small trainable networks on frozen embeddings (B, T, D), named by slug. JAX is loaded only by `build`."""

import functools
import re
from collections.abc import Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError


def module_of(slug: str) -> str:
    """Dotted name of the module that defines head `slug`. Raises `InputError` for an unknown slug."""
    return kinds.module_name("heads", _match(slug)[0])


def family(slug: str) -> str:
    """Heads of one family have the same parameters and differ in the last step only: they may train in one program.

    Those are the sum, mean and max of one network per token; any other head is a family of its own.
    """
    kind, _ = _match(slug)
    match = re.fullmatch(kinds.facts("heads", kind)["family"] or "(?!)", slug)
    return f"{kind}: {'-'.join(match.groups())}" if match else slug


def min_tokens(slug: str) -> int:
    """Fewest tokens T per window that head `slug` can read."""
    return kinds.facts("heads", _match(slug)[0])["min_tokens"]


def has(slug: str, fact: str) -> bool:
    """Whether head `slug` has a name of the pattern that a fact of its kind states, such as `largest_token`."""
    return re.fullmatch(kinds.facts("heads", _match(slug)[0])[fact] or "(?!)", slug) is not None


def check_tokens(slug: str, tokens: int) -> None:
    """Raise `InputError` where embeddings of `tokens` tokens per window are too short for head `slug`."""
    if tokens >= min_tokens(slug):
        return
    pooled = " (pooled vectors, or windows as long as a token: use linear-probe)" if tokens == 1 else ""
    raise InputError(f"{slug} needs {min_tokens(slug)} tokens per window or more, this encoder gives {tokens}{pooled}")


def fit(slug: str, tables: Sequence[Any], index: Any) -> dict[str, dict[str, Any]]:
    """The part of a head's state that the training rows determine before the first step: {module: {leaf: array}},
    empty for most heads. `tables`, one (U, T, D) per view, and `index` (N,) into each as in `examples.Examples`."""
    module = kinds.module("heads", _match(slug)[0])
    return module.fit(tables, index) if hasattr(module, "fit") else {}


def build(slugs: str | Sequence[str], dropout: float, precision: str = "float32") -> Any:
    """The head as a pair of pure functions (`haiku.TransformedWithState`).

    ``init(key, x, is_training=False) -> (parameters, state)``, both {module: {leaf: array}}, together the head's
    *variables*; ``apply(parameters, state, key, x, is_training, lane=0, weight=None) -> (y, state)`` with x float32
    (B, T, D) and y float32 (B,), a logit in a classification. The state holds what is measured and not trained, such
    as running statistics; most heads have none. `weight` (B,), needed in training, is 0 for rows that fill up a batch.
    `slugs` is one slug, or several of one `family`, of which the one at index `lane` is computed. `dropout` is the drop
    probability of hidden layers, active only in training (chip-cnn has rates of its own, linear-probe none);
    `precision` that of the factors of matrix products (see `layers.matmul`). Raises `InputError` for a slug that no
    family knows.
    """
    slugs = [slugs] if isinstance(slugs, str) else slugs
    slugs = slugs[:1] if len(set(slugs)) == 1 else slugs  # seeds of one head: nothing to pick
    if len({family(slug) for slug in slugs}) > 1:
        raise InputError(f"heads {', '.join(slugs)} are not of one family: they cannot be one network")
    parts = [_match(slug)[1] for slug in slugs]
    return kinds.module("heads", _match(slugs[0])[0]).build(parts, dropout, precision)


@functools.cache
def _match(slug: str) -> tuple[str, dict[str, str]]:
    """(kind, the named parts of the slug) of a head."""
    for kind in kinds.names("heads"):
        match = re.fullmatch(kinds.facts("heads", kind)["slug"], slug)
        if match:
            return kind, match.groupdict()
    known = ", ".join(kinds.facts("heads", kind)["names"] for kind in kinds.names("heads"))
    raise InputError(f"head {slug!r} is unknown; known: {known}")
