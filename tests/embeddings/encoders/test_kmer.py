"""The k-mer encoder counts what a plain loop counts."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.embeddings import encoders
from s2f.sequences import dna


def by_hand(sequence, k):
    out = np.zeros((-(-len(sequence) // 128), 4**k))
    for start in range(len(sequence) - k + 1):
        word = sequence[start : start + k]
        if "N" not in word:
            out[start // 128, sum("ACGT".index(letter) * 4 ** (k - 1 - i) for i, letter in enumerate(word))] += 1
    return out


@given(st.lists(st.text("ACGTN", min_size=300, max_size=300), min_size=1, max_size=3), st.integers(1, 4))
def test_counts_equal_a_plain_loop(sequences, k):
    encoder = encoders.build({"kind": "kmer", "k": k})
    found = encoder.encode(np.stack([dna.encode(sequence) for sequence in sequences]))
    np.testing.assert_array_equal(found, [by_hand(sequence, k) for sequence in sequences])
    assert found.shape[1:] == (encoder.tokens(300), encoder.channels)


def test_counts_in_a_compiled_step_are_the_same():
    encoder = encoders.build({"kind": "kmer", "k": 3})
    codes = np.random.Generator(np.random.PCG64(0)).integers(0, 5, (4, 300), np.uint8)
    np.testing.assert_array_equal(jax.jit(encoder.apply)(None, codes), encoder.encode(codes))


def test_tokens_are_those_of_alphagenome():
    encoder = encoders.build({"kind": "kmer"})
    assert [encoder.tokens(length) for length in (200, 281, 384, 600)] == [2, 3, 3, 5]


def test_k_is_part_of_the_fingerprint_and_bounded():
    assert len({encoders.build({"kind": "kmer", "k": k}).fingerprint for k in (3, 4)}) == 2
    with pytest.raises(InputError, match="k is 9, expected 1 to 6"):
        encoders.build({"kind": "kmer", "k": 9})
