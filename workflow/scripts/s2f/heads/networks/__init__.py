"""Heads: small trainable networks on frozen embeddings (B, T, D), named by slug. JAX is loaded by `build` and `solve`.

Most are trained in epochs (`s2f.heads.training`). The module of a kind whose fact `epochs` is false has a function
``solve(train, val, task, options, memory, report) -> (variables, validation score or None, table of what was tried)``
instead, of `examples.Examples` and the options of the kind; the first column of the table are the penalties.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from s2f.common import kinds
from s2f.common.errors import InputError


def kind_of(slug: str) -> str:
    """Kind of head `slug`. Raises `InputError` for an unknown slug."""
    return _match(slug)[0]


def module_of(slug: str) -> str:
    """Dotted name of the module that defines head `slug`. Raises `InputError` for an unknown slug."""
    return kinds.module_name("heads", _match(slug)[0])


def facts(slug: str) -> dict[str, Any]:
    """The facts of the kind of head `slug`. Raises `InputError` for an unknown slug."""
    return kinds.facts("heads", _match(slug)[0])


def options(slug: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a head that is solved, from its entry of a study, with the defaults of its kind. Raises
    `InputError` for a key that it does not have."""
    return kinds.settings("heads", _match(slug)[0], dict(entry))


def schema(slug: str) -> dict[str, Any]:
    """The schema of the kind of head `slug`."""
    return kinds.schema("heads", _match(slug)[0])


def family(slug: str) -> str:
    """Heads of one family have the same parameters and differ in the last step only: they may train in one program.

    Those are the sum, mean and max of one network per token; any other head is a family of its own.
    """
    match = re.fullmatch(facts(slug)["family"] or "(?!)", slug)
    return f"{_match(slug)[0]}: {'-'.join(match.groups())}" if match else slug


def min_tokens(slug: str) -> int:
    """Fewest tokens T per window that head `slug` can read."""
    return facts(slug)["min_tokens"]


def has(slug: str, fact: str) -> bool:
    """Whether head `slug` has a name of the pattern that a fact of its kind states, such as `largest_token`."""
    return re.fullmatch(kinds.facts("heads", _match(slug)[0])[fact] or "(?!)", slug) is not None


def several_outputs(slug: str) -> bool:
    """Whether head `slug` can have an output for each cell."""
    return facts(slug)["cells"]


def check_tokens(slug: str, tokens: int) -> None:
    """Raise `InputError` where embeddings of `tokens` tokens per window are too short for head `slug`."""
    if tokens >= min_tokens(slug):
        return
    pooled = " (pooled vectors, or windows as long as a token: use linear-probe)" if tokens == 1 else ""
    raise InputError(f"{slug} needs {min_tokens(slug)} tokens per window or more, this encoder gives {tokens}{pooled}")


def solve(slug: str, *arguments: Any) -> tuple[tuple[Any, Any], float | None, Any]:
    """What `solve` of the module of a head that is solved gives."""
    return kinds.module("heads", _match(slug)[0]).solve(*arguments)


def build(slugs: str | Sequence[str], dropout: float, precision: str = "float32", outputs: int = 1) -> Any:
    """The head as a pair of pure functions (`haiku.TransformedWithState`).

    ``init(key, x, is_training=False) -> (parameters, state)``, both {module: {leaf: array}}, together the head's
    *variables*; ``apply(parameters, state, key, x, is_training, lane=0, weight=None) -> (y, state)`` with x float32
    (B, T, D) and y float32 (B,), a logit in a classification. The state holds what is measured and not trained, such
    as running statistics; most heads have none. `weight` (B,), needed in training, is 0 for rows that fill up a batch.
    `slugs` is one slug, or several of one `family`, of which the one at index `lane` is computed. `dropout` is the drop
    probability of hidden layers, active only in training (chip-cnn has rates of its own, linear-probe none);
    `precision` that of the factors of matrix products (see `layers.matmul`). With several `outputs`, of kinds that have
    them, y is (B, outputs). Raises `InputError` for a slug that no family knows and for outputs of a kind that has one.
    """
    slugs = [slugs] if isinstance(slugs, str) else slugs
    slugs = slugs[:1] if len(set(slugs)) == 1 else slugs  # seeds of one head: nothing to pick
    if len({family(slug) for slug in slugs}) > 1:
        raise InputError(f"heads {', '.join(slugs)} are not of one family: they cannot be one network")
    kind, parts = _match(slugs[0])[0], [_match(slug)[1] for slug in slugs]
    if outputs > 1 and not several_outputs(slugs[0]):
        raise InputError(f"head {slugs[0]!r} has one output, {outputs} are asked for")
    # a kind that has one output need not know of their number
    return kinds.module("heads", kind).build(parts, dropout, precision, *([outputs] if outputs > 1 else []))


def rescaled(slug: str, variables: tuple[Any, Any], shape: Sequence[int], factor: float, term: Any) -> Any:
    """The variables of the head that predicts what `variables` do times `factor` > 0 plus `term`, a number or one for
    each output, on embeddings of `shape` (T, D).

    Every head ends in a linear map, module `output`, whose bias some add up over tokens: by how much a prediction
    follows the bias is what the head gives for weights 0 and bias 1.
    """
    import jax.numpy as jnp

    parameters, state = variables
    w, b = parameters["output"]["w"], parameters["output"]["b"]
    unit = {**parameters, "output": {"w": jnp.zeros_like(w), "b": jnp.ones_like(b)}}
    network = build(slug, 0.0, outputs=b.shape[-1])
    follows, _ = network.apply(unit, state, None, jnp.zeros((1, *shape)), is_training=False)
    return {**parameters, "output": {"w": w * factor, "b": b * factor + term / follows[0]}}, state


@functools.cache
def _match(slug: str) -> tuple[str, dict[str, str]]:
    """(kind, the named parts of the slug) of a head."""
    for kind in kinds.names("heads"):
        match = re.fullmatch(kinds.facts("heads", kind)["slug"], slug)
        if match:
            return kind, match.groupdict()
    known = ", ".join(kinds.facts("heads", kind)["names"] for kind in kinds.names("heads"))
    raise InputError(f"head {slug!r} is unknown; known: {known}")
