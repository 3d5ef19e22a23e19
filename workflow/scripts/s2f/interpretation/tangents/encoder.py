"""Tangent of a head on an encoder that runs inside a compiled JAX step and has an option `precision`."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from s2f.embeddings import encoders
from s2f.interpretation.tangents import Tangent
from s2f.interpretation.tangents._frameworks import of_jax


def tangent(
    options: dict[str, Any], parameters: Any, head: Callable[..., Any], changes: Mapping[str, np.ndarray] | None = None
) -> Tangent:
    """Tangent of a head on the encoder of a config section, in float32; `changes` as `encoders.build` takes them."""
    encoder = encoders.build({**options, "precision": "float32"}, changes)
    embed = encoder.apply_one_hot
    assert embed is not None  # kinds with this gradient have it

    def function(both: Any, one_hot: Any) -> Any:
        frozen, trained = both
        return head(trained, embed(frozen, one_hot).astype(jnp.float32))

    return of_jax(function, (encoder.parameters, parameters))
