"""Heads: small trainable networks on frozen embeddings (B, T, D), named by slug. JAX is loaded by `build` and `solve`.

Most are trained in epochs (`s2f.heads.training`). If the fact `epochs` of a kind is false, its module has a function
``solve(train, val, task, options, memory, report) -> (variables, validation score or None, table of what was tried)``
instead, which takes `examples.Examples` and the options of the kind; the first column of the table is the penalties.
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
    """The options of a head that is solved, from its entry in a study, with the defaults of its kind. Raises
    `InputError` for a key that it does not have."""
    return kinds.settings("heads", _match(slug)[0], dict(entry))


def schema(slug: str) -> dict[str, Any]:
    """The schema of the kind of head `slug`."""
    return kinds.schema("heads", _match(slug)[0])


def family(slug: str) -> str:
    """Heads of one family have the same parameters and differ only in the last step, so they may train in one program.

    The sum, mean and max of one network per token form such a family; any other head is a family by itself.
    """
    match = re.fullmatch(facts(slug)["family"] or "(?!)", slug)
    return f"{_match(slug)[0]}: {'-'.join(match.groups())}" if match else slug


def min_tokens(slug: str) -> int:
    """Smallest number of tokens T per window that head `slug` can read."""
    return facts(slug)["min_tokens"]


def has(slug: str, fact: str) -> bool:
    """Whether the name of head `slug` matches the pattern stated by a fact of its kind, such as `largest_token`."""
    return re.fullmatch(kinds.facts("heads", _match(slug)[0])[fact] or "(?!)", slug) is not None


def several_outputs(slug: str) -> bool:
    """Whether head `slug` can have one output per cell."""
    return facts(slug)["cells"]


def check_tokens(slug: str, tokens: int) -> None:
    """Raise `InputError` if embeddings of `tokens` tokens per window are too short for head `slug`."""
    if tokens >= min_tokens(slug):
        return
    pooled = " (pooled vectors, or windows as long as a token: use linear-probe)" if tokens == 1 else ""
    raise InputError(
        f"{slug} needs at least {min_tokens(slug)} tokens per window, but this encoder gives {tokens}{pooled}"
    )


def solve(slug: str, *arguments: Any) -> tuple[tuple[Any, Any], float | None, Any]:
    """The result of `solve` in the module of a head that is solved."""
    return kinds.module("heads", _match(slug)[0]).solve(*arguments)


def build(slugs: str | Sequence[str], dropout: float, precision: str = "float32", outputs: int = 1) -> Any:
    """The head as a pair of pure functions (`haiku.TransformedWithState`).

    ``init(key, x, is_training=False) -> (parameters, state)``, both {module: {leaf: array}}, together the head's
    *variables*; ``apply(parameters, state, key, x, is_training, lane=0, weight=None) -> (y, state)`` with x float32
    (B, T, D) and y float32 (B,), a logit in a classification. The state holds values that are measured and not trained,
    such as running statistics; most heads have none. `weight` (B,), needed in training, is 0 for rows that fill up a
    batch. `slugs` is one slug, or several of one `family`, of which the one at index `lane` is computed. `dropout` is
    the drop probability of hidden layers, used only in training (chip-cnn has its own rates, linear-probe none);
    `precision` applies to the factors of matrix products (see `layers.matmul`). With several `outputs`, for kinds that
    can have them, y is (B, outputs). Raises `InputError` for a slug that no family knows and for several outputs of a
    kind with one.
    """
    slugs = [slugs] if isinstance(slugs, str) else slugs
    slugs = slugs[:1] if len(set(slugs)) == 1 else slugs  # seeds of one head: nothing to pick
    if len({family(slug) for slug in slugs}) > 1:
        raise InputError(f"heads {', '.join(slugs)} are not of one family, so they cannot be trained in one network")
    kind, parts = _match(slugs[0])[0], [_match(slug)[1] for slug in slugs]
    if outputs > 1 and not several_outputs(slugs[0]):
        raise InputError(f"head {slugs[0]!r} has one output, but {outputs} were asked for")
    # a kind with a single output need not know the number
    return kinds.module("heads", kind).build(parts, dropout, precision, *([outputs] if outputs > 1 else []))


def rescaled(slug: str, variables: tuple[Any, Any], shape: Sequence[int], factor: float, term: Any) -> Any:
    """The variables of a head that predicts `factor` > 0 times the predictions of `variables`, plus `term` (a number,
    or one for each output), on embeddings of `shape` (T, D).

    Every head ends in a linear map, module `output`, and some heads add up its bias over tokens: with weights 0 and
    bias 1, the output of the head says how much a prediction follows the bias.
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
    raise InputError(f"head {slug!r} is unknown{kinds.near(slug, _like(slug)) or ';'} known: {known}")


def _like(slug: str) -> list[str]:
    """A head of every form in the `names` of all kinds, with the widths of `slug` if they fit, else of the example."""
    numbers, found = re.compile(r"\d+(-\d+)*"), []
    for kind in kinds.names("heads"):
        facts = kinds.facts("heads", kind)
        form, _, example = facts["names"].partition(" such as ")
        choice = re.search(r"\((.*)\)", form)
        for option in choice[1].split("|") if choice else [""]:
            of_option = form.replace(choice[0], option) if choice else form
            widths = [match[0] for match in map(numbers.search, (slug, example)) if match] or [""]
            filled = [re.sub("[A-Z]+", width, of_option) for width in widths]
            found += [name for name in filled if re.fullmatch(facts["slug"], name)][:1]
    return found
