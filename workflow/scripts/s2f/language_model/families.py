"""What loading, adaptation and fine-tuning ask of a language model: `Family`, and how it reads texts: `Tokens`.

The family of an encoder of kind `NAME` is `FAMILY` of the module `NAME` here. A size belongs to one family, so that a
size says which model is meant.
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
    """Texts as token ids. `tokenize` gives (B, longest) integers, `pad` behind each text, and raises `InputError`
    naming the 0-based index of a text with a letter outside ACGTUN; `save` writes its files into a folder."""

    pad: int
    mask: int
    pieces: range  # ids of what is made of A, C, G and T; N and special tokens are not among them
    tokenize: Callable[[Sequence[str]], np.ndarray]
    of_codes: Callable[[np.ndarray], np.ndarray]  # the same of windows of one length, uint8 codes (B, L)
    save: Callable[[str | Path], None]
    text: str = ""  # tells its vocabulary from others, where weights may have one of their own


@dataclass(frozen=True)
class Family:
    """A language model in several sizes, with the heads `none`, `masked_lm` and `classification`.

    Its models have `base_model`, the encoder, with a list of blocks `encoder.layer`; under the first head they have no
    other part, under the others also `lm_head` or `classifier`. `hidden(model, ids, padding)` gives the last hidden
    states (B, T, D) of ids int64 (B, T); `padding`, bool (B, T), is True at ids to leave out, or None. `first(model,
    ids)` gives that of the first token alone, (B, 1, D), of ids as `Tokens.of_codes`.
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
    first: Callable[[Any, torch.Tensor], torch.Tensor]
    pad: int  # token id of what is behind a text
    longest: int | None  # letters that it takes at most
    licence: str  # of published weights, where nobody says another
    how_to_get: str  # end of a message where weights are missing


def of_encoder(kind: str) -> Family:
    """The family of a kind of encoder."""
    return importlib.import_module(f"s2f.language_model.{kind}").FAMILY


def of_size(size: str) -> Family:
    """The family that has a size. Raises `InputError` for a size that none has."""
    known: list[str] = []
    for kind in kinds.having("encoders", "layers"):
        family = of_encoder(kind)
        if size in family.sizes:
            return family
        known += family.sizes
    raise InputError(f"size is {size!r}, expected one of: {', '.join(known)}")


def without_unused(model: Any) -> None:
    """Leave what a model never calls out of training: the head for contacts in the encoder of LAMAR."""
    for name, parameter in model.base_model.named_parameters():
        if name.startswith("contact_head."):
            parameter.requires_grad_(False)


def check_attention(title: str, attention: str, known: Sequence[str]) -> None:
    """Raise `InputError` unless a model can compute its attention so."""
    if attention not in known:
        raise InputError(f"{title}: attention is {attention!r}, expected one of: {', '.join(known)}")
