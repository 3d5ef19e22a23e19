"""Tokens of DNABERT-2: the published ids, letters that they cover, files that are refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from s2f.common.errors import InputError
from s2f.language_model import bpe
from s2f.sequences import dna

MADE = bpe.made_here()


@pytest.fixture(scope="module")
def published(shared):
    return shared / "golden" / "dnabert2"


def test_ids_are_the_published_ones(published):
    notes = json.loads((published / "golden.json").read_text())
    for file, entries, examples in (("tokenizer.json", 4096, "examples"), ("standin_tokenizer.json", 96, None)):
        found = bpe.read(published / file, entries)
        plain = [e for e in notes["tokenizer"][examples or "standin_examples"] if set(e["text"]) <= set("ACGTN")]
        assert len(plain) >= 5
        for example in plain:
            assert found.tokenize([example["text"]])[0].tolist() == example["ids"]
    golden = np.load(published / "golden.npz")["input_ids"]
    np.testing.assert_array_equal(bpe.read(published, 4096).tokenize(list(notes["sequences"].values())), golden)


def test_case_u_and_n(published):
    for pieces in (MADE, bpe.read(published, 4096)):
        np.testing.assert_array_equal(pieces.tokenize(["acguNNAug"]), pieces.tokenize(["ACGTNNATG"]))
        assert (pieces.tokenize(["ACGNNT"]) == bpe.UNK).sum() == 2  # a run of N is as many tokens
        with pytest.raises(InputError, match="sequence 1: base 3 is 'R', expected A, C, G, T, U or N"):
            pieces.tokenize(["ACGT", "ACR"])
        assert pieces.tokenize(["", "A"]).tolist() == [[1, 2, 3], [1, 5, 2]]


@settings(max_examples=50, deadline=None)
@given(st.text("ACGTN", min_size=1, max_size=80))
def test_tokens_cover_every_letter_once(text):
    (ids,) = MADE.ids([text])
    names = {number: piece for piece, number in MADE.vocabulary.items()}
    written = "".join("N" if i == bpe.UNK else names[i] for i in ids[1:-1])
    assert written == text and MADE.spans[ids].sum() == len(text)
    assert (ids[0], ids[-1]) == (bpe.CLS, bpe.SEP)


def test_made_vocabulary_uses_pieces_of_all_lengths():
    codes = np.random.Generator(np.random.PCG64(0)).integers(0, 4, (200, 101), np.uint8)
    rows = MADE.ids_of_codes(codes)
    assert len({len(row) for row in rows}) > 5
    assert set(MADE.spans[np.concatenate(rows)]) == {0, 1, 2, 4}
    assert len(set(np.concatenate(rows))) > 150
    assert len(MADE.vocabulary) == 281 == MADE.range.stop


def test_saved_file_is_read_alike_here_and_by_transformers(tmp_path):
    MADE.save(tmp_path)
    again = bpe.read(tmp_path, 281)
    assert again.text() == MADE.text()
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    texts = [dna.decode(row) for row in np.random.Generator(np.random.PCG64(1)).integers(0, 5, (20, 33), np.uint8)]
    assert [row.tolist() for row in MADE.ids(texts)] == theirs(texts)["input_ids"]


def spoiled(folder, change):
    MADE.save(folder)
    stored = json.loads((folder / "tokenizer.json").read_text())
    change(stored)
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("model"), "key 'model' is missing"),
        (lambda t: t.update(normalizer={"type": "Lowercase"}), "normalizer is {'type': 'Lowercase'}, expected None "
        "as in"),
        (lambda t: t["model"].update(type="WordPiece"), "type is 'WordPiece', expected 'BPE' as in DNABERT-2"),
        (lambda t: t["model"].update(fuse_unk=True), "fuse_unk is True"),
        (lambda t: t["model"]["vocab"].pop("TTTT"), "the vocabulary has 280 entries, expected 281"),
        (lambda t: t["model"]["vocab"].update({"[PAD]": 4, "[MASK]": 3}), r"id of \[PAD\] is 4, expected 3 as in "
        r"DNABERT-2"),
        (lambda t: t["model"]["vocab"].update(ACGU=t["model"]["vocab"].pop("ACGT")), r"with other letters \['ACGU'"),
        (lambda t: t["model"]["merges"].append(["ACGT", "A"]), r"merges of pieces not in the vocabulary \[\['ACGT', "
        r"'A'\]\]"),
        (lambda t: t["model"]["merges"].pop(), r"pieces that no merge makes \['TTTT'\]"),
        (lambda t: t["model"].update(merges=[1]), "merges holds something other than pairs of pieces"),
        (lambda t: t["model"].pop("merges"), "model lacks vocab .an object. or merges .a list."),
        (lambda t: t["model"]["vocab"].update(A="5"), "the vocabulary has 281 entries, expected 281, numbered from 0"),
    ],
)  # fmt: skip
def test_other_tokenizers_are_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        bpe.read(spoiled(tmp_path, change), 281)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"tokenizer.json: no such file; DNABERT-2 needs the tokenizer with which"):
        bpe.read(tmp_path, 281)
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(InputError, match=r"tokenizer.json: holds a JSON list, expected an object"):
        bpe.read(tmp_path, 281)
