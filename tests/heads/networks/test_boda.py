"""Heads: exact parameter counts, names and order of operations of the published K562 heads."""

from functools import partial

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from s2f.common.errors import InputError
from s2f.heads import networks

pytestmark = pytest.mark.usefixtures("compiled_quickly")
SLUGS = [f"boda-{reduction}-512-512" for reduction in ("flatten", "sum", "mean", "max", "center")]


def init(slug, tokens=5, channels=1536, dropout=0.1):
    """(apply(parameters, key, x, is_training) -> (B,), parameters) of a head without state."""
    network = networks.build(slug, dropout)
    # one program: op by op, each of them would be compiled for itself
    parameters, state = jax.jit(partial(network.init, is_training=False))(
        jax.random.key(0), jnp.zeros((1, tokens, channels))
    )
    assert state == {}
    return lambda parameters, *rest, **keys: network.apply(parameters, {}, *rest, **keys)[0], parameters


def shapes(slug, tokens=5):
    """Parameters of a head as shaped arrays."""
    x = jax.ShapeDtypeStruct((1, tokens, 1536), np.float32)
    return jax.eval_shape(partial(networks.build(slug, 0.1).init, is_training=False), jax.random.key(0), x)[0]


@pytest.mark.parametrize(
    ("slug", "tokens", "count"),
    [
        ("boda-flatten-512-512", 5, 4_198_913),
        ("boda-flatten-512-512", 3, 2_626_049),
        *[(slug, 5, 1_053_185) for slug in SLUGS[1:]],
        ("encoder-1024-dropout", 5, 1_577_985),
    ],
)
def test_parameter_counts_of_the_reference(slug, tokens, count):
    assert sum(a.size for a in jax.tree.leaves(shapes(slug, tokens))) == count


def test_module_names_are_those_of_the_published_heads():
    assert set(shapes("boda-flatten-512-512")) == {"norm", "hidden_0", "hidden_1", "output"}
    assert set(shapes("encoder-1024-dropout")) == {"norm", "hidden_0", "output"}


def by_hand(slug, parameters, x):
    """The reference's sum in NumPy float64."""
    reduction = slug.split("-")[1]
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    x = (x - mean) / np.sqrt(var + 1e-5) * parameters["norm"]["scale"] + parameters["norm"]["offset"]
    x = x.reshape(len(x), 1, -1) if reduction == "flatten" else x
    for name in ("hidden_0", "hidden_1"):
        x = np.maximum(x @ np.float64(parameters[name]["w"]) + parameters[name]["b"], 0)
    x = (x @ np.float64(parameters["output"]["w"]) + parameters["output"]["b"])[..., 0]
    reduced = {"flatten": x[:, 0], "sum": x.sum(1), "mean": x.mean(1), "max": x.max(1), "center": x[:, x.shape[1] // 2]}
    return reduced[reduction]


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("tokens", [5, 2])
def test_boda_heads_equal_the_formula(slug, tokens):
    apply, parameters = init(slug, tokens, 24)
    parameters = jax.tree.map(lambda a: a + 0.01 * np.arange(a.size).reshape(a.shape) / a.size, parameters)
    x = np.random.Generator(np.random.PCG64(1)).normal(size=(7, tokens, 24)).astype(np.float32)
    expected = by_hand(slug, jax.tree.map(np.asarray, parameters), x.astype(np.float64))
    np.testing.assert_allclose(apply(parameters, None, x, is_training=False), expected, atol=1e-5)


def test_dropout_acts_in_training_only_and_before_relu():
    apply, parameters = init("boda-flatten-512-512", 2, 8, dropout=0.5)
    x = jnp.ones((4, 2, 8)) * jnp.arange(8)
    calm = [apply(parameters, jax.random.key(k), x, is_training=False) for k in (1, 2)]
    wild = [apply(parameters, jax.random.key(k), x, is_training=True) for k in (1, 2)]
    np.testing.assert_array_equal(*calm)
    assert not np.allclose(*wild)


def test_center_ignores_the_other_tokens():
    apply, parameters = init("boda-center-512-512", 5, 8)
    x = np.random.Generator(np.random.PCG64(2)).normal(size=(3, 5, 8)).astype(np.float32)
    other = x.copy()
    other[:, [0, 1, 3, 4]] = 7.0
    np.testing.assert_array_equal(
        apply(parameters, None, x, is_training=False), apply(parameters, None, other, is_training=False)
    )


def test_heads_are_float32():
    assert {a.dtype for a in jax.tree.leaves(shapes("boda-sum-512-512"))} == {np.dtype("float32")}
    assert isinstance(networks.build("boda-sum-512-512", 0.1), hk.TransformedWithState)


@pytest.mark.parametrize("slug", ["boda-median-512-512", "boda-flatten", "boda-flatten-0", "encoder-dropout", "mlp"])
def test_unknown_slugs_are_refused(slug):
    with pytest.raises(InputError, match=r"is unknown; (did you mean .*\? )?known: boda-"):
        networks.build(slug, 0.1)
