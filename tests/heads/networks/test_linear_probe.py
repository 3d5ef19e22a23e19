"""The head linear-probe: exact statistics of the training rows, and as good as scikit-learn's regressions."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from s2f.heads import networks
from s2f.heads.examples import Examples
from s2f.heads.trained_head import predict
from s2f.heads.training import TrainingSettings, train_heads


def test_it_has_a_weight_per_channel_and_begins_at_zero():
    network = networks.build("linear-probe", 0.1)
    parameters, state = network.init(jax.random.key(0), jnp.zeros((1, 5, 8)), is_training=False)
    assert sum(a.size for a in jax.tree.leaves(parameters)) == 9 and not np.any(parameters["output"]["w"])
    assert set(state) == {"standard"}


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_statistics_are_those_of_all_rows_in_all_views(dtype, monkeypatch):
    monkeypatch.setattr("s2f.heads.networks.linear_probe.BLOCK_BYTES", 3 * 4 * 6 * 4)  # blocks of three rows
    random = np.random.Generator(np.random.PCG64(0))
    tables = tuple((1000 + random.normal(size=(11, 4, 6))).astype(dtype) for _ in range(2))
    for table in tables:
        table[:, :, 2] = 0.3
    index = np.array([0, 3, 3, 3, 7, 10, 1], np.int32)
    means = np.concatenate([table[index].astype(np.float64).mean(1) for table in tables])
    scaler = StandardScaler().fit(means)
    found = networks.fit("linear-probe", tables, index)["standard"]
    np.testing.assert_allclose(found["mean"], scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(found["sd"], np.where(np.arange(6) == 2, 1.0, scaler.scale_), rtol=1e-4)
    assert networks.fit("boda-sum-8", tables, index) == {}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_comes_near_scikit_learn(task):
    random = np.random.Generator(np.random.PCG64(1))
    scale, shift = np.exp(random.normal(size=40)), 3 * random.normal(size=40)
    x = random.normal(size=(3000, 5, 40))
    signal = np.sqrt(5) * x.mean(1) @ random.normal(size=40) / np.sqrt(40)
    labels = signal + random.normal(size=3000)
    labels = (labels > 0).astype(np.float32) if task == "classification" else labels.astype(np.float32)
    table = (x * scale + shift).astype(np.float32)
    parts = [np.arange(*ends, dtype=np.int32) for ends in ((0, 1500), (1500, 2000), (2000, 3000))]
    train, val = (Examples((table,), part, labels[part]) for part in parts[:2])
    spec = TrainingSettings.from_spec(dict(epochs=40, batch_size=64, learning_rate=1e-2, patience=10))
    (trained,) = train_heads(
        [("linear-probe", 1)], {"kind": "none"}, train, val, spec, report=lambda line: None, task=task
    )
    ours = predict(networks.build("linear-probe", 0.0), trained.variables, table, parts[2])
    if task == "regression":
        assert np.corrcoef(ours, signal[2000:])[0, 1] > 0.98
        return
    means = StandardScaler().fit(table[:1500].mean(1))
    theirs = LogisticRegression(max_iter=1000).fit(means.transform(table[:1500].mean(1)), labels[:1500])
    expected = roc_auc_score(labels[2000:], theirs.decision_function(means.transform(table[2000:].mean(1))))
    assert roc_auc_score(labels[2000:], ours) > expected - 0.01
    assert expected > 0.7
