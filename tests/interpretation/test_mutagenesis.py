"""Mutagenesis: exactly the differences of single scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.explained_models import HEADS, formula, head_on_disk, linear, some_inserts
from helpers.on_gpu import by_device
from s2f.common.errors import InputError
from s2f.interpretation import attributions, mutagenesis
from s2f.interpretation import scorer as models
from s2f.sequences import dna
from s2f.sequences.constructs import Construct
from s2f.sequences.flanks import GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

WEIGHTS = np.random.default_rng(0).normal(size=(12, 4))
CODES = some_inserts(1, 12)[0]


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize(
    "name, narrow",
    [pytest.param("alphagenome", 0, marks=pytest.mark.slow), ("alphagenome", 512), ("onehot", 512), ("kmer", 512)],
)
def test_saturation_equals_scoring_the_mutated_sequences_one_by_one(tmp_path, monkeypatch, name, narrow):
    """Also where an encoder computes the neighbourhood of the substitutions alone."""
    monkeypatch.setattr(models, "NARROW_CHANNELS", narrow)
    spec, construct, slug, rule = HEADS[name]
    spec = {**spec, "batch_size": 64}
    head_on_disk(tmp_path / "head", spec, construct, slug, rule)
    scorer, codes = models.load(tmp_path / "head", spec, models.NARROW_FROM), some_inserts()[0]
    changes, score = mutagenesis.saturation(scorer, codes)
    own = {"reuse_flanks": False} if name == "alphagenome" else {}
    monkeypatch.setattr(models, "NARROW_CHANNELS", 512)
    scorer = models.load(tmp_path / "head", {**spec, "batch_size": 1, **own})
    alone = scorer.score(codes[None])[0]
    assert score == pytest.approx(alone, abs=by_device(1e-6, 1e-5))
    for place in range(0, len(codes), 6):
        for base in range(4):
            mutated = codes.copy()
            mutated[place] = base
            expected = scorer.score(mutated[None])[0] - alone
            assert changes[place, base] == pytest.approx(expected, abs=by_device(2e-6, 2e-5))
    assert (changes[np.arange(len(codes)), codes] == 0).all()
    assert np.abs(changes).max() > 1e-3


def test_in_bfloat16_the_same_bits_as_one_by_one(tmp_path, monkeypatch):
    """Activations shared by a neighbourhood would be rounded elsewhere: flanks alone are shared, as in a cache."""
    monkeypatch.setattr(models, "NARROW_CHANNELS", 0)
    spec, _, slug, rule = HEADS["alphagenome"]
    spec = {**spec, "precision": "bfloat16", "batch_size": 8}
    head_on_disk(tmp_path / "head", spec, Construct(600, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM), slug, rule)
    codes = some_inserts(1, 200)[0]
    some = mutagenesis.substitutions(codes)[0][300:306]
    spans = np.repeat([[100, 102]], 6, axis=0)
    scorer = models.load(tmp_path / "head", spec, models.NARROW_FROM)
    changes, score = mutagenesis.differences(scorer, codes, some, spans)
    # of the same batch size: programs of two sizes round in different places too
    scorer = models.load(tmp_path / "head", spec)
    alone = np.array([scorer.score(one[None])[0] for one in (codes, *some)])
    assert np.array_equal(changes, alone[1:] - alone[0]) and score == alone[0]
    assert np.abs(changes).max() > 1e-3


def test_saturation_of_a_linear_model_is_its_weights():
    scorer = linear(WEIGHTS)
    changes, score = mutagenesis.saturation(scorer, CODES)
    own = WEIGHTS[np.arange(12), CODES]
    np.testing.assert_allclose(changes, WEIGHTS - own[:, None], atol=1e-12)
    assert score == pytest.approx(own.sum())
    expected = own - (WEIGHTS.sum(1) - own) / 3
    np.testing.assert_allclose(mutagenesis.importance_of_substitutions(changes), expected, atol=1e-12)


def test_variants_are_scored_in_batches_of_neighbours_with_the_sequence_itself():
    scorer = linear(WEIGHTS, batch_size=7)
    mutagenesis.saturation(scorer, CODES)
    assert scorer.spans == [((2 * i, 2 * i + 2), 7) for i in range(6)]


def test_substitutions_are_all_others_once():
    variants, places, bases = mutagenesis.substitutions(CODES)
    assert len({v.tobytes() for v in variants}) == 36
    assert ((variants != CODES).sum(1) == 1).all()
    assert (variants[np.arange(36), places] == bases).all()


@given(st.integers(1, 60), st.data())
def test_windows_cover_every_position(length, data):
    width = data.draw(st.integers(1, length))
    step = data.draw(st.integers(1, width))
    starts = mutagenesis.window_starts(length, width, step)
    covered = np.zeros(length, int)
    for start in starts:
        assert 0 <= start <= length - width
        covered[start : start + width] += 1
    assert covered.min() >= 1 and len(set(starts)) == len(starts)


def test_windows_of_n_take_away_what_a_linear_model_sees_there():
    importance, starts, effects, score = mutagenesis.sliding(linear(WEIGHTS), CODES, width=4, step=2, fill="N")
    own = WEIGHTS[np.arange(12), CODES]
    assert starts.tolist() == [0, 2, 4, 6, 8]
    np.testing.assert_allclose(effects, [own[s : s + 4].sum() for s in starts], atol=1e-12)
    np.testing.assert_allclose(importance[[0, 2, 11]], [effects[0], effects[:2].mean(), effects[4]], atol=1e-12)
    assert score == pytest.approx(own.sum())


def test_shuffles_keep_composition_and_repeat_with_the_seed():
    gc = formula(lambda x: x[:, :, 1:3].sum((1, 2)))
    assert not mutagenesis.sliding(gc, CODES, width=6, step=3)[2].any()
    first, same, other = (mutagenesis.sliding(linear(WEIGHTS), CODES, 6, 3, seed=s)[2] for s in (1, 1, 2))
    assert (first == same).all() and (first != other).any()


def test_shuffles_stay_within_their_window():
    seen = []
    values = lambda x: seen.append(x) or x[:, :, 0].sum(1)  # noqa: E731
    mutagenesis.sliding(formula(values, batch_size=500), CODES, width=5, step=5, draws=4)
    x = seen[0].argmax(2)
    assert len(x) == 1 + 3 * 4
    for variant, start in zip(x[1:], np.repeat([0, 5, 7], 4), strict=True):
        inside = np.zeros(12, bool)
        inside[start : start + 5] = True
        assert (variant[~inside] == CODES[~inside]).all() and sorted(variant) == sorted(CODES)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"width": 13}, "window of 13 bp: expected 1 to 12 bp"),
        ({"width": 3, "step": 4}, "step of 4 bp: expected 1 to 3 bp"),
        ({"width": 3, "step": 1, "fill": "X"}, "fill is 'X', expected one of: shuffle, N"),
    ],
)
def test_impossible_windows_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        mutagenesis.sliding(linear(WEIGHTS), CODES, **settings)


def test_score_takes_more_than_a_chunk(monkeypatch):
    monkeypatch.setattr(models, "CHUNK", 4)
    codes = some_inserts(10, 12)
    expected = (dna.one_hot(codes, np.float64) * WEIGHTS).sum((1, 2))
    np.testing.assert_allclose(linear(WEIGHTS).score(codes), expected)


def test_unknown_method_is_refused():
    with pytest.raises(InputError, match="method is 'lime', expected one of: ism, window, saliency, ig"):
        attributions.attribute(linear(WEIGHTS), "lime", CODES, {})
