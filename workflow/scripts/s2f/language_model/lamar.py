"""LAMAR, a language model of RNA with one token per letter, through the stock ESM classes of transformers.

Facts about the published model are from zhw-e8/LAMAR, commit 8d3bf808 (MIT); its code is not used.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from s2f.common.errors import InputError
from s2f.language_model import configuration, loading, tokenizer
from s2f.language_model.families import Family, Tokens

TOKENS = Tokens(
    tokenizer.PAD, tokenizer.MASK, tokenizer.BASES, tokenizer.tokenize, tokenizer.ids_of_codes, tokenizer.save
)


def tokens(weights: Mapping[str, Any] | None, own: str, size: str) -> Tokens:
    """`TOKENS`, the same for all weights. Raises `InputError` if a study names its `own` tokenizer."""
    if own:
        raise InputError(f"tokenizer is {own!r}, but LAMAR reads letter by letter; omit the key")
    return TOKENS


def hidden(model: Any, ids: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
    """Last hidden states, see `families.Family`."""
    return model.base_model(ids, attention_mask=None if padding is None else (~padding).long()).last_hidden_state


def first(model: Any, ids: torch.Tensor, counts: np.ndarray | None = None) -> torch.Tensor:
    """Last hidden state of `<cls>`, see `families.Family`; windows of one length have no padding."""
    return model.base_model(ids.long()).last_hidden_state[:, :1]


FAMILY = Family(
    kind="lamar",
    title="LAMAR",
    sizes=configuration.SIZES,
    configure=configuration.make,
    check_folder=configuration.check_folder,
    from_seed=loading.from_seed,
    from_folder=loading.from_folder,
    tokens=tokens,
    hidden=hidden,
    first=first,
    pad=tokenizer.PAD,
    longest=configuration.COMMON["max_position_embeddings"] - 2,
    licence="the licence of the weights is not known to this workflow; LAMAR's code is under the MIT licence",
    how_to_get="see LAMAR's repository, github.com/zhw-e8/LAMAR, for where to get its weights",
)
