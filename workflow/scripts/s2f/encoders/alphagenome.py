"""AlphaGenome's sequence encoder: one-hot DNA -> one token of 1536 channels per 128 bp. No attention, no positions.

The Haiku modules below are the readable truth; they bear the official module and parameter names, so that the official
checkpoint fits (google-deepmind/alphagenome_research, Apache-2.0, commit 3f79219; reimplemented, not copied).

Numerics are those of the official code and of the heads published on it: every parameter AND the running mean square
is cast to the compute dtype before use, so with bfloat16 the weights are standardised in bfloat16. Standardising in
float32 would be better numerics and a different encoder. What is gained here is time only: the official code
standardises the weights in every call, `standardise_once` does it once, in the same dtype and order.
"""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import haiku as hk
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp

from s2f import provenance
from s2f.encoders import Encoder, check_codes, check_keys
from s2f.files import InputError

SIZES = {"full": (768, 128), "tiny": (48, 8)}  # channels after the stem, channels added by each of six blocks
PRECISIONS = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}
PREFIX = "alphagenome/sequence_encoder/"
BLOCKS = 6
POOLED = 2 ** (BLOCKS + 1)  # bp per token

PUBLISHED_LICENCE = (
    "Non-commercial use only: made with AlphaGenome weights, which are under the AlphaGenome model terms "
    "(https://deepmind.google.com/science/alphagenome/model-terms); embeddings and heads made with them stay so."
)
HOW_TO_GET = (
    "Get the AlphaGenome weights from Hugging Face (google/alphagenome-all-folds) or Kaggle (google/alphagenome): "
    "log in, accept the model terms (non-commercial use), download, and set weights to {path: FOLDER}, the folder that "
    "holds _METADATA"
)


# The network


class RMSBatchNorm(hk.Module):
    """Scale by the running mean square per channel, no mean subtracted; x (B, L, C)."""

    def __call__(self, x):
        """(B, L, C) -> (B, L, C)."""
        shape = (1, 1, x.shape[-1])
        scale = hk.get_parameter("scale", shape, init=jnp.ones)
        offset = hk.get_parameter("offset", shape, init=jnp.zeros)
        mean_square = hk.get_state("var_ema", shape, init=jnp.ones)
        return x * (scale * jax.lax.rsqrt(mean_square + 1e-5)) + offset


def standardised(w, scale):
    """Weights (width, Cin, Cout) with zero mean and variance `scale`^2 / fan-in per output channel (Brock 2021, NFNet).

    The order matters in bfloat16 and is the official one: the variance is that of the weights as centred and rounded.
    """
    fan_in = w.shape[0] * w.shape[1]
    w = w - jnp.mean(w, axis=(0, 1), keepdims=True)
    variance = jnp.var(w, axis=(0, 1), keepdims=True)
    return w * (scale * jax.lax.rsqrt(jnp.maximum(fan_in * variance, 1e-4)))


class StandardizedConv1D(hk.Module):
    """Convolution of width 5 on standardised weights. `ready`: `w` is standardised already and `scale` is gone."""

    def __init__(self, channels, ready, name=None):
        super().__init__(name)
        self.channels, self.ready = channels, ready

    def __call__(self, x):
        """(B, L, Cin) -> (B, L, channels)."""
        w = hk.get_parameter("w", (5, x.shape[-1], self.channels), init=jnp.ones)
        bias = hk.get_parameter("bias", (self.channels,), init=jnp.zeros)
        if not self.ready:
            w = standardised(w, hk.get_parameter("scale", (1, 1, self.channels), init=jnp.ones))
        return jax.lax.conv_general_dilated(x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")) + bias


class ConvBlock(hk.Module):
    """Normalise, activate, convolve."""

    def __init__(self, channels, ready, name=None):
        super().__init__(name)
        self.channels, self.ready = channels, ready

    def __call__(self, x):
        """(B, L, Cin) -> (B, L, channels)."""
        x = RMSBatchNorm()(x)
        x = x * jax.nn.sigmoid(1.702 * x)  # the GELU of this model: neither erf nor tanh
        return StandardizedConv1D(self.channels, self.ready)(x)


class DnaEmbedder(hk.Module):
    """The stem."""

    def __init__(self, channels, ready, name=None):
        super().__init__(name)
        self.channels, self.ready = channels, ready

    def __call__(self, x):
        """One-hot (B, L, 4) -> (B, L, channels)."""
        x = hk.Conv1D(self.channels, 15)(x)
        return x + ConvBlock(self.channels, self.ready)(x)


class DownresBlock(hk.Module):
    """Two residual convolutions; the residual is widened by zeros behind the last channel."""

    def __init__(self, channels, ready, name=None):
        super().__init__(name)
        self.channels, self.ready = channels, ready

    def __call__(self, x):
        """(B, L, Cin) -> (B, L, channels)."""
        widened = jnp.pad(x, ((0, 0), (0, 0), (0, self.channels - x.shape[-1])))
        x = ConvBlock(self.channels, self.ready)(x) + widened
        return x + ConvBlock(self.channels, self.ready)(x)


def pool(x):
    """Maximum over pairs of positions, (B, L, C) -> (B, ceil(L / 2), C); an odd last position passes alone.

    The start value must be a Python scalar: with an array XLA's reduce_window has no derivative.
    """
    return jax.lax.reduce_window(x, -math.inf, jax.lax.max, (1, 2, 1), (1, 2, 1), "SAME")


class SequenceEncoder(hk.Module):
    """Stem and six blocks, each followed by a pool."""

    def __init__(self, width, step, ready, name=None):
        super().__init__(name)
        self.width, self.step, self.ready = width, step, ready

    def __call__(self, x):
        """One-hot (B, L, 4) -> tokens (B, ceil(L / 128), width + 6 step) and {bin size: stage before its pool}."""
        x = DnaEmbedder(self.width, self.ready)(x)
        stages = {1: x}
        for i in range(BLOCKS):
            x = DownresBlock(self.width + self.step * (i + 1), self.ready, name=f"downres_block_{i}")(pool(x))
            stages[2 ** (i + 1)] = x
        return pool(x), stages


def network(size, precision, ready=False):
    """The encoder as two pure functions, `init(key, one_hot)` and `apply(params, state, one_hot)`, the latter returning
    ((tokens, stages), state).

    `ready` expects the tree of `standardise_once`. Input, parameters and state are cast to `precision` on use.
    """
    dtype = PRECISIONS[precision]

    def cast(following, value, _):
        return following(jnp.asarray(value, dtype))

    def forward(one_hot):
        # on a GPU "default" would round float32 factors to TF32
        exact = jax.default_matmul_precision("highest" if precision == "float32" else "default")
        with exact, hk.custom_getter(cast, state=True), hk.name_scope(PREFIX.split("/")[0]):
            return SequenceEncoder(*SIZES[size], ready)(one_hot.astype(dtype))

    return hk.without_apply_rng(hk.transform_with_state(forward))


def standardise_once(params, precision):
    """Parameters for `network(..., ready=True)`: all in `precision`, weights standardised, `scale` of them dropped.

    Must equal what the definition does in each call, so nothing here may be done in a better dtype.
    """
    dtype = PRECISIONS[precision]
    ready = {}
    for module, leaves in params.items():
        leaves = {name: jnp.asarray(value, dtype) for name, value in leaves.items()}
        if module.endswith("/standardized_conv1_d"):
            leaves = {"w": standardised(leaves["w"], leaves["scale"]), "bias": leaves["bias"]}
        ready[module] = leaves
    return ready


def manifest(size):
    """Shapes of the official tree: (params, state), each {module: {leaf: shape}}."""
    key, one_hot = jax.random.key(0), jax.ShapeDtypeStruct((1, POOLED, 4), np.float32)
    return jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(network(size, "float32").init, key, one_hot))


# Weights: each reader returns (params, state), {module: {leaf: float32 array}}, on the host


def random_weights(size, seed):
    """Seeded weights whose embeddings are useful random features; the same bits on every machine.

    Each weight of a convolution is uniform with mean 0 and variance 1 / fan-in (stem: 1 / 15, as one channel of four is
    on), drawn from the raw PCG64 stream of its own name, which NumPy keeps stable (NEP 19), by correctly rounded
    operations only: a normal variate needs log and cos, whose last bit depends on the machine. Scales are 1, biases and
    offsets 0. The running mean square of the k-th normalisation is 1 + k: then each residual branch adds about 0.9 to
    the mean square of its input (measured on random sequences, tiny and full) and no layer drowns in those before it.
    """
    shapes, state_shapes = manifest(size)
    params = {}
    for module, leaves in shapes.items():
        params[module] = {leaf: np.full(shape, leaf == "scale", np.float32) for leaf, shape in leaves.items()}
        if "w" in leaves:
            width, inputs, _ = leaves["w"]
            fan_in = width if module.endswith("/dna_embedder/conv1_d") else width * inputs
            raw = np.random.PCG64(provenance.derived_seed(seed, module, "w")).random_raw(math.prod(leaves["w"]))
            uniform = (raw >> np.uint64(11)) * 2.0**-52 - 1  # in [-1, 1), exact
            params[module]["w"] = (uniform * math.sqrt(3 / fan_in)).astype(np.float32).reshape(leaves["w"])
    state = {}
    for k, (module, leaves) in enumerate(sorted(state_shapes.items())):  # alphabetical is the order of the network
        state[module] = {"var_ema": np.full(leaves["var_ema"], 1 + k, np.float32)}
    return params, state


def read_checkpoint(folder, size):
    """The encoder of an official AlphaGenome checkpoint, an Orbax folder; the rest of the model is not read.

    Layout: a pair (params, state) of {module path: {leaf: array}}, the whole path being one key. Raises `InputError`
    when the folder is no checkpoint or an array of the encoder is missing, unexpected, or of other shape or dtype.
    """
    folder = Path(folder).absolute()
    if not (folder / "_METADATA").is_file():
        problem = "holds no Orbax checkpoint (no file _METADATA)" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {problem}. {HOW_TO_GET}")
    checkpointer = ocp.PyTreeCheckpointer()
    tree = checkpointer.metadata(folder).item_metadata.tree
    keys = ("0", "1") if isinstance(tree, Mapping) else (0, 1)
    try:
        pair = [tree[key] for key in keys]
    except (KeyError, IndexError):
        raise InputError(f"{folder}: expected a checkpoint of the pair (params, state), found {list(tree)}") from None
    pair = [{module: part[module] for module in part if module.startswith(PREFIX)} for part in pair]
    _check_arrays(folder, pair, manifest(size))
    item = dict(zip(keys, pair, strict=True)) if isinstance(tree, Mapping) else pair
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), item)
    arguments = ocp.args.PyTreeRestore(item=item, restore_args=as_numpy, partial_restore=True)
    restored = checkpointer.restore(folder, args=arguments)
    return restored[keys[0]], restored[keys[1]]


def _check_arrays(folder, found, expected):
    """Compare names, shapes and dtype of the arrays in a checkpoint with those of the network."""
    problems = []
    for part, there, here in zip(("params", "state"), found, expected, strict=True):
        there, here = _named(there), _named(here)
        problems += [f"{part} {name} is missing" for name in sorted(here.keys() - there.keys())]
        problems += [f"{part} {name} is unexpected" for name in sorted(there.keys() - here.keys())]
        for name in sorted(here.keys() & there.keys()):
            shape, dtype = tuple(there[name].shape), np.dtype(there[name].dtype)
            if (shape, dtype) != (here[name], np.float32):
                problems.append(f"{part} {name} is {dtype} {shape}, expected float32 {here[name]}")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(f"{folder}: does not fit the encoder: {'; '.join(problems[:5])}{more}")


def _named(tree):
    return {f"{module}/{leaf}": value for module, leaves in tree.items() for leaf, value in leaves.items()}


def fingerprint(params, state, size, precision):
    """SHA-256 over architecture, precision and every array's name, shape and float32 bytes, sorted by name."""
    width, step = SIZES[size]
    digest = hashlib.sha256(f"alphagenome sequence encoder, width {width}, step {step}, {precision}\n".encode())
    for name, array in sorted((_named(params) | _named(state)).items()):
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array, "<f4"))
    return digest.hexdigest()


# The encoder


def build(spec):
    """Encoder of a config section.

    `{"kind": "alphagenome", "size": "full" | "tiny", "weights": {"random": SEED} | {"path": FOLDER},
    "precision": "bfloat16" | "float32", "batch_size": 64}`; precision and batch_size may be left out (as shown).
    Precision bfloat16 is what the official code computes; float32 is for gradients and checks. Raises `InputError` for
    an unknown key or value and as `read_checkpoint`.
    """
    check_keys(spec, ("size", "weights", "precision", "batch_size"))
    size, precision = spec.get("size"), spec.get("precision", "bfloat16")
    weights, batch_size = spec.get("weights"), spec.get("batch_size", 64)
    for key, value, known in (("size", size, SIZES), ("precision", precision, PRECISIONS)):
        if value not in known:
            raise InputError(f"encoder alphagenome: {key} is {value!r}, expected one of: {', '.join(known)}")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"encoder alphagenome: batch_size is {batch_size!r}, expected a whole number of at least 1")
    match weights:
        case {"random": int(seed), **rest} if not rest:
            params, state = random_weights(size, seed)
            origin, licence = f"random weights, seed {seed}", "none (random weights)"
        case {"path": str(folder), **rest} if not rest:
            params, state = read_checkpoint(folder, size)
            origin, licence = f"google/alphagenome, checkpoint {Path(folder).name}", PUBLISHED_LICENCE
        case _:
            expected = "{random: SEED} or {path: FOLDER}"
            raise InputError(f"encoder alphagenome: weights is {weights!r}, expected {expected}. {HOW_TO_GET}")
    return from_weights(params, state, size, precision, batch_size, origin, licence)


def from_weights(params, state, size, precision, batch_size, origin, licence):
    """Encoder of float32 weights in the official tree, on the first JAX device; `origin` says where they are from."""
    function = network(size, precision, ready=True)
    dtype, channels = PRECISIONS[precision], SIZES[size][0] + BLOCKS * SIZES[size][1]

    def apply_one_hot(parameters, one_hot):
        (embedding, _), _ = function.apply(*parameters, one_hot)
        return embedding

    def apply(parameters, codes):
        return apply_one_hot(parameters, jax.nn.one_hot(codes, 4, dtype=dtype))  # codes above 3 give four zeros

    compiled = jax.jit(apply)
    # compiled like the per-call code, so that XLA rounds in the same places: bit-equal on a CPU
    parameters = jax.jit(standardise_once, static_argnums=1)(params, precision), jax.device_put(state)

    def encode(codes):
        check_codes(codes)
        out = np.empty((len(codes), tokens(codes.shape[1]), channels), dtype)
        waiting = []
        for start in range(0, len(codes), batch_size):
            batch = codes[start : start + batch_size]
            filled = np.pad(batch, ((0, batch_size - len(batch)), (0, 0)))  # one shape, so one compilation
            waiting.append((out[start : start + batch_size], compiled(parameters, filled)))
            if len(waiting) > 1:  # the device works on this batch while the one before is fetched
                _fetch(*waiting.pop(0))
        for rows, result in waiting:
            _fetch(rows, result)
        return out

    device = jax.local_devices()[0]
    return Encoder(
        kind="alphagenome",
        channels=channels,
        tokens=tokens,
        fingerprint=fingerprint(params, state, size, precision),
        licence=licence,
        provenance=origin,
        encode=encode,
        batch_size=batch_size,
        backend={
            "name": "jax",
            "device": f"{device.platform}: {device.device_kind}",
            "versions": provenance.versions("jax", "jaxlib", "dm-haiku", "numpy"),
        },
        parameters=parameters,
        apply=apply,
        apply_one_hot=apply_one_hot,
    )


def tokens(length):
    """Number of tokens of a window of `length` bp: seven pools, each rounding up."""
    return -(-length // POOLED)


def _fetch(rows, result):
    """Wait for a batch on the device and write it to `rows`, cutting what filled it up."""
    rows[:] = np.asarray(result)[: len(rows)]
