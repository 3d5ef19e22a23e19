"""Homologous groups of many short DNA sequences, by exact local alignment of the pairs that share a word.

Two sequences are homologous when the local alignment score of one with the other, or with its reverse complement, is at
least `threshold` (hashFrag, de-Boer-Lab/hashFrag: match 1, mismatch -1, gap of k letters 2 + (k - 1); threshold 60).
Groups are the connected components. Which pairs are aligned (the candidates): on one strand the two share `word`
consecutive letters ACGT, and the best ungapped alignment through them, extended to both sides until it has dropped
`DROP` below its best, scores at least `seed_score`. That is blastn's rule for starting a gapped alignment, without its
limits on hits. With seed_score <= word every pair that shares a word is aligned. A candidate's score is exact.

Cost. N sequences of L letters, 2 strands: N^2 L^2 / 4^word word hits by chance alone (5e9 for 400,000 of 200 bp), a
few ns each; one in fifty passes the seed rule and costs a Smith-Waterman of L^2 cells (1.4 us). A pair that is already
connected is skipped by one look-up, and an ungapped score >= threshold connects without further alignment, so a repeat
family of F members costs about F alignments and not F^2. Memory per sequence of 200 bp: 0.5 kB of text, 0.8 kB of index.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from s2f import dna
from s2f.files import InputError
from s2f.local_alignment import BASES, LANES, MASK_OF_CODE, align, workspace

REACH = 64  # letters to either side of a shared word that the seed score looks at: one machine word per bit plane
SEED_SCORE = 16  # blastn's trigger of gapped extension, 27 bits, in score units
PROBE = 24  # score that pairs sharing a word by chance do not reach (one in 2,000 of 200 bp): looked for first
BLOCK = 512  # queries per task

_DIGIT = np.zeros(17, np.uint8)
_DIGIT[MASK_OF_CODE] = np.arange(5)

# Of eight places as the bits of a byte, +1 where set and -1 where not: the sum, and the highest sum on the way
_STEPS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.int64) * 2 - 1
_SUM = _STEPS.sum(1)
_PEAK_UP = _STEPS.cumsum(1).max(1)
_PEAK_DOWN = _STEPS[:, ::-1].cumsum(1).max(1)


def homologous_groups(
    sequences, threshold=60, word=11, both_strands=True, threads=2, seed_score=SEED_SCORE, progress=None
):
    """Group labels of sequences: int32 array (N,), numbered by first occurrence.

    `sequences` are texts over ACGTUN, at least one letter each; N matches nothing. Equal sequences (or reverse
    complements, with `both_strands`) share a group whatever their length; a sequence shorter than `word` is otherwise
    alone. The result depends neither on `threads` nor, but for the numbering, on the order of the sequences.
    `progress(done, total)` is called as sequences are finished. Raises `InputError` for a bad sequence or parameter.
    """
    _check(threshold, word, threads)
    rows, of_row = _distinct(sequences, both_strands)
    text, lengths = _pack(rows, both_strands)
    planes = _planes(text)
    index = _index(text, lengths, len(rows), word)
    parent = np.arange(len(rows), dtype=np.int32)
    margin = max(0, threshold - PROBE)

    def scan(first, last):
        work = workspace(lengths.max())
        return _scan(text, planes, lengths, *index, word, first, last, True, threshold, margin, seed_score, parent, work)

    for _, _, (found, _) in _blocks(scan, 0, len(rows), threads, progress):
        _merge(parent, found)
    return np.unique(parent, return_inverse=True)[1].astype(np.int32)[of_row]


def best_scores(queries, targets, word=11, both_strands=True, threads=2, seed_score=SEED_SCORE, progress=None):
    """Highest local alignment score of each query with any candidate target: int64 array (len(queries),).

    0 where a query has no candidate. The audit of a split: with train as targets, no test sequence may reach the
    threshold of the groups. Parameters and errors as for `homologous_groups`.
    """
    _check(1, word, threads)
    text, lengths = _pack([*targets, *queries], both_strands)
    planes = _planes(text)
    index = _index(text, lengths, len(targets), word)
    alone = np.arange(len(targets) + len(queries), dtype=np.int32)
    never = np.iinfo(np.int64).max

    def scan(first, last):
        work = workspace(lengths.max())
        return _scan(text, planes, lengths, *index, word, first, last, False, never, 0, seed_score, alone, work)

    scores = np.zeros(len(queries), np.int64)
    for first, last, (_, best) in _blocks(scan, len(targets), len(alone), threads, progress):
        scores[first - len(targets) : last - len(targets)] = best
    return scores


def _check(threshold, word, threads):
    limits = (("threshold", threshold, 1, 32000), ("word", word, 4, 14), ("threads", threads, 1, 1024))
    for name, value, low, high in limits:
        if not low <= value <= high:
            raise InputError(f"homology: {name} is {value}, expected {low} to {high}")


def _distinct(sequences, both_strands):
    """Sequences in canonical form, each kept once (in either orientation), and the place of every sequence in them."""
    places, of_row = {}, np.empty(len(sequences), np.int64)
    for number, sequence in enumerate(sequences):
        key = sequence.upper().replace("U", "T")
        if both_strands:
            key = min(key, key.translate(_OPPOSITE)[::-1])
        of_row[number] = places.setdefault(key, len(places))
    return list(places), of_row


_OPPOSITE = str.maketrans("ACGT", "TGCA")


def _pack(sequences, both_strands):
    """Text (rows, stride) uint8 and lengths (rows,) int64: all sequences, then all reverse complements.

    A row starts and ends with at least one 0; stride is a power of two, so that row and column of a place in the text
    are a shift and a mask of one number.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    if (lengths == 0).any():
        raise InputError(f"homology: sequence {int(lengths.argmin())} (counted from 0) is empty")
    try:
        letters = dna.encode("".join(sequences))
    except ValueError as error:
        raise InputError(f"homology: {_first_bad(sequences) or error}") from None
    stride = 1 << int(lengths.max(initial=0) + REACH // 2).bit_length()
    text = np.zeros(((1 + both_strands) * len(lengths), stride), np.uint8)
    column = np.arange(stride)
    used = (column >= 1) & (column <= lengths[:, None])
    text[: len(lengths)][used] = MASK_OF_CODE[letters]
    if both_strands:  # the reverse of the whole has the last sequence first, each one backwards
        text[len(lengths) :][::-1][used[::-1]] = MASK_OF_CODE[dna.reverse_complement(letters)]
        lengths = np.tile(lengths, 2)
    return text, lengths


def _first_bad(sequences):
    for number, sequence in enumerate(sequences):
        try:
            dna.encode(sequence)
        except ValueError as error:
            return f"sequence {number} (counted from 0): {error}"
    return ""


def _blocks(scan, first, last, threads, progress):
    """Run `scan(start, stop)` over blocks of [first, last) on `threads` threads; yield start, stop, result in order."""
    running = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in [*range(first, last, BLOCK), *[None] * (threads + 1)]:
            if len(running) > threads or (start is None and running):
                begun, stop, task = running.popleft()
                yield begun, stop, task.result()
                if progress:
                    progress(stop - first, last - first)
            if start is not None:
                stop = min(start + BLOCK, last)
                running.append((start, stop, pool.submit(scan, start, stop)))


def _planes(text):
    """Text as bit planes: uint64 (words, 3), bit p % 64 of word 1 + p / 64 for place p of the flat text.

    The planes are the two bits of the base and whether there is a base; the word before the text is empty.
    """
    letters = np.pad(text.ravel(), (REACH, REACH))
    digits = _DIGIT[letters]
    bits = (digits & 1, digits >> 1 & 1, letters & BASES > 0)
    return np.stack([np.packbits(plane, bitorder="little").view(np.uint64) for plane in bits], axis=1)


def _index(text, lengths, rows, word):
    """The words of the first `rows` sequences: `places` (row * stride + column, in rising order per word) and `starts`.

    Places of the word with number w are places[starts[w] : starts[w + 1]].
    """
    words = int(np.maximum(lengths[:rows] - word + 1, 0).sum())
    places = np.empty(words, np.uint32 if rows * text.shape[1] <= 2**32 else np.int64)
    return _fill_index(text, lengths, rows, word, places), places


@numba.njit(nogil=True)
def _fill_index(text, lengths, rows, word, places):
    starts = np.zeros(4**word + 2, np.int64)
    for row in range(rows):
        code = run = 0
        for column in range(1, lengths[row] + 1):
            code, run = _next_word(code, run, text[row, column], word)
            if run >= word:
                starts[code + 2] += 1
    for word_number in range(len(starts) - 1):
        starts[word_number + 1] += starts[word_number]
    for row in range(rows):
        code = run = 0
        for column in range(1, lengths[row] + 1):
            code, run = _next_word(code, run, text[row, column], word)
            if run >= word:
                places[starts[code + 1]] = row * text.shape[1] + column - word + 1
                starts[code + 1] += 1
    return starts[:-1]


@numba.njit(nogil=True)
def _next_word(code, run, letter, word):
    """Number of the word that ends at `letter`, and the letters since the last N."""
    if letter & BASES == 0:
        return 0, 0
    return (code * 4 + np.int64(_DIGIT[letter])) & (4**word - 1), run + 1


@numba.njit(nogil=True)
def _scan(
    text, planes, lengths, starts, places, word, first, last, earlier_only, threshold, margin, seed_score, parents, work
):
    """Align queries [first, last) with their candidates among the indexed rows.

    `earlier_only`: candidates are the rows before the query. `parents` is a forest over the sequences: pairs in one
    tree are skipped, and pairs that reach `threshold` are joined. Returns the forest with what was joined (a copy) and
    the best score of each query, int64 (last - first,).
    """
    n, stride = len(parents), text.shape[1]
    shift = int(np.log2(stride))
    parent = parents.copy()
    best = np.zeros(last - first, np.int64)
    seen = np.full(n, -1, np.int32)
    left, right = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    waiting = 0
    for query in range(first, last):
        limit = query * stride if earlier_only else n * stride
        root = _root(parent, query)
        for strand in range(len(text) // n):
            row = query + strand * n
            code = run = 0
            for end in range(1, lengths[row] + 1):
                code, run = _next_word(code, run, text[row, end], word)
                if run < word:
                    continue
                begin = end - word + 1
                right_of_word = _window(planes, row * stride + begin + word)
                left_of_word = _window(planes, row * stride + begin - REACH)
                for k in range(starts[code], starts[code + 1]):
                    place = np.int64(places[k])
                    if place >= limit:
                        break
                    other = place >> shift
                    if seen[other] == 2 * (query - first) + strand or _root(parent, other) == root:
                        continue
                    equal = _equal(left_of_word, _window(planes, place - REACH))
                    if equal >> np.uint64(63):
                        continue  # this run of equal letters began earlier and was looked at there
                    score = word + _gain(equal, False)
                    score += _gain(_equal(right_of_word, _window(planes, place + word)), True)
                    if score >= threshold:
                        root = _join(parent, root, other)
                    elif score >= seed_score:
                        seen[other] = 2 * (query - first) + strand
                        left[waiting], right[waiting] = row, other
                        waiting += 1
                        if waiting == LANES:
                            waiting = _drop_joined(parent, left, right, waiting)
                        if waiting == LANES:
                            _settle(text, lengths, left, right, waiting, margin, work, threshold, parent, best, first)
                            waiting = 0
                            root = _root(parent, query)
    waiting = _drop_joined(parent, left, right, waiting)
    _settle(text, lengths, left, right, waiting, margin, work, threshold, parent, best, first)
    return parent, best


@numba.njit(nogil=True)
def _window(planes, place):
    """The `REACH` letters from `place` of the text (which may be as low as -64): the three planes, lowest bit first."""
    word, shift = 1 + (place >> 6), np.uint64(place & 63)
    rest = np.uint64(63) - shift
    one = np.uint64(1)
    return (
        planes[word, 0] >> shift | planes[word + 1, 0] << one << rest,
        planes[word, 1] >> shift | planes[word + 1, 1] << one << rest,
        planes[word, 2] >> shift | planes[word + 1, 2] << one << rest,
    )


@numba.njit(nogil=True)
def _equal(a, b):
    """Bits of the places where two windows hold the same base."""
    return ~((a[0] ^ b[0]) | (a[1] ^ b[1])) & a[2] & b[2]


@numba.njit(nogil=True)
def _gain(equal, upwards):
    """Best score of an ungapped extension over the 64 places of `equal`, from the lowest bit up or the highest down."""
    score = best = np.int64(0)
    peaks = _PEAK_UP if upwards else _PEAK_DOWN
    for k in range(8):
        byte = (equal >> np.uint64(8 * k if upwards else 56 - 8 * k)) & np.uint64(255)
        best = max(best, score + peaks[byte])
        score += _SUM[byte]
    return best


@numba.njit(nogil=True)
def _settle(text, lengths, left, right, count, margin, work, threshold, parent, best, first):
    """Align `count` waiting pairs, join those that reach the threshold and note the best score of their queries."""
    scores = np.zeros(LANES, np.int64)
    if margin:
        align(text, lengths, left, right, count, margin, work, scores)
        if scores.max() < threshold - margin:
            return
    align(text, lengths, left, right, count, 0, work, scores)
    for lane in range(count):
        query = left[lane] % len(parent)
        best[query - first] = max(best[query - first], scores[lane])
        if scores[lane] >= threshold:
            _join(parent, query, right[lane])


@numba.njit(nogil=True)
def _drop_joined(parent, left, right, count):
    """Keep the waiting pairs that are not connected yet; returns how many."""
    kept = 0
    for lane in range(count):
        if _root(parent, left[lane] % len(parent)) != _root(parent, right[lane]):
            left[kept], right[kept] = left[lane], right[lane]
            kept += 1
    return kept


@numba.njit(nogil=True)
def _root(parent, node):
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@numba.njit(nogil=True)
def _join(parent, a, b):
    """Connect two trees; the root is the lowest number, so that every parent is at most its child. Returns the root."""
    a, b = _root(parent, a), _root(parent, b)
    low, high = min(a, b), max(a, b)
    parent[high] = low
    return low


@numba.njit(nogil=True)
def _merge(parent, found):
    """Join in `parent` what is joined in `found`, and make every node point to its root."""
    for node in range(len(parent)):
        if found[node] != node:
            _join(parent, node, found[node])
    for node in range(len(parent)):
        parent[node] = parent[parent[node]]
