"""Tangents of functions in JAX and in torch."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from s2f.interpretation.tangents import Tangent


def of_jax(function: Callable[..., Any], parameters: Any) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Tangent of a JAX function, which ignores the strand."""

    @jax.jit
    def values_and_gradient(parameters, one_hot):
        values, pull = jax.vjp(lambda x: function(parameters, x), one_hot)
        return values, pull(jnp.ones_like(values))[0]

    def tangent(one_hot: np.ndarray, strand: str = "forward") -> tuple[np.ndarray, np.ndarray]:
        values, gradient = values_and_gradient(parameters, one_hot)
        return np.asarray(values), np.asarray(gradient)

    return tangent


def of_torch(network: Callable[[torch.Tensor, str], torch.Tensor], device: torch.device) -> Tangent:
    """Tangent of a torch function of windows (B, W, 4) and their strand."""

    def tangent(one_hot: np.ndarray, strand: str) -> tuple[np.ndarray, np.ndarray]:
        x = torch.from_numpy(one_hot).to(device).requires_grad_()
        values = network(x, strand)
        values.sum().backward()
        return values.detach().cpu().numpy(), x.grad.cpu().numpy()

    return tangent
