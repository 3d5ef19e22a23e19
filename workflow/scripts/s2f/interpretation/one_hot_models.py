"""Models as functions of one-hot windows, with their gradient: `tangent(one_hot float32 (B, W, 4)) -> (values (B,),
gradient (B, W, 4))`, NumPy in and out. Positions may hold any four numbers: between one-hot and nothing, as integrated
gradients need.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

from s2f import encoders
from s2f.baselines import malinois as malinois_baseline
from s2f.baselines import read_details
from s2f.baselines._malinois_network import KERNELS, POOLS, Malinois, load_weights


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
    from s2f.encoders import lamar as family
    from s2f.language_model import configuration

    size = spec.get("size", "lamar")
    model, *_ = family.weights(spec, size, spec.get("attention", "sdpa").replace("flash_attention_2", "sdpa"))
    layer = spec.get("layer", configuration.SIZES[size]["num_hidden_layers"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    details, path = read_details(directory), Path(directory) / "weights.pt"
    settings = malinois_baseline.Settings(
        outputs=tuple(details["outputs"]), output=details["output"], **details["widths"]
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Malinois(construct.length, settings)
    load_weights(network, torch.load(path, map_location="cpu", weights_only=True), path)
    network = network.to(device).eval().requires_grad_(False)
    first, norm = network.conv1.conv, network.conv1.bn_layer

    def first_stage(one_hot):
        x = F.conv1d(one_hot.transpose(1, 2), first.weight, first.bias, padding=KERNELS[0] // 2).unsqueeze(2)
        return F.relu(F.max_pool2d(norm(x), (1, POOLS[0])))

    network._first_stage = first_stage
    return _of_torch(lambda x: network(x)[:, settings.place()], device)


malinois_published = malinois


def finetuned(directory):
    """(model, value) of a fine-tuned LAMAR, float32: `value` takes logits (B, outputs) to the difference between the
    classes, or to the predicted values of a regression (B,)."""
    from s2f.language_model import configuration, finetuning, loading

    details = read_details(directory)
    settings = finetuning.Settings.from_spec(details["settings"])
    outputs, problem = finetuning.TASKS[settings.labels][:2]
    config = configuration.make(settings.size, num_labels=outputs, problem_type=problem)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = loading.from_folder(directory, config, "classification").to(device).eval().requires_grad_(False)
    if settings.labels == "regression":
        return model, lambda logits: details["centre"] + details["scale"] * logits[:, 0]
    return model, lambda logits: logits[:, 1] - logits[:, 0]


def lamar_finetuned(directory, record, construct):
    """Tangent of a fine-tuned LAMAR, in float32."""
    model, value = finetuned(directory)
    return _of_torch(lambda x: value(model(inputs_embeds=letters_embedded(model, x)).logits), model.device)
