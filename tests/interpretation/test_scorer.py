"""Any trained model as one number: that of its predictions, with the true gradient of it."""

import importlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, logit

from helpers.explained_models import (
    BARE,
    DREAM_RNN,
    HEADS,
    LEGNET,
    NARROW,
    TINY,
    WINDOW,
    agree,
    baseline_on_disk,
    head_on_disk,
    linear,
    rows_of,
    some_inserts,
)
from helpers.on_gpu import by_device
from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.embeddings import encoders
from s2f.heads import networks
from s2f.interpretation import scorer as models
from s2f.interpretation.tangents import onehot
from s2f.sequences import dna

pytestmark = pytest.mark.usefixtures("compiled_quickly", "toy_lamar")


def some(*names):
    """Parameters; what takes long to compile is slow."""
    slow = ("alphagenome", "enformer", "chip-cnn")
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in slow)) for name in names]


def loaded(folder, name):
    spec, construct, slug, rule = HEADS[name]
    variables = head_on_disk(folder / "head", spec, construct, slug, rule)
    return models.load(folder / "head", spec), variables, (spec, construct, slug, rule)


@pytest.mark.parametrize("name", some(*HEADS))
def test_score_is_the_prediction_for_the_whole_construct(tmp_path, name):
    scorer, variables, (spec, construct, slug, rule) = loaded(tmp_path, name)
    codes = some_inserts(5)
    codes[1, 3] = dna.N_CODE  # an N has no gradient, but a score
    windows = construct.assemble([dna.decode(c) for c in codes])
    encoder, network, expected = encoders.build(spec), networks.build(slug, 0.0), []
    apply = jax.jit(partial(network.apply, is_training=False))
    for strand in (windows, dna.reverse_complement(windows))[: 1 + (rule == "mean")]:
        x = jnp.asarray(encoder.encode(strand), jnp.float32)
        expected.append(apply(*variables, None, x)[0])
    tolerance = {"rtol": by_device(1e-5, 1e-4), "atol": by_device(1e-6, 1e-5)}
    np.testing.assert_allclose(scorer.score(codes), np.mean(expected, axis=0), **tolerance)
    assert np.ptp(scorer.score(codes)) > 1e-3


@pytest.mark.parametrize("name", some("alphagenome", "enformer", "onehot", "chip-cnn", "lamar", "lamar pooled"))
def test_gradient_of_heads_is_the_derivative_of_the_score(tmp_path, name):
    scorer, *_ = loaded(tmp_path, name)
    codes = some_inserts()
    values, gradient = scorer.gradient(dna.one_hot(codes))
    np.testing.assert_allclose(values, scorer.score(codes), rtol=1e-4, atol=1e-5)
    assert gradient.shape == (3, 40, 4)
    agree(scorer.gradient, dna.one_hot(codes[:1]))


@pytest.mark.parametrize(
    ("kind", "spec"), [("malinois_1cell", NARROW), ("legnet", LEGNET), ("dream_rnn", {**DREAM_RNN, "dropout": 0.5})]
)
def test_networks_of_one_hot_are_those_of_the_baselines(tmp_path, kind, spec):
    train, val = rows_of(some_inserts(48, 40, 1)), rows_of(some_inserts(8, 40, 2))
    predict = baseline_on_disk(tmp_path / "m", kind, WINDOW, spec, train, val)
    scorer, codes = models.load(tmp_path / "m"), some_inserts()
    texts = [dna.decode(c) for c in codes]
    expected = (predict(texts) + predict(texts, "reverse")) / 2
    np.testing.assert_allclose(scorer.score(codes), expected, rtol=by_device(1e-6, 1e-5))
    values, gradient = scorer.gradient(dna.one_hot(codes))
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(gradient).max() > 0
    agree(scorer.gradient, dna.one_hot(codes), 1.0)


def test_classifiers_are_scored_by_their_logit(tmp_path):
    codes, bound = some_inserts(60, 40, 4), np.arange(60) % 2
    rows = rows_of(codes).assign(label=bound.astype(float))
    rows["sequence"] = [s[:10] + "ACTAACA" + s[17:] if b else s for s, b in zip(rows["sequence"], bound, strict=True)]
    specs = {
        "gc": {}, "kmer_logistic": {"k": [2], "C": [0.1]},
        "lamar_finetuned": {"size": "toy", "weights": {"random": 0}, "epochs": 1, "batch_size": 16},
    }  # fmt: skip
    for kind, spec in specs.items():
        predict = baseline_on_disk(tmp_path / kind, kind, BARE, spec, rows, rows, "forward")
        scorer = models.load(tmp_path / kind)
        np.testing.assert_allclose(expit(scorer.score(codes)), predict([dna.decode(c) for c in codes]), rtol=1e-5)
    values, _ = scorer.gradient(dna.one_hot(codes[:3]))
    np.testing.assert_allclose(values, scorer.score(codes[:3]), rtol=1e-4, atol=1e-5)
    agree(scorer.gradient, dna.one_hot(codes[:3]))


def test_fine_tuned_in_bfloat16_is_scored_as_it_predicts(tmp_path):
    codes, bound = some_inserts(60, 40, 4), np.arange(60) % 2
    rows = rows_of(codes).assign(label=bound.astype(float))
    rows["sequence"] = [s[:10] + "ACTAACA" + s[17:] if b else s for s, b in zip(rows["sequence"], bound, strict=True)]
    spec = {"size": "toy", "weights": {"random": 0}, "epochs": 3, "batch_size": 16, "learning_rate": 1e-3}
    predict = baseline_on_disk(
        tmp_path / "m", "lamar_finetuned", BARE, {**spec, "precision": "bfloat16"}, rows, rows, "forward"
    )
    scorer = models.load(tmp_path / "m")
    found = scorer.score(codes)
    np.testing.assert_allclose(found, logit(predict([dna.decode(c) for c in codes])), rtol=1e-5, atol=1e-6)
    in_float32, _ = scorer.gradient(dna.one_hot(codes))
    assert np.ptp(found) > 1e-3 and np.abs(found - in_float32).max() > 1e-5


def test_gradients_are_built_when_they_are_asked_for(tmp_path, monkeypatch):
    built, own = [], onehot.tangent
    monkeypatch.setattr(onehot, "tangent", lambda *arguments: built.append(1) or own(*arguments))
    scorer, *_ = loaded(tmp_path, "onehot")
    scorer.score(some_inserts())
    scorer.needs_gradient()
    assert built == []
    for _ in range(2):
        scorer.gradient(dna.one_hot(some_inserts()))
    assert built == [1]


def test_every_gradient_that_a_kind_names_is_there():
    names = {kinds.facts(part, kind)["gradient"] for part in ("encoders", "baselines") for kind in kinds.names(part)}
    for name in names - {""}:
        assert callable(importlib.import_module(f"s2f.interpretation.tangents.{name}").tangent)


def test_gradient_of_the_mean_over_strands():
    weights = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    _, gradient = linear(weights, rule="mean").gradient(dna.one_hot(some_inserts(2, 12)))
    np.testing.assert_allclose(gradient[1], (weights + weights[::-1, ::-1]) / 2, rtol=1e-6)


def test_models_without_gradient_say_what_to_use(tmp_path):
    scorer, *_ = loaded(tmp_path, "kmer")
    with pytest.raises(InputError, match=r"model e/none/encoder-16-dropout has no gradient; use mutagenesis"):
        scorer.gradient(dna.one_hot(some_inserts()))
    rows = rows_of(some_inserts(30))
    baseline_on_disk(tmp_path / "ridge", "kmer_ridge", WINDOW, {"k": [2]}, rows, rows)
    with pytest.raises(InputError, match="model kmer_ridge has no gradient"):
        models.load(tmp_path / "ridge").needs_gradient()


def test_head_is_scored_on_its_own_encoder_only(tmp_path):
    head_on_disk(tmp_path / "head", *HEADS["alphagenome"])
    with pytest.raises(InputError, match="the head was trained on another encoder"):
        models.load(tmp_path / "head", {**TINY, "weights": {"random": 1}})
    codes = some_inserts(2)
    of_record = models.load(tmp_path / "head").score(codes)  # model.json tells its encoder
    np.testing.assert_array_equal(of_record, models.load(tmp_path / "head", TINY).score(codes))


def test_sequences_that_cannot_be_explained_are_named(tmp_path):
    scorer = linear(np.zeros((12, 4)))
    rows = rows_of(some_inserts(3, 12))
    scorer.check(rows, "rows")
    with pytest.raises(InputError, match=r"rows: row 'r1': N at position 4; only A, C, G and T"):
        scorer.check(rows.assign(sequence=["A" * 12, "ACGTNACGTNAC", "A" * 12]), "rows")
    with pytest.raises(InputError, match=r"rows: row 'r2': insert of 13 bp is longer than the window of 12 bp"):
        scorer.check(rows.assign(sequence=["A" * 12, "C" * 12, "A" * 13]), "rows")
    with pytest.raises(InputError, match=r"row 'r0': a 11 bp insert .* there are 0 \+ 0 bp"):
        scorer.check(rows.assign(sequence=["A" * 11] * 3), "rows")
    with pytest.raises(InputError, match="rows: row 'r0': 12 bp, expected at least one window, 13 bp"):
        scorer.check(rows, "rows", 13)


def test_fingerprint_follows_weights_and_record(tmp_path):
    head_on_disk(tmp_path / "head", *HEADS["onehot"])
    before = models.fingerprint(tmp_path / "head")
    assert before == models.fingerprint(tmp_path / "head")
    (tmp_path / "head" / "model.json").write_text((tmp_path / "head" / "model.json").read_text() + "\n")
    assert models.fingerprint(tmp_path / "head") != before


def test_of_several_cells_the_first_is_explained(tmp_path):
    cells = ["K562", "HepG2"]
    train, val = rows_of(some_inserts(48, 40, 1)), rows_of(some_inserts(12, 40, 2))
    for rows in (train, val):
        rows["label.K562"], rows["label.HepG2"] = rows["label"], rows["sequence"].str.count("A").astype(float)
    codes = some_inserts()
    texts = [dna.decode(c) for c in codes]
    for kind, spec in (("malinois", NARROW), ("legnet", LEGNET), ("kmer_ridge", {"k": [2], "alphas": [1.0]})):
        predict = baseline_on_disk(tmp_path / kind, kind, WINDOW, spec, train, val)
        scorer, expected = models.load(tmp_path / kind), (predict(texts) + predict(texts, "reverse")) / 2
        np.testing.assert_allclose(scorer.score(codes), expected[:, 0], rtol=1e-5)
        assert not np.allclose(expected[:, 0], expected[:, 1])
    for kind in ("malinois", "legnet"):
        agree(models.load(tmp_path / kind).gradient, dna.one_hot(codes), 1.0)

    spec, construct, slug, _ = HEADS["onehot"]
    variables = head_on_disk(tmp_path / "head", spec, construct, slug, cells=cells)
    scorer, encoder = models.load(tmp_path / "head", spec), encoders.build(spec)
    network, windows = networks.build(slug, 0.0, outputs=2), construct.assemble(texts)
    apply = jax.jit(partial(network.apply, is_training=False))
    by_strand = [apply(*variables, None, jnp.asarray(encoder.encode(w), jnp.float32))[0][:, 0]
                 for w in (windows, dna.reverse_complement(windows))]  # fmt: skip
    np.testing.assert_allclose(scorer.score(codes), np.mean(by_strand, axis=0), rtol=1e-5, atol=1e-6)
    agree(scorer.gradient, dna.one_hot(codes[:1]))
