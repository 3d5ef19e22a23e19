"""The network of the baselines `malinois`, `malinois_1cell` and `malinois_published`.

Layer names, shapes and initialisation follow boda2 (sjgosai/boda2, `BassetBranched` with the published settings; Gosai
et al. 2024, Nature 634, 1211), so state dictionaries can be exchanged with it.

Speed: the input of the first convolution is one-hot. Its batch statistics follow exactly from the 76 x 76 co-occurrence
matrix of bases within a window, so its normalisation is folded into the weights before convolving, and convolution and
max pooling run block by block in cache; the map of 300 x 600 values per sequence is never stored.
The other convolutions are 2-D of height 1 in channels-last layout. With `precision: bfloat16` the convolutions and the
first linear layer multiply in bfloat16 and accumulate in float32; parameters, statistics and branches stay float32.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from s2f.baselines._sequence_training import DTYPES
from s2f.common.errors import InputError

KERNELS = (19, 11, 7)
POOLS = (3, 4, 4)
WIDTHS = ("conv1_channels", "conv2_channels", "conv3_channels", "linear_channels", "branched_channels")
BLOCK_BYTES = 2**20  # size of a block of the first layer on a CPU; with its temporaries it fits into a 2 MB cache


class Normed(nn.Module):
    """A layer and its batch normalisation, under the names that boda2 gives them."""

    def __init__(self, name: str, layer: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.add_module(name, layer)
        self.bn_layer = norm


class GroupedLinear(nn.Module):
    """One linear map per branch: (G, B, in) -> (G, B, out), weight (G, in, out), bias (G, 1, out).

    Initialised as in boda2, where the fan-in is `in x out` (the fan-in of a 3-D weight) instead of `in`.
    """

    def __init__(self, size: int, out: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, size, out))
        self.bias = nn.Parameter(torch.empty(groups, 1, out))
        nn.init.uniform_(self.weight, -math.sqrt(1.5 / (size * out)), math.sqrt(1.5 / (size * out)))
        nn.init.uniform_(self.bias, -1 / math.sqrt(size * out), 1 / math.sqrt(size * out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply each branch to its own features."""
        return torch.baddbmm(self.bias, x, self.weight)


class Malinois(nn.Module):
    """uint8 codes (B, length) -> activities (B, outputs) float32."""

    def __init__(self, length: int, settings: Any, outputs: int = 1) -> None:
        super().__init__()
        self.length, self.dtype = length, DTYPES[settings.precision]
        s, groups = settings, outputs
        channels = (4, s.conv1_channels, s.conv2_channels, s.conv3_channels)
        for i, kernel in enumerate(KERNELS):
            convolution = nn.Conv1d(channels[i], channels[i + 1], kernel)
            setattr(self, f"conv{i + 1}", Normed("conv", convolution, nn.BatchNorm2d(channels[i + 1])))
        flat = flatten_length(length) * s.conv3_channels
        self.linear1 = Normed("linear", nn.Linear(flat, s.linear_channels), nn.BatchNorm1d(s.linear_channels))
        sizes = (s.linear_channels, *[s.branched_channels] * 3)
        self.branched = nn.ModuleDict(
            {f"branched_layer_{i + 1}": GroupedLinear(sizes[i], sizes[i + 1], groups) for i in range(3)}
        )
        self.output = GroupedLinear(s.branched_channels, 1, groups)
        self.linear_dropout, self.branched_dropout = nn.Dropout(s.linear_dropout), nn.Dropout(s.branched_dropout)

    def forward(self, codes: torch.Tensor, reverse: torch.Tensor | None = None) -> torch.Tensor:
        """Activities of sequences, of either strand; in training mode with dropout and batch statistics."""
        x = self._first_stage(codes)
        x = self._stage(x, self.conv2, POOLS[1], padding=0)
        x = self._stage(x, self.conv3, POOLS[2], padding=1)
        linear = self.linear1.linear
        x = F.linear(x.flatten(1), linear.weight.to(self.dtype), linear.bias.to(self.dtype)).float()
        x = self.linear_dropout(F.relu(self.linear1.bn_layer(x)))
        x = x.expand(len(self.output.weight), -1, -1)
        for name in ("branched_layer_1", "branched_layer_2"):
            x = self.branched_dropout(F.relu(self.branched[name](x)))
        x = self.branched["branched_layer_3"](x)  # no activation here, as published
        return self.output(x).squeeze(2).T

    def _first_stage(self, codes: torch.Tensor) -> torch.Tensor:
        """Convolution, batch normalisation, pooling and ReLU of one-hot input: (B, channels, 1, length // 3)."""
        kernel, half = KERNELS[0], KERNELS[0] // 2
        x = torch.zeros(len(codes), self.length + 2 * half, 4, dtype=self.dtype, device=codes.device)
        x[:, half : half + self.length] = torch.eye(5, 4, dtype=self.dtype, device=codes.device)[codes.int()]
        conv, norm = self.conv1.conv, self.conv1.bn_layer
        weight = conv.weight.permute(2, 1, 0).reshape(4 * kernel, -1)  # rows in the order of a window in memory
        if self.training:
            gram = co_occurrence(x, kernel, self.length)
            n = len(codes) * self.length
            share = gram.diagonal() / n  # a one-hot value is its own square
            mean = share @ weight + conv.bias
            variance = (weight * ((gram / n - torch.outer(share, share)) @ weight)).sum(0).clamp_min(0)
            with torch.no_grad():
                norm.num_batches_tracked += 1
                norm.running_mean.lerp_(mean, norm.momentum)
                norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)
        else:
            mean, variance = norm.running_mean, norm.running_var
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        shift = norm.bias + (conv.bias - mean) * scale
        pooled = ConvolutionMax.apply(x, weight * scale, POOLS[0])
        return (pooled + shift.to(self.dtype)).relu_().unsqueeze(1).permute(0, 3, 1, 2)

    def _stage(self, x: torch.Tensor, layer: Normed, pool: int, padding: int) -> torch.Tensor:
        """Convolution, batch normalisation, pooling and ReLU; ReLU after pooling gives the same values sooner."""
        weight = layer.conv.weight.unsqueeze(2).to(self.dtype, memory_format=torch.channels_last)
        x = F.conv2d(x, weight, layer.conv.bias.to(self.dtype), padding=(0, weight.shape[3] // 2))
        return F.relu(F.max_pool2d(layer.bn_layer(x), (1, pool), padding=(0, padding)))


def flatten_length(length: int) -> int:
    """Positions left after the three pooling steps: 13 for 600 bp. Raises `InputError` if none is left."""
    left = (length // POOLS[0] // POOLS[1] + 2) // POOLS[2]
    if left < 1:
        raise InputError(
            f"construct of {length} bp is too short for malinois, whose pooling leaves nothing below 24 bp"
        )
    return left


def windows(x: torch.Tensor, kernel: int, start: int, step: int, count: int) -> torch.Tensor:
    """(B * count, 4 * kernel): the windows of `kernel` positions at start, start + step ... of one-hot (B, P, 4)."""
    shape, strides = (len(x), count, 4 * kernel), (x.stride(0), 4 * step, 1)
    return x.as_strided(shape, strides, x.storage_offset() + 4 * start).reshape(-1, 4 * kernel)


def blocks(x: torch.Tensor, bytes_per_row: int) -> list[slice]:
    """Slices of rows: on a CPU as many rows as stay in cache, elsewhere all rows at once."""
    size = max(1, BLOCK_BYTES // bytes_per_row) if x.device.type == "cpu" else len(x)
    return [slice(start, start + size) for start in range(0, len(x), size)]


def co_occurrence(x: torch.Tensor, kernel: int, length: int) -> torch.Tensor:
    """float32 (4 * kernel, 4 * kernel): how often base a at offset i and base b at offset j share a window.

    Counts are whole numbers, so the sums are exact up to 2**24 windows.
    """
    total = torch.zeros(4 * kernel, 4 * kernel, device=x.device)
    for rows in blocks(x, 16 * kernel * length):
        window = windows(x[rows], kernel, 0, 1, length).float()
        total.addmm_(window.T, window)
    return total


class ConvolutionMax(torch.autograd.Function):
    """Max over `pool` neighbours of the convolution of one-hot x (B, P, 4) with weight (4 * kernel, C) float32.

    Gives (B, length // pool, C) in the dtype of x. The convolution is recomputed for the gradient, which goes to the
    first of equal neighbours, as in max pooling. x itself gets no gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, pool: int) -> torch.Tensor:
        """Block by block, one matrix product for each of the neighbours."""
        ctx.save_for_backward(x, weight)
        ctx.pool, kernel = pool, len(weight) // 4
        ctx.count = count = (x.shape[1] - kernel + 1) // pool
        low = weight.to(x.dtype)
        out = x.new_empty(len(x), count, weight.shape[1])
        for rows in blocks(x, count * weight.shape[1] * x.element_size()):
            best = windows(x[rows], kernel, 0, pool, count) @ low
            for j in range(1, pool):
                torch.maximum(best, windows(x[rows], kernel, j, pool, count) @ low, out=best)
            out[rows] = best.view(-1, *out.shape[1:])
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor, None]:
        """The gradient of a pooled value reaches the weights through the window that won."""
        x, weight = ctx.saved_tensors
        kernel, low, total = len(weight) // 4, weight.to(x.dtype), torch.zeros_like(weight)
        for rows in blocks(x, ctx.count * weight.shape[1] * x.element_size()):
            inputs = [windows(x[rows], kernel, j, ctx.pool, ctx.count) for j in range(ctx.pool)]
            best = [inputs[0] @ low]
            rest = gradient[rows].reshape(len(best[0]), -1)
            wins = []
            for j in range(1, ctx.pool):
                value = inputs[j] @ low
                wins.append(torch.gt(value, best[-1], out=torch.empty_like(value)))  # 1 or 0 in the dtype of x
                best.append(torch.maximum(best[-1], value))
            for j in range(ctx.pool - 1, 0, -1):
                share = rest * wins[j - 1]
                rest = rest - share
                total += inputs[j].T @ share
            total += inputs[0].T @ rest
        return None, total, None
