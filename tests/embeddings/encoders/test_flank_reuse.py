"""Constant flanks encoded once give what every window encoded whole gives."""

import logging
from dataclasses import replace

import jax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.on_gpu import by_device
from s2f.embeddings import encoders
from s2f.embeddings.encoders import _enformer_network, _flank_reuse, alphagenome
from s2f.embeddings.encoders._alphagenome_network import REACHES
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

TINY = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 4}
STRANDS = ("forward", "reverse")


@pytest.fixture(scope="module")
def tiny():
    """Encoders with and without reuse whose weights and normalisations differ in every channel."""
    params, state = alphagenome.random_weights("tiny", 0)
    random = np.random.default_rng(0)
    for part in (params, state):
        for leaves in part.values():
            for leaf in leaves:
                leaves[leaf] = leaves[leaf] + np.abs(random.normal(0, 0.1, leaves[leaf].shape)).astype(np.float32)
    return {
        (precision, reuse): alphagenome.from_weights(params, state, "tiny", precision, 4, "test", "none", reuse)
        for precision in ("float32", "bfloat16")
        for reuse in (True, False)
    }


def windows(length, insert, shift=0, count=5):
    """Codes of random windows and where their inserts are."""
    construct = Construct(length, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
    random = np.random.default_rng(insert)
    codes = construct.assemble([dna.decode(row) for row in random.integers(0, 5, (count, insert), np.uint8)], shift)
    first, _ = construct.flank_lengths(insert, shift)
    return codes, np.tile([first, first + insert], (count, 1))


def both(encoder, codes, inserts):
    return next(encoders.stream(encoder, [(codes, inserts)], STRANDS))


def error(found, wanted):
    """Greatest error in units of the standard deviation."""
    return np.abs(found - wanted).max() / wanted.std()


SLOW = [(600, 199, 0), (600, 145, 1), (597, 200, 0), (384, 200, 0), (500, 74, 0)]


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize(
    ("length", "insert", "shift"),
    [(600, 200, 0), (600, 73, 7), (599, 130, -15), (250, 200, 3)]
    + [pytest.param(*case, marks=pytest.mark.slow) for case in SLOW],
)
def test_both_strands_equal_the_plain_path(tiny, length, insert, shift):
    codes, inserts = windows(length, insert, shift)
    found, wanted = (both(tiny["float32", reuse], codes, inserts) for reuse in (True, False))
    for strand in range(2):
        assert found[strand].shape == wanted[strand].shape
        assert error(found[strand], wanted[strand]) <= by_device(1e-5, 1e-4)
    assert error(wanted[0], wanted[1]) > 0.1
    np.testing.assert_array_equal(wanted[0], tiny["float32", False].encode(codes))
    np.testing.assert_array_equal(wanted[1], tiny["float32", False].encode(dna.reverse_complement(codes)))


def test_bfloat16_differs_no_more_than_by_rounding(tiny):
    codes, inserts = windows(600, 200)
    found, wanted = (both(tiny["bfloat16", reuse], codes, inserts) for reuse in (True, False))
    for one, two in zip(found, wanted, strict=True):
        assert one.dtype == ml_dtypes.bfloat16
        one, two = one.astype(np.float32), two.astype(np.float32)
        assert np.sqrt(((one - two) ** 2).mean() / (two**2).mean()) <= 0.03


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_quickly")
def test_full_size_equals_the_plain_path():
    encoder = encoders.build({**TINY, "size": "full", "batch_size": 1})
    codes, inserts = windows(600, 200, count=1)
    found, wanted = both(encoder, codes, inserts), both(encoder, codes, None)
    assert max(error(one, two) for one, two in zip(found, wanted, strict=True)) <= by_device(1e-5, 1e-4)


@given(
    st.integers(60, 1500),
    st.integers(0, 700),
    st.integers(0, 700),
    st.sampled_from([REACHES, _enformer_network.REACHES, (3, 0, 5)]),
)
@settings(max_examples=400)
def test_the_middle_holds_all_that_the_insert_reaches(length, left, right, reaches):
    """By following a change of the insert through convolutions and pools, position by position."""
    plan = _flank_reuse.plan(length, left, right, reaches)
    if plan is None:
        assert left + right >= length or left < 20 or right < 20
        return
    reached = np.zeros(length, bool)
    reached[left : length - right] = True
    reached = grown(reached, reaches[0])
    first, end = plan.crop[0] + reaches[0], plan.crop[1] - reaches[0]
    for reach, splice in zip((*reaches[1:], 0), plan.splices, strict=False):
        reached = np.pad(reached, (0, len(reached) % 2)).reshape(-1, 2).any(1)
        begin, first_computed, last, stop = splice
        assert (first_computed, last) == (first // 2, -(-end // 2))
        assert not reached[:first_computed].any() and not reached[last:].any()
        assert 0 <= begin <= first_computed <= last <= stop <= len(reached)
        reached = grown(reached, reach)
        first, end = begin + reach, stop - reach
    assert (begin, stop) == (0, len(reached))


def grown(flags, reach):
    return np.convolve(flags, np.ones(2 * reach + 1), "same") > 0.5


def test_half_the_work_is_spared_at_600_bp():
    plan = _flank_reuse.plan(600, 200, 200, REACHES)
    assert plan.crop == (181, 419)
    assert plan.splices == ((86, 95, 205, 214), (36, 45, 105, 114), (12, 20, 55, 64), (0, 8, 30, 38), (0, 2, 17, 19))


@pytest.mark.parametrize(("left", "right"), [(0, 400), (15, 66), (200, 0), (300, 300), (400, 300)])
def test_short_or_overlapping_flanks_give_no_plan(left, right):
    assert _flank_reuse.plan(600, left, right, REACHES) is None


def test_windows_whose_flanks_are_not_of_their_insert_are_refused(tiny):
    codes, inserts = windows(600, 200)
    codes[3, 5] = (codes[3, 5] + 1) % 4
    with pytest.raises(ValueError, match="at the same position have different flanks"):
        both(tiny["float32", True], codes, inserts)


# a window in any company

COMPANY = [(200, 0), (199, 0), (193, 0), (150, 0), (600, 0), (560, 0)]  # insert, shift


@pytest.fixture(scope="module")
def company():
    """Windows of inserts of several lengths, and one of several shifts."""
    several = [windows(600, *case, count=1) for case in COMPANY] * 2
    return np.concatenate([codes for codes, _ in several]), np.concatenate([inserts for _, inserts in several])


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_a_window_has_the_same_bits_alone_in_any_chunk_and_in_any_order(tiny, company, precision):
    """In bfloat16 a window was rounded otherwise in a chunk that held inserts of another length."""
    encoder, (codes, inserts) = tiny[precision, True], company
    alone = [both(encoder, codes[i : i + 1], inserts[i : i + 1]) for i in range(len(codes))]
    random = np.random.default_rng(5)
    for size in (5, len(codes)):
        order = random.permutation(len(codes))
        chunks = [order[start : start + size] for start in range(0, len(order), size)]
        streamed = encoders.stream(encoder, [(codes[chunk], inserts[chunk]) for chunk in chunks], STRANDS)
        for chunk, arrays in zip(chunks, streamed, strict=True):
            for strand, array in enumerate(arrays):
                wanted = np.concatenate([alone[i][strand] for i in chunk])
                np.testing.assert_array_equal(array.view(np.uint8), wanted.view(np.uint8))


def test_inserts_of_similar_lengths_share_a_plan_and_each_has_its_own_flanks(company):
    codes, inserts = company
    parts = _flank_reuse.parts(codes, inserts, REACHES)
    lengths = [sorted({COMPANY[row % len(COMPANY)] for row in part.rows}) for part in parts]
    assert lengths == [[(560, 0), (600, 0)], [(193, 0), (199, 0), (200, 0)], [(150, 0)]]
    assert parts[0].plans == {"forward": None, "reverse": None}
    assert parts[1].plans == dict.fromkeys(STRANDS, _flank_reuse.plan(600, 200, 200, REACHES))
    (moved,) = _flank_reuse.parts(*windows(600, 200, 3), REACHES)  # the flanks are 197 and 203 bp long
    assert moved.plans["forward"] == _flank_reuse.plan(600, 192, 200, REACHES) != moved.plans["reverse"]
    (short,) = _flank_reuse.parts(*windows(600, 73), REACHES)
    assert short.plans["forward"] == _flank_reuse.plan(600, 263, 264, REACHES)
    for part in parts:
        for row, kind in zip(part.rows, part.template_of, strict=True):
            first, end = inserts[row]
            template = part.templates[kind]
            np.testing.assert_array_equal(
                np.delete(template, range(first, end)), np.delete(codes[row], range(first, end))
            )
            assert (template[first:end] == dna.N_CODE).all()


# the stream


@pytest.mark.usefixtures("compiled_quickly")
def test_chunks_of_any_size_and_insert_in_one_stream(tiny):
    encoder = tiny["float32", True]
    chunks = [windows(600, insert, count=count) for insert, count in ((200, 9), (150, 1), (200, 4))]
    chunks.append((windows(600, 180, count=3)[0], None))
    streamed = list(encoders.stream(encoder, iter(chunks), STRANDS))
    assert [len(forward) for forward, _ in streamed] == [9, 1, 4, 3]
    for (codes, inserts), (forward, reverse) in zip(chunks, streamed, strict=True):
        for strand, found in (("forward", forward), ("reverse", reverse)):
            alone = next(encoders.stream(encoder, [(codes, inserts)], [strand]))[0]
            np.testing.assert_array_equal(found, alone)  # together or alone: the same bits


def test_both_strands_and_all_batches_share_one_compilation(caplog):
    encoder = encoders.build(TINY)
    chunks = [windows(600, 200, count=count) for count in (9, 2)]
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        list(encoders.stream(encoder, chunks, STRANDS))
    compiled = [record.message for record in caplog.records if record.message.startswith("Compiling jit(apply)")]
    assert len(compiled) == 1, compiled
    assert "uint8[4,238]" in compiled[0]


@pytest.mark.usefixtures("compiled_quickly")
def test_the_next_chunk_is_drawn_before_the_last_results_are_awaited(tiny):
    drawn = []

    def chunks():
        for number in range(4):
            drawn.append(number)
            yield windows(200, 100, count=4)

    stream = encoders.stream(tiny["float32", True], chunks(), ["forward"])
    seen = []
    for _ in stream:
        seen.append(len(drawn))
    assert seen == [2, 3, 4, 4]


def test_encoders_without_a_stream_are_called_per_strand():
    codes = np.array([[0, 1, 4, 3]], np.uint8)
    encoder = encoders.build({"kind": "onehot"})
    assert encoder.stream is None
    (found,) = encoders.stream(encoder, [(codes, None)], STRANDS)
    np.testing.assert_array_equal(found[1], encoder.encode(dna.reverse_complement(codes)))
    doubled = replace(encoder, stream=lambda chunks, strands: ([codes for _ in strands] for codes, _ in chunks))
    assert len(next(encoders.stream(doubled, [(codes, None)], STRANDS))) == 2
