"""Weights of LAMAR: read strictly or drawn from a seed, into the stock ESM classes of transformers.

Strictly: a tensor that the model lacks or the file lacks is refused by name, except for the lists below. A loader with
`strict=False` once renamed `lm_head.dense.weight` to `esm.lm_head.dense.weight`, dropped it in silence and left the
language-model head random.
"""

import hashlib
import math
import pickle
import re
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from transformers import EsmConfig, EsmForMaskedLM, EsmForSequenceClassification, EsmModel, PreTrainedModel

from s2f.common import files, weights
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.language_model.tokenizer import PAD

FILES = ("model.safetensors", "pytorch_model.bin")
WRAPPED = ("state_dict", "model_state_dict", "model")  # keys under which checkpoints of training keep the tensors
# head -> its class, and the prefix of its own tensors
HEADS = {
    "none": (EsmModel, None),
    "masked_lm": (EsmForMaskedLM, "lm_head."),
    "classification": (EsmForSequenceClassification, "classifier."),
}
# In checkpoints made by LAMAR's own class, and of no effect: it keeps a table of absolute positions beside the rotary
# ones, and the counter that older transformers stored.
UNUSED = ("esm.embeddings.position_embeddings.weight", "esm.embeddings.position_ids")
INV_FREQ = "esm.rotary_embeddings.inv_freq"
# What a checkpoint may lack: a constant, and a head that is never called here.
MAY_LACK = (INV_FREQ, "esm.contact_head.")
OLD_NORMS = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# by layer, or once for all with a star, as transformers 5 saves it
OLD_INV_FREQ = re.compile(r"esm\.encoder\.layer\.(?:\d+|\*)\.attention\.self\.rotary_embeddings\.inv_freq")


def from_seed(config: EsmConfig, seed: int, head: str = "none") -> PreTrainedModel:
    """A model of untrained weights, in evaluation mode on the CPU: N(0, 0.02), biases 0, norms 1, row of `<pad>` 0.

    Each tensor has its own stream, named by `seed` and its name, so the encoder is the same under every head.
    """
    model = _model(config, head)
    state = {name: _drawn(name, tensor, seed) for name, tensor in _expected(model).items() if name != INV_FREQ}
    return _filled(model, state)


def from_folder(folder: str | Path, config: EsmConfig, head: str = "none", seed: int | None = None) -> PreTrainedModel:
    """A model with the weights of a folder (`FILES`), in evaluation mode on the CPU, float32.

    A checkpoint without a classification head gets one drawn from `seed`, where that is given; a language-model head
    must be there when asked for. Heads that are not asked for are left out. Raises `InputError` naming the file and
    the tensors that are missing, unexpected, not of the configuration's shape, not floating or not finite, and for a
    file that holds more than tensors: nothing in it is ever executed.
    """
    path, state = read_state(folder)
    state = _current_names(state, path)
    if UNUSED[0] in state and INV_FREQ not in state:
        raise InputError(f"{path}: has {UNUSED[0]} and no rotary frequencies: a model of absolute positions, not LAMAR")
    model = _model(config, head)
    expected, kept = _expected(model), HEADS[head][1]
    others = tuple(prefix for _, prefix in HEADS.values() if prefix and prefix != kept)
    state = {name: tensor for name, tensor in state.items() if name not in UNUSED and not name.startswith(others)}
    may_lack = (*MAY_LACK, "classifier.") if head == "classification" and seed is not None else MAY_LACK
    missing = [f"{n} is missing" for n in expected if n not in state and not n.startswith(may_lack)]
    unexpected, problems = [f"{n} is unexpected" for n in state if n not in expected], []
    for name, tensor in state.items():
        if name in expected and tensor.shape != expected[name].shape:
            problems.append(f"{name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}")
        elif not tensor.is_floating_point() or not tensor.isfinite().all():
            problems.append(f"{name} holds {tensor.dtype} values that are not all finite numbers")
    if missing or unexpected or problems:
        raise InputError(f"{path}: does not fit the model: {weights.listed(missing, unexpected, problems)}")
    for name, tensor in expected.items():
        if name not in state and name != INV_FREQ:
            state[name] = _drawn(name, tensor, seed or 0)
    if INV_FREQ in state and not torch.allclose(state[INV_FREQ].float(), expected[INV_FREQ], rtol=2e-3):
        raise InputError(f"{path}: {INV_FREQ} is not that of rotary positions with base {config.rope_theta:g}")
    return _filled(model, state)


def read_state(folder: str | Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """Path and named tensors of the weights in a folder: of one file, or of the shards that an index names.

    What wrappers of training put around or before the names of all tensors is taken off. Raises `InputError` where
    there are no weights, or broken ones.
    """
    folder = Path(folder)
    candidates = [folder / name for name in (*FILES, *(f"{name}.index.json" for name in FILES))]
    weights.refuse_pointers(candidates)
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        problem = "no such folder"
        if folder.is_dir():
            there = sorted(entry.name for entry in folder.iterdir())
            problem = f"holds no weights ({', '.join(there[:5]) or 'nothing'}{', …' if len(there) > 5 else ''})"
        raise InputError(f"{folder}: {problem}; expected a folder with {' or '.join(FILES)}, or shards and their index")
    state = _of_shards(path) if path.suffix == ".json" else _of_file(path)
    prefix = weights.wrapper_of(state)
    return path, {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def _of_shards(index: Path) -> dict[str, torch.Tensor]:
    """Named tensors of all shards that an index names; `InputError` where one, or a tensor of one, is not there."""
    places = files.read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"{index}: key 'weight_map' is missing: not an index of shards")
    state: dict[str, torch.Tensor] = {}
    for shard in sorted(set(places.values())):
        path = index.with_name(Path(shard).name)
        weights.refuse_pointers([path])
        if not path.is_file():
            raise InputError(f"{path}: no such file; {index.name} names it as one of its shards")
        state |= _of_file(path)
    for name, shard in places.items():
        if name not in state:
            raise InputError(f"{index}: {name} is not in {shard}, which is to hold it")
    return state


def _of_file(path: Path) -> dict[str, torch.Tensor]:
    """Named tensors of one file."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # torch's own text tells how to run it all the same
        raise InputError(
            f"{path}: broken, or holds more than tensors, which is refused; ask its publisher for model.safetensors"
        ) from None
    except (EOFError, RuntimeError, safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path}: broken ({str(error).splitlines()[0]})") from None
    wrapped = next((key for key in WRAPPED if isinstance(state, dict) and isinstance(state.get(key), dict)), None)
    state = state[wrapped] if wrapped else state
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise InputError(f"{path}: expected names and tensors only")
    return state


def _current_names(state: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """A state under today's names: of bare encoders, of LAMAR's classification head, of normalisations as transformers
    saves them, of one `inv_freq` per layer."""
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

    Equal to the stock module up to rounding (golden logits differ as before, by 1e-6); a training step takes two thirds
    of the CPU time.
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
    except ImportError as error:  # flash attention is a package of its own
        raise InputError(f"attention {config._attn_implementation}: {error}") from None
    for layer in model.base_model.encoder.layer:
        layer.intermediate = Intermediate(layer.intermediate.dense)
    return model


def _expected(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Tensors of a model by their names under the prefix `esm.`."""
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
    """The model with every tensor of `state`, which lacks `inv_freq` at most."""
    state = {INV_FREQ: _expected(model)[INV_FREQ], **state}
    if isinstance(model, EsmModel):
        state = {name.removeprefix("esm."): tensor for name, tensor in state.items()}
    model.load_state_dict(state, strict=True)
    return model.float().eval()


def fingerprint(model: torch.nn.Module) -> str:
    """SHA-256 over name, shape and float32 bytes of every tensor of a model, sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy(), "<f4").data)
    return digest.hexdigest()
