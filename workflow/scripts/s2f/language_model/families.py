"""What loading, adaptation and fine-tuning need from a language model: `Family`, and how it reads texts: `Tokens`.

The family for an encoder of kind `NAME` is `FAMILY` in the module `NAME` here. A size belongs to only one family, so
the size says which model is meant.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2f.common import kinds
from s2f.common.errors import InputError


@dataclass(frozen=True)
class Tokens:
    """Texts as token ids. `tokenize` gives (B, longest) integers, with `pad` after each text, and raises `InputError`
    naming the 0-based index of a text with a letter outside ACGTUN; `save` writes the tokenizer's files into a
    folder."""

    pad: int
    mask: int
    pieces: range  # ids of tokens made of A, C, G and T; N and special tokens are not among them
    tokenize: Callable[[Sequence[str]], np.ndarray]
    of_codes: Callable[[np.ndarray], np.ndarray]  # the same for windows of one length, uint8 codes (B, L)
    save: Callable[[str | Path], None]
    text: str = ""  # identifies the vocabulary, if weights may have their own


@dataclass(frozen=True)
class Family:
    """A language model in several sizes, with the heads `none`, `masked_lm` and `classification`.

    Its models have `base_model`, the encoder, with a list of blocks `encoder.layer`. With the head `none` they have no
    other part; with the others they also have `lm_head` or `classifier`. `hidden(model, ids, padding)` gives the last
    hidden states (B, T, D) of ids int64 (B, T); `padding`, bool (B, T) or None, is True for ids to ignore.
    `first(model, ids, counts)` gives only the state of the first token, (B, 1, D), for ids as from `Tokens.of_codes`;
    `counts`, int64 (B,), are their numbers of tokens. If these are not given, the device of the ids is asked, and the
    host waits for the answer.
    """

    kind: str  # of the encoder
    title: str
    sizes: Mapping[str, Mapping[str, Any]]
    configure: Callable[..., Any]  # (size, attention="sdpa", num_labels=…, problem_type=…)
    check_folder: Callable[[str | Path, str], None]  # (folder, size): the `config.json` of weights
    from_seed: Callable[..., Any]  # (config, seed, head="none")
    from_folder: Callable[..., Any]  # (folder, config, head="none", seed=None)
    tokens: Callable[[Mapping[str, Any] | None, str, str], Tokens]  # (weights, tokenizer, size) of a section of a study
    hidden: Callable[[Any, torch.Tensor, torch.Tensor | None], torch.Tensor]
    first: Callable[[Any, torch.Tensor, np.ndarray | None], torch.Tensor]
    pad: int  # token id that fills up after a text
    longest: int | None  # largest number of letters that it takes
    licence: str  # of published weights, if nobody states another
    how_to_get: str  # end of a message if weights are missing


def of_encoder(kind: str) -> Family:
    """The family of a kind of encoder."""
    return importlib.import_module(f"s2f.language_model.{kind}").FAMILY


def of_size(size: str) -> Family:
    """The family that has a size. Raises `InputError` for a size that no family has."""
    known: list[str] = []
    for kind in kinds.having("encoders", "layers"):
        family = of_encoder(kind)
        if size in family.sizes:
            return family
        known += family.sizes
    raise InputError(f"size is {size!r}, expected one of: {', '.join(known)}")


def without_unused(model: Any) -> None:
    """Exclude from training what a model never calls: the head for contacts in the encoder of LAMAR."""
    for name, parameter in model.base_model.named_parameters():
        if name.startswith("contact_head."):
            parameter.requires_grad_(False)


def check_attention(title: str, attention: str, known: Sequence[str]) -> None:
    """Raise `InputError` unless a model can compute its attention in this way."""
    if attention not in known:
        raise InputError(f"{title}: attention is {attention!r}, expected one of: {', '.join(known)}")
