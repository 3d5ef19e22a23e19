"""Tangents of functions in JAX and in torch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from s2f.interpretation.tangents import Tangent


def weighted(outputs: Any, weights: Any) -> Any:
    """The values (B,) whose gradient is taken, from outputs (B, C) and weights (B, C) or None; see `Tangent`."""
    return outputs[:, 0] if weights is None else (outputs * weights).sum(1)


def of_jax(function: Callable[..., Any], parameters: Any) -> Tangent:
    """Tangent of a JAX function, `function(parameters, windows)` -> (B, C), which ignores the strand."""
    forward = jax.jit(function)

    @jax.jit
    def outputs_and_gradient(parameters, one_hot, weights):
        def values_and_outputs(x):
            outputs = function(parameters, x)
            return weighted(outputs, weights), outputs

        values, pull, outputs = jax.vjp(values_and_outputs, one_hot, has_aux=True)
        return outputs, pull(jnp.ones_like(values))[0]

    def outputs(one_hot: np.ndarray, strand: str) -> np.ndarray:
        return np.asarray(forward(parameters, one_hot))

    def gradient(one_hot: np.ndarray, strand: str, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        found, slope = outputs_and_gradient(parameters, one_hot, weights)
        return np.asarray(found), np.asarray(slope)

    return Tangent(outputs, gradient)


def of_torch(network: Callable[[torch.Tensor, str], torch.Tensor], device: torch.device) -> Tangent:
    """Tangent of a torch function of windows (B, W, 4) and their strand -> (B, C)."""

    @torch.no_grad()
    def outputs(one_hot: np.ndarray, strand: str) -> np.ndarray:
        return network(torch.from_numpy(one_hot).to(device), strand).cpu().numpy()

    def gradient(one_hot: np.ndarray, strand: str, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        x = torch.from_numpy(one_hot).to(device).requires_grad_()
        found = network(x, strand)
        weighted(found, None if weights is None else torch.from_numpy(weights).to(device)).sum().backward()
        return found.detach().cpu().numpy(), x.grad.cpu().numpy()

    return Tangent(outputs, gradient)
