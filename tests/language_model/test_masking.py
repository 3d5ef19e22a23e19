"""Masking touches bases only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2f.language_model import tokenizer
from s2f.language_model.lamar import TOKENS
from s2f.language_model.masking import IGNORED, mask

BASES = [5, 6, 7, 8]


def generator(seed):
    return np.random.Generator(np.random.PCG64(seed))


@given(st.lists(st.text("ACGTN", max_size=40), min_size=1, max_size=6), st.integers(0, 99), st.floats(0.05, 0.95))
def test_specials_and_n_are_neither_targets_nor_replacements(sequences, seed, share):
    ids = tokenizer.tokenize(sequences)
    inputs, labels = mask(ids, share, generator(seed), TOKENS)
    base, target = np.isin(ids, BASES), labels != IGNORED
    assert not (target & ~base).any()
    np.testing.assert_array_equal(inputs[~target], ids[~target])
    np.testing.assert_array_equal(labels[target], ids[target])
    assert np.isin(inputs[target], [tokenizer.MASK, *BASES]).all()


def test_shares_and_replacements():
    ids = tokenizer.tokenize(["ACGT" * 250] * 400)
    inputs, labels = mask(ids, 0.15, generator(0), TOKENS)
    target = labels != IGNORED
    n, chosen = target.sum(), inputs[target]
    assert n / (ids.size - 800) == pytest.approx(0.15, abs=0.003)
    assert (chosen == tokenizer.MASK).mean() == pytest.approx(0.8, abs=0.006)
    # a tenth is replaced, in one of four cases by itself
    assert ((chosen != tokenizer.MASK) & (chosen != labels[target])).mean() == pytest.approx(0.075, abs=0.004)
    replaced = chosen[(chosen != tokenizer.MASK) & (chosen != labels[target])]
    assert np.bincount(replaced, minlength=10)[BASES] / len(replaced) == pytest.approx([0.25] * 4, abs=0.02)


def test_same_generator_same_masks():
    ids = tokenizer.tokenize(["ACGTTGCA" * 10] * 4)
    first, again, other = (mask(ids, 0.15, generator(seed), TOKENS) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])
