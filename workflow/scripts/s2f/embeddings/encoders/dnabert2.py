"""Encoder `dnabert2`: hidden states of one layer of DNABERT-2, pooled, or spread over the bases of a window.

The pieces that DNABERT-2 reads differ from window to window, also in number (20 to 25 for 101 random bases). An
embedding cannot use them as its tokens, whose number T depends only on the length of the window. There are two ways:

* `pooling: mean`, T = 1: the mean over the pieces of a window. `[CLS]`, `[SEP]` and `[UNK]`, one for each N, do not
  count (as in maxlwnii/tapt; a run of N would outweigh the bases, of which a piece has five on average). If a window
  has no letter but N, its mean is taken over the `[UNK]`.
* `pooling: bases`, T = L: each base has the state of the piece that covers it, and each N that of its `[UNK]`. Heads
  that read sequences of tokens can then be compared with heads on other encoders. No detail is finer than a piece.

Layers are numbered as for LAMAR: `layer00` are the embeddings, `layer12` is the output of the last block; layers above
the chosen one are not computed. All windows of a batch have the same number of tokens, so there is no padding to
compute and a window has the same embedding in any batch (up to the rounding of matrix products of other sizes). The
model sets no limit to the length of a window.
"""

import hashlib
from typing import Any

import numpy as np
import torch

from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.embeddings.encoders import Encoder, check_codes
from s2f.embeddings.encoders._hidden_states import array_of, backend, checked_layer, layer_name, room, round_once
from s2f.language_model import bpe, dnabert2, states
from s2f.language_model import weights as named_weights

WHERE = "encoder dnabert2"
POOLINGS = ("mean", "bases")


def build(spec: dict[str, Any]) -> Encoder:
    """Encoder of a config section.

    For options see `dnabert2.yaml`; without `layer`, it is the last one. With bfloat16, products are in bfloat16, for
    which weights are rounded once, and normalisations in float32 (autocast). Raises `InputError` for an unknown key or
    value and for weights or a tokenizer that do not fit.
    """
    options = kinds.settings("encoders", "dnabert2", spec)
    layer = checked_layer(WHERE, options, dnabert2.SIZES, {"pooling": POOLINGS})
    size, weights = options["size"], options.get("weights")
    config = dnabert2.configure(size)
    pieces = dnabert2.pieces(weights, options["tokenizer"], size)
    model, origin, licence = named_weights.load(
        dnabert2.FAMILY, WHERE, weights, config, size, options.get("licence", "")
    )
    model.bert.encoder["layer"] = model.bert.encoder["layer"][:layer]
    return from_model(
        model, pieces, options["pooling"], options["precision"], options["batch_size"], torch_device(), origin, licence
    )


def from_model(
    model: dnabert2.DNABERT2,
    pieces: bpe.Pieces,
    pooling: str,
    precision: str,
    batch_size: int,
    device: torch.device,
    origin: str,
    licence: str,
) -> Encoder:
    """Encoder from a model whose last block is the layer to read; `origin` says where its weights are from."""
    model = model.to(device).eval().requires_grad_(False)
    channels, layer = model.config.hidden_size, len(model.bert.encoder["layer"])
    half = precision == "bfloat16"
    text = f"dnabert2 {layer_name(layer)} {pooling} {precision} {states.fingerprint(model)} {pieces.text()}"
    if half:
        round_once(model)

    def tokens(length: int) -> int:
        return length if pooling == "bases" else 1

    def encode(codes: np.ndarray) -> np.ndarray:
        check_codes(codes)
        rows = pieces.ids_of_codes(codes)
        counts = np.fromiter(map(len, rows), np.int64, len(rows))
        out = room((len(codes), tokens(codes.shape[1]), channels), half, device)

        def moved(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(device, torch.int64, non_blocking=True)

        for count in np.unique(counts):  # no padding: batches of one number of tokens
            alike = np.flatnonzero(counts == count)
            for start in range(0, len(alike), batch_size):
                chosen = alike[start : start + batch_size]
                ids = np.stack([rows[i] for i in chosen])
                with torch.inference_mode():
                    with torch.autocast(device.type, torch.bfloat16, enabled=half):
                        hidden = model(moved(ids)).float()
                    found = of_bases(hidden, pieces.spans[ids]) if pooling == "bases" else of_windows(hidden, ids)
                    out[moved(chosen)] = found.to(out.dtype)
        return array_of(out, half)

    return Encoder(
        kind="dnabert2",
        channels=channels,
        tokens=tokens,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        licence=licence,
        provenance=f"{origin}, {layer_name(layer)}",
        encode=encode,
        batch_size=batch_size,
        backend=backend(device, "tokenizers"),
    )


def of_windows(hidden: torch.Tensor, ids: np.ndarray) -> torch.Tensor:
    """Means (B, 1, D) of hidden states (B, T, D) over the pieces of each window; `ids` (B, T)."""
    counted = ids >= len(bpe.SPECIAL)
    counted |= (ids == bpe.UNK) & ~counted.any(1, keepdims=True)
    weights = counted / counted.sum(1, keepdims=True)
    return torch.einsum("bt,btd->bd", torch.from_numpy(weights).to(hidden, non_blocking=True), hidden)[:, None]


def of_bases(hidden: torch.Tensor, spans: np.ndarray) -> torch.Tensor:
    """States (B, L, D) of the bases, from hidden states (B, T, D) whose tokens cover `spans` (B, T) bases."""
    repeats = torch.from_numpy(spans).to(hidden.device, non_blocking=True).flatten()
    found = torch.repeat_interleave(hidden.flatten(0, 1), repeats, 0, output_size=int(spans.sum()))
    return found.unflatten(0, (len(hidden), -1))
