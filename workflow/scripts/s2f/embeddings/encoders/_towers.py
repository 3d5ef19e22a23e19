"""Encoders that are towers: stages of convolutions, each followed by a pool over pairs of positions, in JAX.

AlphaGenome's and Enformer's towers share the options of their kinds, and the code that makes an `Encoder` from a
network, encodes flanks that all windows share only once (`_flank_reuse`) and streams without a pause (`_pipeline`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from s2f.common import kinds, provenance
from s2f.common.errors import InputError
from s2f.common.files import read_object
from s2f.embeddings.encoders import Encoder, _flank_reuse, _pipeline
from s2f.sequences.dna import N_CODE

PRECISIONS = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}
NWC = ("NWC", "WIO", "NWC")  # axes of activations, weights and results: batch, width (position), channel
Sides = Sequence[tuple[jax.Array, jax.Array]]  # of a `_flank_reuse.Plan`


@dataclass(frozen=True)
class Tower:
    """The network of an encoder.

    `apply(parameters, one-hot (B, L, 4), sides)` is pure and returns the tokens (B, T, D), in the precision, and the
    pooled stages (B, l, C) that they came from, in order. With the `sides` of a plan, the input is the plan's crop:
    each stage that the plan splices is widened by its side activations (`spliced`), and the stages before the last of
    these are computed only in their middle, without zeros beside it. `reaches` as in `_flank_reuse.plan`.
    """

    apply: Callable[[Any, Any, Sides], tuple[jax.Array, Sequence[jax.Array]]]
    reaches: tuple[int, ...]
    channels: int  # D
    precision: str  # of PRECISIONS

    def tokens(self, length: int) -> int:
        """T for a window of `length` bp: each pool rounds up."""
        return -(-length // 2 ** len(self.reaches))


def checked_options(kind: str, spec: dict[str, Any], sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a kind of tower, checked except for `weights`. Raises `InputError` for an unknown key or value."""
    options = kinds.settings("encoders", kind, spec)
    batch_size, reuse_flanks = options["batch_size"], options["reuse_flanks"]
    blocks = kinds.facts("encoders", kind)["blocks"]
    if options.get("until") not in (None, *blocks):
        raise InputError(f"encoder {kind}: until is {options['until']!r}, expected one of: {', '.join(blocks)}")
    for key, known in (("size", sizes), ("precision", PRECISIONS)):
        if options[key] not in known:
            raise InputError(f"encoder {kind}: {key} is {options[key]!r}, expected one of: {', '.join(known)}")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"encoder {kind}: batch_size is {batch_size!r}, expected a whole number of at least 1")
    if not isinstance(reuse_flanks, bool):
        raise InputError(f"encoder {kind}: reuse_flanks is {reuse_flanks!r}, expected true or false")
    return options


RECORD, EXPORTED = "model.json", "exported encoder"  # file beside weights that `export_encoder` wrote, and its kind
CHANGED = ", fine-tuned here"  # end of the provenance of weights with changes


def changed(weights: Mapping[str, np.ndarray], changes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`weights` {name: float32 array} with some of them replaced by the arrays of the same names in `changes`. Raises
    `InputError` for a name that does not exist and for another shape."""
    for name, array in changes.items():
        if name not in weights:
            raise InputError(f"fine-tuned weights: array {name} is unexpected: these weights are of another encoder")
        if array.shape != weights[name].shape:
            raise InputError(f"fine-tuned weights: {name} is {array.shape}, this encoder has {weights[name].shape}")
    return {name: np.asarray(changes.get(name, array), np.float32) for name, array in weights.items()}


def exported(folder: str | Path, fingerprint: Callable[[str], str]) -> tuple[str, str] | None:
    """(origin of the weights, licence) from the record that `export_encoder` leaves beside them; None if there is none.

    ``fingerprint(precision)`` gives the fingerprint of the weights that were read. Raises `InputError` if these are not
    the ones that were exported.
    """
    path = Path(folder) / RECORD
    if not path.is_file():
        return None
    record = read_object(path)
    if record.get("kind") != EXPORTED:
        return None
    found = fingerprint(record["precision"])
    if found != record["encoder_fingerprint"]:
        raise InputError(
            f"{path}: the weights beside it have fingerprint {found!r}, those that were exported had "
            f"{record['encoder_fingerprint']!r}: export them again, or remove this file if they are other weights"
        )
    return record["provenance"], record["licence"]


def blocks_until(kind: str, until: str) -> list[str]:
    """The blocks of a kind up to the one that the option `until` names; all if it is empty."""
    blocks = kinds.facts("encoders", kind)["blocks"]
    return blocks[: blocks.index(until) + 1] if until else blocks


def spliced(x: jax.Array, sides: Sides) -> jax.Array:
    """x (B, L, C) between the single pair of `sides`, the same for every row; x itself if there is no pair."""
    for left, right in sides:
        left, right = (jnp.broadcast_to(side, (len(x), *side.shape[1:])) for side in (left, right))
        x = jnp.concatenate([left, x, right], axis=1)
    return x


def encoder(
    kind: str,
    tower: Tower,
    parameters: Any,
    batch_size: int,
    reuse_flanks: bool,
    packages: Sequence[str] = (),
    **about: str,
) -> Encoder:
    """Encoder of a tower with its `parameters`, on the first JAX device.

    `reuse_flanks` False encodes constant flanks with every window. `packages`: what the network needs besides JAX;
    `about`: fingerprint, licence and provenance.
    """
    dtype = PRECISIONS[tower.precision]

    def apply_one_hot(parameters, one_hot, sides=()):
        return tower.apply(parameters, one_hot, sides)[0]

    def apply(parameters, codes, sides=()):
        one_hot = jax.nn.one_hot(codes, 4, dtype=dtype)  # codes above 3 give four zeros
        return apply_one_hot(parameters, one_hot, sides)

    @partial(jax.jit, static_argnums=2)
    def sides_of(parameters, codes, plan):
        return plan.sides(tower.apply(parameters, jax.nn.one_hot(codes, 4, dtype=dtype), ())[1])

    compiled = jax.jit(apply)

    def program(strand, plan, templates):
        """(which of the `templates` each window of a part has (n,), device codes (batch_size, L) of the forward strand,
        their position in the part) -> tokens of `strand`; both strands run the same compiled code."""
        sides: Any = ()
        if plan:
            sides = [sides_of(parameters, _view(template[None], strand), plan) for template in templates]
            sides = jax.tree.map(lambda *each: jnp.concatenate(each), *sides)

        def encoded(template_of, codes, place):
            which = np.resize(template_of[place], batch_size)  # repeated to fill a short batch; the rest does not count
            return compiled(parameters, _view(codes, strand, plan.crop if plan else None), _rows_of(sides, which))

        return encoded

    def stream(chunks, strands):
        programs = {}  # a chunk with the same flanks as the one before reuses its programs

        def parts(codes, inserts):
            if inserts is None or not reuse_flanks:
                inserts = np.tile([0, codes.shape[1]], (len(codes), 1))  # no flanks, no plan
            for part in _flank_reuse.parts(codes, inserts, tower.reaches):
                key = *part.plans.values(), part.templates.tobytes()
                if key not in programs:
                    programs[key] = [program(strand, part.plans[strand], part.templates) for strand in strands]
                yield part.rows, [partial(encoded, part.template_of) for encoded in programs[key]]

        def with_parts():
            for codes, inserts in chunks:
                yield codes, list(parts(codes, inserts))

        return _pipeline.stream(with_parts(), batch_size, lambda length: (tower.tokens(length), tower.channels), dtype)

    device = jax.local_devices()[0]
    return Encoder(
        kind=kind,
        channels=tower.channels,
        tokens=tower.tokens,
        encode=lambda codes: next(stream([(codes, None)], ["forward"]))[0],
        batch_size=batch_size,
        backend={
            "name": "jax",
            "device": f"{device.platform}: {device.device_kind}",
            "versions": provenance.versions("jax", "jaxlib", *packages, "numpy"),
            "reuse_flanks": reuse_flanks,
        },
        stream=stream,
        parameters=parameters,
        apply=apply,
        apply_one_hot=apply_one_hot,
        **about,
    )


@partial(jax.jit, static_argnums=(1, 2))
def _view(codes: jax.Array, strand: str, crop: tuple[int, int] | None = None) -> jax.Array:
    """Device codes (B, L), for the reverse strand their reverse complement; with `crop`, only columns first .. end -
    1."""
    if strand == "reverse":
        codes = jnp.where(codes == N_CODE, codes, 3 - codes)[:, ::-1]
    return codes[:, slice(*crop)] if crop else codes


@jax.jit
def _rows_of(sides: Any, which: jax.Array) -> Any:
    """The rows `which` of each array in `sides`."""
    return jax.tree.map(lambda side: side[which], sides)
