"""Homologous groups of many short DNA sequences by exact local alignment.

Two sequences are homologous if the local alignment score of one with the other, or with its reverse complement, is at
least `threshold` (hashFrag, de-Boer-Lab/hashFrag: match 1, mismatch -1, gap of k letters 2 + (k - 1); threshold 60).
Groups are the connected components.

Which pairs are aligned (the candidates): on one strand, the two sequences have a run of at least `word` equal letters
ACGT, and the first `word` letters of this run, extended without gaps by up to `PAD` letters on either side, score at
`seed_score`. (Each sequence is first replaced by the alphabetically smaller of itself and its reverse complement; for
the other strand, the one of the two that sorts later is turned.) The score of a candidate is exact. Compared with an
alignment of all pairs of 17,452 real 200-bp sequences, which gives 229,013 homologous pairs and 14,101 groups:

    word  seed_score   pairs missed   groups
       7          14              9   14,101
       8          14            116   14,101   the default
       8          16            182   14,101   three fifths of the time
       9          14            836   14,108
      11          11          7,262   14,134   all pairs with a word of 11 in common: the most blastn -word_size 11 sees
      11          16          9,127   14,143   with blastn's trigger of gapped extension

Short inserts have fewer positions for a seed, and lower thresholds. In 3,000 pairs of random sequences, one of which is
the other with some of its letters redrawn, the default misses this many of the pairs whose score reaches the threshold:

    length  threshold    10 %     15 %       20 %       25 %
        51         24  0/3000   6/2999    67/2974   134/2846
        75         27  0/3000   1/3000     9/3000    44/2997
       101         31  0/3000   0/3000     1/3000    19/3000
       150         45       0        0          0          0
       200         60       0        0          0          0

Cost for N sequences of L letters on two strands: N^2 L^2 / 4^word chance hits of words (2e11 for 400,000 of 200 bp),
which are extended 64 at a time. A few in 1,000 become candidates and are aligned, first without as many of their last
letters as the required score allows. Pairs that are already connected are skipped, and an ungapped score of `threshold`
connects without alignment, so a family of F repeats costs about F alignments and not F^2. A pair is aligned once,
however many seeds it has (`alignment.SEEN`). All compiled code is in `alignment`.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from s2f.common.errors import InputError
from s2f.sequences import dna
from s2f.splits.homology.alignment import MASK_OF_CODE, PAD, SEEN, index_words, merge, search

LONGEST = 2**15 - 16  # letters: the limit of the numbers in `align`
_OPPOSITE = str.maketrans("ACGT", "TGCA")


def homologous_groups(
    sequences: Sequence[str],
    threshold: int | NDArray[np.int64] = 60,
    word: int = 8,
    both_strands: bool = True,
    threads: int = 2,
    seed_score: int = 14,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.int32]:
    """The group of each sequence: (N,), numbered by first occurrence.

    `sequences` are texts over ACGTUN of at least one letter; N matches nothing. `threshold` is one number for all, or
    one per sequence, (N,), of which the lower applies to a pair (see `thresholds`). Equal sequences (or reverse
    complements, with `both_strands`) share a group whatever their length; otherwise a sequence shorter than `word` is
    alone. The result does not depend on `threads` or, except for the numbering, on the order of the sequences.
    `progress(done, total)` is called with the number of word hits examined. Raises `InputError` for a bad sequence or
    parameter.
    """
    _check_sequences(sequences, "sequence")
    rows, of_row = _distinct(sequences, both_strands)
    needed = np.full(len(rows), 2**15)
    np.minimum.at(needed, of_row, np.broadcast_to(threshold, len(of_row)))
    parent = np.arange(len(rows), dtype=np.int32)
    parent, _ = _search(rows, 0, parent, needed, word, both_strands, threads, seed_score, progress)
    return pd.factorize(parent[of_row])[0].astype(np.int32)


def best_scores(
    queries: Sequence[str] | np.ndarray,
    targets: Sequence[str] | np.ndarray,
    enough: int | NDArray[np.int64] | None = None,
    word: int = 8,
    both_strands: bool = True,
    threads: int = 2,
    seed_score: int = 14,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.int64]:
    """The highest local alignment score of each query with any candidate target: (len(queries),).

    0 if a query has no candidate. This is the audit of a split: with train as targets, no test sequence may reach the
    threshold of the groups. A query that reaches `enough` (one number, or one per query) gets that score and is not
    searched further, which saves most of the time if whole repeat families lie on both sides. Other parameters and
    errors are as for `homologous_groups`.
    """
    most = np.broadcast_to(np.iinfo(np.int16).max if enough is None else enough, len(queries))
    needed = np.concatenate([np.full(len(targets), np.iinfo(np.int16).max), most])
    settings = (word, both_strands, threads, seed_score, progress)
    reached, best = _search_targets(queries, targets, needed, *settings)
    return np.where(reached, most, best)


def homologous_to_any(
    queries: Sequence[str] | np.ndarray,
    targets: Sequence[str] | np.ndarray,
    query_thresholds: np.ndarray,
    target_thresholds: np.ndarray,
    word: int = 8,
    both_strands: bool = True,
    threads: int = 2,
    seed_score: int = 14,
    progress: Callable[[int, int], object] | None = None,
) -> NDArray[np.bool_]:
    """Whether each query is homologous to any candidate target: (len(queries),).

    The score of a pair must reach the lower of its thresholds, as in `homologous_groups`. `best_scores` cannot decide
    this if targets have their own thresholds: the best score may belong to a different target from the one that needs
    the lowest score. Other parameters and errors are as for `homologous_groups`.
    """
    needed = np.concatenate([target_thresholds, query_thresholds])
    return _search_targets(queries, targets, needed, word, both_strands, threads, seed_score, progress)[0]


def _search_targets(
    queries: Sequence[str] | np.ndarray, targets: Sequence[str] | np.ndarray, needed: np.ndarray, *settings: Any
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Search all queries among all targets, which come first in `needed`: whether a pair of each query reaches what it
    needs, and the best score of each up to that point, two arrays (len(queries),). `settings` are those of `_search`,
    from `word` onwards."""
    _check_sequences(queries, "query")
    _check_sequences(targets, "target")
    if len(queries) == 0 or len(targets) == 0:
        return np.zeros(len(queries), bool), np.zeros(len(queries), np.int64)
    border = len(targets)
    parent = np.arange(border + len(queries), dtype=np.int32)
    parent[:border] = 0  # the targets form one tree; a query that has reached what it needs is joined to it
    parent, best = _search([*targets, *queries], border, parent, needed, *settings)
    return parent[border:] == 0, best.astype(np.int64)


def now_and_then(report: Callable[[str], object], seconds: float = 30) -> Callable[[int, int], None]:
    """A `progress` function for the searches that reports the progress once every so many `seconds`."""
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > seconds:
            last = time.monotonic()
            report(f"  {100 * done / total:.0f} % of the words searched")

    return progress


def _search(
    sequences: Sequence[str],
    border: int,
    parent: np.ndarray,
    needed: np.ndarray,
    word: int,
    both_strands: bool,
    threads: int,
    seed_score: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Run `alignment.search` over all words and return the forest and the best scores, as described there."""
    scores = [int(needed.min(initial=1)), int(needed.max(initial=1))]
    limits = (("threshold", scores, 1, 2**15 - 1), ("word", [word], 4, 12), ("threads", [threads], 1, 1024))
    for name, values, low, high in limits:
        for value in values:
            if not low <= value <= high:
                raise InputError(f"homology: {name} is {value}, expected {low} to {high}")
    best = np.zeros(len(sequences) - border if border else 0, np.int32)
    if len(sequences) == 0:
        return parent, best
    text, lengths = pack(sequences, both_strands)
    words = int(np.maximum(lengths[: len(sequences)] - word + 1, 0).sum())
    row_of, column_of = np.empty(words, np.uint32), np.empty(words, np.uint16)
    starts = index_words(text, lengths[: len(sequences)], word, row_of, column_of)
    extra = min(max(seed_score - word, 0), 127)
    fixed = *map(int, (1 + both_strands, border, extra)), needed.astype(np.int32)
    pairs = (1 + both_strands) * len(sequences) * (border or len(sequences))
    seen = np.zeros(1 << min(pairs, SEEN).bit_length() - 1, np.uint64)

    def task(span):
        return search(text, lengths, starts, row_of, column_of, word, *map(int, span), *fixed, parent, best, seen)

    spans, hits = _spans(starts, word, both_strands)
    with ThreadPoolExecutor(threads) as pool:
        for done, (found, scores) in enumerate(_in_order(pool, task, spans, threads)):
            merge(parent, found)
            np.maximum(best, scores, out=best)
            if progress:
                progress(int(hits[done]), int(hits[-1]))
    return parent, best


def _check_sequences(sequences: Sequence[str] | np.ndarray, what: str) -> None:
    for number, sequence in enumerate(sequences):
        if not 1 <= len(sequence) <= LONGEST:
            where = f"{what} {number} (counted from 0)"
            raise InputError(f"homology: {where} has {len(sequence)} letters, expected 1 to {LONGEST}")
    try:
        dna.encode("".join(sequences))
    except ValueError:  # the position in the joined text says little: look for the sequence
        for number, sequence in enumerate(sequences):
            try:
                dna.encode(sequence)
            except ValueError as error:
                raise InputError(f"homology: {what} {number} (counted from 0): {error}") from None


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Any], Any], items: Iterable[Any], threads: int
) -> Iterator[Any]:
    """The results of `function` over `items`, in their order, with only a few of them being computed at a time."""
    running: deque[Future[Any]] = deque()
    for item in items:
        running.append(pool.submit(function, item))
        if len(running) > threads:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _distinct(sequences: Sequence[str], both_strands: bool) -> tuple[list[str], NDArray[np.int64]]:
    """Sequences in canonical form, each once (in either orientation), sorted, and every sequence's index in them."""
    keys = [sequence.upper().replace("U", "T") for sequence in sequences]
    if both_strands:
        keys = [min(key, key.translate(_OPPOSITE)[::-1]) for key in keys]
    rows = sorted(set(keys))
    indices = {key: index for index, key in enumerate(rows)}
    return rows, np.array([indices[key] for key in keys], np.int64)


def pack(sequences: Sequence[str], both_strands: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The text for `alignment`, and lengths (rows,): all sequences, then all reverse complements.

    The stride is a power of two, so that a letter's row and column are found by a shift and a mask.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    codes = dna.encode("".join(sequences))
    stride = 1 << int(lengths.max() + PAD - 1).bit_length()
    rows = len(lengths) * (1 + both_strands)
    text = np.zeros((rows + 1, stride), np.uint8)[:rows]  # one more row in memory: zeros after the last sequence
    column = np.arange(stride) - PAD
    used = (column >= 0) & (column < lengths[:, None])
    text[: len(lengths)][used] = MASK_OF_CODE[codes]
    if both_strands:  # the reverse of the whole text has the last sequence first, each one backwards
        text[len(lengths) :][::-1][used[::-1]] = MASK_OF_CODE[dna.reverse_complement(codes)]
        lengths = np.tile(lengths, 2)
    return text, lengths


def pack_codes(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The text for `alignment`, made from sequences of equal length given as codes (N, length)."""
    stride = 1 << int(codes.shape[1] + PAD - 1).bit_length()
    text = np.zeros((len(codes) + 1, stride), np.uint8)[:-1]
    text[:, PAD : PAD + codes.shape[1]] = MASK_OF_CODE[codes]
    return text


def _spans(starts: np.ndarray, word: int, both_strands: bool) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Ranges of word numbers that need about the same work, and the number of hits examined by the end of each."""
    counts = np.diff(starts).astype(np.float64)
    hits = np.cumsum(counts * (counts - 1) / 2 + both_strands * counts * counts / 2)
    # gathering a position costs about as much as 50 hits, and a word without positions as much as one
    work = hits + 50 * np.cumsum(counts) + np.arange(1, len(counts) + 1)
    ends = np.unique(np.searchsorted(work, np.linspace(0, work[-1], 513)[1:]).clip(max=len(counts) - 1) + 1)
    return list(zip([0, *ends[:-1]], ends, strict=True)), hits[ends - 1]
