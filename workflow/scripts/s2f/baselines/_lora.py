"""Low-rank adapters for fine-tuning (LoRA; Hu et al. 2022, arXiv:2106.09685), through peft.

The chosen linear layers of each encoder block keep their weights, and a product of two narrow matrices, applied to the
same input, is added: W x + (alpha / rank) B A x. A is drawn at random and B starts at zero, so training starts from
exactly the outputs of the frozen encoder. Only A, B and the head learn, and only they are saved, as
`adapter_config.json` and `adapter_model.safetensors`; peft's `PeftModel.from_pretrained` adds them to a model that has
the starting weights.
"""

import re
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)

from s2f.common import files
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.language_model import folder, states

CONFIG = "adapter_config.json"
BASE = "base_model_name_or_path"  # key of `CONFIG`: folder of the weights below the adapters; null if these are random


def add(model: torch.nn.Module, lora: dict[str, Any], seed: int) -> PeftModel:
    """Add adapters to the blocks of a model for sequence classification; it is changed and stays the model to train.

    `lora` is that part of the baseline's section. The matrices A are drawn from `seed`.
    """
    torch.manual_seed(derived_seed(seed, "adapters"))
    names = "|".join(re.escape(name) for name in sorted(lora["targets"]))
    config = LoraConfig(
        r=lora["rank"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], modules_to_save=["classifier"],
        target_modules=rf".+\.encoder\.layer\.\d+\.({names})",
    )  # fmt: skip
    return get_peft_model(model, config)


def save(directory: str | Path, adapted: PeftModel, weights: dict[str, Any]) -> None:
    """Write adapters and head in peft's format, with the folder of the `weights` below them."""
    config = adapted.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = weights.get("path") or weights.get("tapt"), True
    config.save_pretrained(str(directory))
    states.write(Path(directory) / folder.ADAPTERS, _state(adapted))


def load(directory: str | Path, model: torch.nn.Module, lora: dict[str, Any]) -> PeftModel:
    """A model with the starting weights, which is changed in place, with the adapters and the head of a checkpoint.

    Raises `InputError` naming the tensors that are missing, unexpected or of another shape.
    """
    adapted, path = add(model, lora, 0), Path(directory) / folder.ADAPTERS
    state = states.read_file(path)
    states.check(path, state, _state(adapted), ())
    set_peft_model_state_dict(adapted, state)
    return adapted.eval()


def base(directory: str | Path, weights: dict[str, Any]) -> dict[str, Any]:
    """The `weights` section below a checkpoint's adapters, with the folder that its `CONFIG` names: the folder used in
    training, or another one that somebody wrote there."""
    path, (kind, named) = Path(directory) / CONFIG, *weights.items()
    here = files.read_object(path).get(BASE)
    if kind == "random":
        return weights
    if not isinstance(here, str) or not Path(here).is_dir():
        raise InputError(
            f"{path}: {BASE} is {here!r}, which is not a folder on this machine; the adapters need the weights "
            f"{named!r}: write their folder on this machine there"
        )
    return {kind: here}


def without_adapters(encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The encoder's state under the names that it had before `add`."""
    state = encoder.state_dict().items()
    return {name.replace(".base_layer.", "."): tensor for name, tensor in state if ".lora_" not in name}


def described(lora: dict[str, Any]) -> str:
    """A description for tables."""
    dropped = f", dropout {lora['dropout']:g}" if lora["dropout"] else ""
    return f"LoRA of rank {lora['rank']}, alpha {lora['alpha']}{dropped}, on {', '.join(sorted(lora['targets']))}"


def _state(adapted: PeftModel) -> dict[str, torch.Tensor]:
    # no embedding is among the targets; to find that out by itself, peft would ask a server for the base model
    return get_peft_model_state_dict(adapted, save_embedding_layers=False)
