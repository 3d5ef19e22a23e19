"""The architecture of LAMAR as a configuration of transformers' ESM classes, and a check that it really is LAMAR's.

`EsmConfig` accepts any key: with `positional_embedding_type="rotary"` (the key is `position_embedding_type`) it
silently builds a model with absolute positions. Also, stock `EsmForMaskedLM` shares the input embedding with the output
layer, which LAMAR never does: loading its weights would overwrite the embedding with the output layer.
"""

from pathlib import Path
from typing import Any

from transformers import EsmConfig

from s2f.common.errors import InputError
from s2f.common.files import read_object
from s2f.language_model.tokenizer import EOS, MASK, PAD, VOCABULARY

# lamar: the published size; lamar-mini: 1 % of its parameters, for CPU studies
SIZES = {
    "lamar": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "lamar-mini": {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512},
}
# for every size; dropouts are 0 in the published model, in training too
COMMON: dict[str, Any] = {
    "vocab_size": len(VOCABULARY), "pad_token_id": PAD, "mask_token_id": MASK, "eos_token_id": EOS,
    "position_embedding_type": "rotary", "rope_theta": 10000.0, "max_position_embeddings": 1026,
    "layer_norm_eps": 1e-5, "emb_layer_norm_before": False, "token_dropout": False, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0, "initializer_range": 0.02, "tie_word_embeddings": False,
}  # fmt: skip
ATTENTION = ("sdpa", "eager", "flash_attention_2")


def make(size: str, attention: str = "sdpa", **more: Any) -> EsmConfig:
    """Configuration of a size. `more`: other keys of `EsmConfig`, such as `num_labels`.

    Raises `InputError` for an unknown size, attention or key, and for a key that would give another model.
    """
    check_size(size)
    if attention not in ATTENTION:
        raise InputError(f"attention is {attention!r}, expected one of: {', '.join(ATTENTION)}")
    plain = EsmConfig()
    for key in more:
        if not hasattr(plain, key):
            raise InputError(f"configuration: key {key!r} is unknown to transformers, which would ignore it")
    config = EsmConfig(**{**COMMON, **SIZES[size], **more, "attn_implementation": attention})
    check(config, size, "configuration")
    return config


def check_size(size: str) -> None:
    """Raise `InputError` unless the size is known."""
    if size not in SIZES:
        raise InputError(f"size is {size!r}, expected one of: {', '.join(SIZES)}")


def check(config: EsmConfig, size: str, where: str | Path) -> None:
    """Raise `InputError`, naming `where`, key and both values, unless a configuration describes LAMAR of this size."""
    for key, value in {**COMMON, **SIZES[size]}.items():
        found = getattr(config, key)
        if found != value:
            raise InputError(f"{where}: {key} is {found!r}, expected {value!r} as in LAMAR of size {size}")


def check_folder(folder: str | Path, size: str) -> None:
    """Check the `config.json` of a folder of weights if it has one; the published checkpoints have none."""
    path = Path(folder) / "config.json"
    if path.is_file():
        stored = read_object(path)
        if stored.get("model_type", "esm") != "esm":
            raise InputError(f"{path}: model_type is {stored['model_type']!r}, expected 'esm'")
        check(EsmConfig(**stored), size, path)
