"""Enformer's stem and convolutional tower: one-hot DNA -> one token of 1536 channels per 128 bp. No transformer.

Al-Murphy/alphagenome_FT_MPRA proposed it as a frozen encoder of short windows, beside AlphaGenome's, which has tokens
of the same size. A token sees 646 bp, so nearly all of a window of 600 bp. N is four zeros, as in Enformer's training;
others code it as 0.25 in all channels, which is a different input. The network is in `_enformer_network`; this module
reads published weights or draws random ones and makes an `Encoder` from them (`_towers`).

With precision float32, results equal the package's own numbers to 1e-4. In bfloat16 the factors and results of products
are rounded: the embedding differs by 2 % of its root mean square (the package's under torch's autocast by 2.6 %).
"""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from s2f.common import provenance, torch_file
from s2f.common.errors import InputError
from s2f.common.files import sha256_file
from s2f.common.weights import listed, no_folder, refuse_pointers
from s2f.embeddings.encoders import Encoder, Tunable, _towers
from s2f.embeddings.encoders._enformer_network import COUNTER, REACHES, SIZES, manifest, ready, tower

FILE = "pytorch_model.bin"
PUBLISHED = "99b09d602e195d89c7d4debe144bb2f43907ba0d74006e97098e99d9171c439c"  # SHA-256 of the file, since June 2022
LICENCE = (
    "CC-BY-4.0: made with weights of Enformer (Avsec et al. 2021, DeepMind and Calico, "
    "https://doi.org/10.1038/s41592-021-01252-x), converted by EleutherAI (EleutherAI/enformer-official-rough)"
)
HOW_TO_GET = (
    "Get the weights from Hugging Face (EleutherAI/enformer-official-rough, no terms to accept), and set weights to "
    f"{{path: FOLDER}}, the folder that holds {FILE}"
)
# the rest of Enformer; `_trunk` holds stem and tower once more, because the package names each of its modules twice
OTHERS = ("_trunk.", "transformer.", "final_pointwise.", "_heads.")
# Random weights. VARIANCE: a normalisation divides the variance by it, so that activations, x / 2 for small x, stay
# nearly linear (otherwise so deep a network forgets what its input is made of). GAIN: the gain of a convolution, which
# undoes both, so that all stages, tiny and full, keep a standard deviation of 0.7 to 0.9 (measured on random sequences)
VARIANCE, GAIN = 16, 60

Weights = dict[str, np.ndarray]


def random_weights(size: str, seed: int) -> Weights:
    """Seeded weights whose embeddings are useful random features; the same bits on every machine.

    The weights of a convolution are uniform with variance `GAIN` / fan-in (stem: 1 / 15, because one channel of four is
    on) and centred over the input channels, because activated inputs have a positive mean. They are drawn from the raw
    PCG64 stream of their own name, which NumPy keeps stable (NEP 19), by integers and correctly rounded operations.
    Pools are means (a matrix of zeros), and normalisations divide by the root of `VARIANCE`.
    """
    weights: Weights = {}
    for name, shape in manifest(size).items():
        leaf = name.rpartition(".")[2]
        if leaf == COUNTER:
            weights[name] = np.zeros(shape, np.int64)
        elif len(shape) == 3:
            raw = np.random.PCG64(provenance.derived_seed(seed, "enformer", name)).random_raw(math.prod(shape))
            drawn = (raw >> np.uint64(40)).astype(np.int64).reshape(shape)  # 0 .. 2**24 - 1
            stem, inputs = name.startswith("stem.0."), shape[1]
            centred = inputs * drawn - drawn.sum(axis=1, keepdims=True)
            variance = 1 / shape[2] if stem else GAIN / (inputs * shape[2])
            weights[name] = (centred * (math.sqrt(12 * variance) / (inputs * 2.0**24))).astype(np.float32)
        else:
            value = {"running_var": VARIANCE, "weight": len(shape) == 1}.get(leaf, 0)
            weights[name] = np.full(shape, value, np.float32)
    return weights


def read_checkpoint(folder: str | Path, size: str) -> tuple[Weights, str]:
    """The tower of an enformer-pytorch checkpoint, and its origin; the rest of the model is not read.

    Raises `InputError` if the folder holds none, for a file with more than tensors, for an array of the tower that is
    missing, unexpected or of another shape or dtype, and for a tensor that no part of Enformer has.
    """
    path = Path(folder) / FILE
    refuse_pointers([path])
    if not path.is_file():
        problem = f"holds no {FILE}" if Path(folder).is_dir() else no_folder(folder)
        raise InputError(f"{folder}: {problem}. {HOW_TO_GET}")
    found, wanted = torch_file.contents(path), manifest(size)
    missing = [f"{name} is missing" for name in wanted if name not in found]
    unexpected = [f"{name} is unexpected" for name in found if name not in wanted and not name.startswith(OTHERS)]
    problems = []
    for name in sorted(wanted.keys() & found.keys()):
        stored, dtype = found[name], np.dtype("<i8" if name.endswith(COUNTER) else "<f4")
        if (stored.shape, stored.dtype) != (wanted[name], dtype.str):
            problems.append(f"{name} is {np.dtype(stored.dtype)} {stored.shape}, expected {dtype} {wanted[name]}")
    if missing or unexpected or problems:
        raise InputError(f"{path}: does not fit the encoder: {listed(missing, unexpected, problems)}")
    weights = torch_file.arrays(path, {name: found[name] for name in wanted})
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite")
        if name.endswith("running_var") and (array < 0).any():
            raise InputError(f"{path}: {name} has negative values, but is a variance")
    published = sha256_file(path) == PUBLISHED
    return weights, "EleutherAI/enformer-official-rough" if published else f"{path}, not the published file"


def fingerprint(weights: Weights, size: str, precision: str, until: str = "") -> str:
    """SHA-256 over architecture, precision, the code of N and every array's name, shape and float32 bytes, by name."""
    end = f", until {until}" if until else ""
    digest = hashlib.sha256(f"enformer tower, channels {SIZES[size]}, N as zeros, {precision}{end}\n".encode())
    for name, array in sorted(weights.items()):
        if not name.endswith(COUNTER) and (
            not until or block_of(name) in _towers.blocks_until("enformer_tower", until)
        ):
            digest.update(f"{name} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array, "<f4").data)
    return digest.hexdigest()


def build(spec: dict[str, Any], changes: Mapping[str, np.ndarray] | None = None) -> Encoder:
    """Encoder of a config section, with `changes` as in `_towers.changed`; for options see `enformer_tower.yaml`.

    Raises `InputError` for an unknown key or value and as `read_checkpoint`.
    """
    options, arrays, origin, licence = _read(spec)
    if changes is not None:
        arrays, origin = _changed(arrays, changes), origin + _towers.CHANGED
    size, precision, batch_size, reuse_flanks = (
        options[key] for key in ("size", "precision", "batch_size", "reuse_flanks")
    )
    until = options.get("until", "")
    return from_weights(arrays, size, precision, batch_size, origin, licence, reuse_flanks, until)


def save(folder: str | Path, spec: dict[str, Any], changes: Mapping[str, np.ndarray]) -> None:
    """Write the tower of a config section, with `changes`, into a new folder with the layout that `read_checkpoint`
    reads; the rest of Enformer is not in it."""
    _, arrays, _, _ = _read(spec)
    Path(folder).mkdir()
    torch_file.write(Path(folder) / FILE, _changed(arrays, changes))


def _changed(weights: Weights, changes: Mapping[str, np.ndarray]) -> Weights:
    return {**weights, **_towers.changed(_trainable(weights), changes)}


def tunable(spec: dict[str, Any]) -> Tunable:
    """The same encoder for fine-tuning. The running mean and variance of its normalisations stay fixed."""
    options, arrays, _, _ = _read(spec)
    size, precision = options["size"], options["precision"]

    def apply(weights, x, first, last=-1):
        stages = ready(weights, size, precision)
        return tower(stages[: last % len(stages) + 1], x, (), first)[0]

    weights = {name: array for name, array in arrays.items() if not name.endswith(COUNTER)}
    trainable = _trainable(arrays)
    convolutions = {name: 0 for name, array in trainable.items() if array.ndim == 3}  # (Cout, Cin, width); no pools
    return Tunable(weights, {name: block_of(name) for name in trainable}, convolutions, apply)


def block_of(name: str) -> str:
    """The block of an array, from its published name: `stem`, or `conv_tower.0` to 5."""
    first, number, *_ = name.split(".")
    return first if first == "stem" else f"{first}.{number}"


def _trainable(weights: Weights) -> Weights:
    """The arrays that training may change: all except the statistics of normalisations."""
    fixed = ("running_mean", "running_var", COUNTER)
    return {name: array for name, array in weights.items() if not name.endswith(fixed)}


def _read(spec: dict[str, Any]) -> tuple[dict[str, Any], Weights, str, str]:
    """(options, arrays by their published names, their origin, licence) of a config section."""
    options = _towers.checked_options("enformer_tower", spec, SIZES)
    size = options["size"]
    match options.get("weights"):
        case {"random": int(seed), **rest} if not rest:
            return options, random_weights(size, seed), f"random weights, seed {seed}", "none (random weights)"
        case {"path": str(folder), **rest} if not rest:
            weights, origin = read_checkpoint(folder, size)
            exported = _towers.exported(folder, lambda precision: fingerprint(weights, size, precision))
            return options, weights, *(exported or (origin, LICENCE))
        case other:
            expected = "{random: SEED} or {path: FOLDER}"
            raise InputError(f"encoder enformer_tower: weights is {other!r}, expected {expected}. {HOW_TO_GET}")


def from_weights(
    weights: Weights,
    size: str,
    precision: str,
    batch_size: int,
    origin: str,
    licence: str,
    reuse_flanks: bool = True,
    until: str = "",
) -> Encoder:
    """Encoder from arrays by their published names, on the first JAX device; `origin` says where they are from."""
    count = len(_towers.blocks_until("enformer_tower", until))
    return _towers.encoder(
        "enformer_tower",
        _towers.Tower(tower, REACHES[:count], SIZES[size][count - 1], precision),
        ready(weights, size, precision)[:count],
        batch_size,
        reuse_flanks,
        fingerprint=fingerprint(weights, size, precision, until),
        licence=licence,
        provenance=origin,
    )
