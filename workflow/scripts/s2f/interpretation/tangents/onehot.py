"""Tangent of a head that reads one-hot windows."""

from collections.abc import Callable
from typing import Any

from s2f.interpretation.tangents import Tangent
from s2f.interpretation.tangents._frameworks import of_jax


def tangent(options: dict[str, Any], parameters: Any, head: Callable[..., Any]) -> Tangent:
    """Tangent of a head that reads one-hot windows."""
    return of_jax(head, parameters)
