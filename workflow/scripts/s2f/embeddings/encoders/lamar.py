"""Encoder `lamar`: hidden states of one layer of LAMAR, a language model of RNA; one token per letter, or their mean.

Layers are numbered as transformers numbers hidden states: `layer00` are the embeddings, `layer06` is the output of the
sixth block, and the last one (`layer12`, or `layer04` of `lamar-mini`) has also passed the final normalisation. Blocks
above the chosen layer are cut off, so a middle layer costs half as much. All windows of a call have the same length, so
there is no padding to compute: `<cls>` and `<eos>` are added, seen by all letters, and removed from the result.
"""

import hashlib
from typing import Any

import numpy as np
import torch

from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.embeddings.encoders import Encoder, check_codes
from s2f.embeddings.encoders._hidden_states import array_of, backend, checked_layer, layer_name, room, round_once
from s2f.language_model import configuration, states, tokenizer
from s2f.language_model import weights as named_weights
from s2f.language_model.lamar import FAMILY

POOLINGS = ("tokens", "mean")


def build(spec: dict[str, Any]) -> Encoder:
    """Encoder of a config section.

    For options see `lamar.yaml`; without `layer`, it is the last one. With bfloat16, products are in bfloat16, for
    which weights are rounded once, and normalisations in float32 (autocast). Raises `InputError` for an unknown key or
    value and for weights that do not fit.
    """
    options = kinds.settings("encoders", "lamar", spec)
    size, attention, pooling = options["size"], options["attention"], options["pooling"]
    precision, batch_size = options["precision"], options["batch_size"]
    known = {"attention": configuration.ATTENTION, "pooling": POOLINGS}
    layer = checked_layer("encoder lamar", options, configuration.SIZES, known)
    device = torch_device()
    if attention == "flash_attention_2" and (device.type, precision) != ("cuda", "bfloat16"):
        raise InputError("encoder lamar: flash_attention_2 needs a CUDA device and precision bfloat16")
    config = configuration.make(size, attention)
    model, origin, licence = named_weights.load(
        FAMILY, "encoder lamar", options.get("weights"), config, size, options.get("licence", "")
    )
    return from_model(truncated(model, layer), pooling, precision, batch_size, device, origin, licence)


def truncated(model: torch.nn.Module, layer: int) -> torch.nn.Module:
    """The encoder up to `layer`: its last hidden state is `hidden_states[layer]` of the whole model; changes
    `model`."""
    if layer < len(model.encoder.layer):
        model.encoder.layer = model.encoder.layer[:layer]
        model.encoder.emb_layer_norm_after = None  # the final normalisation belongs to the last layer
    model.contact_head = None
    return model


def from_model(
    model: torch.nn.Module,
    pooling: str,
    precision: str,
    batch_size: int,
    device: torch.device,
    origin: str,
    licence: str,
) -> Encoder:
    """Encoder from a `truncated` model; `origin` says where its weights are from."""
    model = model.to(device).eval().requires_grad_(False)
    channels, layer = model.config.hidden_size, len(model.encoder.layer)
    half = precision == "bfloat16"
    text = f"lamar {layer_name(layer)} {pooling} {precision} {states.fingerprint(model)}"
    if half:
        round_once(model)

    def tokens(length: int) -> int:
        return length if pooling == "tokens" else 1

    def encode(codes: np.ndarray) -> np.ndarray:
        check_codes(codes)
        ids = tokenizer.ids_of_codes(codes)
        out = room((len(codes), tokens(codes.shape[1]), channels), half, device)
        for start in range(0, len(ids), batch_size):
            batch = torch.from_numpy(ids[start : start + batch_size]).to(device, torch.int64, non_blocking=True)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
                hidden = model(batch).last_hidden_state[:, 1:-1].float()
                out[start : start + batch_size] = hidden.mean(1, keepdim=True) if pooling == "mean" else hidden
        return array_of(out, half)

    return Encoder(
        kind="lamar",
        channels=channels,
        tokens=tokens,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        licence=licence,
        provenance=f"{origin}, {layer_name(layer)}",
        encode=encode,
        batch_size=batch_size,
        backend=backend(device, "transformers", attention=model.config._attn_implementation),
    )
