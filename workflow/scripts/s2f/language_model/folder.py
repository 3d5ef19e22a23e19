"""The folder of a trained language model: what transformers reads, and `model.json`, the record of how it was made."""

from pathlib import Path
from typing import Any

import safetensors.torch

from s2f.common import files
from s2f.common.errors import InputError
from s2f.language_model.families import Tokens

FORMAT = "s2f-tapt-1"
WEIGHTS = "model.safetensors"


def save(folder: str | Path, model: Any, tokens: Tokens, record: dict[str, Any]) -> None:
    """Write what `save_model` does and `model.json`: `record`, the format and the hash of the weights."""
    more = {"format": FORMAT, "model_sha256": save_model(folder, model, tokens)}
    files.write_json(Path(folder) / "model.json", {**record, **more})


def save_model(folder: str | Path, model: Any, tokens: Tokens) -> str:
    """Write `config.json`, `model.safetensors` and the files of the tokenizer (of LAMAR, `Auto...from_pretrained` of
    transformers reads them); returns the SHA-256 of the weights."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    # not save_pretrained of the model, which decides by itself what is tied
    state = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, folder / WEIGHTS, {"format": "pt"})
    tokens.save(folder)
    return files.sha256_file(folder / WEIGHTS)


def read_record(folder: str | Path, size: str) -> dict[str, Any]:
    """The record of a folder made by task-adaptive training. Raises `InputError` when there is none, when it is of
    another size, or when its weights are not those that were written with it."""
    path = Path(folder) / "model.json"
    record = files.read_json(path)
    if record.get("format") != FORMAT:
        raise InputError(f"{path}: format is {record.get('format')!r}, expected {FORMAT!r}")
    if record["settings"]["size"] != size:
        raise InputError(f"{path}: size is {record['settings']['size']!r}, expected {size!r}")
    weights = path.with_name(WEIGHTS)
    if not weights.is_file() or files.sha256_file(weights) != record["model_sha256"]:
        raise InputError(f"{path}: {WEIGHTS} is not the file that was written with it; train again")
    return record
