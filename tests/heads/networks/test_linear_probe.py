"""The head linear-probe: solved to its optimum, penalty chosen on validation, the same from memory and files."""

import dataclasses

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.heads import networks
from s2f.heads.examples import Examples
from s2f.heads.trained_head import predict
from s2f.heads.training import trainer_of
from s2f.models.validation import DivergedError

SLUG = "linear-probe"


def rows(task, seed=1, n=900, views=1, dtype=np.float32):
    """(train, val, test) of embeddings whose channels have scales and offsets of their own and share directions."""
    random = np.random.Generator(np.random.PCG64(seed))
    mixing = np.geomspace(5, 0.05, 12)[:, None] * random.normal(size=(12, 12))
    hidden = random.normal(size=(n, 4, 12))
    labels = 2 * hidden.mean(1) @ random.normal(size=12) + random.normal(size=n)
    labels = (labels > 0).astype(np.float32) if task == "classification" else labels.astype(np.float32)
    tables = tuple(
        (hidden @ mixing + 10 + view * 0.1 * random.normal(size=(n, 4, 12))).astype(dtype) for view in range(views)
    )
    parts = [np.arange(start, end, dtype=np.int32) for start, end in ((0, 500), (500, 700), (700, 900))]
    train, *others = (Examples(tables, part, labels[part]) for part in parts)
    return train, *(Examples(tables[:1], other.index, other.labels) for other in others)


def solved(task, train, val, options=None, mode="none", **keys):
    lanes, report = keys.pop("lanes", [(SLUG, 1)]), keys.pop("report", lambda line: None)
    return trainer_of(lanes, {"kind": mode}, train, val, report=report, task=task, **keys)(options or {})


def means(examples):
    return np.concatenate([table[examples.index].astype(np.float32).mean(1) for table in examples.tables])


def given(variables, examples):
    return predict(networks.build(SLUG, 0.0), variables, examples.tables[0], examples.index)


def test_it_has_a_weight_per_channel_and_begins_at_zero():
    network = networks.build(SLUG, 0.1)
    parameters, state = network.init(jax.random.key(0), jnp.zeros((1, 5, 8)), is_training=False)
    assert sum(a.size for a in jax.tree.leaves(parameters)) == 9 and not np.any(parameters["output"]["w"])
    assert set(state) == {"standard"}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_it_predicts_what_scikit_learn_does_with_the_best_penalty(task, dtype):
    """Rows of both views are rows to train on; the penalty is the best by the canonical view of the validation rows."""
    train, val, test = rows(task, views=2, dtype=dtype)
    (ours,) = solved(task, train, val, mode="no_shift")
    scaler, labels = StandardScaler().fit(means(train)), np.tile(train.labels, 2)
    x, x_val, x_test = (scaler.transform(means(part)) for part in (train, val, test))
    name, key = ("C", "C") if task == "classification" else ("alpha", "alphas")
    values = networks.options(SLUG, {})[key]
    if task == "classification":
        models = [LogisticRegression(C=c, solver="newton-cholesky", tol=1e-7).fit(x, labels) for c in values]
        scores = [roc_auc_score(val.labels, model.decision_function(x_val)) for model in models]
    else:
        models = [Ridge(alpha=alpha).fit(x, labels) for alpha in values]
        scores = [np.corrcoef(val.labels, model.predict(x_val))[0, 1] for model in models]
    best = models[int(np.argmax(scores))]
    theirs = best.decision_function(x_test) if task == "classification" else best.predict(x_test)
    np.testing.assert_allclose(given(ours.variables, test), theirs, atol=2e-3)
    np.testing.assert_allclose(ours.history[f"val_{ours.metric}"], scores, atol=1e-4)
    assert list(ours.history[name]) == sorted(values) and ours.score == ours.history[f"val_{ours.metric}"].max()
    assert (ours.epoch, ours.ended) == (0, "solved")
    assert {leaf.dtype for leaf in jax.tree.leaves(ours.variables)} == {np.dtype("float32")}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_streamed_equals_in_memory_and_order_and_repeats_of_rows_do_not_matter(task, monkeypatch):
    monkeypatch.setattr("s2f.heads.networks.linear_probe.BLOCK_BYTES", 7 * 4 * 12 * 4)  # blocks of seven rows
    monkeypatch.setattr("s2f.heads.networks.linear_probe.PASS_BYTES", 100 * 12 * 8)
    train, val, _ = rows(task)
    said = []
    (kept,) = solved(task, train, val)
    (streamed,) = solved(task, train, val, host_memory=500 * 12 * 4 - 1, report=said.append)
    assert ("pooled again in every pass" in said[0]) == (task == "classification")
    order = np.random.Generator(np.random.PCG64(0)).permutation(500)
    table = np.concatenate([train.tables[0][:500][order], train.tables[0][500:]])  # stored in another order
    (other,) = solved(task, Examples((table,), np.argsort(order).astype(np.int32), train.labels), val)
    for found in (streamed, other):
        np.testing.assert_allclose(given(found.variables, val), given(kept.variables, val), atol=1e-4)
        np.testing.assert_allclose(found.history["train_loss"], kept.history["train_loss"], rtol=1e-6)


def test_the_penalty_is_chosen_on_validation_and_the_end_of_the_list_is_named():
    train, val, _ = rows("regression")
    said = []
    (ours,) = solved("regression", train, val, {"alphas": [1e5, 1e-3, 3.0]}, report=said.append)
    assert list(ours.history["alpha"]) == [1e-3, 3, 1e5]
    assert list(ours.history["train_loss"]) == sorted(ours.history["train_loss"])
    best = ours.history["alpha"][ours.history["val_pearson"].argmax()]
    assert any(line == f"the best alpha, {best:g}, is at the end of the list: extend the list" for line in said) == (
        best != 3
    )
    turned = Examples(val.tables, val.index, -val.labels)  # validation that only the strongest penalty does not spoil
    (ours,) = solved("regression", train, turned, {"alphas": [1e-3, 1e9]}, report=said.append)
    assert ours.score == ours.history["val_pearson"].max() < 0 and said[-1].endswith("extend the list")


def test_seeds_are_one_solution_and_lists_are_those_of_the_floors():
    train, val, _ = rows("classification")
    one, other = solved("classification", train, val, lanes=[(SLUG, 1), (SLUG, 2)])
    assert one.variables is other.variables
    assert networks.facts(SLUG)["stochastic"] is False
    lists = networks.options(SLUG, {})
    assert lists["C"] == kinds.settings("baselines", "kmer_logistic", {})["C"]
    assert lists["alphas"] == kinds.settings("baselines", "kmer_ridge", {})["alphas"]


def test_what_cannot_be_solved_is_refused():
    train, val, _ = rows("classification")
    with pytest.raises(InputError, match="linear-probe is solved on cached views, and augmentation full encodes"):
        solved("classification", train, val, mode="full")
    with pytest.raises(InputError, match="head linear_probe: unknown key 'learning_rate'"):
        solved("classification", train, val, {"learning_rate": 1.0})
    with pytest.raises(InputError, match="a training row has a label other than 0 and 1"):
        solved("classification", *rows("regression")[:2])
    flat = Examples((np.ones_like(val.tables[0]),), val.index, val.labels)
    with pytest.raises(DivergedError, match="linear-probe: validation predictions are constant for every penalty"):
        solved("classification", train, flat)


def test_precise_labels_of_a_regression_count_more_in_each_output_by_errors_of_its_own():
    train, val, test = rows("regression", n=900)
    random = np.random.Generator(np.random.PCG64(3))
    noisy = np.arange(len(train.labels)) % 2 == 0
    labels = (train.labels + noisy * 60 * random.normal(size=len(noisy))).astype(np.float32)
    errors = np.where(noisy, 60.0, 0.1)
    train = dataclasses.replace(train, labels=labels, errors=errors)

    def r_of(train, val, **options):
        (found,) = solved("regression", train, val, {"alphas": [10], **options})
        predicted = predict(
            networks.build(SLUG, 0.0, outputs=train.outputs), found.variables, test.tables[0], test.index
        )
        return [np.corrcoef(values, test.labels)[0, 1] for values in np.reshape(predicted, (len(test.labels), -1)).T]

    (equal,), (weighted,) = r_of(train, val), r_of(train, val, weighting="stderr", tau=1.0)
    assert weighted > equal + 0.05
    both = dataclasses.replace(
        train, labels=np.stack([labels, labels], axis=1), errors=np.stack([np.ones_like(errors), errors], axis=1)
    )
    of_val = dataclasses.replace(val, labels=np.stack([val.labels, val.labels], axis=1))
    assert r_of(both, of_val, weighting="stderr", tau=1.0) == pytest.approx([equal, weighted], abs=1e-5)
    with pytest.raises(InputError, match="no training row has a standard error"):
        r_of(dataclasses.replace(train, errors=None), val, weighting="stderr")
