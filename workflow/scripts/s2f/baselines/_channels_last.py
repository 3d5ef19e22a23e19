"""Layers for maps along a sequence, (B, channels, 1, length) in channels-last memory, in which the channels of a
position are adjacent.

Names and shapes of parameters are those of the usual layers, and so are the results. On a CPU, convolutions in this
layout are two to four times as fast as in (B, channels, length), and the layers after them work part by part in cache,
because the rest of LegNet is limited by memory. torch's own batch normalisation in this layout also sums all positions
in float32; here only the positions of a part are summed in float32.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

PART_BYTES = 2**19  # size of the part of a map processed at a time; with its temporaries it fits into a 2 MB cache


class Convolution(nn.Conv1d):
    """`Conv1d` with zero padding at both ends, which keeps the length."""

    def __init__(self, channels: int, out: int, kernel: int, bias: bool = True, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, bias=bias, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, out, 1, length)."""
        weight = self.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, weight, self.bias, padding=(0, self.kernel_size[0] // 2), groups=self.groups)


class NormedSiLU(nn.BatchNorm2d):
    """Batch normalisation and SiLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """For x (B, channels, 1, length), in its dtype."""
        if not self.training or x.device.type != "cpu":
            return F.silu(super().forward(x))
        x = x.contiguous(memory_format=torch.channels_last)  # as convolutions give it, where they do
        y, mean, variance = _NormedSiLU.apply(x, self.weight, self.bias, self.eps)
        count = x.numel() // x.shape[1]
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return y


class Excitation(nn.Module):
    """Squeeze and excitation: each channel is multiplied by a number from 0 to 1 computed from the means of all
    channels."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """For x (B, channels, 1, length), in its dtype."""
        inner, outer = self.fc[0], self.fc[2]
        if x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                return _Excited.apply(x, inner.weight, inner.bias, outer.weight, outer.bias)
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


def positions(x: torch.Tensor) -> torch.Tensor:
    """A map (B, channels, 1, length) as (B x length, channels); for channels-last memory this is not a copy."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def parts(x: torch.Tensor) -> Iterator[slice]:
    """Slices of the first dimension of x, each of about `PART_BYTES`."""
    step = max(1, PART_BYTES // (x[0].numel() * x.element_size()))
    return (slice(start, start + step) for start in range(0, len(x), step))


class _NormedSiLU(torch.autograd.Function):
    """(SiLU of the normalised map, mean and variance of each channel); the normalised map is recomputed, not kept."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Two passes over x: its sums, and the result."""
        rows, out = positions(x), torch.empty_like(x, memory_format=torch.channels_last)
        into, sums = positions(out), torch.zeros(2, x.shape[1], dtype=torch.float64)
        for part in parts(rows):
            own = rows[part].to(weight.dtype)
            sums[0] += own.sum(0)
            sums[1] += own.square().sum(0)
        mean, square = sums / len(rows)
        variance = (square - mean.square()).clamp_min(0)
        inverse = torch.rsqrt(variance + eps)
        scale, shift = weight * inverse, bias - mean * weight * inverse
        mean, variance, inverse, scale, shift = (
            value.to(weight.dtype) for value in (mean, variance, inverse, scale, shift)
        )
        for part in parts(rows):
            if x.dtype == weight.dtype:
                F.silu(torch.addcmul(shift, rows[part], scale, out=into[part]), inplace=True)
            else:
                into[part] = F.silu(torch.addcmul(shift, rows[part], scale), inplace=True)
        ctx.save_for_backward(x, weight, bias, mean, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Two passes: the gradient of the normalised map and its sums, then the gradient of x from these."""
        x, weight, bias, mean, inverse = ctx.saved_tensors
        rows, result = positions(x), torch.empty_like(x, memory_format=torch.channels_last)
        into, of_out = positions(result), positions(gradient)
        sums, origin = torch.zeros(2, x.shape[1], dtype=torch.float64), -mean * inverse
        for part in parts(rows):
            standardised = torch.addcmul(origin, rows[part], inverse)
            normed = torch.addcmul(bias, standardised, weight)
            own = torch.ops.aten.silu_backward(of_out[part].to(weight.dtype), normed)
            into[part] = own
            sums[0] += own.sum(0)
            sums[1] += own.mul_(standardised).sum(0)
        of_bias, of_weight = (value.to(weight.dtype) for value in sums)
        scale = weight * inverse
        slope = -scale * inverse * of_weight / len(rows)
        offset = -scale * of_bias / len(rows) - slope * mean
        for part in parts(rows):
            into[part] = torch.addcmul(offset, rows[part], slope).addcmul_(into[part], scale)
        return result, of_weight, of_bias, None


class _Excited(torch.autograd.Function):
    """A map x (B, channels, 1, length) times sigmoid(W2 silu(W1 mean + b1) + b2), (B, channels), computed from its
    means."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, w1: torch.Tensor, b1: torch.Tensor, w2: torch.Tensor, b2: torch.Tensor
    ) -> torch.Tensor:
        """Two passes over x."""
        mean = x.mean((2, 3), dtype=w1.dtype)
        inner = F.linear(mean, w1, b1)
        share = torch.sigmoid(F.linear(F.silu(inner), w2, b2))
        ctx.save_for_backward(x, mean, inner, share, w1, w2)
        return x * share.to(x.dtype)[:, :, None, None]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Two passes: the gradient of the shares, then the gradient of x from it."""
        x, mean, inner, share, w1, w2 = ctx.saved_tensors
        result, of_share = torch.empty_like(x), torch.empty_like(share)
        for part in parts(x):
            of_share[part] = (gradient[part] * x[part]).sum((2, 3), dtype=share.dtype)
        of_outer = of_share * share * (1 - share)
        of_inner = torch.ops.aten.silu_backward(of_outer @ w2, inner)
        of_mean = (of_inner @ w1 / x.shape[3]).to(x.dtype)[:, :, None, None]
        share = share.to(x.dtype)[:, :, None, None]
        for part in parts(x):
            torch.addcmul(of_mean[part], gradient[part], share[part], out=result[part])
        return result, of_inner.T @ mean, of_inner.sum(0), of_outer.T @ F.silu(inner), of_outer.sum(0)
