"""The network of the baseline `legnet`: MPRA-LegNet.

Layers, names, shapes and initialisation follow human_legnet (autosome-ru/human_legnet @ a20dbc7, `LegNet` with the
defaults of its core.py, MIT; Agarwal et al. 2025, Nature), with kernels of 11 and 9, so state dictionaries can be
exchanged with it. The network of its models/example.cfg, with kernels of 5 and 3, is a different one, and so is the
LegNet of the DREAM challenge in yeast.

Speed: all maps are (B, channels, 1, length) in channels-last memory.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from s2f.baselines._channels_last import Convolution, Excitation, NormedSiLU
from s2f.baselines._sequence_training import DTYPES, in_order_of_channels, one_hot
from s2f.common.errors import InputError

STEM_KERNEL, KERNEL, POOL, WIDER = 11, 9, 2, 4


class Block(nn.Module):
    """The layers that tensor names call `block`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layers, one after the other."""
        return self.block(x)


class Concatenated(nn.Module):
    """The output of a layer for x, with x itself appended."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 2 channels, 1, length)."""
        return torch.cat([self.fn(x), x], 1)


def convolution(channels: int, out: int, kernel: int, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias, its batch normalisation and SiLU."""
    return [Convolution(channels, out, kernel, False, groups), NormedSiLU(out), nn.Identity()]


def wide(channels: int) -> Block:
    """The inner block of a stage: expands to four times the channels, convolves along positions and reduces again."""
    inner = WIDER * channels
    return Block(
        *convolution(channels, inner, 1), *convolution(inner, inner, KERNEL, groups=inner), Excitation(inner, channels),
        *convolution(inner, channels, 1),
    )  # fmt: skip


class LegNet(nn.Module):
    """uint8 codes (B, length) -> activities (B, outputs) float32."""

    def __init__(
        self, stem: int, channels: Sequence[int], mapper: int, outputs: int = 1, precision: str = "float32"
    ) -> None:
        super().__init__()
        self.dtype = DTYPES[precision]
        self.stem = Block(*convolution(4, stem, STEM_KERNEL))
        self.main = nn.Sequential(
            *[
                nn.Sequential(
                    Concatenated(wide(before)), Block(*convolution(2 * before, after, KERNEL)), nn.MaxPool2d((1, POOL))
                )
                for before, after in itertools.pairwise((stem, *channels))
            ]
        )  # fmt: skip
        last = (stem, *channels)[-1]
        self.mapper = Block(nn.BatchNorm2d(last), Convolution(last, mapper, 1))
        self.head = nn.Sequential(
            nn.Linear(mapper, mapper), nn.BatchNorm1d(mapper), nn.SiLU(), nn.Linear(mapper, outputs)
        )
        self.apply(initialise)

    def forward(self, codes: torch.Tensor, reverse: torch.Tensor | None = None) -> torch.Tensor:
        """Activities of sequences, of either strand; in training mode with batch statistics."""
        return self.of_one_hot(one_hot(codes, self))

    def of_one_hot(self, x: torch.Tensor, reverse: torch.Tensor | None = None) -> torch.Tensor:
        """Activities of one-hot windows (B, length, 4), in the order A, C, G, T; the values may be any numbers."""
        x = in_order_of_channels(x).unsqueeze(1).permute(0, 3, 1, 2)
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            x = self.mapper(self.main(self.stem(x)))
        return self.head(x.to(self.head[0].weight.dtype).mean((2, 3)))


def initialise(layer: nn.Module) -> None:
    """Convolutions (also depthwise) N(0, sqrt(2 / (kernel x out channels))); linear layers N(0, 0.001); biases 0."""
    if isinstance(layer, nn.Conv1d):
        nn.init.normal_(layer.weight, 0, math.sqrt(2 / (layer.kernel_size[0] * layer.out_channels)))
    elif isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0, 0.001)
    if isinstance(layer, nn.Conv1d | nn.Linear) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def check_length(length: int, stages: int) -> None:
    """Raise `InputError` for a construct so short that pooling leaves nothing: below 16 bp with four stages."""
    if length < POOL**stages:
        raise InputError(
            f"construct of {length} bp is too short for legnet, whose pooling leaves nothing below {POOL**stages} bp"
        )
