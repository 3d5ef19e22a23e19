"""The tokenizer against transformers' own and against ids made with LAMAR's."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from s2f.common.errors import InputError
from s2f.language_model import tokenizer
from s2f.sequences import dna

PROBES = ["ACGT", "N", "ACGTN", "TTTT", "AAAATTTTAAAA", "GATTACANNNGATTACA", "A" * 510, "ACGTN" * 20]


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_vocabulary_is_the_published_one(shared):
    notes = json.loads((shared / "golden" / "lamar" / "golden_lamar.json").read_text())
    assert dict(zip(tokenizer.VOCABULARY, range(10), strict=True)) == notes["vocab"]


def test_ids_equal_those_of_transformers(stock):
    assert type(stock).__name__ == "EsmTokenizer"
    for probe in PROBES:
        assert tokenizer.tokenize([probe])[0].tolist() == stock(probe)["input_ids"], probe
    batch = tokenizer.tokenize(PROBES)
    np.testing.assert_array_equal(batch, stock(PROBES, padding=True)["input_ids"])


def test_saved_tokenizer_gives_the_ids_of_lamars_own(stock, shared):
    notes = json.loads((shared / "golden" / "lamar" / "golden_lamar.json").read_text())
    for text, ids in notes["tokenizer_examples_4_32_1"].items():
        assert stock(text)["input_ids"] == ids, text


def test_a_run_of_u_keeps_its_length_where_transformers_merges_it(stock):
    assert len(stock("AAAAUUUUAAAA")["input_ids"]) == 9 + 2  # the trap
    ids = tokenizer.tokenize(["AAAAUUUUAAAA", "aaaauuuuaaaa", "AAAATTTTAAAA"])
    assert ids.shape == (3, 12 + 2)
    assert (ids == ids[2]).all() and tokenizer.UNK not in ids


@given(st.lists(st.text("ACGTUNacgtun", max_size=60), min_size=1, max_size=5))
def test_a_token_per_letter(sequences):
    ids = tokenizer.tokenize(sequences)
    for row, sequence in zip(ids, sequences, strict=True):
        letters = "".join(tokenizer.VOCABULARY[i] for i in row[1 : 1 + len(sequence)])
        assert letters == sequence.upper().replace("U", "T")
        assert row[0] == tokenizer.CLS and row[1 + len(sequence)] == tokenizer.EOS
        assert (row[2 + len(sequence) :] == tokenizer.PAD).all()


def test_codes_and_texts_give_the_same_ids():
    texts = ["ACGTN", "TTGCA"]
    ids = tokenizer.ids_of_codes(np.stack([dna.encode(text) for text in texts]))
    np.testing.assert_array_equal(ids, tokenizer.tokenize(texts))


@pytest.mark.parametrize("sequence", ["ACGRYT", "ACG-T", "AC GT", "<mask>"])
def test_other_letters_are_refused(sequence):
    with pytest.raises(InputError, match=r"sequence 1: base \d is '.', expected A, C, G, T, U or N"):
        tokenizer.tokenize(["ACGT", sequence])
