"""The head chip-cnn: counts of the reference, one product for three linear layers, batch statistics without padding."""

from functools import partial

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from helpers.on_gpu import by_device
from s2f.common.errors import InputError
from s2f.heads import networks
from s2f.heads.networks import chip_cnn
from s2f.heads.networks.convolution import MOMENTUM, BatchNorm, convolve

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def normal(*shape, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).normal(size=shape).astype(np.float32)


def init(x):
    network = networks.build("chip-cnn", 0.1)
    return network, jax.jit(lambda key: network.init(key, x, is_training=False))(jax.random.key(0))


def close(one, other, atol=1e-5):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "channels", "count"),
    [(512, 768, 1_242_977), (101, 768, 816_993), (103, 768, 816_993), (103, 128, 488_033), (512, 4, 620_129),
     (101, 4, 194_145)],
)  # fmt: skip
def test_parameter_counts_of_the_reference(tokens, channels, count):
    x = jax.ShapeDtypeStruct((1, tokens, channels), np.float32)
    init = networks.build("chip-cnn", 0.1).init
    parameters, state = jax.eval_shape(lambda key, x: init(key, x, is_training=False), jax.random.key(0), x)
    assert sum(a.size for a in jax.tree.leaves(parameters)) == count
    assert set(state) == {name for name in parameters if name.startswith("norm")}


@pytest.mark.parametrize(("channels", "width"), [(3, 5), (5, 3), (4, 4)])
@pytest.mark.parametrize("taps", [1, 3, 7])
def test_convolution_and_its_gradients_are_those_of_xla(channels, width, taps):
    x, w, g = normal(4, 6, channels), normal(taps, channels, width), normal(4, 6, width)

    def reference(x, w):
        return lax.conv_general_dilated(
            x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"), precision="highest"
        )

    @partial(jax.jit, static_argnums=0)
    def with_gradients(function, x, w, g):
        value, pull = jax.vjp(function, x, w)
        return value, pull(g)

    close(with_gradients(partial(convolve, "float32"), x, w, g), with_gradients(reference, x, w, g))


def test_convolution_in_bfloat16_rounds_factors_only():
    x, w = normal(4, 6, 5), normal(3, 5, 3)
    rounded = [jnp.asarray(a, jnp.bfloat16).astype(jnp.float32) for a in (x, w)]
    found, wanted = convolve("bfloat16", x, w), convolve("float32", *rounded)
    # products of rounded factors are exact in float32; on a GPU other kernels add them in another order
    np.testing.assert_allclose(found, wanted, rtol=0, atol=by_device(0, 1e-5))


@pytest.mark.parametrize("is_training", [True, False])
def test_three_linear_layers_in_one_equal_the_three(is_training):
    """Values and gradients, of the input in prediction too; biases and the input norm are not at their first values."""
    weight = np.array([1, 1, 0, 1, 1], np.float32)

    def three(x):
        factor, term = BatchNorm("norm_reduce")(x, is_training, weight)
        reduce, bias = chip_cnn.Kernel("reduce")(x.shape[-1], chip_cnn.REDUCED)
        w, b = chip_cnn.Kernel("convolution_0")(7, chip_cnn.REDUCED, 64)
        x = jnp.matmul(x * factor + term, reduce, precision="highest") + bias
        conv = lax.conv_general_dilated(
            x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"), precision="highest"
        )
        return conv + lax.stop_gradient(b)

    def one(x):
        return chip_cnn.reduced_convolution("float32", x, "convolution_0", 7, 64, is_training, weight)

    x, g = 2 + normal(5, 9, 6), normal(5, 9, 64, seed=1) / 20
    one, three = (hk.without_apply_rng(hk.transform_with_state(f)) for f in (one, three))
    parameters, state = jax.jit(one.init)(jax.random.key(0), x)
    parameters = jax.tree.map(lambda a: a + 0.1 * normal(*a.shape, seed=2), parameters)
    state["norm_reduce"] |= {"mean": normal(6), "variance": 1 + normal(6) ** 2}
    results = []

    @partial(jax.jit, static_argnums=0)
    def with_gradients(apply, parameters, state, x, g):
        (value, after), pull = jax.vjp(lambda p, x: apply(p, state, x), parameters, x)
        return value, after, *pull((g, jax.tree.map(jnp.zeros_like, after)))

    for network in (one, three):
        value, after, gradient, dx = with_gradients(network.apply, parameters, state, x, g)
        results.append((value, after, gradient, () if is_training else dx))
    close(*results, atol=1e-4)


def test_rows_of_weight_zero_touch_neither_statistics_nor_gradients():
    x, y = normal(6, 40, 5), np.array([1, 0, 1, 0, 1, 0], np.float32)
    other = x.copy()
    other[4:] = 1e3
    network, variables = init(x)
    weight = np.array([1, 1, 1, 1, 0, 0], np.float32)

    def loss(parameters, x):
        out, state = network.apply(parameters, variables[1], jax.random.key(1), x, is_training=True, weight=weight)
        return jnp.sum(weight * (out - y) ** 2), state

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    close(*(step(variables[0], x) for x in (x, other)))


def test_running_statistics_are_the_average_of_batches_from_the_first_on():
    network = hk.without_apply_rng(
        hk.transform_with_state(lambda x, train: BatchNorm("norm")(x, train, jnp.ones(len(x))))
    )
    batches = [normal(64, 3, seed=seed) * 2 + 5 for seed in range(4)]
    parameters, state = network.init(None, batches[0], False)
    for batch in batches:
        _, state = network.apply(parameters, state, batch, True)
    share = MOMENTUM ** np.arange(3, -1, -1)
    for name, of_batch in (("mean", np.mean), ("variance", np.var)):
        expected = np.average([of_batch(b, axis=0) for b in batches], axis=0, weights=share)
        np.testing.assert_allclose(state["norm"][name], expected, rtol=1e-4)
    (factor, term), after = network.apply(parameters, state, batches[0], False)
    np.testing.assert_allclose(factor * state["norm"]["mean"] + term, 0, atol=1e-5)
    close(after, state)


def test_pools_drop_the_rest_and_biases_before_a_norm_stay_zero():
    x = jnp.asarray([[[1.0], [3.0], [2.0], [5.0], [9.0]]])
    np.testing.assert_array_equal(chip_cnn.pooled(x, 2), [[[3.0], [5.0]]])
    x = normal(8, 33, 4)
    network, variables = init(x)
    keys = {"is_training": True, "weight": jnp.ones(8)}
    gradient = jax.jit(jax.grad(lambda p: network.apply(p, variables[1], jax.random.key(1), x, **keys)[0].sum()))(
        variables[0]
    )
    for name in ("convolution_0", "convolution_1", "convolution_2", "hidden"):
        assert not np.any(gradient[name]["b"]) and np.any(gradient[name]["w"])


def test_too_few_tokens_are_refused():
    assert (
        networks.min_tokens("chip-cnn"),
        networks.min_tokens("linear-probe"),
        networks.min_tokens("boda-sum-8"),
    ) == (
        32,
        1,
        1,
    )
    jax.eval_shape(lambda x: init(x)[1], jnp.zeros((1, 32, 4)))
    with pytest.raises(InputError, match="chip-cnn needs at least 32 tokens per window, but this encoder gives 31"):
        init(jnp.zeros((1, 31, 4)))
    with pytest.raises(InputError, match=r"gives 1 \(pooled vectors, or .*: use linear-probe"):
        init(jnp.zeros((1, 1, 768)))
