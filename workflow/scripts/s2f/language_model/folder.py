"""The folder of a trained language model: files that transformers reads, and `model.json`, the record of its making."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s2f.common import files
from s2f.common.errors import InputError
from s2f.language_model import states
from s2f.language_model.families import Tokens

FORMAT = "s2f-tapt-1"
WEIGHTS = "model.safetensors"
ADAPTERS = "adapter_model.safetensors"  # of models that are saved without their starting weights
# key of a record -> file, if there is one
HASHED = {"model_sha256": WEIGHTS, "adapters_sha256": ADAPTERS, "tokenizer_sha256": "tokenizer.json"}


def save(folder: str | Path, model: Any, tokens: Tokens, record: dict[str, Any]) -> None:
    """Write what `save_model` writes, and `model.json`: `record`, the format and the hashes of weights and
    tokenizer."""
    more = {"format": FORMAT, **save_model(folder, model, tokens)}
    files.write_json(Path(folder) / "model.json", {**record, **more})


def save_model(folder: str | Path, model: Any, tokens: Tokens) -> dict[str, str]:
    """Write `config.json`, `model.safetensors` and the tokenizer's files; returns `hashes`. (transformers reads LAMAR's
    with `Auto...from_pretrained`.)"""
    save_description(folder, model, tokens)
    # not save_pretrained of the model, which decides by itself which tensors are tied
    states.write(Path(folder) / WEIGHTS, model.state_dict())
    return hashes(folder)


def save_description(folder: str | Path, model: Any, tokens: Tokens) -> None:
    """Write what `save_model` writes, except the weights."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    tokens.save(folder)


def hashes(folder: str | Path) -> dict[str, str]:
    """SHA-256 of the `HASHED` files of a folder, for `check_files`."""
    folder = Path(folder)
    return {key: files.sha256_file(folder / name) for key, name in HASHED.items() if (folder / name).is_file()}


def check_files(folder: str | Path, record: Mapping[str, Any]) -> None:
    """Raise `InputError` unless weights and tokenizer are the files whose `hashes` are in `record`."""
    for key, name in HASHED.items():
        path = Path(folder) / name
        if key in record and not (path.is_file() and files.sha256_file(path) == record[key]):
            raise InputError(f"{path}: is not the file that training wrote; train this model again")


def read_record(folder: str | Path, size: str) -> dict[str, Any]:
    """The record of a folder made by task-adaptive training. Raises `InputError` if there is none, if it is for another
    size, or as `check_files`."""
    path = Path(folder) / "model.json"
    record = files.read_object(path)
    if record.get("format") != FORMAT:
        raise InputError(f"{path}: format is {record.get('format')!r}, expected {FORMAT!r}; run the adaptation again")
    if record["settings"]["size"] != size:
        raise InputError(f"{path}: size is {record['settings']['size']!r}, expected {size!r}")
    check_files(folder, record)
    return record
