"""Fine-tuning: what learns in which phase, that batches and memory tricks change nothing, and what is refused."""

import math

import numpy as np
import pytest
import torch

from s2f.baselines import _finetuning
from s2f.baselines._finetuning import Settings
from s2f.baselines._lamar_last_block import LastBlock, for_cls
from s2f.common.errors import InputError
from s2f.language_model import configuration, loading, states, tokenizer
from s2f.language_model.schedule import schedule
from s2f.models.validation import DivergedError, auroc

pytestmark = pytest.mark.usefixtures("toy_lamar")

SHORT = {"size": "toy", "epochs": 2, "learning_rate": 1e-3, "batch_size": 8, "micro_batch": 8}


def settings(**more):
    return Settings.from_spec({**SHORT, **more}, "lamar_finetuned")


def rows(count, seed=0, length=24):
    """(token ids, labels): positives hold a word three times, at random places."""
    random = np.random.Generator(np.random.PCG64(seed))
    codes = random.integers(0, 4, (count, length), np.uint8)
    labels = random.integers(0, 2, count).astype(np.float64)
    for row in np.flatnonzero(labels):
        for third in range(3):
            place = third * length // 3 + random.integers(0, length // 3 - 3)
            codes[row, place : place + 4] = [3, 2, 0, 3]
    return tokenizer.ids_of_codes(codes), labels


def model(choice=None, seed=0):
    outputs = 1 if choice and choice.labels == "regression" else 2
    return loading.from_seed(configuration.make("toy", num_labels=outputs), seed, "classification")


def tune(train=None, val=None, seed=7, report=lambda line: None, start=None, **more):
    choice = settings(**more)
    train, val = train or rows(40), val or rows(20, 1)
    return _finetuning.finetune(start or model(choice), train, val, choice, seed, report)


def weights(found):
    return states.fingerprint(found)


# learning


def test_it_learns_a_word():
    found = tune(rows(120), rows(60, 1), epochs=12, patience=12, learning_rate=3e-3)
    assert found.value > 0.9
    scores = [entry["val_auroc"] for entry in found.history]
    assert (found.value, found.epoch) == (max(scores), 1 + int(np.argmax(scores)))
    assert set(found.history[0]) == {"epoch", "train_loss", "val_auroc", "seconds", "rows_per_second"}
    ids, labels = rows(60, 1)
    predicted = _finetuning.predict(found.model, ids, settings())
    assert predicted.dtype == np.float64 and ((predicted > 0) & (predicted < 1)).all()
    assert auroc(labels, predicted) == pytest.approx(found.value, abs=1e-3)  # the model of the best epoch is kept


def test_regression_predicts_in_the_units_of_its_labels():
    (ids, labels), (val_ids, val_labels) = rows(120), rows(60, 1)
    units = lambda values: 40 + 5 * values  # noqa: E731
    found = tune(
        (ids, units(labels)), (val_ids, units(val_labels)), labels="regression",
        epochs=12, patience=12, learning_rate=3e-3,
    )  # fmt: skip
    assert (found.centre, found.scale) == (units(labels).mean(), units(labels).std())
    predicted = _finetuning.predict(found.model, val_ids, settings(labels="regression"), found.centre, found.scale)
    assert np.corrcoef(predicted, val_labels)[0, 1] == pytest.approx(found.value, abs=1e-3) and found.value > 0.7
    assert found.value == max(entry["val_pearson"] for entry in found.history)
    assert np.abs(predicted - units(val_labels)).mean() < 2


def test_losses_by_hand():
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    expected = math.log(2) + math.log(4)
    assert float(_finetuning.loss_sum(logits, torch.tensor([0, 0]))) == pytest.approx(expected)
    assert float(_finetuning.loss_sum(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0]))) == 5


def test_schedule_rises_over_the_warm_up_and_falls_to_nearly_nothing():
    shares = [schedule(step, 100, 0.1) for step in range(100)]
    assert shares[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert shares[99] == pytest.approx(1 / 91) and (np.diff(shares[9:]) < 0).all()
    assert all(0 < schedule(0, 1, share) <= 1 for share in (0, 0.05, 0.9))


def test_each_row_is_seen_once_per_epoch_in_another_order():
    orders = [_finetuning._order(30, epoch, 7).tolist() for epoch in (1, 2)]
    assert [sorted(order) for order in orders] == [list(range(30))] * 2 and orders[0] != orders[1]
    assert _finetuning._order(30, 1, 8).tolist() != orders[0]


def test_patience_counts_gains_above_min_delta_and_the_best_epoch_is_kept(monkeypatch):
    scores = iter([0.5, 0.5005, 0.6, 0.6009, 0.6008, 0.9])
    monkeypatch.setattr(_finetuning, "validation_score", lambda *_: next(scores))
    found = tune(epochs=6, patience=2)
    assert len(found.history) == 5 and (found.epoch, found.value) == (4, 0.6009)
    assert found.ended == "patience"
    scores = iter([0.5, 0.5005, 0.501, 0.5015, 0.502])  # small steps add up
    found = tune(epochs=5, patience=3)
    assert len(found.history) == 5 and found.ended == "limit"


# the same results


def test_micro_batches_of_any_size_give_the_same_steps():
    whole = tune(rows(30), epochs=1, batch_size=12, micro_batch=12)
    for size in (1, 5, 100):
        parts = tune(rows(30), epochs=1, batch_size=12, micro_batch=size)
        assert parts.history[0]["train_loss"] == pytest.approx(whole.history[0]["train_loss"], abs=1e-6)
        for name, tensor in whole.model.state_dict().items():
            torch.testing.assert_close(parts.model.state_dict()[name], tensor, rtol=0, atol=2e-5)
    other = tune(rows(30), epochs=1, batch_size=5, micro_batch=5).model  # as if every part were a step of its own
    different = (other.classifier.dense.weight - whole.model.classifier.dense.weight).detach().abs().max()
    assert float(different) > 1e-3


def test_checkpointing_of_activations_changes_nothing(monkeypatch):
    calls = []
    forward = loading.Intermediate.forward
    monkeypatch.setattr(loading.Intermediate, "forward", lambda self, x: calls.append(1) or forward(self, x))
    plain, count = tune(), len(calls)
    again = tune(checkpoint_activations=True)
    assert weights(plain.model) == weights(again.model)
    assert len(calls) - count > count  # activations were computed again


def test_seed_decides_and_nothing_else():
    torch.manual_seed(0)
    first = weights(tune().model)
    torch.manual_seed(1)
    assert weights(tune().model) == first
    assert weights(tune(seed=8).model) != first


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_shortened_last_block_equals_the_stock_one(attention):
    stock = loading.from_seed(configuration.make("toy", attention, num_labels=2), 0, "classification")
    ids = torch.from_numpy(rows(6)[0]).long()
    names = list(stock.state_dict())
    results = []
    for _ in range(2):
        stock.zero_grad()
        logits = stock(ids).logits
        logits.square().sum().backward()
        results.append((logits.detach(), {n: p.grad for n, p in stock.named_parameters() if p.grad is not None}))
        for_cls(for_cls(stock))  # twice is once
    assert isinstance(stock.esm.encoder.layer[-1], LastBlock) and list(stock.state_dict()) == names
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-6)
    assert results[0][1].keys() == results[1][1].keys()
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(results[1][1][name], gradient, rtol=1e-3, atol=1e-7)


def test_bfloat16_agrees_with_float32():
    full, half = tune(epochs=1), tune(epochs=1, precision="bfloat16")
    assert half.history[0]["train_loss"] == pytest.approx(full.history[0]["train_loss"], abs=0.01)
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}


# phases


def spied(monkeypatch):
    """Optimisers made during a run, each with the fingerprint of the encoder when it was made and its step sizes."""
    made = []

    class Steps(_finetuning._Steps):
        def __init__(self, tuned, *rest):
            super().__init__(tuned, *rest)
            self.encoder, self.rates = states.fingerprint(tuned.esm), []
            made.append(self)

        def step(self, *batch):
            total = super().step(*batch)
            self.rates.append([group["lr"] for group in self.optimiser.param_groups])
            return total

    monkeypatch.setattr(_finetuning, "_Steps", Steps)
    return made


def test_a_frozen_encoder_keeps_its_fingerprint_and_its_mode(monkeypatch):
    made, start = spied(monkeypatch), model()
    before, head = weights(start.esm), weights(start.classifier)
    found = tune(start=start, freeze=True, weight_decay=0.5)
    assert len(made) == 1 and weights(found.model.esm) == before and weights(found.model.classifier) != head
    assert set(map(id, made[0].parameters)) == set(map(id, found.model.classifier.parameters()))
    assert all(parameter.grad is None for parameter in found.model.esm.parameters())
    assert not found.model.esm.training


def test_states_of_a_frozen_encoder_are_what_it_gives():
    choice, start = settings(freeze=True), for_cls(model()).train()
    ids = torch.from_numpy(rows(6)[0])
    forward, (states, again) = _finetuning._phase(start, True, (ids, ids[:2]), choice)
    assert not start.esm.training  # while they are computed
    torch.testing.assert_close(forward(states), model()(ids.long()).logits, rtol=0, atol=1e-6)
    assert states.shape == (6, 32) and again.shape == (2, 32) and not states.requires_grad


def test_after_its_warm_up_the_head_has_a_new_optimiser_and_the_encoder_learns(monkeypatch):
    made, start = spied(monkeypatch), model()
    before = weights(start.esm)
    rising = iter([0.1, 0.2, 0.3, 0.4, 0.5])
    monkeypatch.setattr(_finetuning, "validation_score", lambda *_: next(rising))
    found = tune(start=start, warmup_epochs=2, epochs=5, encoder_learning_rate=1e-4, warmup=0.2)
    first, second = made
    assert first.encoder == second.encoder == before != weights(found.model.esm)  # as it was until it was unfrozen
    assert len(first.rates) == 2 * 5 and len(second.rates) == 3 * 5
    for steps, warm in ((first, 2), (second, 3)):  # each its own schedule
        expected = [1e-3 * schedule(i, len(steps.rates), 0.2) for i in range(len(steps.rates))]
        assert [rates[0] for rates in steps.rates] == pytest.approx(expected)
        assert np.argmax(expected) == warm - 1
    assert [rates[2] for rates in second.rates] == pytest.approx([rates[0] / 10 for rates in second.rates])
    shared = found.model.classifier.dense.weight
    assert first.optimiser.state[shared]["step"] == 10 and second.optimiser.state[shared]["step"] == 15
    assert second.count == 15


def test_patience_does_not_end_the_warm_up_and_starts_anew_after_it(monkeypatch):
    scores = iter([0.9, 0.8, 0.8, 0.7, 0.7, 0.7])
    monkeypatch.setattr(_finetuning, "validation_score", lambda *_: next(scores))
    lines, start = [], model()
    before = weights(start.esm)
    found = tune(start=start, warmup_epochs=3, epochs=6, patience=1, report=lines.append)
    assert len(found.history) == 4 and found.epoch == 1
    assert weights(found.model.esm) == before  # the best epoch was one of the head alone
    assert ["(head only)" in line for line in lines[1:]] == [True, True, True, False]


def test_weight_decay_is_for_matrices_that_learn():
    start = for_cls(model())
    _finetuning._phase(start, False, (), settings())
    steps = _finetuning._Steps(start, False, 10, settings(weight_decay=0.1), "cpu")
    names = {id(parameter): name for name, parameter in start.named_parameters()}
    decayed = {names[id(p)] for group in steps.optimiser.param_groups if group["weight_decay"] for p in group["params"]}
    others = {names[id(p)] for p in steps.parameters} - decayed
    assert "classifier.dense.weight" in decayed and "esm.embeddings.word_embeddings.weight" in decayed
    assert "classifier.dense.bias" in others
    assert all(name.endswith("bias") or "LayerNorm" in name or "layer_norm" in name for name in others)
    assert {name for name in names.values()} - decayed - others == {
        "esm.contact_head.regression.weight", "esm.contact_head.regression.bias"
    }  # fmt: skip


# bad input


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"steps": 3}, "unknown key 'steps'"),
        ({"size": "huge"}, "size is 'huge', expected one of: lamar, lamar-mini"),
        ({"labels": "counts"}, "labels is 'counts', expected one of: classification, regression"),
        ({"precision": "half"}, "precision is 'half'"),
        ({"attention": "fast"}, "attention is 'fast'"),
        ({"micro_batch": 0}, "micro_batch is 0, expected a whole number above 0"),
        ({"warmup": 1.0}, "warmup is 1.0, expected a share"),
        ({"freeze": True, "warmup_epochs": 1}, r"freeze and warmup_epochs \(1\) exclude each other"),
        ({"warmup_epochs": 2}, "warmup_epochs is 2, expected fewer than epochs .2."),
    ],
)
def test_bad_settings(more, message):
    with pytest.raises(InputError, match=message):
        settings(**more)


@pytest.mark.cpu("what is refused without CUDA is there")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"precision": "float16"}, "precision float16 needs a CUDA device; choose bfloat16 or float32"),
        ({"attention": "flash_attention_2", "precision": "bfloat16"}, "flash_attention_2 needs a CUDA device"),
    ],
)
def test_what_needs_cuda_is_refused_without(more, message):
    with pytest.raises(InputError, match=message):
        tune(**more)


def test_labels_from_which_nothing_can_be_learned():
    ids, labels = rows(20)
    with pytest.raises(InputError, match="labels of the training rows are 1; a classification needs 0 and 1"):
        tune((ids, labels * 0 + 1))
    with pytest.raises(InputError, match="labels of the validation rows are 0; a classification needs 0 and 1"):
        tune(val=(ids, labels * 0))
    with pytest.raises(InputError, match=r"labels of the training rows are 0\.5, 1\.5; a classification"):
        tune((ids, labels + 0.5))
    with pytest.raises(InputError, match="labels of the training rows are constant or not finite"):
        tune((ids, labels * 0 + 3), labels="regression")


def test_divergence_keeps_nothing(monkeypatch):
    with pytest.raises(DivergedError, match=r"epoch 1: training loss is nan; lower learning_rate"):
        tune(learning_rate=1e30, clip=1e30)
    start = model()
    with torch.no_grad():
        start.classifier.out_proj.weight.zero_()
    with pytest.raises(DivergedError, match="val_auroc is undefined in every epoch"):
        tune(start=start, freeze=True, learning_rate=1e-30)


def test_an_epoch_without_a_score_is_not_the_best(monkeypatch):
    scores = iter([None, 0.4, None])
    monkeypatch.setattr(_finetuning, "validation_score", lambda *_: next(scores))
    found = tune(epochs=3)
    assert found.epoch == 2 and math.isnan(found.history[0]["val_auroc"])
