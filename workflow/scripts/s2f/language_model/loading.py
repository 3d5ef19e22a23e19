"""Weights of LAMAR: read strictly (see `states`) or drawn from a seed, into the stock ESM classes of transformers."""

import math
import re
from pathlib import Path

import numpy as np
import torch
from transformers import EsmConfig, EsmForMaskedLM, EsmForSequenceClassification, EsmModel, PreTrainedModel

from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.language_model import states
from s2f.language_model.tokenizer import PAD

# head -> its class, and the prefix of the tensors that belong only to it
HEADS = {
    "none": (EsmModel, None),
    "masked_lm": (EsmForMaskedLM, "lm_head."),
    "classification": (EsmForSequenceClassification, "classifier."),
}
# In checkpoints made by LAMAR's own class, without effect: it keeps a table of absolute positions beside the rotary
# ones, and the counter that older transformers stored.
UNUSED = ("esm.embeddings.position_embeddings.weight", "esm.embeddings.position_ids")
INV_FREQ = "esm.rotary_embeddings.inv_freq"
# What a checkpoint may lack: a constant, and a head that is never called here.
MAY_LACK = (INV_FREQ, "esm.contact_head.")
OLD_NORMS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# per layer, or with a star once for all layers, as transformers 5 saves it
OLD_INV_FREQ = re.compile(r"esm\.encoder\.layer\.(?:\d+|\*)\.attention\.self\.rotary_embeddings\.inv_freq")


def from_seed(config: EsmConfig, seed: int, head: str = "none") -> PreTrainedModel:
    """A model with untrained weights, in evaluation mode on the CPU: N(0, 0.02), biases 0, norms 1, row of `<pad>` 0.

    Each tensor is drawn from a stream named by `seed` and its own name, so the encoder is the same under every head.
    """
    model = _model(config, head)
    state = {name: _drawn(name, tensor, seed) for name, tensor in _expected(model).items() if name != INV_FREQ}
    return _filled(model, state)


def from_folder(folder: str | Path, config: EsmConfig, head: str = "none", seed: int | None = None) -> PreTrainedModel:
    """A model with the weights of a folder (`states.FILES`), in evaluation mode on the CPU, float32.

    A checkpoint without a classification head gets one drawn from `seed` if that is given; a language-model head must
    be there if it is asked for. Heads that are not asked for are skipped. Raises `InputError` naming the file and the
    tensors that are missing, unexpected, not of the configuration's shape, not floating or not finite, and for a file
    that holds more than tensors: nothing in it is ever executed.
    """
    path, state = states.read_state(folder)
    state = _current_names(state, path)
    if UNUSED[0] in state and INV_FREQ not in state:
        raise InputError(
            f"{path}: has {UNUSED[0]} but no rotary frequencies: this is a model with absolute positions, not LAMAR"
        )
    model = _model(config, head)
    expected, kept = _expected(model), HEADS[head][1]
    others = tuple(prefix for _, prefix in HEADS.values() if prefix and prefix != kept)
    state = {name: tensor for name, tensor in state.items() if name not in UNUSED and not name.startswith(others)}
    may_lack = (*MAY_LACK, "classifier.") if head == "classification" and seed is not None else MAY_LACK
    states.check(path, state, expected, may_lack)
    for name, tensor in expected.items():
        if name not in state and name != INV_FREQ:
            # what no result reads is the same for every seed, so that equal weights have equal fingerprints
            state[name] = _drawn(name, tensor, (seed or 0) if name.startswith("classifier.") else 0)
    if INV_FREQ in state and not torch.allclose(state[INV_FREQ].float(), expected[INV_FREQ], rtol=2e-3):
        raise InputError(
            f"{path}: {INV_FREQ} does not hold the frequencies of rotary positions with base {config.rope_theta:g}"
        )
    return _filled(model, state)


def _current_names(state: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """A state under today's names: names differ in bare encoders, in LAMAR's classification head, in normalisations as
    transformers saves them, and for an `inv_freq` per layer."""
    if not any(name.startswith("esm.") for name in state):
        heads = tuple(prefix for _, prefix in HEADS.values() if prefix)
        state = {name if name.startswith(heads) else f"esm.{name}": tensor for name, tensor in state.items()}
    state = {re.sub(r"^classifier\.head\.", "classifier.", name): tensor for name, tensor in state.items()}
    for ending, new in OLD_NORMS.items():
        state = {name.removesuffix(ending) + new if name.endswith(ending) else name: state[name] for name in state}
    old = [name for name in state if OLD_INV_FREQ.fullmatch(name)]
    tables = [state.pop(name) for name in old]
    if tables:
        if not all(torch.equal(table, tables[0]) for table in tables):
            raise InputError(f"{path}: the rotary frequencies of its layers differ ({old[0]} and others)")
        state.setdefault(INV_FREQ, tables[0])
    return state


class Intermediate(torch.nn.Module):
    """The first half of a block's feed-forward part, with GELU in one pass over memory instead of four.

    Equal to the stock module up to rounding (golden logits still differ by 1e-6, as before); a training step takes two
    thirds of the CPU time.
    """

    def __init__(self, dense: torch.nn.Module) -> None:
        super().__init__()
        self.dense = dense

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, D) -> (B, T, feed-forward width)."""
        return torch.nn.functional.gelu(self.dense(x))


def _model(config: EsmConfig, head: str) -> PreTrainedModel:
    if head not in HEADS:
        raise ValueError(f"head is {head!r}, expected one of: {', '.join(HEADS)}")
    try:  # the pooler of a bare encoder is part of no checkpoint
        model = EsmModel(config, add_pooling_layer=False) if head == "none" else HEADS[head][0](config)
    except ImportError as error:  # flash attention is a separate package
        raise InputError(f"attention {config._attn_implementation}: {error}") from None
    for layer in model.base_model.encoder.layer:
        layer.intermediate = Intermediate(layer.intermediate.dense)
    return model


def _expected(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Tensors of a model by name, with the prefix `esm.`."""
    prefix = "esm." if isinstance(model, EsmModel) else ""
    return {prefix + name: tensor for name, tensor in model.state_dict().items()}


def _drawn(name: str, tensor: torch.Tensor, seed: int) -> torch.Tensor:
    """One tensor of `from_seed`."""
    if name.endswith("bias"):
        return torch.zeros(tensor.shape)
    if tensor.ndim == 1:  # scales of the normalisations
        return torch.ones(tensor.shape)
    generator = np.random.Generator(np.random.PCG64(derived_seed(seed, "lamar", name)))
    values = torch.from_numpy(generator.standard_normal(math.prod(tensor.shape), np.float32).reshape(tensor.shape))
    values *= 0.02
    if name.endswith("word_embeddings.weight"):
        values[PAD] = 0
    return values


def _filled(model: PreTrainedModel, state: dict[str, torch.Tensor]) -> PreTrainedModel:
    """The model with every tensor of `state`, in which only `inv_freq` may be missing."""
    state = {INV_FREQ: _expected(model)[INV_FREQ], **state}
    if isinstance(model, EsmModel):
        state = {name.removeprefix("esm."): tensor for name, tensor in state.items()}
    model.load_state_dict(state, strict=True)
    return model.float().eval()
