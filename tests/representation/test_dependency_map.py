"""Dependency maps: the golden map, one forward pass at a time as oracle, what is refused, files, planted pairs."""

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.golden_lamar import SIZE, Golden
from helpers.toy_language_models import TOY
from s2f.common.errors import InputError
from s2f.language_model import configuration, folder, loading, states, tapt, tokenizer
from s2f.representation import dependency_map, planted_pairs
from s2f.rows.sources import simulated_rbp


@pytest.fixture(autouse=True)
def golden_size(monkeypatch, toy_lamar):
    monkeypatch.setitem(configuration.SIZES, "golden", SIZE)


def lively():
    """A toy whose weights are large enough for letters to matter."""
    torch.manual_seed(3)
    model = loading.from_seed(configuration.make("toy"), 0, "masked_lm")
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.3)
    return model


@pytest.fixture(scope="module")
def model():
    configuration.SIZES["toy"] = TOY
    return dependency_map.from_model(lively())


def draw(count, length, seed=0):
    random = np.random.Generator(np.random.PCG64(seed))
    return ["".join(letters) for letters in random.choice(list("ACGT"), (count, length))]


def by_definition(network, sequence):
    """Map and influence with one forward pass of transformers' model per substitution, straight from the paper."""
    columns = [tokenizer.VOCABULARY.index(letter) for letter in "ACGT"]

    def log_odds(text):
        with torch.no_grad():
            logits = network(torch.from_numpy(tokenizer.tokenize([text])).long()).logits[0, 1:-1].double().numpy()
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        p = p[:, columns] + 1e-10
        p /= p.sum(1, keepdims=True)
        return np.log2(p / (1 - p))

    length, reference = len(sequence), log_odds(sequence)
    found, influence = np.zeros((length, length)), np.zeros((length, 4))
    for i in range(length):
        for number, letter in enumerate("ACGT"):
            if letter != sequence[i]:
                change = np.abs(log_odds(sequence[:i] + letter + sequence[i + 1 :]) - reference).max(1)
                found[i] = np.maximum(found[i], change)
                influence[i, number] = np.delete(change, i).mean()
    np.fill_diagonal(found, 0)
    return found, influence


# numbers


def test_golden_map(shared, tmp_path):
    golden = Golden(shared / "golden" / "lamar")
    torch.save(golden.state, tmp_path / "pytorch_model.bin")
    spec = {"kind": "lamar", "size": "golden", "weights": {"path": str(tmp_path)}}
    expected = np.load(shared / "golden" / "lamar" / "golden_depmap.npz")
    ((found, influence),) = dependency_map.maps(dependency_map.build(spec), golden.notes["sequences"][:1])
    np.testing.assert_allclose(found, expected["depmap_log2"], rtol=0, atol=1e-4)
    # (substituted, alternative, looked at, letter): the extreme of both signs, where the notebook takes the signed one
    effect = np.abs(expected["snp_effect_log2"]).max(3)
    length = len(effect)
    means = (effect.sum(2) - effect[np.arange(length), :, np.arange(length)]) / (length - 1)
    np.testing.assert_allclose(influence, means, rtol=0, atol=1e-4)
    assert np.abs(influence - expected["variant_influence_notebook"]).max() > 1e-2


def test_equals_one_pass_per_substitution(model):
    for sequence in draw(2, 13):
        ((found, influence),) = dependency_map.maps(model, [sequence])
        expected, means = by_definition(model.model, sequence)
        assert expected.max() > 0.5
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(influence, means, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 40, None])
def test_any_batch_size_and_company_gives_the_same(model, size):
    sequences = [*draw(3, 9), *draw(2, 5, 1), *draw(1, 9, 2)]
    together = list(dependency_map.maps(model, sequences, batch_size=size))
    assert [len(found) for found, _ in together] == [9, 9, 9, 5, 5, 9]
    for sequence, (found, influence) in zip(sequences, together, strict=True):
        ((alone, own),) = dependency_map.maps(model, [sequence])
        np.testing.assert_allclose(found, alone, rtol=0, atol=2e-5)
        np.testing.assert_allclose(influence, own, rtol=0, atol=2e-5)


def test_passes_are_batched_and_no_more_than_needed(model, monkeypatch):
    batches, log_odds = [], dependency_map._log_odds
    monkeypatch.setattr(dependency_map, "_log_odds", lambda m, c: batches.append(len(c)) or log_odds(m, c))
    list(dependency_map.maps(model, draw(4, 10), batch_size=120))
    assert batches == [4, 120]
    batches.clear()
    list(dependency_map.maps(model, draw(1, 10), batch_size=16))
    assert batches == [1, 16, 14]


@settings(max_examples=15, deadline=None)
@given(st.text("ACGT", min_size=2, max_size=12))
def test_properties(model, sequence):
    ((found, influence),) = dependency_map.maps(model, [sequence])
    length = len(sequence)
    assert found.shape == (length, length) and influence.shape == (length, 4)
    assert found.dtype == influence.dtype == np.float32
    assert (np.diag(found) == 0).all() and (found >= 0).all()
    observed = np.array(list(sequence))[:, None] == np.array(list("ACGT"))
    assert (influence[observed] == 0).all() and (influence[~observed] > 0).all()
    # of three alternatives the map has the largest per letter, the influence the mean per alternative
    mean = found.sum(1) / (length - 1)
    assert (influence.max(1) <= mean + 1e-5).all() and (influence.sum(1) >= mean - 1e-5).all()


def test_a_model_that_looks_nowhere_has_an_empty_map():
    network = lively()
    for layer in network.esm.encoder.layer:  # nothing is passed from letter to letter
        layer.attention.output.dense.weight.data.zero_()
    ((found, influence),) = dependency_map.maps(dependency_map.from_model(network), ["ACGTTGCA"])
    assert found.max() < 1e-4 and influence.max() < 1e-4


def test_lower_case_and_u_are_read(model):
    ((found, _),) = dependency_map.maps(model, ["ACUUGA"])
    ((same, _),) = dependency_map.maps(model, ["acttga"])
    assert np.array_equal(found, same)


def test_bfloat16_is_near(model):
    half = dependency_map.from_model(model.model, "bfloat16")
    ((found, _),) = dependency_map.maps(half, draw(1, 20))
    ((exact, _),) = dependency_map.maps(model, draw(1, 20))
    assert half.fingerprint != model.fingerprint
    assert 0 < np.abs(found - exact).max() < 0.3
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.99


def test_a_sure_model_has_finite_odds():
    network = lively()
    network.lm_head.decoder.weight.data *= 1e4
    ((found, _),) = dependency_map.maps(dependency_map.from_model(network), draw(1, 12))
    assert np.isfinite(found).all() and 20 < found.max() < 70  # 1e-10 bounds the odds


# refusals


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (["ACGT", "ACNT"], r"sequence 'r1': has the letter 'N', but a dependency map needs A, C, G and T"),
        (["ACGT", "A" * 1025], r"sequence 'r1': 1025 letters, expected 2 to 1024, the model's window"),
        (["ACGT", "A"], r"sequence 'r1': 1 letters"),
        (["ACGT", "AC-T"], r"sequence 'r1': has the letter '-'"),
    ],
)
def test_bad_sequences_are_named_before_any_work(model, monkeypatch, sequences, message):
    monkeypatch.setattr(dependency_map, "_log_odds", lambda *_: pytest.fail("the model was asked"))
    with pytest.raises(InputError, match=message):
        next(dependency_map.maps(model, sequences, ["r0", "r1"]))


def test_odds_that_are_not_finite_are_refused():
    network = lively()
    network.lm_head.bias.data[5] = np.nan
    with pytest.raises(InputError, match="sequence 'r7': the model's odds are not finite"):
        next(dependency_map.maps(dependency_map.from_model(network), ["ACGT"], ["r7"]))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "kmer"}, "encoder of kind 'kmer' is not a language model"),
        ({"kind": "lamar", "size": "huge"}, "size is 'huge'"),
        ({"layer": 1}, "layer is 1, expected 2, because the head reads the last layer"),
        ({"weights": {}}, "dependency map: weights is {}, expected one of"),
        ({"precision": "half"}, "precision is 'half', expected one of: float32, bfloat16"),
    ],
)
def test_bad_sections(spec, message):
    with pytest.raises(InputError, match=message):
        dependency_map.build({"kind": "lamar", "size": "toy", "weights": {"random": 0}, **spec})


def test_weights_without_their_language_model_head_are_refused(tmp_path):
    encoder = loading.from_seed(configuration.make("toy"), 0).state_dict()
    safetensors.torch.save_file(encoder, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"lm_head.bias is missing"):
        dependency_map.build({"kind": "lamar", "size": "toy", "weights": {"path": str(tmp_path)}})


def test_random_weights_draw_a_head_too():
    built = dependency_map.build({"kind": "lamar", "size": "toy", "weights": {"random": 5}})
    assert (built.provenance, built.licence, built.longest) == (
        "random weights, seed 5", "none (random weights)", 1024
    )  # fmt: skip
    expected = states.fingerprint(loading.from_seed(configuration.make("toy"), 5, "masked_lm"))
    assert states.fingerprint(built.model) == expected


# a model trained on hairpins


def trained(tmp_path, steps):
    """A small model trained on hairpins that stand at one place, and its maps of others."""
    sites = simulated_rbp.simulate({"rows": 4000, "length": simulated_rbp.SITE, "label_noise": 0.0, "seed": 1})
    sites = sites[sites["bound"]].reset_index(drop=True)
    spec = {
        "size": "golden", "steps": steps, "learning_rate": 4e-3, "mask_share": 0.25, "micro_batch": 64,
        "validate_every": steps, "checkpoint_every": steps, "validation_windows": 64,
    }  # fmt: skip
    texts = sites["sequence"].tolist()
    made = tapt.train(texts[100:], texts[:64], tapt.Settings.from_spec(spec), 0, tmp_path / "c", lambda line: None)
    folder.save(tmp_path / "tapt", made.model, made.tokens, made.record)
    section = {"kind": "lamar", "size": "golden", "weights": {"tapt": str(tmp_path / "tapt")}}
    return sites[:8], dependency_map.build(section)


@pytest.mark.slow
def test_planted_pairs_are_brighter_than_others_after_training_on_them(tmp_path):
    sites, model = trained(tmp_path, 350)
    assert model.provenance.startswith("task-adaptive training, 350 steps of 64 windows")
    found = [planted_pairs.measure(own, 0) for own, _ in dependency_map.maps(model, sites["sequence"].tolist())]
    table = pd.DataFrame(found)
    assert (table["planted"] > 2 * table["others"]).all(), table
    assert table["auprc"].mean() > 0.9 > 3 * table["prevalence"].mean()
