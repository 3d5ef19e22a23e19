"""Drift: linear CKA against another form of it and what it must not depend on; its table and its picture."""

import numpy as np
import pandas as pd
import pytest

import plot_drift
from helpers.programs import PNG, call
from s2f.common.errors import InputError
from s2f.common.tables import write_table
from s2f.representation import drift

R = np.random.default_rng


def clouds(n=40, p=30, q=50, seed=0):
    """Two representations (n, positions, channels) that share a part."""
    shared = R(seed).normal(size=(n, 5))
    x, y = (np.tanh(shared @ R(seed + i).normal(size=(5, size))) + R(seed + 9 + i).normal(size=(n, size)) + i
            for i, size in ((1, p), (2, q)))  # fmt: skip
    return x.reshape(n, 3, -1), y.reshape(n, 2, -1)


def by_hsic(x, y):
    """CKA as Kornblith et al. define it for any kernel: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), HSIC = tr KHLH."""
    n = len(x)
    k, other = (flat @ flat.T for flat in (x.reshape(n, -1), y.reshape(n, -1)))
    h = np.eye(n) - 1 / n
    hsic = [np.trace(a @ h @ b @ h) for a, b in ((k, other), (k, k), (other, other))]
    return hsic[0] / np.sqrt(hsic[1] * hsic[2])


def unbiased_hsic(k, other):
    """Song et al. 2012, equation 5, of kernels with a diagonal."""
    n, one = len(k), np.ones(len(k))
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    sums = one @ k @ one * (one @ other @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ other @ one)
    return (np.trace(k @ other) + sums) / (n * (n - 3))


def test_cka_equals_the_form_by_hsic_and_by_features():
    x, y = clouds()
    plain, unbiased = drift.cka(x, y)
    assert plain == pytest.approx(by_hsic(x, y), rel=1e-9)
    flat = [a.reshape(len(a), -1) - a.reshape(len(a), -1).mean(0) for a in (x, y)]
    norm = np.linalg.norm
    products = norm(flat[1].T @ flat[0]) ** 2, norm(flat[0].T @ flat[0]) * norm(flat[1].T @ flat[1])
    assert plain == pytest.approx(products[0] / products[1], rel=1e-9)
    kernels = [a.reshape(len(a), -1) @ a.reshape(len(a), -1).T for a in (x, y)]
    hsic = [unbiased_hsic(kernels[i], kernels[j]) for i, j in ((0, 1), (0, 0), (1, 1))]
    assert unbiased == pytest.approx(hsic[0] / np.sqrt(hsic[1] * hsic[2]), rel=1e-9)
    assert 0.05 < unbiased < plain < 1


def test_cka_knows_neither_rotation_nor_scale_nor_shift_but_other_linear_maps(monkeypatch):
    x, y = clouds()
    expected = drift.cka(x, y)
    flat = x.reshape(len(x), -1)
    rotation, _ = np.linalg.qr(R(3).normal(size=(30, 30)))
    monkeypatch.setattr(drift, "BLOCK_BYTES", 8 * 40 * 7)  # blocks of 7 features
    for same in (flat @ rotation, 1e6 * flat, -flat, flat + R(4).normal(size=30), flat[:, ::-1]):
        assert drift.cka(same, y) == pytest.approx(expected, rel=1e-6)
    assert drift.cka(flat * np.linspace(0.1, 3, 30), y)[0] != pytest.approx(expected[0], rel=1e-2)


def test_what_did_not_move_is_one_exactly_and_what_has_nothing_in_common_is_none_without_bias():
    x, _ = clouds()
    assert drift.cka(x, x.copy()) == (1.0, 1.0)
    assert drift.cka(x, x[::-1].copy())[0] < 0.9
    found = np.array([drift.cka(R(i).normal(size=(30, 600)), R(99 + i).normal(size=(30, 600))) for i in range(20)])
    assert found[:, 0].min() > 0.9  # far more features than sequences
    assert abs(found[:, 1].mean()) < 0.02


def test_layers_that_say_nothing_are_named():
    x, y = clouds()
    assert np.isnan(drift.cka(np.full_like(x, 3.3), y)).all()
    about = dict.fromkeys(("model", "seed", "stands_on", "sequences_sha256", "licence"), "x")
    (line,) = drift.table_of(["a"], [False], [np.full((5, 1, 2), 3.3)], [R(0).normal(size=(5, 1, 2))], about)
    assert line["note"] == "the representations of all sequences are the same" and line["trained"] == "no"
    with pytest.raises(InputError, match="3 sequences, but CKA needs 4 or more"):
        drift.cka(x[:3], y[:3])
    with pytest.raises(InputError, match="a value that is not finite"):
        drift.cka(np.where(x > 1, np.nan, x), y)


def test_the_picture_has_a_row_for_each_encoder(tmp_path, monkeypatch, texts):
    paths = []
    for model, stages in (("e/a/h", ["b0", "b1"]), ("e/b/h", ["b0", "b1"]), ("lamar", ["layer00", "layer01"])):
        for seed in (1, 2):
            before = [R(seed).normal(size=(20, 2, 4)) for _ in stages]
            after = [before[0], before[1] + R(seed + 5).normal(size=(20, 2, 4))]
            about = {"model": model, "seed": seed, "stands_on": "x", "sequences_sha256": "y", "licence": "none"}
            table = pd.DataFrame(drift.table_of(stages, [False, True], before, after, about))
            assert table["cka"].tolist()[0] == 1 and table["cka"].tolist()[1] < 0.9
            paths.append(tmp_path / f"{len(paths)}.tsv")
            write_table(paths[-1], table)
    out = tmp_path / "drift.png"
    call(monkeypatch, plot_drift, "--tables", *paths, "--title", "toy", "--out", out)
    assert out.read_bytes().startswith(PNG)
    assert {"e/a/h", "lamar", "b1", "layer00"} <= set(texts) and any("n = 20 validation" in text for text in texts)
