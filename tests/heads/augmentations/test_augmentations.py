"""Augmentation modes: what they read, what they draw, and that windows are re-cut from real flank, never rolled."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.on_gpu import by_device
from s2f.common.errors import InputError
from s2f.embeddings import encoders
from s2f.heads import augmentations
from s2f.heads.augmentations import multi_shift
from s2f.heads.augmentations.draws import Draw, cut, reverse_complement
from s2f.heads.epochs import Data, Epochs
from s2f.heads.examples import Examples
from s2f.heads.training import Trainer, TrainingSettings
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("compiled_quickly")

CONSTRUCT = Construct.from_spec({"flanks": "gosai_episomal", "length": 600})
COMPACT = Construct.from_spec({"flanks": "gosai_episomal", "length": 384, "layout": "compact"})
FULL, HYBRID = {"kind": "full", "reach": 15}, {"kind": "hybrid", "reach": 15}
TINY = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 16}


def inserts(count, seed=0, lengths=(200,)):
    random = np.random.Generator(np.random.PCG64(seed))
    return ["".join(random.choice(list("ACGT"), random.choice(lengths))) for _ in range(count)]


def draws(spec, rows=64, low=-15, high=15, keys=400):
    """The fields of many draws, leading axis `keys`."""
    low, high = (jnp.full(rows, shift, jnp.int32) for shift in (low, high))
    draw = augmentations.build(spec)
    return jax.vmap(lambda key: draw(key, low, high))(jax.random.split(jax.random.key(3), keys))


def share(values):
    return np.asarray(values, float).mean()


# ---- names and options


def test_views_of_the_modes():
    both = ((0, "forward"), (0, "reverse"))
    for kind, views in {
        "none": both[:1],
        "no_shift": both,
        "random_rc": both,
        "full": both[:1],
        "hybrid": both,
    }.items():
        assert augmentations.views({"kind": kind}) == views
    spec = {"kind": "multi_shift", "shifts": 5, "reach": 15}
    assert multi_shift.shifts(spec) == (0, -8, 8, -15, 15)
    views = augmentations.views(spec)
    assert (
        len(views) == 10 and views[0] == (0, "forward") and views[5] == (0, "reverse") and views[9] == (15, "reverse")
    )


@pytest.mark.parametrize(("shifts", "reach"), [(4, 15), (7, 2)])
def test_a_ladder_without_middle_or_with_equal_steps_is_refused(shifts, reach):
    with pytest.raises(InputError, match="expected an odd number"):
        augmentations.views({"kind": "multi_shift", "shifts": shifts, "reach": reach})


# ---- draws


def test_cached_modes_draw_what_they_say():
    assert (np.asarray(draws({"kind": "none"}).view) == 0).all()
    view = np.asarray(draws({"kind": "no_shift"}).view)
    assert view.shape[1:] == (2, 64) and (view[:, 0] == 0).all() and (view[:, 1] == 1).all()
    view = np.asarray(draws({"kind": "random_rc"}).view)
    assert view.shape[1:] == (1, 64) and abs(share(view) - 0.5) < 0.02
    view = np.asarray(draws({"kind": "multi_shift", "shifts": 5, "reach": 15}).view)
    assert view.shape[1:] == (2, 64)
    for strand in (0, 1):  # forward caches first, each shift as often as the others, rows independent
        counts = np.bincount(view[:, strand].ravel(), minlength=10)[5 * strand : 5 * strand + 5]
        assert counts.sum() == view[:, strand].size and (abs(counts / counts.mean() - 1) < 0.05).all()
    assert (view[:, 0] != view[:, :1, :1][:, 0]).any()


def test_full_shifts_half_of_the_time_evenly_and_turns_half_of_the_time():
    drawn = draws(FULL)
    shift, turned = np.asarray(drawn.shift), np.asarray(drawn.reverse)
    assert shift.shape[1:] == turned.shape[1:] == (1, 64)
    assert shift.min() == -15 and shift.max() == 15
    assert abs(share(shift == 0) - (0.5 + 0.5 / 31)) < 0.02
    moved = np.bincount(shift[shift != 0] + 15, minlength=31)
    assert (abs(moved[moved > 0] / moved[moved > 0].mean() - 1) < 0.25).all() and (moved > 0).sum() == 30
    assert abs(share(turned) - 0.5) < 0.02
    assert abs(np.corrcoef(turned.ravel(), (shift != 0).ravel())[0, 1]) < 0.02


def test_compact_shifts_evenly_over_all_that_the_flank_allows():
    drawn = draws({"kind": "compact"}, low=-92, high=92)
    shift = np.asarray(drawn.shift)
    assert shift.min() == -92 and shift.max() == 92
    assert abs(shift.mean()) < 2 and abs(shift.std() - np.sqrt((185**2 - 1) / 12)) < 2
    assert abs(share(drawn.reverse) - 0.5) < 0.02


def test_hybrid_encodes_half_of_the_batches():
    drawn = draws(HYBRID, keys=4000, rows=4)
    assert np.asarray(drawn.encode).shape == (4000,) and abs(share(drawn.encode) - 0.5) < 0.03
    assert abs(share(drawn.view) - 0.5) < 0.03 and abs(share(drawn.reverse) - 0.5) < 0.03


def test_the_same_key_draws_the_same_and_another_key_draws_anew():
    for kind, draw in {kind: augmentations.build({"kind": kind, "shifts": 3, "reach": 9}) for kind in
                       ("random_rc", "multi_shift", "full", "compact", "hybrid")}.items():  # fmt: skip
        low, high = jnp.full(200, -9), jnp.full(200, 9)
        one, again, other = (draw(jax.random.key(seed), low, high) for seed in (1, 1, 2))
        same = jax.tree.map(lambda a, b: bool((a == b).all()), one, again)
        assert all(jax.tree.leaves(same)), kind
        assert not all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), one, other))), kind


# ---- windows


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(73, 230), min_size=1, max_size=6), st.integers(0, 20), st.booleans(), st.integers(0, 2**31))
def test_cut_windows_are_those_of_the_construct(lengths, reach, compact, seed):
    """Any mix of lengths: the window cut in the step is the one that `assemble` makes, at the same shift."""
    random = np.random.Generator(np.random.PCG64(seed))
    texts = ["".join(random.choice(list("ACGT"), length)) for length in lengths]
    construct = COMPACT if compact else CONSTRUCT
    codes, low, high = construct.stretches(texts, None if compact else reach)
    shift = random.integers(low, high + 1)
    turned = random.random(len(texts)) < 0.5
    got = np.asarray(cut(codes, low, shift[None], turned[None], construct.length))[0]
    for place, text in enumerate(texts):
        want = construct.assemble([text], int(shift[place]))[0]
        np.testing.assert_array_equal(got[place], dna.reverse_complement(want) if turned[place] else want)
    assert (got < 4).all()  # no N, hence no filling, in any window
    for place, text in enumerate(texts):  # nothing wraps around: the insert is whole, where the shift puts it
        whole = dna.decode(dna.reverse_complement(got[place]) if turned[place] else got[place])
        assert whole.find(text) == construct.flank_lengths(len(text), int(shift[place]))[0]


def test_a_range_that_the_flank_does_not_allow_names_the_insert():
    short = Construct(230, "ACGT", "ACGT")
    with pytest.raises(InputError, match=r"insert 1: a 225 bp insert at shift -15 .* bp of flank"):
        short.stretches(["A" * 230, "A" * 225], 15)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=7, max_size=7))
def test_reverse_complement_on_the_device_is_that_of_dna(codes):
    codes = np.array(codes, np.uint8)
    np.testing.assert_array_equal(reverse_complement(jnp.asarray(codes)), dna.reverse_complement(codes))


# ---- in training


@pytest.fixture(scope="module")
def tiny():
    return encoders.build(TINY)


def examples(tiny, count=40, seed=0, reach=15):
    """Rows whose label is the share of G and C, with their canonical and reverse embeddings as caches hold them."""
    texts = inserts(count, seed)
    codes = CONSTRUCT.assemble(texts)
    tables = tuple(np.asarray(tiny.encode(c)) for c in (codes, dna.reverse_complement(codes)))
    labels = np.array([sum(text.count(x) for x in "GC") / 20 for text in texts], np.float32)
    return Examples(tables, np.arange(count, dtype=np.int32), labels, CONSTRUCT.stretches(texts, reach))


def canonical(data):
    return dataclasses.replace(data, tables=data.tables[:1])


# one set of shapes and settings for all trainings below: those of the same mode and head are then compiled once


@pytest.fixture(scope="module")
def parts(tiny):
    """Rows to train, which leave the last batch of 16 short, and rows to validate."""
    return examples(tiny, 40), canonical(examples(tiny, 20, 1))


def test_encoded_views_equal_what_a_cache_of_that_view_holds(tiny):
    data = examples(tiny, 6)
    codes, low, high = data.stretches
    epochs = Epochs(None, None, 6, 1, tiny.apply, 600, np.float32)
    shift, turned = np.array([[0, 15, -15, 3, 0, -1]]), np.array([[False, False, True, True, True, False]])
    plan = type("Plan", (), {"draws": Draw(shift=shift, reverse=turned), "rows": np.arange(6)})
    device = Data(data.labels, low, high, codes=codes, frozen=tiny.parameters)
    got = np.asarray(jax.jit(lambda d: epochs._views(d, plan, None))(device))[0]
    for place, text in enumerate(inserts(6)):
        want = CONSTRUCT.assemble([text], int(shift[0, place]))
        want = tiny.encode(dna.reverse_complement(want) if turned[0, place] else want)[0]
        np.testing.assert_allclose(got[place], want, atol=1e-4 * want.std())


@pytest.mark.slow
@pytest.mark.parametrize("mode", [FULL, HYBRID, {"kind": "compact"}], ids=lambda mode: mode["kind"])
def test_modes_that_encode_train_and_leave_the_encoder_alone(tiny, parts, mode):
    before = jax.tree.map(np.array, tiny.parameters)
    spec = TrainingSettings.from_spec(dict(batch_size=16, epochs=4))
    run = [
        Trainer([("boda-mean-16", 5)], mode, *parts, tiny, 600, report=lambda line: None).train(spec)[0] for _ in "ab"
    ]
    assert run[0].history["train_loss"].iloc[-1] < run[0].history["train_loss"].iloc[0]
    pd.testing.assert_series_equal(run[0].history["train_loss"], run[1].history["train_loss"])
    jax.tree.map(np.testing.assert_array_equal, before, tiny.parameters)


@pytest.mark.slow
def test_lanes_of_modes_that_encode_equal_heads_trained_alone(tiny, parts):
    lanes = [("boda-mean-16", 5), ("boda-max-16", 6)]
    spec = TrainingSettings.from_spec(dict(batch_size=16, epochs=2))

    def trained(lanes):
        return Trainer(lanes, HYBRID, *parts, tiny, 600, report=lambda line: None).train(spec)

    for lane, together in zip(lanes, trained(lanes), strict=True):
        (alone,) = trained([lane])
        for a, b in zip(jax.tree.leaves(together.parameters), jax.tree.leaves(alone.parameters), strict=True):
            np.testing.assert_allclose(a, b, atol=by_device(1e-5, 1e-3))  # a step of AdamW


@pytest.mark.slow
def test_hybrid_streams_its_cache_with_the_same_result(tiny, parts):
    spec = TrainingSettings.from_spec(dict(batch_size=16, epochs=2))
    resident, streamed = (
        Trainer([("boda-mean-16", 5)], HYBRID, *parts, tiny, 600, memory, lambda line: None).train(spec)[0]
        for memory in (None, 1000)
    )
    for a, b in zip(jax.tree.leaves(resident.parameters), jax.tree.leaves(streamed.parameters), strict=True):
        np.testing.assert_allclose(a, b, atol=by_device(1e-5, 1e-3))  # a step of AdamW


def test_no_shift_with_labels_kept_sees_each_row_on_each_strand_once_per_epoch(tiny):
    """Labels travel with rows: a head that sees the row number learns it from either strand."""
    data = examples(tiny, 40)
    epochs = Epochs(None, augmentations.build({"kind": "no_shift"}), 16, 2)
    low = jnp.zeros(40, jnp.int32)
    plan = epochs._planned(Data(jnp.asarray(data.labels), low, low), jax.random.key(0))
    rows, weights = np.asarray(plan.rows).ravel(), np.asarray(plan.weights).ravel()
    assert sorted(rows[weights > 0]) == list(range(40)) and weights.sum() == 40
    table, index = data.on_device()
    device = Data(jnp.asarray(data.labels), low, low, table, index)
    first = jax.tree.map(lambda a: a[0], plan)
    seen = np.asarray(epochs._views(device, first, None))
    for view, strand in enumerate(data.tables):
        np.testing.assert_array_equal(seen[view], strand[np.asarray(first.rows)])
