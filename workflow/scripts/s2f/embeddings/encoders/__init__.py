"""Encoders: frozen sequence -> embedding. One module per family; `build` loads a family only when it is asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.sequences import dna


@dataclass(frozen=True, eq=False)
class Encoder:
    """A frozen map from windows of N codes to T tokens of D channels, and what a record must say about it.

    `apply`, `apply_one_hot` and `parameters` exist for encoders that can run inside a compiled JAX step; otherwise they
    are None. Both functions are pure, take `parameters` first (pass it as an argument of the jitted function, because a
    captured tree is folded into the program as constants) and return (B, T, D) in the encoder's own dtype.
    """

    kind: str
    channels: int  # D
    tokens: Callable[[int], int]  # window length in bp -> T
    fingerprint: str  # SHA-256 (hexadecimal) of weights, architecture and precision
    licence: str  # notice that caches and trained heads must carry
    provenance: str  # where the weights come from
    encode: Callable[[np.ndarray], np.ndarray]  # uint8 codes (B, L) -> (B, T, D) float32 or ml_dtypes.bfloat16
    batch_size: int  # sequences per call on the device; `encode` takes any number
    backend: Mapping[str, Any]  # name, device, versions
    stream: Callable | None = field(default=None, repr=False)  # many chunks, without a pause: see `stream` below
    parameters: Any = field(default=None, repr=False)  # tree of device arrays
    apply: Callable[[Any, Any], Any] | None = None  # (parameters, uint8 codes (B, L))
    apply_one_hot: Callable[[Any, Any], Any] | None = None  # (parameters, float one-hot (B, L, 4)); differentiable


@dataclass(frozen=True, eq=False)
class Tunable:
    """The weights of an encoder and the function that computes with them, for fine-tuning.

    `weights` {name: float32 array} are on the host. `block_of` {name: block} lists the weights that can be trained,
    with blocks named as in the fact `blocks`; the others, statistics of normalisations, never change. `convolutions`
    {name: axis of the output channels} lists the weights of convolutions. ``apply(weights, x, first, last=-1)`` is pure
    and differentiable in the weights. x is one-hot (B, L, 4) or, with `first` > 0, the input of block number `first`,
    (B, l, C). The result, in the encoder's own dtype, is the output of block number `last`; for the last block (-1) it
    is the tokens (B, T, D).
    """

    weights: Mapping[str, np.ndarray]
    block_of: Mapping[str, str]
    convolutions: Mapping[str, int]
    apply: Callable[..., Any] = field(repr=False)


def build(spec: dict[str, Any], changes: Mapping[str, np.ndarray] | None = None) -> Encoder:
    """The encoder that a config section describes; `spec["kind"]` names the module that builds it.

    `changes`: arrays {name: values} that replace some of its weights, for kinds that can be fine-tuned. Raises
    `InputError` if the kind is missing or unknown, or as the family's own `build`.
    """
    kind: Any = spec.get("kind")  # None is refused as unknown
    module = kinds.module("encoders", kind)
    return module.build(spec) if changes is None else module.build(spec, changes)


def tunable(spec: dict[str, Any]) -> Tunable:
    """The encoder that a config section describes, of a kind that has `blocks`, for fine-tuning. Raises `InputError` as
    `build`."""
    return kinds.module("encoders", spec["kind"]).tunable(spec)


def stream(
    encoder: Encoder, chunks: Iterable[tuple[np.ndarray, np.ndarray | None]], strands: Sequence[str] = ("forward",)
) -> Iterator[list[np.ndarray]]:
    """Yield, for each chunk, a list with one array (n, T, D) per strand, in the order of `strands`.

    `chunks`: pairs of uint8 codes (n, L), the forward strand, and `inserts`, integers (n, 2) or None: for each window,
    the first position of its insert and the one after its last. Windows with the same insert position must have the
    same codes elsewhere, so that an encoder may work on the insert only. Encoders with their own `stream` send each
    chunk to the device once for both strands; a chunk may be drawn before the previous one is yielded. An embedding
    depends only on its own window and insert position, not on the rest of its chunk.
    """
    if encoder.stream:
        yield from encoder.stream(chunks, strands)
    else:
        for codes, _ in chunks:
            yield [encoder.encode(dna.reverse_complement(codes) if s == "reverse" else codes) for s in strands]


def check_codes(codes: np.ndarray) -> None:
    """Raise `InputError` unless `codes` is a uint8 array (B, L) of codes 0..4 with L >= 1."""
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] < 1:
        raise InputError(f"codes are {codes.dtype} {codes.shape}, expected uint8 (sequences, length)")
    if codes.size and codes.max() > 4:
        raise InputError(f"codes hold {codes.max()}, expected 0..4 for A, C, G, T, N")
