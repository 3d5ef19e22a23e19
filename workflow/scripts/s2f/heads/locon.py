"""LoCon: low-rank adapters on the convolutions of an encoder (Yeh et al. 2024, LyCORIS, https://arxiv.org/abs/2309.14859).

The weights of a convolution, (width, Cin, Cout) in any order of axes, become

    W + alpha / rank * down up        down (width, Cin, rank), up (rank, Cout)

that is, a convolution to `rank` channels followed by one of width 1 to Cout. Only `down` and `up` learn. `down` is
drawn uniformly from +-1 / sqrt(width Cin) and `up` starts at zero (both as in LyCORIS), so the encoder starts out
unchanged, to the bit.

Weights are standardised after the sum. So the gradient passes through the standardisation, and the adapted encoder has
the same architecture, with the sums as its weights: adapters are merged exactly. (genomicsxai/alphagenome-pytorch adds
the output of the adapter to the output of the standardised convolution, which is a different network that no weights in
the official layout can express.)
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from s2f.common import provenance
from s2f.common.errors import InputError
from s2f.embeddings.encoders import Tunable

DOWN, UP = "/locon_down", "/locon_up"  # ends of the names of the two arrays of a convolution


@dataclass(frozen=True)
class Locon:
    """Adapters of this `rank`, scaled by `alpha` / `rank`."""

    rank: int
    alpha: float

    @staticmethod
    def of(unfrozen: Any) -> "Locon | None":
        """The adapters that the key `unfrozen` of stage 2 asks for; None if whole blocks are trained."""
        if not isinstance(unfrozen, Mapping):
            return None
        return Locon(unfrozen["locon"]["rank"], unfrozen["locon"]["alpha"])

    def start(self, tunable: Tunable, blocks: Collection[str], seed: int) -> dict[str, np.ndarray]:
        """New adapters {name: float32 array} for all convolutions of these blocks; the same bits on every machine.

        Raises `InputError` if the rank is not below the rank of the weights of every one of them.
        """
        adapters = {}
        for name, axis in tunable.convolutions.items():
            if tunable.block_of[name] not in blocks:
                continue
            shape = list(tunable.weights[name].shape)
            outputs, fan_in = shape[axis], math.prod(shape) // shape[axis]
            if self.rank >= min(outputs, fan_in):
                raise InputError(
                    f"locon: rank is {self.rank}, but the convolution {name} has {fan_in} weights for each of "
                    f"{outputs} channels: choose a lower rank"
                )
            shape[axis] = self.rank
            raw = np.random.PCG64(provenance.derived_seed(seed, "locon", name)).random_raw(math.prod(shape))
            uniform = (raw >> np.uint64(11)) * 2.0**-52 - 1  # in [-1, 1), exact
            adapters[name + DOWN] = (uniform / math.sqrt(fan_in)).astype(np.float32).reshape(shape)
            adapters[name + UP] = np.zeros((self.rank, outputs), np.float32)
        return adapters

    def changes(self, tunable: Tunable, weights: Mapping[str, Any], adapters: Mapping[str, Any]) -> dict[str, Any]:
        """The weights {name: array} of the convolutions that have adapters, with the adapters merged into them;
        `weights` {name: array} are the encoder's. Pure, and differentiable in the adapters.

        Raises `InputError` for adapters that do not belong to this encoder with this rank.
        """
        out = {}
        for name, axis, down, up in self._pairs(tunable, weights, adapters):
            product = jnp.moveaxis(jnp.tensordot(down, up, (axis, 0), precision="highest"), -1, axis)
            out[name] = weights[name] + self.alpha / self.rank * product
        return out

    def _pairs(
        self, tunable: Tunable, weights: Mapping[str, Any], adapters: Mapping[str, Any]
    ) -> Iterator[tuple[str, int, Any, Any]]:
        """(name, axis of the output channels, down, up) of each convolution with adapters; errors as of `changes`."""
        for name in sorted({name.removesuffix(DOWN).removesuffix(UP) for name in adapters}):
            axis = tunable.convolutions.get(name)
            if axis is None:
                raise InputError(f"adapters: array {name} is unexpected: these weights are of another encoder")
            down, up = adapters.get(name + DOWN), adapters.get(name + UP)
            shape = list(weights[name].shape)
            outputs, shape[axis] = shape[axis], self.rank
            if down is None or up is None or down.shape != tuple(shape) or up.shape != (self.rank, outputs):
                found = [None if array is None else array.shape for array in (down, up)]
                raise InputError(
                    f"adapters: {name} has {found[0]} and {found[1]}, this encoder with rank {self.rank} has "
                    f"{tuple(shape)} and {(self.rank, outputs)}"
                )
            yield name, axis, down, up

    def merged(self, tunable: Tunable, adapters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`changes` of the encoder's own weights, float32 on the host, in the form that `encoders.build` takes.

        Summed in float64 in a stated order and rounded once, so that they have the same bits, and thus the same
        fingerprint, on every machine; those of a training step on a device may differ in the last one.
        """
        out = {}
        for name, axis, down, up in self._pairs(tunable, tunable.weights, adapters):
            total = np.zeros(1)
            for number in range(self.rank):
                one = np.take(down, number, axis).astype(np.float64)
                total = total + one[..., None] * up[number].astype(np.float64)
            whole = tunable.weights[name] + self.alpha / self.rank * np.moveaxis(total, -1, axis)
            out[name] = whole.astype(np.float32)
        return out
