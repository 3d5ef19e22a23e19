"""Codes of the k-mers in sequences, the same for both strands."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from s2f.sequences import dna

AT_ONCE = 1 << 16  # sequences whose k-mers are in memory at a time


def kmers(
    sequences: Sequence[str] | np.ndarray, k: int, at_once: int = AT_ONCE
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """Yield, for `at_once` sequences at a time, the sequence number and the code of each k-mer.

    The code has two bits per letter; it is the lower one of the codes of the k-mer and its reverse complement. K-mers
    with N are skipped; `k` is at most 31, so that a code fits into 64 bits.
    """
    for start in range(0, len(sequences), at_once):
        some = sequences[start : start + at_once]
        letters = dna.encode("N".join(some))  # no k-mer extends across an N
        if len(letters) < k:
            continue
        forward, reverse = _codes(letters, k)
        unknown = np.concatenate([[0], np.cumsum(letters == dna.N_CODE)])
        whole = np.flatnonzero(unknown[k:] == unknown[:-k])
        ends = np.cumsum([len(sequence) + 1 for sequence in some])
        yield start + np.searchsorted(ends, whole, side="right"), np.minimum(forward, reverse)[whole]


def _codes(letters: NDArray[np.uint8], k: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Codes of all words of `k` letters and of their reverse complements: two arrays (len(letters) - k + 1,).

    A word is built from two shorter ones, following the binary digits of `k`: a dozen passes instead of 2 k.
    """
    letter = (letters & 3).astype(np.uint64), (3 - (letters & 3)).astype(np.uint64)
    word, length = letter, 1
    for digit in f"{k:b}"[1:]:
        word, length = _joined(word, length, word, length), 2 * length
        if digit == "1":
            word, length = _joined(word, length, letter, 1), length + 1
    return word


def _joined(
    left: tuple[np.ndarray, np.ndarray], left_length: int, right: tuple[np.ndarray, np.ndarray], right_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the words made of a left word and the right word that comes after it."""
    n = len(right[0]) - left_length
    forward = left[0][:n] << np.uint64(2 * right_length) | right[0][left_length:]
    reverse = right[1][left_length:] << np.uint64(2 * left_length) | left[1][:n]
    return forward, reverse
