"""Tokens of DNABERT-2: pieces of DNA of various lengths (byte-pair encoding), between `[CLS]` and `[SEP]`.

Vocabulary and merges are read from the `tokenizer.json` of the weights, and everything else in that file must be as
published (zhihan1996/DNABERT-2-117M: 4,096 entries, of which 4,091 are pieces of 1 to 32 letters). Texts are first put
into upper case with T for U, because the published tokenizer would read every lower-case letter or U as `[UNK]`. N is
one `[UNK]` per letter. So every token covers a known number of letters, and the tokens of a text together cover its
length.

Small models need no file: their pieces are all those of 1, 2 and 4 letters, merged in alphabetical order (`made_here`).
This vocabulary is a stand-in made by a rule, not learned from genomes.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from s2f.common import files
from s2f.common.errors import InputError
from s2f.sequences import dna

SPECIAL = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
UNK, CLS, SEP, PAD, MASK = range(5)
FILE = "tokenizer.json"
BASES = "ACGT"
AT_ONCE = 4096  # texts that are encoded together: the tokenizer keeps ten times what is asked of it
# of the tokenizer and of its model: what must hold if a file says anything about it
TOKENIZER: dict[str, Any] = {"normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "truncation": None}
MODEL: dict[str, Any] = {
    "type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": None,
    "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
}  # fmt: skip


class Pieces:
    """A `vocabulary`, {piece: id} with the `SPECIAL` tokens first, and its `merges`, pairs of pieces in order of
    precedence; `spans`, int64 (vocabulary), are the numbers of letters of each id: 1 for `[UNK]`, 0 for other special
    tokens."""

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        # its threads would take all cores of a machine that is shared
        os.environ.setdefault("RAYON_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        self.vocabulary, self.merges = dict(vocabulary), list(merges)
        self.spans = np.zeros(len(vocabulary), np.int64)
        for piece, number in vocabulary.items():
            self.spans[number] = len(piece)
        self.spans[: len(SPECIAL)] = 1, 0, 0, 0, 0
        model = tokenizers.models.BPE(
            self.vocabulary, self.merges, unk_token=SPECIAL[UNK], fuse_unk=False, cache_capacity=0
        )
        self._tokenizer = tokenizers.Tokenizer(model)

    @property
    def range(self) -> range:
        """Ids of the pieces."""
        return range(len(SPECIAL), len(self.vocabulary))

    def ids(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Token ids int32 (T,) of each text, which must be upper-case ACGTN; T differs between texts."""
        ids = []
        for start in range(0, len(texts), AT_ONCE):
            encoded = self._tokenizer.encode_batch_fast(list(texts[start : start + AT_ONCE]), add_special_tokens=False)
            ids += [np.array([CLS, *found.ids, SEP], np.int32) for found in encoded]
        return ids

    def ids_of_codes(self, codes: np.ndarray) -> list[np.ndarray]:
        """Token ids int32 (T,) of each window of uint8 codes (B, L); T differs between windows."""
        return self.ids([dna.decode(row) for row in codes])

    def tokenize(self, texts: Sequence[str]) -> np.ndarray:
        """Token ids int32 (B, longest) of texts of any length and case; everything after `[SEP]` is `[PAD]`.

        Raises `InputError` naming the 0-based index of a text with a letter outside ACGTUN.
        """
        cleaned = []
        for i, text in enumerate(texts):
            try:
                cleaned.append(dna.clean(text))
            except ValueError as error:
                raise InputError(f"sequence {i}: {error}") from None
        return padded(self.ids(cleaned))

    def save(self, folder: str | Path) -> None:
        """Write `tokenizer.json` in the published layout, which `AutoTokenizer` and `tokenizers` read."""
        cls, sep = ({"SpecialToken": {"id": SPECIAL[number], "type_id": 0}} for number in (CLS, SEP))
        names = {
            SPECIAL[number]: {"id": SPECIAL[number], "ids": [number], "tokens": [SPECIAL[number]]}
            for number in (CLS, SEP)
        }
        pair = [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": SPECIAL[SEP], "type_id": 1}}]
        single = [cls, {"Sequence": {"id": "A", "type_id": 0}}, sep]
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        text = {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": number, "content": name, **flags} for number, name in enumerate(SPECIAL)],
            "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": {
                "type": "TemplateProcessing", "single": single, "pair": [*single, *pair], "special_tokens": names,
            },
            "decoder": None,
            "model": {**MODEL, "vocab": self.vocabulary, "merges": [list(merge) for merge in self.merges]},
        }  # fmt: skip
        files.write_json(Path(folder) / FILE, text)

    def text(self) -> str:
        """Vocabulary and merges as text, for fingerprints."""
        return json.dumps([sorted(self.vocabulary.items(), key=lambda item: item[1]), self.merges])


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Ids int32 (B, longest), with `PAD` after each row."""
    out = np.full((len(rows), max(map(len, rows), default=0)), PAD, np.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def read(path: str | Path, entries: int) -> Pieces:
    """`Pieces` of a `tokenizer.json`, or of the folder that holds it.

    Raises `InputError` if there is none, or if it is no tokenizer of DNABERT-2 with `entries` entries.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder; expected one with {FILE} and the weights of DNABERT-2")
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; DNABERT-2 needs the tokenizer with which its weights were trained: {FILE} in the "
            "folder of the published weights"
        )
    stored = files.read_object(path)
    model = stored.get("model")
    if not isinstance(model, dict):
        raise InputError(f"{path}: key 'model' is missing, so it is not a file of the library tokenizers")
    for part, expected in ((stored, TOKENIZER), (model, MODEL)):
        for key, value in expected.items():
            if (part.get(key, value) or value) != value:
                raise InputError(f"{path}: {key} is {part[key]!r}, expected {value!r} as in DNABERT-2")
    vocabulary, stored_merges = model.get("vocab"), model.get("merges")
    if not isinstance(vocabulary, dict) or not isinstance(stored_merges, list):
        raise InputError(f"{path}: model lacks vocab (an object) or merges (a list)")
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in stored_merges]
    numbers = [number for number in vocabulary.values() if type(number) is int]
    if len(vocabulary) != entries or sorted(numbers) != list(range(entries)):
        raise InputError(f"{path}: the vocabulary has {len(vocabulary)} entries, expected {entries}, numbered from 0")
    for number, name in enumerate(SPECIAL):
        if vocabulary.get(name) != number:
            raise InputError(f"{path}: id of {name} is {vocabulary.get(name)!r}, expected {number} as in DNABERT-2")
    if not all(isinstance(m, list) and len(m) == 2 and all(isinstance(part, str) for part in m) for m in merges):
        raise InputError(f"{path}: merges holds something other than pairs of pieces")
    odd = [piece for piece, number in vocabulary.items() if number >= len(SPECIAL) and not set(piece) <= set(BASES)]
    lacking = [letter for letter in BASES if letter not in vocabulary]
    unmade = [pair for pair in merges if not {*pair, "".join(pair)} <= set(vocabulary)]
    made = {*BASES, *SPECIAL, *("".join(pair) for pair in merges)}
    idle = [piece for piece in vocabulary if piece not in made]  # no text would ever contain it
    if odd or lacking or unmade or idle:
        raise InputError(
            f"{path}: is not a vocabulary of DNA: pieces with other letters {odd[:3]}, missing bases {lacking}, "
            f"merges of pieces not in the vocabulary {unmade[:3]}, pieces that no merge makes {idle[:3]}"
        )
    return Pieces(vocabulary, [(first, second) for first, second in merges])


def made_here() -> Pieces:
    """The vocabulary of small models: all pieces of 1, 2 and 4 letters, 281 entries including the special ones."""
    pairs = [first + second for first in BASES for second in BASES]
    merges = [(first, second) for half in (BASES, pairs) for first in half for second in half]
    names = [*SPECIAL, *BASES, *("".join(merge) for merge in merges)]
    return Pieces({name: number for number, name in enumerate(names)}, merges)
