"""Tangent of a head on LAMAR."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.interpretation.tangents import Tangent
from s2f.interpretation.tangents._frameworks import of_jax


def tangent(options: dict[str, Any], parameters: Any, head: Callable[..., Any]) -> Tangent:
    """Tangent of a head on LAMAR: torch computes the hidden states and JAX the head; torch propagates the head's
    gradient with respect to the hidden states back to the input. Always in float32."""
    from s2f.embeddings.encoders import lamar as family
    from s2f.language_model import configuration, weights
    from s2f.language_model.lamar import FAMILY

    options = kinds.settings("encoders", "lamar", options)
    size = options["size"]
    config = configuration.make(size, attention_in_float32(options["attention"]))
    model, *_ = weights.load(FAMILY, "encoder lamar", options.get("weights"), config, size, options.get("licence", ""))
    layer = options.get("layer", configuration.SIZES[size]["num_hidden_layers"])
    device = torch_device()
    model = family.truncated(model, layer).to(device).eval().requires_grad_(False)
    of_hidden = of_jax(head, parameters)

    def hidden_states(x: torch.Tensor) -> torch.Tensor:
        hidden = model(inputs_embeds=letters_embedded(model, x)).last_hidden_state[:, 1:-1]
        return hidden.mean(1, keepdim=True) if options["pooling"] == "mean" else hidden

    @torch.no_grad()
    def outputs(one_hot: np.ndarray, strand: str) -> np.ndarray:
        return of_hidden.outputs(hidden_states(torch.from_numpy(one_hot).to(device)).cpu().numpy(), strand)

    def gradient(one_hot: np.ndarray, strand: str, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        x = torch.from_numpy(one_hot).to(device).requires_grad_()
        hidden = hidden_states(x)
        found, cotangent = of_hidden.gradient(hidden.detach().cpu().numpy(), strand, weights)
        hidden.backward(torch.tensor(cotangent, device=device))
        return found, x.grad.cpu().numpy()

    return Tangent(outputs, gradient)


def attention_in_float32(attention: str) -> str:
    """Replace flash attention, which does not support float32."""
    return attention.replace("flash_attention_2", "sdpa")


def letters_embedded(model: torch.nn.Module, one_hot: torch.Tensor) -> torch.Tensor:
    """Input embeddings (B, L + 2, D) of letters (B, L, 4) in the order A, C, G, T, between `<cls>` and `<eos>`. Four
    zeros give a vector of zeros, not the letter N."""
    from s2f.language_model.tokenizer import CLS, EOS, ids_of_codes

    table = model.get_input_embeddings().weight
    letters = one_hot @ table[torch.from_numpy(ids_of_codes(np.arange(4, dtype=np.uint8)[None])[0, 1:-1]).long()]
    ends = [table[name].expand(len(one_hot), 1, -1) for name in (CLS, EOS)]
    return torch.cat([ends[0], letters, ends[1]], dim=1)
