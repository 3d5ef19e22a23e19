"""Models as functions of one-hot windows, with their gradient: `tangent(one_hot float32 (B, W, 4)) -> (values (B,),
gradient (B, W, 4))`, NumPy in and out. Positions may hold any four numbers: between one-hot and nothing, as integrated
gradients need.
"""

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

from s2f.baselines import malinois as malinois_baseline
from s2f.baselines import read_details
from s2f.baselines._malinois_network import KERNELS, POOLS
from s2f.common.devices import torch_device
from s2f.embeddings import encoders


def alphagenome(spec, parameters, head):
    """Tangent of a head on AlphaGenome's encoder, in float32."""
    encoder = encoders.build({**spec, "precision": "float32"})

    def function(both, one_hot):
        frozen, own = both
        return head(own, encoder.apply_one_hot(frozen, one_hot).astype(jnp.float32))

    return _of_jax(function, (encoder.parameters, parameters))


def onehot(spec, parameters, head):
    """Tangent of a head that reads one-hot windows."""
    return _of_jax(head, parameters)


def _of_jax(function, parameters):
    @jax.jit
    def values_and_gradient(parameters, one_hot):
        values, pull = jax.vjp(lambda x: function(parameters, x), one_hot)
        return values, pull(jnp.ones_like(values))[0]

    def tangent(one_hot):
        return tuple(np.asarray(array) for array in values_and_gradient(parameters, one_hot))

    return tangent


def lamar(spec, parameters, head):
    """Tangent of a head on LAMAR: torch computes the hidden states, JAX the head; the gradient of the head with respect
    to the hidden states is what torch propagates back. Always in float32."""
    from s2f.embeddings.encoders import lamar as family
    from s2f.language_model import configuration, weights

    size = spec.get("size", "lamar")
    config = configuration.make(size, _attention_in_float32(spec.get("attention", "sdpa")))
    model, *_ = weights.load("encoder lamar", spec.get("weights"), config, size, spec.get("licence", ""))
    layer = spec.get("layer", configuration.SIZES[size]["num_hidden_layers"])
    device = torch_device()
    model = family.truncated(model, layer).to(device).eval().requires_grad_(False)
    of_hidden = _of_jax(head, parameters)

    def tangent(one_hot):
        x = torch.from_numpy(one_hot).to(device).requires_grad_()
        hidden = model(inputs_embeds=letters_embedded(model, x)).last_hidden_state[:, 1:-1]
        if spec.get("pooling", "tokens") == "mean":
            hidden = hidden.mean(1, keepdim=True)
        values, cotangent = of_hidden(hidden.detach().cpu().numpy())
        hidden.backward(torch.tensor(cotangent, device=device))
        return values, x.grad.cpu().numpy()

    return tangent


def _attention_in_float32(attention):
    """Flash attention knows no float32."""
    return attention.replace("flash_attention_2", "sdpa")


def letters_embedded(model, one_hot):
    """Input embeddings (B, L + 2, D) of letters given as torch (B, L, 4) in the order A, C, G, T; between `<cls>` and
    `<eos>`. Four zeros are a vector of zeros, not the letter N."""
    from s2f.language_model.tokenizer import CLS, EOS, ids_of_codes

    table = model.get_input_embeddings().weight
    letters = one_hot @ table[torch.from_numpy(ids_of_codes(np.arange(4, dtype=np.uint8)[None])[0, 1:-1]).long()]
    ends = [table[name].expand(len(one_hot), 1, -1) for name in (CLS, EOS)]
    return torch.cat([ends[0], letters, ends[1]], dim=1)


def _of_torch(network, device):
    """Tangent of a torch function of (B, W, 4)."""

    def tangent(one_hot):
        x = torch.from_numpy(one_hot).to(device).requires_grad_()
        values = network(x)
        values.sum().backward()
        return values.detach().cpu().numpy(), x.grad.cpu().numpy()

    return tangent


def malinois(directory, record, construct):
    """Tangent of Malinois, in float32. Its fast first stage reads codes and has no gradient for them: here the plain
    one stands in its place."""
    network, settings = malinois_baseline.load_network(directory, construct, "float32")
    network.eval().requires_grad_(False)
    first, norm = network.conv1.conv, network.conv1.bn_layer

    def first_stage(one_hot):
        x = F.conv1d(one_hot.transpose(1, 2), first.weight, first.bias, padding=KERNELS[0] // 2).unsqueeze(2)
        return F.relu(F.max_pool2d(norm(x), (1, POOLS[0])))

    network._first_stage = first_stage
    return _of_torch(lambda x: network(x)[:, settings.place()], first.weight.device)


malinois_published = malinois


def lamar_finetuned(directory, record, construct):
    """Tangent of a fine-tuned LAMAR, in float32."""
    from s2f.baselines.lamar_finetuned import load_model
    from s2f.interpretation.logits import value_of_logits

    details = read_details(directory)
    model, settings = load_model(directory, details, _attention_in_float32(details["settings"]["attention"]))
    model.eval().requires_grad_(False)
    value = value_of_logits(details, settings)
    return _of_torch(lambda x: value(model(inputs_embeds=letters_embedded(model, x)).logits), model.device)
