"""Nucleotide dependency maps: which letters of a sequence a language model reads to predict which others.

Definition (Tomaz da Silva et al., Nature Genetics 2025, s41588-025-02347-3), for a model that sees the whole sequence,
with no letter masked: the probabilities of the four letters at j are the softmax over the whole vocabulary, plus 1e-10,
renormalised. Replacing letter i by `alt` changes their odds by

    e(i, alt, j) = max over k in ACGT of |log2 odds(letter j = k | i = alt) - log2 odds(letter j = k | as it is)|

The map is D[i, j] = max over the three alternatives of e(i, alt, j): row i is substituted, column j is observed, and
the diagonal is 0. The influence of a variant is the mean of e(i, alt, j) over j != i; the authors' notebook takes the
mean of the signed extreme, in which opposite changes cancel, their text the absolute value, as here. Units are log2
odds ratios (bits); their code for the manuscript takes natural logarithms, which give 0.693 of these values.

A sequence of L letters costs 3 L + 1 forward passes, batched. `map_files` writes and reads the results.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.language_model import configuration, states, tokenizer, weights
from s2f.language_model.lamar import FAMILY
from s2f.sequences import dna

PRECISIONS = ("float32", "bfloat16")
PSEUDO = 1e-10  # added to the four probabilities, as the authors do
# Tokens of a forward pass by default. On a CPU, lamar-mini takes 0.85 s for a sequence of 101 nt in batches of 16 or
# 32, 1.0 to 1.4 s in larger batches, and 1.5 s with one pass per substitution
TOKENS = {"cpu": 1 << 11, "cuda": 1 << 16}
LETTER_TOKENS = [tokenizer.VOCABULARY.index(letter) for letter in dna.ALPHABET[:4]]


@dataclass(frozen=True)
class LanguageModel:
    """A frozen LAMAR with its language-model head, and what a record needs to state about it."""

    model: torch.nn.Module
    precision: str  # float32, or bfloat16 (autocast)
    fingerprint: str  # SHA-256 of weights, head included, and precision
    licence: str
    provenance: str

    @property
    def longest(self) -> int:
        """Letters of the longest sequence that it supports."""
        return self.model.config.max_position_embeddings - 2

    @property
    def device(self) -> torch.device:
        """The device on which it computes."""
        return self.model.lm_head.bias.device


def build(options: dict[str, Any]) -> LanguageModel:
    """`LanguageModel` of an encoder section of kind lamar: its weights with their language-model head, all layers.

    `{random: SEED}` draws the head too. Raises `InputError` for another kind, a layer below the last, and weights that
    do not fit or lack such a head.
    """
    kind = options.get("kind", "")
    if kind not in (able := kinds.having("encoders", "masked_language_model")):
        raise InputError(
            f"dependency map: encoder of kind {kind!r} is not a language model, expected {' or '.join(able)}"
        )
    options = kinds.settings("encoders", kind, options)
    size = options["size"]
    configuration.check_size(size)
    layers = configuration.SIZES[size]["num_hidden_layers"]
    if options.get("layer", layers) != layers:
        raise InputError(
            f"dependency map: layer is {options['layer']}, expected {layers}, because the head reads the last layer"
        )
    config = configuration.make(size, options["attention"])
    licence = options.get("licence", "")
    model, origin, licence = weights.load(
        FAMILY, "dependency map", options.get("weights"), config, size, licence, "masked_lm"
    )
    device = torch_device()
    return from_model(model.to(device), options["precision"], origin, licence)


def from_model(
    model: torch.nn.Module, precision: str = "float32", origin: str = "", licence: str = ""
) -> LanguageModel:
    """`LanguageModel` of an `EsmForMaskedLM`, frozen and in evaluation mode from here on."""
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}, expected one of: {', '.join(PRECISIONS)}")
    text = f"masked_lm {precision} {states.fingerprint(model)}"
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return LanguageModel(model.eval().requires_grad_(False), precision, fingerprint, licence, origin)


def check(sequences: Sequence[str], longest: int, names: Sequence[str] | None = None) -> None:
    """Raise `InputError` naming the first sequence that is empty, is too long or contains a letter other than A, C, G,
    T."""
    for index, sequence in enumerate(sequences):
        name = repr(names[index]) if names is not None else str(index)
        if not 2 <= len(sequence) <= longest:
            raise InputError(f"sequence {name}: {len(sequence)} letters, expected 2 to {longest}, the model's window")
        others = sequence.upper().replace("U", "T").translate(dict.fromkeys(map(ord, "ACGT")))
        if others:
            raise InputError(
                f"sequence {name}: has the letter {others[0]!r}, but a dependency map needs A, C, G and T (or U)"
            )


def maps(
    language_model: LanguageModel,
    sequences: Sequence[str],
    names: Sequence[str] | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, per sequence and in order, its map (L, L) and the influence of its variants (L, 4), both float32.

    `names` are for messages; `batch_size` is the number of sequences in a forward pass (default: as many as make up
    `TOKENS`). Consecutive short sequences of one length share passes. Raises `InputError` before any work as `check`,
    and if the model returns a number that is not finite.
    """
    check(sequences, language_model.longest, names)
    start = 0
    while start < len(sequences):
        length = len(sequences[start])
        size = batch_size or max(1, TOKENS[language_model.device.type] // (length + 2))
        most = start + max(1, size // (3 * length))
        stop = start + 1
        while stop < min(most, len(sequences)) and len(sequences[stop]) == length:
            stop += 1
        codes = np.stack([dna.encode(sequence) for sequence in sequences[start:stop]])
        effects = _effects(language_model, codes, size)
        if not np.isfinite(effects).all():
            index = start + int((~np.isfinite(effects)).any((1, 2, 3)).argmax())
            name = repr(names[index]) if names is not None else index
            raise InputError(f"sequence {name}: the model's odds are not finite")
        for effects_of_sequence, codes_of_sequence in zip(effects, codes, strict=True):
            yield _summary(effects_of_sequence, codes_of_sequence)
        start = stop


def _effects(language_model: LanguageModel, codes: np.ndarray, size: int) -> np.ndarray:
    """e(i, alt, j) of sequences uint8 (G, L): float32 (G, L, 3, L), alternatives in the order of ACGT."""
    count, length = codes.shape
    reference = torch.cat([_log_odds(language_model, codes[s : s + size]) for s in range(0, count, size)])
    position, alternative = np.divmod(np.arange(3 * length), 3)
    effects = np.empty((count * 3 * length, length), np.float32)
    for start in range(0, len(effects), size):
        sequence, number = np.divmod(np.arange(start, min(start + size, len(effects))), 3 * length)
        variants = codes[sequence]
        column, original = position[number], codes[sequence, position[number]]
        letter = alternative[number]
        variants[np.arange(len(sequence)), column] = letter + (letter >= original)  # of ACGT, without the letter itself
        change = _log_odds(language_model, variants) - reference[torch.from_numpy(sequence).to(reference.device)]
        effects[start : start + len(sequence)] = change.abs().amax(-1).cpu().numpy()
    return effects.reshape(count, length, 3, length)


def _log_odds(language_model: LanguageModel, codes: np.ndarray) -> torch.Tensor:
    """log2 odds of A, C, G, T at every letter: float64 (B, L, 4) on the model's device."""
    device = language_model.device
    ids = torch.from_numpy(tokenizer.ids_of_codes(codes)).to(device, torch.int64)
    half = language_model.precision == "bfloat16"
    with torch.inference_mode():
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            hidden = language_model.model.esm(ids).last_hidden_state[:, 1:-1]
            logits = language_model.model.lm_head(hidden)
        # float64: in float32, 1 - p has no digits left if the model is certain
        four = logits.double().softmax(-1)[..., LETTER_TOKENS] + PSEUDO
        p = four / four.sum(-1, keepdim=True)
        return torch.log2(p / (1 - p))


def _summary(effects: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Map and influence of one sequence, from effects (L, 3, L)."""
    length = len(codes)
    dependency = effects.max(1)
    np.fill_diagonal(dependency, 0)
    means = (effects.sum(2, dtype=np.float64) - effects[np.arange(length), :, np.arange(length)]) / (length - 1)
    influence = np.zeros((length, 4), np.float32)
    influence[np.arange(4) != codes[:, None]] = means.ravel()
    return dependency, influence
