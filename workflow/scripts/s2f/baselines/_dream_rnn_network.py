"""The network of the baseline `dream_rnn`: DREAM-RNN.

Layers, names, shapes and initialisation follow the DREAM challenge's code for human data
(de-Boer-Lab/random-promoter-dream-challenge-2022 @ f7b2e19, benchmarks/human, MIT; Rafi et al. 2025,
doi:10.1038/s41587-024-02414-w), so state dictionaries can be exchanged with it. There is no activation after the last
convolution.

Speed: convolutions read (B, channels, 1, length) in channels-last memory, which is also the order that the LSTM reads.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from s2f.baselines._channels_last import Convolution
from s2f.baselines._sequence_training import DTYPES, in_order_of_channels, one_hot

KERNELS = (9, 15)


class Named(nn.Module):
    """A convolution under the name that it has in the authors' state dictionary."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv


class Parallel(nn.Module):
    """Convolutions of two kernel lengths side by side, then ReLU and dropout; in the core they read the output of a
    bidirectional LSTM.

    The authors' core applies dropout twice, first to each half and then to both: a value kept with probability 0.8 and
    then 0.5 is kept with probability 0.4 and scaled by 2.5, which is a single dropout of 0.6.
    """

    def __init__(self, channels: int, out: int, dropouts: Sequence[float], lstm: int = 0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, lstm, bidirectional=True, batch_first=True) if lstm else None
        read = 2 * lstm or channels
        self.conv_list = nn.ModuleList([Named(Convolution(read, out, kernel)) for kernel in KERNELS])
        self.dropout = nn.Dropout(1 - math.prod(1 - share for share in dropouts))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 2 out, 1, length)."""
        if self.lstm is not None:
            x = self.lstm(x.squeeze(2).transpose(1, 2))[0].unsqueeze(1).permute(0, 3, 1, 2)
        return self.dropout(F.relu(torch.cat([named.conv(x) for named in self.conv_list], 1)))


class DreamRNN(nn.Module):
    """uint8 codes (B, length), and a mask (B,) of the reverse complements -> activities (B, outputs) float32."""

    def __init__(
        self, convolutions: int, lstm: int, mapper: int, dropout: float, core_dropout: float, strand_channel: bool,
        outputs: int = 1, precision: str = "float32",
    ) -> None:  # fmt: skip
        super().__init__()
        self.dtype, self.strand_channel = DTYPES[precision], strand_channel
        self.first = Parallel(4 + strand_channel, convolutions, [dropout])
        self.core = Parallel(2 * convolutions, convolutions, [dropout, core_dropout], lstm)
        self.final = nn.Module()
        self.final.mapper = Convolution(2 * convolutions, mapper, 1)
        self.final.linear = nn.Sequential(nn.Linear(mapper, outputs))
        nn.init.normal_(self.final.mapper.weight, 0, math.sqrt(2 / mapper))
        nn.init.normal_(self.final.linear[0].weight, 0, 0.001)
        for layer in (self.final.mapper, self.final.linear[0]):
            nn.init.zeros_(layer.bias)

    def forward(self, codes: torch.Tensor, reverse: torch.Tensor) -> torch.Tensor:
        """Activities of sequences; in training mode with dropout."""
        return self.of_one_hot(one_hot(codes, self), reverse)

    def of_one_hot(self, x: torch.Tensor, reverse: torch.Tensor) -> torch.Tensor:
        """Activities of one-hot windows (B, length, 4), in the order A, C, G, T; the values may be any numbers."""
        x = in_order_of_channels(x)
        if self.strand_channel:
            x = torch.cat([x, reverse[:, None, None].to(x.dtype).expand(-1, x.shape[1], 1)], 2)
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            x = self.core(self.first(x.unsqueeze(1).permute(0, 3, 1, 2)))
        # the mean over positions is taken before the last convolution, whose kernel has one position and which nothing
        # follows, and in the dtype of the weights: rounded to bfloat16, a mean over hundreds of positions hides what
        # one base changes
        x = x.mean((2, 3), keepdim=True, dtype=self.final.mapper.weight.dtype)
        return self.final.linear(self.final.mapper(x).flatten(1))

    def train(self, mode: bool = True) -> Any:
        """As in any module, except for the LSTM: cuDNN gives its gradients only in training mode, and it has no
        dropout."""
        super().train(mode)
        assert self.core.lstm is not None
        self.core.lstm.train()
        return self
