"""Homologous groups of many short DNA sequences by exact local alignment.

Two sequences are homologous when the local alignment score of one with the other, or with its reverse complement, is at
least `threshold` (hashFrag, de-Boer-Lab/hashFrag: match 1, mismatch -1, gap of k letters 2 + (k - 1); threshold 60).
Groups are the connected components.

Which pairs are aligned (the candidates): on one strand the two have `word` letters ACGT in a row in common, and the
first `word` letters of this run, extended without gaps by up to `PAD` letters to either side, score at least
`seed_score`. (Both are taken as the smaller in the alphabet of sequence and reverse complement, and of the two the one
that sorts later is turned.) The score of a candidate is exact. Against the comparison of all pairs of 17,452 real
200-bp sequences, which has 229,013 homologous pairs and 14,101 groups:

    word  seed_score   pairs missed   groups
       7          14              9   14,101
       8          14            116   14,101   the default
       8          16            182   14,101   three fifths of the time
       9          14            836   14,108
      11          11          7,262   14,134   all pairs with a word of 11 in common: the most blastn -word_size 11 sees
      11          16          9,127   14,143   with blastn's trigger of gapped extension

Cost for N sequences of L letters on two strands: N^2 L^2 / 4^word chance hits of words (2e11 for 400,000 of 200 bp),
which `extend` takes 64 at a time in 60 ns; some in 1,000 become candidates and cost L^2 cells of `align` (1.4 us).
Pairs that are connected already are skipped, and an ungapped score of `threshold` connects without alignment, so that
a family of F repeats costs about F alignments and not F^2.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pandas as pd

from s2f import dna
from s2f.files import InputError
from s2f.local_alignment import BASES, LANES, MASK_OF_CODE, PAD, align, extend, lowest_bit, workspace

WAITING = 1 << 16, 1 << 25  # candidates to collect before they are aligned: first few, so that families join early
LONGEST = 2**15 - 16  # letters: what the numbers of `align` hold
TASK = 1 << 16  # candidates to align per task

_DIGIT = np.zeros(17, np.int64)
_DIGIT[MASK_OF_CODE] = np.arange(5)
_OPPOSITE = str.maketrans("ACGT", "TGCA")


def homologous_groups(sequences, threshold=60, word=8, both_strands=True, threads=2, seed_score=14, progress=None):
    """Group labels of sequences: int32 array (N,), numbered by first occurrence.

    `sequences` are texts over ACGTUN of at least one letter; N matches nothing. Equal sequences (or reverse
    complements, with `both_strands`) share a group whatever their length; a sequence shorter than `word` is otherwise
    alone. The result depends neither on `threads` nor, but for the numbering, on the order of the sequences.
    `progress(done, total)` is called with word hits looked at. Raises `InputError` for a bad sequence or parameter.
    """
    _check_sequences(sequences, "sequence")
    rows, of_row = _distinct(sequences, both_strands)
    parent = np.arange(len(rows), dtype=np.int32)
    settings = (word, both_strands, threads, seed_score, progress)
    for _ in _scores(rows, 0, parent, threshold, threshold - threshold // 2, *settings):
        pass  # what is above the threshold has been joined in `parent`
    return pd.factorize(parent[of_row])[0].astype(np.int32)


def best_scores(queries, targets, enough=None, word=8, both_strands=True, threads=2, seed_score=14, progress=None):
    """Highest local alignment score of each query with any candidate target: int64 array (len(queries),).

    0 where a query has no candidate. The audit of a split: with train as targets, no test sequence may reach the
    threshold of the groups. A query that reaches `enough` gets that score and is not looked at further, which saves
    most of the time where whole repeat families lie on both sides. Other parameters and errors as for
    `homologous_groups`.
    """
    _check_sequences(queries, "query")
    _check_sequences(targets, "target")
    best = np.zeros(len(queries), np.int64)
    if len(queries) == 0 or len(targets) == 0:
        return best
    border = len(targets)
    parent = np.arange(border + len(queries), dtype=np.int32)
    parent[:border] = 0  # the targets are one tree: a query that has reached `enough` is joined to all of them
    never = np.iinfo(np.int16).max
    settings = (word, both_strands, threads, seed_score, progress)
    for query, score in _scores([*targets, *queries], border, parent, enough or never, 0, *settings):
        np.maximum.at(best, query - border, score)
    return np.where(parent[border:] == 0, enough or never, best)


def _scores(sequences, border, parent, threshold, margin, word, both_strands, threads, seed_score, progress):
    """Align the candidates: yield the later rows of pairs and their scores, and join what reaches `threshold`.

    With a `border` other than 0 only pairs of a row before it and a row from it on are looked at. `parent` (N,) int32
    is a forest, every parent at most its child, that grows by the joined pairs; pairs within a tree are skipped. With a
    `margin`, pairs that stay below threshold - margin may have score 0.
    """
    limits = (("threshold", threshold, 1, 2**15 - 1), ("word", word, 4, 12), ("threads", threads, 1, 1024))
    for name, value, low, high in limits:
        if not low <= value <= high:
            raise InputError(f"homology: {name} is {value}, expected {low} to {high}")
    if len(sequences) == 0:
        return
    text, lengths = _pack(sequences, both_strands)
    starts, places = _index(text, lengths, len(sequences), word)
    extra = min(max(seed_score - word, 0), 127)

    def scan(span):
        found, keys = _scan(text, lengths, starts, places, word, *span, both_strands, border, threshold, extra, parent)
        return found, _unique(keys)

    def settle(keys):
        work = workspace(int(lengths.max()))
        found, scores = _settle(text, lengths, keys, threshold, margin, work, parent)
        return found, (keys >> 33, scores)

    spans, hits = _spans(starts, word, both_strands)
    waiting, enough = [], WAITING[0]
    with ThreadPoolExecutor(threads) as pool:
        for done, (found, keys) in enumerate(_in_order(pool, scan, spans, threads), 1):
            _merge(parent, found)
            waiting.append(keys)
            if sum(map(len, waiting)) >= enough or done == len(spans):
                keys, waiting, enough = _unique(np.concatenate(waiting)), [], min(4 * enough, WAITING[1])
                blocks = [keys[k : k + TASK] for k in range(0, len(keys), TASK)]
                for found, result in _in_order(pool, settle, blocks, threads):
                    _merge(parent, found)
                    yield result
            if progress:
                progress(int(hits[done - 1]), int(hits[-1]))


def _check_sequences(sequences, what):
    for number, sequence in enumerate(sequences):
        if not 1 <= len(sequence) <= LONGEST:
            where = f"{what} {number} (counted from 0)"
            raise InputError(f"homology: {where} has {len(sequence)} letters, expected 1 to {LONGEST}")
    try:
        dna.encode("".join(sequences))
    except ValueError:  # the place in the whole says little: look for the sequence
        for number, sequence in enumerate(sequences):
            try:
                dna.encode(sequence)
            except ValueError as error:
                raise InputError(f"homology: {what} {number} (counted from 0): {error}") from None


def _in_order(pool, function, items, threads):
    """Results of `function` over `items`, in their order, with few of them under way at a time."""
    running = deque()
    for item in items:
        running.append(pool.submit(function, item))
        if len(running) > threads:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _unique(keys):
    keys = np.sort(keys)
    first = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return keys[first]


def _distinct(sequences, both_strands):
    """Sequences in canonical form, each kept once (in either orientation), sorted, and the place of every sequence."""
    keys = [sequence.upper().replace("U", "T") for sequence in sequences]
    if both_strands:
        keys = [min(key, key.translate(_OPPOSITE)[::-1]) for key in keys]
    rows = sorted(set(keys))
    places = {key: place for place, key in enumerate(rows)}
    return rows, np.array([places[key] for key in keys], np.int64)


def _pack(sequences, both_strands):
    """The text of `local_alignment` and lengths (rows,) int64: all sequences, then all reverse complements.

    The stride is a power of two, so that row and column of a place are a shift and a mask.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    codes = dna.encode("".join(sequences))
    stride = 1 << int(lengths.max() + PAD - 1).bit_length()
    rows = len(lengths) * (1 + both_strands)
    text = np.zeros((rows + 1, stride), np.uint8)[:rows]  # a row more in memory: zeros after the last sequence
    column = np.arange(stride) - PAD
    used = (column >= 0) & (column < lengths[:, None])
    text[: len(lengths)][used] = MASK_OF_CODE[codes]
    if both_strands:  # the reverse of the whole has the last sequence first, each one backwards
        text[len(lengths) :][::-1][used[::-1]] = MASK_OF_CODE[dna.reverse_complement(codes)]
        lengths = np.tile(lengths, 2)
    return text, lengths


def _index(text, lengths, rows, word):
    """Words of the first `rows` sequences: that of number w at places[starts[w] : starts[w + 1]], in rising order."""
    words = int(np.maximum(lengths[:rows] - word + 1, 0).sum())
    places = np.empty(words, np.uint32 if rows * text.shape[1] <= 2**32 else np.int64)
    return _fill_index(text, lengths, rows, word, places), places


@numba.njit(nogil=True)
def _fill_index(text, lengths, rows, word, places):
    starts = np.zeros(4**word + 2, np.int64)
    for filling in (False, True):
        for row in range(rows):
            number = run = 0
            for column in range(PAD, PAD + lengths[row]):
                letter = text[row, column]
                run = run + 1 if letter & BASES else 0
                number = (number * 4 + _DIGIT[letter]) & (4**word - 1)
                if run >= word and filling:
                    places[starts[number + 1]] = row * text.shape[1] + column - word + 1
                    starts[number + 1] += 1
                elif run >= word:
                    starts[number + 2] += 1
        if not filling:
            for number in range(4**word + 1):
                starts[number + 1] += starts[number]
    return starts[:-1]


def _spans(starts, word, both_strands):
    """Ranges of word numbers of about equal work, and the hits looked at up to the end of each."""
    counts = np.diff(starts).astype(np.float64)
    hits = np.cumsum(counts * (counts - 1) / 2 + both_strands * counts * counts / 2)
    # a place costs about as much as 50 hits to gather, a word without places as one
    work = hits + 50 * np.cumsum(counts) + np.arange(1, len(counts) + 1)
    ends = np.unique(np.searchsorted(work, np.linspace(0, work[-1], 513)[1:]).clip(max=len(counts) - 1) + 1)
    return list(zip([0, *ends[:-1]], ends, strict=True)), hits[ends - 1]


@numba.njit(nogil=True)
def _scan(text, lengths, starts, places, word, first, last, both_strands, border, threshold, extra, parents):
    """Candidates among the hits of the words [first, last), as int64 keys; some are named more than once.

    A key is row << 33 | turned << 32 | other row, where the row comes after the other and may be turned. Returned are
    the forest `parents` with what an ungapped alignment joins (a copy) and the keys of the other candidates.
    """
    n, shift = len(parents), int(np.log2(text.shape[1]))
    letters = text.ravel()
    parent = parents.copy()
    keys, count = np.empty(1 << 12, np.int64), 0
    windows = np.zeros((2 * PAD, LANES), np.uint8)
    scores = np.empty(LANES, np.int8)
    for number in range(first, last):
        begin, end = starts[number], starts[number + 1]
        for turned in range(1 + both_strands):
            queries = _places_of(places, starts, number, turned, lengths, n, word, shift)
            below = _rows_below(places, begin, end, queries, turned, n, shift, border)
            for chunk in range(begin, end, LANES):
                lanes = min(LANES, end - chunk)
                one_tree = _gather(letters, places, chunk, lanes, word, shift, parent, windows)
                for k in range(len(queries)):
                    if below[k] <= chunk - begin:
                        continue
                    place = queries[k]
                    query = (place >> shift) - n * turned
                    if one_tree == _root(parent, query):
                        continue
                    passing = extend(letters, place - PAD, place + word, windows, scores, extra)
                    passing &= ~np.uint64(0) >> np.uint64(LANES - min(lanes, below[k] - (chunk - begin)))
                    while passing:
                        lane = lowest_bit(passing)
                        passing &= passing - np.uint64(1)
                        target = np.int64(places[chunk + lane])
                        other = target >> shift
                        if _root(parent, other) == _root(parent, query):
                            continue
                        if scores[lane] >= PAD and _ungapped(letters, place, target, word) >= threshold:
                            _join(parent, other, query)
                            continue
                        if count == len(keys):
                            keys = np.concatenate((keys, np.empty_like(keys)))
                        keys[count] = query << 33 | turned << 32 | other
                        count += 1
    return parent, keys[:count]


@numba.njit(nogil=True)
def _mirror(number, word):
    """Number of the reverse complement of a word."""
    mirror = 0
    for _ in range(word):
        mirror = mirror * 4 + 3 - number % 4
        number //= 4
    return mirror


@numba.njit(nogil=True)
def _places_of(places, starts, number, turned, lengths, n, word, shift):
    """Places of a word in the text; `turned`: those of its mirror image in the rows of reverse complements."""
    if turned:
        number = _mirror(number, word)
    found = np.empty(starts[number + 1] - starts[number], np.int64)
    for k in range(len(found)):
        found[k] = places[starts[number] + k]
        if turned:
            row, column = found[k] >> shift, found[k] & ((1 << shift) - 1)
            found[k] = ((n + row) << shift) + 2 * PAD + lengths[row] - word - column
    return found


@numba.njit(nogil=True)
def _rows_below(places, begin, end, queries, turned, n, shift, border):
    """For each query how many of places[begin:end], which rise like the queries, lie in rows that it is paired with."""
    below, count = np.empty(len(queries), np.int64), 0
    for k in range(len(queries)):
        row = (queries[k] >> shift) - n * turned
        limit = row if border == 0 else border if row >= border else 0
        while begin + count < end and places[begin + count] >> shift < limit:
            count += 1
        below[k] = count
    return below


@numba.njit(nogil=True)
def _gather(letters, places, chunk, lanes, word, shift, parent, windows):
    """Fill the windows of the lanes; the root of their tree, or -1 where they are not in one tree."""
    first = _root(parent, np.int64(places[chunk]) >> shift)
    one_tree = True
    for lane in range(lanes):
        place = np.int64(places[chunk + lane])
        for k in range(PAD):
            windows[k, lane] = letters[place - PAD + k] & BASES
            windows[PAD + k, lane] = letters[place + word + k] & BASES
        one_tree &= _root(parent, place >> shift) == first
    return first if one_tree else -1


@numba.njit(nogil=True)
def _ungapped(letters, i, j, word):
    """Best score of an alignment without gaps through the equal words at places i and j, up to the ends."""
    total = word
    for x, y, step in ((i + word, j + word, 1), (i - 1, j - 1, -1)):
        score = best = 0
        while letters[x] and letters[y]:
            score += 1 if letters[x] & letters[y] & BASES else -1
            best = max(best, score)
            x += step
            y += step
        total += best
    return total


@numba.njit(nogil=True)
def _settle(text, lengths, keys, threshold, margin, work, parents):
    """Align the pairs of `keys` that are not connected: the forest with what reaches `threshold` (a copy), the scores.

    With a `margin`, pairs that do not reach threshold - margin before their last letters (see `align`) get score 0.
    """
    n = len(parents)
    parent = parents.copy()
    result = np.zeros(len(keys), np.int16)
    chosen, total = np.arange(len(keys)), len(keys)  # numbers of the keys to look at
    batch, waiting = np.empty(LANES, np.int64), 0
    left, right, scores = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for cut in (margin, 0):  # first without the last letters, which refutes most; without margin in one go
        kept = 0
        for k in range(total + 1):
            if k < total:
                key = keys[chosen[k]]
                query, other = key >> 33, key & 0xFFFFFFFF
                if _root(parent, query) != _root(parent, other):
                    batch[waiting], left[waiting], right[waiting] = chosen[k], query + n * (key >> 32 & 1), other
                    waiting += 1
            if waiting == LANES or (waiting and k == total):
                align(text, lengths, left, right, waiting, cut, work, scores)
                for lane in range(waiting):
                    if cut and scores[lane] >= threshold - cut:
                        chosen[kept] = batch[lane]
                        kept += 1
                    elif not cut:
                        result[batch[lane]] = scores[lane]
                        if scores[lane] >= threshold:
                            _join(parent, left[lane] % n, right[lane])
                waiting = 0
        total = kept
    return parent, result


@numba.njit(nogil=True)
def _root(parent, node):
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@numba.njit(nogil=True)
def _join(parent, a, b):
    """Connect two trees; the root is the lowest number, so that every parent is at most its child."""
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)


@numba.njit(nogil=True)
def _merge(parent, found):
    """Join in `parent` what is joined in `found`, and make every node point to its root."""
    for node in range(len(parent)):
        if found[node] != node:
            _join(parent, node, found[node])
    for node in range(len(parent)):
        parent[node] = parent[parent[node]]
