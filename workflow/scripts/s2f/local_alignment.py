"""Scores of many pairs of short DNA sequences at once, one pair per lane of the vector unit.

`align` gives Smith-Waterman scores as hashFrag counts them (de-Boer-Lab/hashFrag): match 1, mismatch -1, a gap of k
letters -(2 + (k - 1)). `extend` gives scores without gaps around a shared word. Both are written in LLVM vector code,
because loops in Python that numba compiles reach a third of its speed, and no fixed share of it.

Sequences lie in a text: uint8 (rows, stride), one per row from column `PAD` on, letters as `MASK_OF_CODE`, else 0, with
at least `PAD` zeros from the end of one to the start of the next. In the flat text a place is row * stride + column.

Measured on one core with 512-bit vectors: `align` 28e9 cells per second (12 instructions per cell, 6 of them bound to
one port), 1.4 us per pair of 200 bp, a tenth of a call of a striped aligner; `extend` 1.1e9 extensions per second.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

LANES = 64
PAD = 28  # letters to either side of a shared word that `extend` looks at

# Letters as bits, so that one AND compares and N (no bit of `BASES`) equals nothing, not even N.
MASK_OF_CODE = np.array([1, 2, 4, 8, 16], np.uint8)
BASES = np.uint8(15)


class _Vectors:
    """Instructions on all lanes, for numbers of `width` bits."""

    def __init__(self, builder, width):
        self.builder = builder
        self.element = ir.IntType(width)
        self.type = ir.VectorType(self.element, LANES)
        name = f"llvm.smax.v{LANES}i{width}"
        kind = ir.FunctionType(self.type, [self.type, self.type])
        self.maximum = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)

    def constant(self, value):
        return ir.Constant(self.type, [value] * LANES)

    def all_lanes(self, value):
        first = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, first, order)

    def highest(self, *values):
        result = values[0]
        for value in values[1:]:
            result = self.builder.call(self.maximum, [result, value])
        return result

    def equal_letters(self, a, b):
        return self.builder.icmp_unsigned("!=", self.builder.and_(a, b), self.constant(0))

    def _address(self, data, index):
        start = self.builder.bitcast(data, self.element.as_pointer())
        return self.builder.bitcast(self.builder.gep(start, [index]), self.type.as_pointer())

    def load(self, data, index):
        value = self.builder.load(self._address(data, index))
        value.align = 1
        return value

    def store(self, value, data, index):
        self.builder.store(value, self._address(data, index)).align = 1


def _data(context, builder, signature, arguments, which):
    """Pointers to the numbers of those arguments that are arrays."""
    return [context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in which]


def _integer(value):
    return ir.Constant(ir.IntType(64), value)


@intrinsic
def _row(typing, query, target, score, gap, best, columns):
    """Advance the dynamic program of all lanes by one row.

    `query` (LANES,) is the letter of each lane's first sequence in this row, `target` (columns, LANES) its second
    sequence; `score` and `gap` (columns, LANES) hold the row above and become this row: the best score of an alignment
    ending at the cell, and the same less one for a gap going on downwards. `best` (LANES,) is the highest score so far.

    Scores are signed and start at `floor`, two above the lowest number of the type, so that the plain subtractions
    cannot wrap round; only the clip of local alignment (at `floor`) is needed. An insertion beside a deletion never
    beats the mismatches it stands for, so a gap is opened from the score before gaps of the other kind are seen:
    this keeps the chain from one column to the next at two instructions.
    """

    def codegen(context, builder, signature, arguments):
        width = signature.args[2].dtype.bitwidth
        lanes = _Vectors(builder, width)
        query, target, score, gap, best = _data(context, builder, signature, arguments, range(5))
        floor, one = lanes.constant(-(2 ** (width - 1)) + 2), lanes.constant(1)
        letters, best_before = lanes.load(query, _integer(0)), lanes.load(best, _integer(0))

        before = builder.block
        loop, after = builder.append_basic_block("column"), builder.append_basic_block("row_done")
        builder.branch(loop)
        builder.position_at_end(loop)
        column = builder.phi(ir.IntType(64))
        diagonal, across, best_now = (builder.phi(lanes.type) for _ in range(3))
        place = builder.mul(column, _integer(LANES))
        above, down = lanes.load(score, place), lanes.load(gap, place)
        equal = lanes.equal_letters(letters, lanes.load(target, place))
        value = builder.select(equal, builder.add(diagonal, one), builder.sub(diagonal, one))
        value = lanes.highest(value, floor, down)
        opened = builder.sub(value, one)  # less the extension below: the 2 of a new gap
        value = lanes.highest(value, across)
        lanes.store(value, score, place)
        lanes.store(builder.sub(lanes.highest(down, opened), one), gap, place)
        column_next = builder.add(column, _integer(1))
        best_next = lanes.highest(best_now, value)
        for phi, start, following in (
            (column, _integer(0), column_next),
            (diagonal, floor, above),
            (across, floor, builder.sub(lanes.highest(across, opened), one)),
            (best_now, best_before, best_next),
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", column_next, arguments[5]), loop, after)
        builder.position_at_end(after)
        lanes.store(best_next, best, _integer(0))
        return context.get_dummy_value()

    return numba.types.void(query, target, score, gap, best, columns), codegen


def workspace(longest):
    """Scratch memory of `align` for sequences up to `longest` letters: int8 up to 250 (half the time), else int16."""
    return np.empty((4, longest, LANES), np.int8 if longest <= 250 else np.int16)


@numba.njit(nogil=True)
def align(text, lengths, first, second, count, margin, work, scores):
    """Best local scores of `count` <= LANES pairs into `scores` (LANES,) int64; no sequence may be empty.

    `lengths` (rows,) are the letters of each row of `text`; `first` and `second` (LANES,) the rows of each pair; `work`
    comes from `workspace`. Of the longest of the first sequences and of the second the last `margin` letters are left
    out: an alignment of score t reaches t - margin before them, because a letter of each is worth 1 at most.
    """
    rows = columns = 0
    for lane in range(count):
        rows = max(rows, lengths[first[lane]])
        columns = max(columns, lengths[second[lane]])
    rows, columns = max(rows - margin, 1), max(columns - margin, 1)
    query, target, score, gap = work[0], work[1], work[2], work[3]
    query[:rows] = 0
    target[:columns] = 0
    for lane in range(count):
        a, b = first[lane], second[lane]
        for i in range(min(rows, lengths[a])):
            query[i, lane] = text[a, PAD + i] & BASES
        for j in range(min(columns, lengths[b])):
            target[j, lane] = text[b, PAD + j] & BASES
    floor = -126 if work.itemsize == 1 else -32766
    score[:columns] = floor
    gap[:columns] = floor
    best = np.full(LANES, floor, work.dtype)
    for i in range(rows):
        _row(query[i], target, score, gap, best, columns)
    for lane in range(count):
        scores[lane] = np.int64(best[lane]) - floor


@intrinsic
def extend(typing, letters, left, right, windows, scores, least):
    """Best gain of an ungapped extension to both sides of a word: of one sequence with those of all lanes.

    `letters` is the flat text, in which `left` and `right` are the places `PAD` before the word and just after it;
    `windows` (2 * PAD, LANES) uint8 holds the letters before and after the word of each lane's sequence, without N.
    The gain to a side is the highest sum of +1 per equal and -1 per other letter on the way, 0 at least; both gains
    are added up in `scores` (LANES,) int8. Returns as bits of a uint64 the lanes whose score is at least `least`,
    without those with equal letters just before the word: that run of equal letters has an earlier word.
    """

    def codegen(context, builder, signature, arguments):
        lanes = _Vectors(builder, 8)
        letters, windows, scores = _data(context, builder, signature, arguments, (0, 3, 4))
        up, down = lanes.constant(1), lanes.constant(-1)
        total = longer = None
        # the letters before the word from its edge outwards, then those after it
        for start, order in ((arguments[1], range(PAD - 1, -1, -1)), (arguments[2], range(PAD))):
            score = best = lanes.constant(0)
            for k in order:
                letter = builder.load(builder.gep(letters, [builder.add(start, _integer(k))]))
                row = k if total is None else PAD + k
                equal = lanes.equal_letters(lanes.all_lanes(letter), lanes.load(windows, _integer(row * LANES)))
                longer = longer or equal
                score = builder.add(score, builder.select(equal, up, down))
                best = lanes.highest(best, score)
            total = best if total is None else builder.add(total, best)
        lanes.store(total, scores, _integer(0))
        wanted = lanes.all_lanes(builder.trunc(arguments[5], ir.IntType(8)))
        passing = builder.and_(builder.icmp_signed(">=", total, wanted), builder.not_(longer))
        return builder.bitcast(passing, ir.IntType(LANES))

    return numba.types.uint64(letters, left, right, windows, scores, least), codegen


@intrinsic
def lowest_bit(typing, mask):
    """Number of the lowest set bit of a uint64 that is not 0."""

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return numba.types.int64(mask), codegen
