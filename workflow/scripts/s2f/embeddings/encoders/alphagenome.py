"""AlphaGenome's sequence encoder: one-hot DNA -> one token of 1536 channels per 128 bp. No attention, no positions.

The network is in `_alphagenome_network`; this module reads or draws its weights and makes an `Encoder` from them.

The numerics are those of the official code and of the heads published on it: every parameter AND the running mean
square is cast to the compute dtype before use, so with bfloat16 the weights are standardised in bfloat16. Standardising
in float32 would be better numerics and a different encoder. Only time is gained here: the official code standardises
the weights in every call, `standardise_once` does it once, with the same dtype and order; and flanks that all windows
share are encoded once (`_towers`).
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from s2f.common import provenance
from s2f.common.errors import InputError
from s2f.common.seen import of_checkpoint
from s2f.common.weights import listed, no_folder, refuse_pointers
from s2f.embeddings.encoders import Encoder, Tunable, _towers
from s2f.embeddings.encoders._alphagenome_network import (
    PREFIX,
    REACHES,
    SIZES,
    manifest,
    network,
    pool,
    standardise_once,
)

PUBLISHED_LICENCE = (
    "Non-commercial use only: made with AlphaGenome weights, which are under the AlphaGenome model terms "
    "(https://deepmind.google.com/science/alphagenome/model-terms); embeddings and heads made with them stay so."
)
HOW_TO_GET = (
    "Get the AlphaGenome weights from Hugging Face (google/alphagenome-fold-3; the checkpoint of all folds has seen "
    "the test chromosomes) or Kaggle (google/alphagenome, FOLD_3): log in, accept the model terms (non-commercial "
    "use), download, and set weights to {path: FOLDER}, the folder that holds _METADATA"
)


Tree = dict[str, dict[str, Any]]  # {module: {leaf: array}}

# Weights: each reader returns (params, state), with float32 arrays on the host


def random_weights(size: str, seed: int) -> tuple[Tree, Tree]:
    """Seeded weights whose embeddings are useful random features; the same bits on every machine.

    Each weight of a convolution is uniform with mean 0 and variance 1 / fan-in (stem: 1 / 15, because one channel of
    four is on). It is drawn from the raw PCG64 stream of its own name, which NumPy keeps stable (NEP 19), and only by
    correctly rounded operations: a normal variate needs log and cos, whose last bit depends on the machine. Scales are
    1, biases and offsets 0. The running mean square of the k-th normalisation is 1 + k: each residual branch then adds
    about 0.9 to the mean square of its input (measured on random sequences, tiny and full), and no layer is drowned out
    by earlier ones.
    """
    shapes, state_shapes = manifest(size)
    params: Tree = {}
    for module, leaves in shapes.items():
        params[module] = {leaf: np.full(shape, leaf == "scale", np.float32) for leaf, shape in leaves.items()}
        if "w" in leaves:
            width, inputs, _ = leaves["w"]
            fan_in = width if module.endswith("/dna_embedder/conv1_d") else width * inputs
            raw = np.random.PCG64(provenance.derived_seed(seed, module, "w")).random_raw(math.prod(leaves["w"]))
            uniform = (raw >> np.uint64(11)) * 2.0**-52 - 1  # in [-1, 1), exact
            params[module]["w"] = (uniform * math.sqrt(3 / fan_in)).astype(np.float32).reshape(leaves["w"])
    state: Tree = {}
    for k, (module, leaves) in enumerate(sorted(state_shapes.items())):  # alphabetical is the order of the network
        state[module] = {"var_ema": np.full(leaves["var_ema"], 1 + k, np.float32)}
    return params, state


def read_checkpoint(
    folder: str | Path,
    size: str,
    also: tuple[str, ...] = (),
    check: Callable[[list[Tree]], object] = lambda pair: None,
) -> tuple[Tree, Tree]:
    """Read the encoder of an official AlphaGenome checkpoint, an Orbax folder. The rest of the model is not read,
    except for modules whose paths begin with one of `also`. ``check([params, state])`` sees everything before any array
    is read.

    Layout: a pair (params, state) of {module path: {leaf: array}}, where the whole path is one key. Raises `InputError`
    if the folder is no checkpoint, if an array of the encoder is missing, unexpected or of another shape or dtype, and
    for values that are not finite or a mean square below zero.
    """
    folder = Path(folder).absolute()
    if not (folder / "_METADATA").is_file():
        problem = "holds no Orbax checkpoint (no file _METADATA)" if folder.is_dir() else no_folder(folder)
        raise InputError(f"{folder}: {problem}. {HOW_TO_GET}")
    refuse_pointers(sorted(folder.rglob("*")))
    checkpointer = ocp.PyTreeCheckpointer()
    tree = checkpointer.metadata(folder).item_metadata.tree
    keys = ("0", "1") if isinstance(tree, Mapping) else (0, 1)
    try:
        pair = [tree[key] for key in keys]
    except (KeyError, IndexError):
        raise InputError(f"{folder}: expected a checkpoint of the pair (params, state), found {list(tree)}") from None
    check(pair)

    def chosen(prefixes: tuple[str, ...]) -> list[Tree]:
        return [{module: part[module] for module in part if module.startswith(prefixes)} for part in pair]

    _check_arrays(folder, chosen((PREFIX,)), manifest(size))
    pair = chosen((PREFIX, *also))
    item = dict(zip(keys, pair, strict=True)) if isinstance(tree, Mapping) else pair
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), item)
    arguments = ocp.args.PyTreeRestore(item=item, restore_args=as_numpy, partial_restore=True)
    restored = checkpointer.restore(folder, args=arguments)
    params, state = restored[keys[0]], restored[keys[1]]
    for name, array in (_named(params) | _named(state)).items():
        if not np.isfinite(array).all():
            raise InputError(f"{folder}: {name} holds values that are not finite")
        if name.endswith("var_ema") and (array < 0).any():
            raise InputError(f"{folder}: {name} has negative values, but is a mean square")
    return params, state


def _check_arrays(folder: Path, stored: list[Tree], expected: tuple[Tree, Tree]) -> None:
    """Compare names, shapes and dtype of the arrays in a checkpoint with those of the network."""
    missing: list[str] = []
    unexpected: list[str] = []
    problems: list[str] = []
    for part, stored_tree, expected_tree in zip(("params", "state"), stored, expected, strict=True):
        found, wanted = _named(stored_tree), _named(expected_tree)
        missing += [f"{part} {name} is missing" for name in sorted(wanted.keys() - found.keys())]
        unexpected += [f"{part} {name} is unexpected" for name in sorted(found.keys() - wanted.keys())]
        for name in sorted(wanted.keys() & found.keys()):
            shape, dtype = tuple(found[name].shape), np.dtype(found[name].dtype)
            if (shape, dtype) != (wanted[name], np.float32):
                problems.append(f"{part} {name} is {dtype} {shape}, expected float32 {wanted[name]}")
    if missing or unexpected or problems:
        raise InputError(f"{folder}: does not fit the encoder: {listed(missing, unexpected, problems)}")


def _named(tree: Tree) -> dict[str, Any]:
    return {f"{module}/{leaf}": value for module, leaves in tree.items() for leaf, value in leaves.items()}


def fingerprint(params: Tree, state: Tree, size: str, precision: str, until: str = "") -> str:
    """SHA-256 over architecture, precision and every array's name, shape and float32 bytes, sorted by name."""
    width, step = SIZES[size]
    end = f", until {until}" if until else ""
    digest = hashlib.sha256(f"alphagenome sequence encoder, width {width}, step {step}, {precision}{end}\n".encode())
    for name, array in sorted((_named(params) | _named(state)).items()):
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array, "<f4").data)
    return digest.hexdigest()


# The encoder


def build(spec: dict[str, Any], changes: Mapping[str, np.ndarray] | None = None) -> Encoder:
    """Encoder of a config section, with `changes` as in `_towers.changed`.

    For options see `alphagenome.yaml`. The official code computes in bfloat16; float32 is for gradients and checks.
    `reuse_flanks` False encodes constant flanks with every window. Raises `InputError` for an unknown key or value and
    as `read_checkpoint`.
    """
    options, params, state, origin, licence = _read(spec)
    if changes is not None:
        params, origin = _changed(params, changes), origin + _towers.CHANGED
    size, precision, batch_size, reuse_flanks = (
        options[key] for key in ("size", "precision", "batch_size", "reuse_flanks")
    )
    until = options.get("until", "")
    return from_weights(params, state, size, precision, batch_size, origin, licence, reuse_flanks, until)


def save(folder: str | Path, spec: dict[str, Any], changes: Mapping[str, np.ndarray]) -> None:
    """Write the encoder of a config section, with `changes`, into a new folder with the layout that `read_checkpoint`
    reads; the rest of the model is not in it."""
    _, params, state, _, _ = _read(spec)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(Path(folder).absolute(), (_changed(params, changes), state))


def _changed(params: Tree, changes: Mapping[str, np.ndarray]) -> Tree:
    own = _towers.changed(_named(params), changes)
    return {module: {leaf: own[f"{module}/{leaf}"] for leaf in leaves} for module, leaves in params.items()}


def tunable(spec: dict[str, Any]) -> Tunable:
    """The same encoder for fine-tuning. The running mean squares of its normalisations stay fixed."""
    options, params, state, _, _ = _read(spec)
    function, statistics = (
        network(options["size"], options["precision"]),
        {module: list(state[module]) for module in state},
    )
    shapes = {module: list(params[module]) for module in params}

    def apply(weights, x, first, last=-1):
        trees = ({m: {leaf: weights[f"{m}/{leaf}"] for leaf in tree[m]} for m in tree} for tree in (shapes, statistics))
        return function.apply(*trees, x, (), first, last % len(REACHES))[0][0]

    return Tunable(
        {name: np.asarray(array) for name, array in (_named(params) | _named(state)).items()},
        {name: block_of(name) for name in _named(params)},
        {name: 2 for name in _named(params) if name.endswith("/w")},  # (width, Cin, Cout)
        apply,
    )


def block_of(name: str) -> str:
    """The block of a module or an array, from its official name."""
    return name.removeprefix(PREFIX).partition("/")[0]


def _read(spec: dict[str, Any]) -> tuple[dict[str, Any], Tree, Tree, str, str]:
    """(options, params, state, origin of the weights, licence) of a config section."""
    options = _towers.checked_options("alphagenome", spec, SIZES)
    size, weights = options["size"], options.get("weights")
    match weights:
        case {"random": int(seed), **rest} if not rest:
            return options, *random_weights(size, seed), f"random weights, seed {seed}", "none (random weights)"
        case {"path": str(folder), **rest} if not rest:
            params, state = read_checkpoint(folder, size)
            # a fine-tuned encoder in the official layout is not Google's: only a known name says that
            known = of_checkpoint("alphagenome", folder) is not None
            published = f"google/alphagenome, checkpoint {Path(folder).name}", PUBLISHED_LICENCE
            if not known:
                published = f"{Path(folder).name}, in the layout of google/alphagenome", PUBLISHED_LICENCE
            exported = _towers.exported(folder, lambda precision: fingerprint(params, state, size, precision))
            return options, params, state, *(exported or published)
        case _:
            expected = "{random: SEED} or {path: FOLDER}"
            raise InputError(f"encoder alphagenome: weights is {weights!r}, expected {expected}. {HOW_TO_GET}")


def from_weights(
    params: Tree,
    state: Tree,
    size: str,
    precision: str,
    batch_size: int,
    origin: str,
    licence: str,
    reuse_flanks: bool = True,
    until: str = "",
) -> Encoder:
    """Encoder from float32 weights in the official tree, on the first JAX device; `origin` says where they are from."""
    blocks = _towers.blocks_until("alphagenome", until)
    last = len(blocks) - 1
    params, state = ({m: tree[m] for m in tree if block_of(m) in blocks} for tree in (params, state))
    function = network(size, precision, ready=True)

    def apply(parameters, one_hot, sides):
        (tokens, stages), _ = function.apply(*parameters, one_hot, sides, 0, last)
        return tokens, [pool(stage) for stage in stages.values()]

    channels = SIZES[size][0] + last * SIZES[size][1]
    # compiled like the per-call code, so XLA rounds in the same places: equal bit by bit on a CPU
    parameters = jax.jit(standardise_once, static_argnums=1)(params, precision), jax.device_put(state)
    return _towers.encoder(
        "alphagenome",
        _towers.Tower(apply, REACHES[: last + 1], channels, precision),
        parameters,
        batch_size,
        reuse_flanks,
        ["dm-haiku"],
        fingerprint=fingerprint(params, state, size, precision, until),
        licence=licence,
        provenance=origin,
    )
