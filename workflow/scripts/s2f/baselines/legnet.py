"""Baseline `legnet`: MPRA-LegNet (Agarwal et al. 2025, Nature), trained from scratch.

Network and training are those of autosome-ru/human_legnet @ a20dbc7 as its README calls it for K562 (`core.py
--epoch_num 25 --use_shift --reverse_augment`): AdamW, one cycle of step sizes, squared error, and gradients limited to
norm 1. Each time a row is read, its window moves 0 to 21 bp downstream, never upstream, into the plasmid behind it, and
with probability 1/2 the whole of it, adapters included, is read as its reverse complement. All epochs are trained,
because the cycle has their length, and the one with the best Pearson r on the validation rows is kept. N is four zeros.

Differences: their windows are the 230 bp of insert and adapters, which move out of the left adapter of 15 bp and up to
6 bp into the insert; here windows are the construct of the dataset, moved as far as real flank follows it, so not at
all in layout `whole`. Instead of 16-bit floats, float32 or bfloat16 is used. With several cells the network has one
output per cell, and missing labels are masked. They cross 10 folds for test and validation (90 models), all from one
seed.

If their texts disagree with their code, the code is followed: N is not 0.25, and windows do not move upstream.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2f.baselines._legnet_network import LegNet, check_length
from s2f.baselines._sequence_training import (
    Examples,
    Procedure,
    Windows,
    check_choices,
    check_rows,
    is_narrow,
    loaded,
    one_cycle,
    predictor,
    squared_error,
    train_network,
    write_network,
)
from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.rows.canonical import cells_of
from s2f.sequences.constructs import Construct

CLIP = 1.0  # norm of the gradient
WIDTHS = ("stem_channels", "channels", "mapper_channels")


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training; `legnet.yaml` gives their meaning and the published defaults."""

    stem_channels: int
    channels: Sequence[int]
    mapper_channels: int
    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    shift: int
    reverse_complement: bool
    validation_strand: str
    precision: str
    weighting: str
    tau: float | None

    @staticmethod
    def from_spec(options: dict[str, Any]) -> "Settings":
        """Settings from a config section. Raises `InputError` for an unknown key or an impossible value."""
        settings = Settings(**kinds.settings("baselines", "legnet", options))
        check_choices("legnet", settings)
        return settings

    def narrow(self) -> bool:
        """True if a width differs from the published network."""
        return is_narrow("legnet", self, WIDTHS)

    def network(self, outputs: int) -> LegNet:
        """The network, with new weights."""
        return LegNet(self.stem_channels, self.channels, self.mapper_channels, outputs, self.precision)


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train as `_sequence_training.train_network`, and write `details.json` too.

    Raises `InputError` for bad settings, for a construct that pooling reduces to nothing and for a row without a label,
    and `DivergedError` as there.
    """
    settings = Settings.from_spec(spec)
    check_length(construct.length, len(settings.channels))
    check_rows("legnet", train, val)
    cells = cells_of(train)
    windows = Windows(construct, list(train["sequence"]), torch_device(), settings.shift)

    def examples(generator: torch.Generator) -> Examples:
        rows = torch.arange(len(train))
        reverse = torch.rand(len(train), generator=generator) < 0.5 * settings.reverse_complement
        share = torch.rand(len(train), generator=generator, dtype=torch.float64)
        return Examples(rows, reverse, (share * (windows.reach + 1)).long() if settings.shift else None)

    procedure = Procedure(
        "legnet", lambda: settings.network(max(1, len(cells))),
        lambda network, steps: one_cycle(network, steps, settings.learning_rate, settings.weight_decay, False),
        examples, squared_error, settings, clip=CLIP,
    )  # fmt: skip
    trained = train_network(procedure, windows, train, val, construct, seed, directory)
    write_network(
        directory, lambda: settings.network(max(1, len(cells))), construct.length, settings,
        {key: getattr(settings, key) for key in WIDTHS}, cells, shifts=[0, int(windows.reach.max())],
        provenance=f"trained from scratch on {len(train)} rows", licence="as the training data",
    )  # fmt: skip
    return trained


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``, or (N, C) for C cells, for one strand of the construct.

    The construct is taken from `record`. Raises `InputError` as `_sequence_training.loaded`.
    """
    construct = Construct.from_spec(record["construct"])
    return predictor(*load_network(directory, construct), construct)


def load_network(
    directory: str | Path, construct: Construct, precision: str | None = None
) -> tuple[torch.nn.Module, list[int]]:
    """See `_sequence_training.loaded`."""
    return loaded(
        directory, construct, lambda options, outputs: Settings.from_spec(options).network(outputs), precision
    )
