"""The compiled half of the search for homologous sequences: common words, extension, alignment, joining.

`align` gives Smith-Waterman scores as in hashFrag (de-Boer-Lab/hashFrag): match 1, mismatch -1, a gap of k letters -(2
+ (k - 1)). `search` finds the pairs that `groups` describes and aligns those that can still change the result. The
inner loops are written in LLVM vector code, one pair per lane, because Python loops compiled by numba reach only a
third of its speed, and not reliably.

Sequences are stored in a text: uint8 (rows, stride), one per row starting at column `PAD`, with letters as in
`MASK_OF_CODE` and 0 elsewhere, at least `PAD` zeros from the end of one sequence to the start of the next, and `LANES`
bytes after the last that may be read.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from s2f.common.compiled_loops import keeper

LANES = 64
PAD = 28  # letters on either side of a common word that `_extend` looks at
NARROW_ROWS, WIDE_ROWS = 4, 2  # rows of the dynamic program per step, in 8 and 16 bits: as registers allow
FLOOR = 2  # the number that represents a score of 0, so that no subtraction goes below 0
NARROW = 250  # longest sequence, in letters, for which scores fit into 8 bits
BLOCK = 1 << 13  # positions of a word whose surroundings are held ready at a time
CHANCE = 24  # a score that few unrelated pairs reach
WAITING = 1 << 14  # candidates to collect before aligning them: few, so that families are joined early
SEEN = 1 << 24  # pairs whose alignment is remembered; 128 MB

# Letters as bits, so that one AND compares them and N (which has no bit of `BASES`) equals nothing, not even N.
MASK_OF_CODE = np.array([1, 2, 4, 8, 16], np.uint8)
BASES = np.uint8(15)
_DIGIT = np.zeros(17, np.int64)
_DIGIT[MASK_OF_CODE] = np.arange(5)
SLOTS = 9  # a table indexed by letter has positions 1, 2, 4 and 8, and 0 for what equals nothing
_kept = keeper(__file__)


class _Vectors:
    """Instructions that act on all lanes, for numbers of `width` bits."""

    def __init__(self, builder: ir.IRBuilder, width: int) -> None:
        self.builder = builder
        self.element = ir.IntType(width)
        self.type = ir.VectorType(self.element, LANES)
        self.function = ir.FunctionType(self.type, [self.type, self.type])
        self.suffix = f"v{LANES}i{width}"

    def constant(self, value: int) -> ir.Constant:
        return ir.Constant(self.type, [value] * LANES)

    def call(self, name: str, first: ir.Value, second: ir.Value) -> ir.Value:
        """An LLVM instruction with two arguments: smax, umax, usub.sat ..."""
        name = f"llvm.{name}.{self.suffix}"
        function = self.builder.module.globals.get(name) or ir.Function(self.builder.module, self.function, name)
        return self.builder.call(function, [first, second])

    def equal_letters(self, a: ir.Value, b: ir.Value) -> ir.Value:
        return self.builder.icmp_unsigned("!=", self.builder.and_(a, b), self.constant(0))

    def shuffle(self, a: ir.Value, b: ir.Value, order: list[int]) -> ir.Value:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), order))

    def _address(self, data, index):
        start = self.builder.bitcast(data, self.element.as_pointer())
        return self.builder.bitcast(self.builder.gep(start, [index]), self.type.as_pointer())

    def load(self, data: ir.Value, index: ir.Value) -> ir.Value:
        value = self.builder.load(self._address(data, index))
        value.align = 1
        return value

    def store(self, value: ir.Value, data: ir.Value, index: ir.Value) -> None:
        self.builder.store(value, self._address(data, index)).align = 1


def _data(context, builder, signature, arguments, which):
    """Pointers to the data of those arguments that are arrays."""
    return [context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in which]


def _integer(value: int) -> ir.Constant:
    return ir.Constant(ir.IntType(64), value)


@intrinsic
def _transpose(typing, letters, offsets, columns):
    """Transpose letters from rows to lanes: `columns` (LANES, LANES) uint8 from `LANES` letters of each lane.

    Lane k reads the flat text `letters` from `offsets[k]`. Bits other than `BASES` are cleared.
    """

    def codegen(context, builder, signature, arguments):
        lanes = _Vectors(builder, 8)
        letters, offsets, columns = _data(context, builder, signature, arguments, range(3))
        rows = [lanes.load(letters, builder.load(builder.gep(offsets, [_integer(k)]))) for k in range(LANES)]
        # each round rotates the 12 bits of (row, column) by one, so six rounds exchange the two
        halves = [[k // 2 + start + LANES * (k % 2) for k in range(LANES)] for start in (0, LANES // 2)]
        for _ in range(LANES.bit_length() - 1):
            rows = [lanes.shuffle(rows[k // 2], rows[k // 2 + LANES // 2], halves[k % 2]) for k in range(LANES)]
        for k, row in enumerate(rows):
            lanes.store(builder.and_(row, lanes.constant(int(BASES))), columns, _integer(k * LANES))
        return context.get_dummy_value()

    return numba.types.void(letters, offsets, columns), codegen


@intrinsic
def _rows(typing, query, target, score, gap, best, columns):
    """Advance the dynamic program of all lanes by a few rows (`NARROW_ROWS`, `WIDE_ROWS`).

    `query` (rows, LANES) uint8 holds the letters of each lane's first sequence in these rows, `target` (columns, LANES)
    uint8 its second sequence. `score` and `gap` (columns, LANES) unsigned hold the row above and are replaced by the
    last row: the best score of an alignment that ends at the cell, less 1; and the best of one that continues with a
    gap, with the gap's next letter already paid for. `best` (LANES,) is the highest score so far. Scores count from
    `FLOOR`.

    One number represents gaps of both kinds: if letters of both sequences are skipped side by side, mismatches cost
    less than two gaps, so such a gap never leads to a best score. A cell takes ten instructions and no saturating ones,
    which half of the units cannot execute; because several rows are processed at once, loads and stores hardly matter.
    """

    def codegen(context, builder, signature, arguments):
        width = signature.args[2].dtype.bitwidth
        lanes, rows = _Vectors(builder, width), range(NARROW_ROWS if width == 8 else WIDE_ROWS)
        query, target, score, gap, best = _data(context, builder, signature, arguments, range(5))
        bytes_ = _Vectors(builder, 8)
        letters = [bytes_.load(query, _integer(row * LANES)) for row in rows]
        one, two, floor = lanes.constant(1), lanes.constant(2), lanes.constant(FLOOR)
        best_before = lanes.load(best, _integer(0))

        before = builder.block
        loop, after = builder.append_basic_block("column"), builder.append_basic_block("rows_done")
        builder.branch(loop)
        builder.position_at_end(loop)
        column = builder.phi(ir.IntType(64))
        best_now = builder.phi(lanes.type)
        corner, left = ([builder.phi(lanes.type) for _ in rows] for _ in range(2))
        offset = builder.mul(column, _integer(LANES))
        letter = bytes_.load(target, offset)
        above, down = lanes.load(score, offset), lanes.load(gap, offset)
        best_next, corner_next, left_next = best_now, [above], []
        for row in rows:
            equal = bytes_.equal_letters(letters[row], letter)
            value = builder.select(equal, builder.add(corner[row], two), corner[row])
            gapped = lanes.call("umax", down, left[row])
            value = lanes.call("umax", lanes.call("umax", value, floor), gapped)
            best_next = lanes.call("umax", best_next, value)
            above = builder.sub(value, one)
            down = builder.sub(lanes.call("umax", above, gapped), one)
            corner_next.append(above)
            left_next.append(down)
        lanes.store(above, score, offset)
        lanes.store(down, gap, offset)
        column_next = builder.add(column, _integer(1))
        starts = [(column, _integer(0), column_next), (best_now, best_before, best_next)]
        starts += [
            (phi, lanes.constant(FLOOR - 1), following) for phi, following in zip(corner, corner_next[:-1], strict=True)
        ]
        starts += [(phi, lanes.constant(FLOOR - 2), following) for phi, following in zip(left, left_next, strict=True)]
        for phi, start, following in starts:
            phi.add_incoming(start, before)
            phi.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", column_next, arguments[5]), loop, after)
        builder.position_at_end(after)
        lanes.store(best_next, best, _integer(0))
        return context.get_dummy_value()

    return numba.types.void(query, target, score, gap, best, columns), codegen


@numba.njit(nogil=True)
def _lanes(rows, size):
    """Memory for `rows` of lanes of `size` bytes, uint8 (rows, LANES * size), aligned to a cache line.

    If every vector crosses two lines, loads take twice as long.
    """
    whole = np.empty((rows + 1) * LANES * size, np.uint8)
    start = -whole.ctypes.data % LANES
    return whole[start : start + rows * LANES * size].reshape(rows, LANES * size)


@numba.njit(nogil=True)
def workspace(longest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scratch memory of `align` for sequences of up to `longest` letters: 8-bit numbers up to `NARROW`, else 16-bit."""
    rows = (longest // LANES + 1) * LANES
    narrow = longest <= NARROW
    return (
        _lanes(2 * rows, 1).reshape(2, rows, LANES),
        _lanes(2 * longest * narrow, 1).reshape(2, longest * narrow, LANES),
        _lanes(2 * longest * (not narrow), 2).view(np.uint16).reshape(2, longest * (not narrow), LANES),
    )


@numba.njit(nogil=True)
def align(
    text: np.ndarray,
    lengths: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    count: int,
    margin: int,
    work: tuple[np.ndarray, np.ndarray, np.ndarray],
    scores: np.ndarray,
) -> None:
    """Best local scores of `count` <= LANES pairs into `scores` (LANES,) int64; no sequence may be empty.

    `lengths` (rows,) gives the number of letters in each row of `text`; `first` and `second` (LANES,) the rows of each
    pair; `work` comes from `workspace`. The last `margin` letters of the longest first and of the longest second
    sequence are not aligned: an alignment of score t reaches t - margin without them, because each letter adds 1 at
    most.
    """
    letters, narrow, wide = work
    flat, stride = text.ravel(), text.shape[1]
    rows = columns = 0
    for lane in range(count):
        rows = max(rows, lengths[first[lane]])
        columns = max(columns, lengths[second[lane]])
    rows, columns = max(rows - margin, 1), max(columns - margin, 1)
    offsets = np.empty(LANES, np.int64)
    for side, row_of_lane, letters_used in ((0, first, rows), (1, second, columns)):
        for start in range(0, letters_used, LANES):
            for lane in range(LANES):
                offsets[lane] = row_of_lane[lane if lane < count else 0] * stride + PAD + start
            _transpose(flat, offsets, letters[side, start : start + LANES])
    if narrow.shape[1]:
        _fill(letters, rows, columns, narrow, count, scores)
    else:
        _fill(letters, rows, columns, wide, count, scores)


@_kept
def align_rows(text: np.ndarray, lengths: np.ndarray, scores: np.ndarray) -> None:
    """Best local scores into `scores` (P,) int64: each of the first P rows of `text` with the row P rows below it."""
    pairs = len(scores)
    work = workspace(lengths.max())
    first, found = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for start in range(0, pairs, LANES):
        count = min(LANES, pairs - start)
        for lane in range(count):
            first[lane] = start + lane
        align(text, lengths, first, first + pairs, count, 0, work, found)
        scores[start : start + count] = found[:count]


@numba.njit(nogil=True)
def _fill(letters, rows, columns, work, count, scores):
    score, gap = work[0], work[1]
    score[:columns] = FLOOR - 1
    gap[:columns] = FLOOR - 2
    best = np.full(LANES, FLOOR, work.dtype)
    letters[0, rows : rows + NARROW_ROWS - 1] = 0  # a step of several rows may go beyond the end
    step = NARROW_ROWS if work.itemsize == 1 else WIDE_ROWS
    for row in range(0, rows, step):
        _rows(letters[0, row : row + step], letters[1], score, gap, best, columns)
    for lane in range(count):
        scores[lane] = np.int64(best[lane]) - FLOOR


@intrinsic
def _surroundings(typing, letters, before, after, windows, which):
    """Copy `PAD` letters of the flat text from `before` and from `after`, times 8, into `windows[which]`.

    Row `which` + 1 of `windows` (rows, LANES) is overwritten.
    """

    def codegen(context, builder, signature, arguments):
        lanes = _Vectors(builder, 8)
        letters, windows = _data(context, builder, signature, arguments, (0, 3))
        row = builder.mul(arguments[4], _integer(LANES))
        for side, start in enumerate(arguments[1:3]):
            bases = builder.and_(lanes.load(letters, start), lanes.constant(int(BASES)))
            offset = builder.add(row, _integer(side * PAD))
            lanes.store(builder.shl(bases, lanes.constant(3)), windows, offset)
        return context.get_dummy_value()

    return numba.types.void(letters, before, after, windows, which), codegen


@intrinsic
def _extend(typing, table, windows, which, scores, least):
    """Best gain from extending a word on both sides without gaps: one sequence against those of all lanes.

    `table` (2 * PAD, SLOTS, LANES) int8 holds the gain of each letter before and after the word in each lane, and
    `windows[which]` (LANES,) uint8 the letters of the one sequence at these positions, times 8 (the address step). The
    gain on a side is the highest sum on the way outwards, at least 0; the sum of both gains is written to `scores`
    (LANES,) int8. Returns, as bits of a uint64, the lanes whose score is at least `least`, without those that have
    equal letters just before the word: their run of equal letters has an earlier word.
    """

    def codegen(context, builder, signature, arguments):
        lanes = _Vectors(builder, 8)
        table, windows, scores = _data(context, builder, signature, arguments, (0, 1, 3))
        letters = builder.gep(windows, [builder.mul(arguments[2], _integer(LANES))])
        total = longer = None
        # the letters before the word, from its edge outwards, then those after it
        for order in (range(PAD - 1, -1, -1), range(PAD, 2 * PAD)):
            score = best = lanes.constant(0)
            for k in order:
                letter = builder.zext(builder.load(builder.gep(letters, [_integer(k)])), ir.IntType(64))
                offset = builder.add(builder.mul(letter, _integer(LANES // 8)), _integer(k * SLOTS * LANES))
                gain = lanes.load(table, offset)
                longer = longer or builder.icmp_signed(">", gain, lanes.constant(0))
                score = builder.add(score, gain)
                best = lanes.call("smax", best, score)
            total = best if total is None else builder.add(total, best)
        lanes.store(total, scores, _integer(0))
        first = builder.insert_element(
            ir.Constant(lanes.type, ir.Undefined), builder.trunc(arguments[4], lanes.element), _integer(0)
        )
        wanted = lanes.shuffle(first, first, [0] * LANES)
        passing = builder.and_(builder.icmp_signed(">=", total, wanted), builder.not_(longer))
        return builder.bitcast(passing, ir.IntType(LANES))

    return numba.types.uint64(table, windows, which, scores, least), codegen


@intrinsic
def _lowest_bit(typing, mask):
    """The number of the lowest set bit of a non-zero uint64."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return numba.types.int64(mask), codegen


@_kept
def index_words(
    text: np.ndarray, lengths: np.ndarray, word: int, row_of: np.ndarray, column_of: np.ndarray
) -> np.ndarray:
    """Record the positions of all words of the first sequences: the row and column of the text where each word begins.

    `row_of` (W,) uint32 and `column_of` (W,) uint16 have at least one entry for each word without N in each sequence;
    the positions of word number w are entries starts[w] to starts[w + 1], in ascending order. Returns `starts`.
    """
    starts = np.zeros(4**word + 2, np.int64)
    for filling in (False, True):
        for row in range(len(lengths)):
            number = run = 0
            for column in range(PAD, PAD + lengths[row]):
                letter = text[row, column]
                run = run + 1 if letter & BASES else 0
                number = (number * 4 + _DIGIT[letter]) & (4**word - 1)
                if run >= word and filling:
                    row_of[starts[number + 1]] = row
                    column_of[starts[number + 1]] = column - word + 1
                    starts[number + 1] += 1
                elif run >= word:
                    starts[number + 2] += 1
        if not filling:
            for number in range(4**word + 1):
                starts[number + 1] += starts[number]
    return starts[:-1]


@_kept
def search(
    text: np.ndarray,
    lengths: np.ndarray,
    starts: np.ndarray,
    row_of: np.ndarray,
    column_of: np.ndarray,
    word: int,
    first: int,
    last: int,
    strands: int,
    border: int,
    extra: int,
    needed: np.ndarray,
    parents: np.ndarray,
    bests: np.ndarray,
    seen: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the candidates among the positions of the words [first, last) and align them: new `parents` and `bests`.

    Returns the forest `parents` (N,) int32 after joining the trees of all pairs that reach the score they need, the
    lower of their rows' `needed` (N,) int32; pairs within a tree are skipped. With a `border` other than 0, only pairs
    of a row before it and a row from it onwards are considered, and `bests` (N - border,) int32 becomes the highest
    score of each row from the border onwards, unless the tree shows that it has reached what it needs. Pairs are first
    aligned without so many of their last letters that the rest must reach `CHANCE`, which refutes most.

    `seen` (a power of 2,) uint64 holds earlier candidate pairs, each at the position given by its hash, from the same
    or another range of words; threads share it. Such a pair is not aligned again: two rows of (GT)n have hundreds of
    common seeds. A pair that has been overwritten by another is aligned once more, which changes nothing.
    """
    n, stride = len(parents), text.shape[1]
    flat = text.ravel()
    parent, best = parents.copy(), bests.copy()
    work = workspace(lengths.max())
    table = _lanes(2 * PAD * SLOTS, 1).view(np.int8).reshape(2 * PAD, SLOTS, LANES)
    table[:] = -1
    columns, windows = _lanes(LANES, 1), _lanes(BLOCK + 1, 1)
    offsets, queries, below = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    scores = _lanes(1, 1)[0].view(np.int8)
    keys, waiting = np.empty(WAITING + LANES, np.int64), 0
    for number in range(first, last):
        begin, end = starts[number], starts[number + 1]
        if border:
            end = begin + np.searchsorted(row_of[begin:end], border)
        for turned in range(strands):
            facing = _mirror(number, word) if turned else number
            first_query, last_query = starts[facing], starts[facing + 1]
            if border:
                first_query += np.searchsorted(row_of[first_query:last_query], border)
            reached = begin
            for block in range(first_query, last_query, BLOCK):
                count = min(BLOCK, last_query - block)
                for k in range(count):
                    row, column = np.int64(row_of[block + k]), np.int64(column_of[block + k])
                    while reached < end and row_of[reached] < (border if border else row):
                        reached += 1
                    below[k], queries[k] = reached, row
                    if turned:
                        row, column = n + row, 2 * PAD + lengths[row] - word - column
                    offsets[k] = row * stride + column
                for k in range(count):  # a separate loop: many of these positions are then fetched at once
                    _surroundings(flat, offsets[k] - PAD, offsets[k] + word, windows, k)
                later = 0
                for chunk in range(begin, below[count - 1], LANES):
                    lanes = min(LANES, end - chunk)
                    _tabulate(flat, stride, row_of, column_of, chunk, lanes, word, columns, table)
                    one_tree = _one_tree(parent, row_of, chunk, lanes)
                    while below[later] <= chunk:
                        later += 1
                    for k in range(later, count):
                        query = queries[k]
                        if one_tree >= 0 and one_tree == _root(parent, query):
                            continue
                        passing = _extend(table, windows, k, scores, extra)
                        passing &= ~np.uint64(0) >> np.uint64(LANES - min(lanes, below[k] - chunk))
                        while passing:
                            lane = _lowest_bit(passing)
                            passing &= passing - np.uint64(1)
                            other = np.int64(row_of[chunk + lane])
                            if _root(parent, other) == _root(parent, query):
                                continue
                            key = query << 33 | turned << 32 | other
                            place = _place(key, len(seen))
                            if seen[place] == np.uint64(key):
                                continue
                            if scores[lane] >= PAD:
                                offset = other * stride + column_of[chunk + lane]
                                if _ungapped(flat, offsets[k], offset, word) >= min(needed[other], needed[query]):
                                    _join(parent, other, query)
                                    continue
                            seen[place] = key
                            keys[waiting] = key
                            waiting += 1
                        if waiting >= WAITING:
                            _settle(text, lengths, keys, waiting, border, needed, work, parent, best)
                            waiting = 0
    _settle(text, lengths, keys, waiting, border, needed, work, parent, best)
    return parent, best


@numba.njit(nogil=True)
def _place(key, size):
    """The position of a key in a table of `size`, a power of 2: the middle bits of its product with 2^64 / phi."""
    return np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (size - 1)


@numba.njit(nogil=True)
def _mirror(number, word):
    """The number of a word's reverse complement."""
    mirror = 0
    for _ in range(word):
        mirror = mirror * 4 + 3 - number % 4
        number //= 4
    return mirror


@numba.njit(nogil=True)
def _tabulate(flat, stride, row_of, column_of, chunk, count, word, columns, table):
    """Fill the table of `_extend` for the sequences around the positions from `chunk`, one in each of `count` lanes."""
    offsets = np.empty(LANES, np.int64)
    for side, step in ((0, -PAD), (PAD, word)):
        for lane in range(LANES):
            index = chunk + min(lane, count - 1)
            offsets[lane] = np.int64(row_of[index]) * stride + column_of[index] + step
        _transpose(flat, offsets, columns)
        for k in range(PAD):
            for letter in (np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)):
                for lane in range(LANES):
                    table[side + k, letter, lane] = np.int8(1) if columns[k, lane] == letter else np.int8(-1)


@numba.njit(nogil=True)
def _one_tree(parent, row_of, chunk, count):
    """The root of the tree that contains all the rows, or -1."""
    first = _root(parent, np.int64(row_of[chunk]))
    for index in range(chunk + 1, chunk + count):
        if _root(parent, np.int64(row_of[index])) != first:
            return -1
    return first


@numba.njit(nogil=True)
def _ungapped(letters, i, j, word):
    """The best score of an ungapped alignment through the equal words at offsets i and j, up to the ends."""
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
def _settle(text, lengths, keys, count, border, needed, work, parent, best):
    """Align those of the first `count` pairs of `keys` that can still change `parent` and `best`, and update these
    (`search`).

    A key is row << 33 | turned << 32 | other row; the row comes after the other one and may be reverse-complemented.
    """
    n = len(parent)
    batch, enough, waiting = np.empty(LANES, np.int64), np.empty(LANES, np.int64), 0
    left, right, scores = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for whole in (False, True):
        kept = 0
        for k in range(count + 1):
            if k < count:
                query, other = keys[k] >> 33, keys[k] & 0xFFFFFFFF
                if _root(parent, query) != _root(parent, other):
                    batch[waiting], left[waiting], right[waiting] = keys[k], query + n * (keys[k] >> 32 & 1), other
                    waiting += 1
            if waiting == LANES or (waiting and k == count):
                least = np.int64(2**31)
                for lane in range(waiting):
                    query = batch[lane] >> 33
                    enough[lane] = min(needed[query], needed[right[lane]])
                    least = min(least, min(enough[lane], best[query - border] + 1) if border else enough[lane])
                cut = 0 if whole else max(least - CHANCE, 0)
                align(text, lengths, left, right, waiting, cut, work, scores)
                for lane in range(waiting):
                    query, score = batch[lane] >> 33, scores[lane]
                    if border:  # an alignment of only some of the letters also counts
                        best[query - border] = max(best[query - border], score)
                    if score >= enough[lane]:
                        _join(parent, query, right[lane])
                    elif cut:
                        known = enough[lane] - 1  # a score up to this changes nothing
                        if border:
                            known = min(known, best[query - border])
                        if score + cut > known:
                            keys[kept] = batch[lane]
                            kept += 1
                waiting = 0
        count = kept


@numba.njit(nogil=True)
def _root(parent, node):
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@numba.njit(nogil=True)
def _join(parent, a, b):
    """Join two trees; the lower number becomes the root, so every parent is at most its child."""
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)


@_kept
def merge(parent: np.ndarray, found: np.ndarray) -> None:
    """Join in `parent` whatever is joined in `found`, and make every node point to its root."""
    for node in range(len(parent)):
        if found[node] != node:
            _join(parent, node, found[node])
    for node in range(len(parent)):
        parent[node] = parent[parent[node]]
