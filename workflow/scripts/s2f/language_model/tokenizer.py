"""Tokens of LAMAR: one per letter, between `<cls>` and `<eos>`, with the ids of its single-nucleotide tokenizer.

This is a table of ten letters instead of transformers' tokenizer: twenty times as fast, and every letter is one token.
transformers' tokenizer silently merges a run of letters that it does not know, such as U and lower case, into a single
`<unk>`, so positions no longer match. Here U is read as T, case is ignored, and any other letter is an error.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from s2f.common.errors import InputError
from s2f.common.files import write_json
from s2f.sequences import dna

VOCABULARY = ("<cls>", "<pad>", "<eos>", "<unk>", "<mask>", "A", "T", "C", "G", "N")
CLS, PAD, EOS, UNK, MASK = range(5)
BASES = range(5, 9)  # A, T, C, G; N is not among them
_ID_OF_CODE = np.array([VOCABULARY.index(letter) for letter in dna.ALPHABET], np.uint8)


def ids_of_codes(codes: np.ndarray) -> np.ndarray:
    """Token ids uint8 (B, L + 2) of windows of one length, uint8 codes (B, L) of `dna.encode`."""
    ids = np.empty((codes.shape[0], codes.shape[1] + 2), np.uint8)
    ids[:, 0], ids[:, 1:-1], ids[:, -1] = CLS, _ID_OF_CODE[codes], EOS
    return ids


def tokenize(sequences: Sequence[str]) -> np.ndarray:
    """Token ids uint8 (B, longest + 2) of sequences of any length; everything after `<eos>` is `<pad>`.

    Raises `InputError` naming the 0-based index of a sequence with a letter outside ACGTUN.
    """
    lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
    ids = np.full((len(sequences), lengths.max(initial=0) + 2), PAD, np.uint8)
    for i, sequence in enumerate(sequences):
        try:
            ids[i, : lengths[i] + 2] = ids_of_codes(dna.encode(sequence)[None])[0]
        except ValueError as error:
            raise InputError(f"sequence {i}: {error}") from None
    tokens = (ids != PAD).sum(1)
    assert (tokens == lengths + 2).all(), "a token per letter, <cls> and <eos>"
    return ids


def save(folder: str | Path, longest: int = 1024) -> None:
    """Write the files from which `AutoTokenizer.from_pretrained` makes transformers' tokenizer with the same ids.

    That tokenizer expects upper-case letters with T for U. `longest`: number of letters beyond which it warns.
    """
    names = {f"{name}_token": f"<{name}>" for name in ("cls", "pad", "eos", "unk", "mask")}
    folder = Path(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    write_json(folder / "special_tokens_map.json", names)
    more = {"tokenizer_class": "EsmTokenizer", "model_max_length": longest + 2}
    write_json(folder / "tokenizer_config.json", {**names, **more})
