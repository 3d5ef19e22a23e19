"""Baseline `dream_rnn`: DREAM-RNN (Rafi et al. 2025, doi:10.1038/s41587-024-02414-w), trained from scratch.

Network, optimiser and schedule are those of de-Boer-Lab/random-promoter-dream-challenge-2022 @ f7b2e19,
benchmarks/human: AdamW, one cycle of step sizes with beta1 cycled in the opposite direction, squared error, no limit on
gradients, and the epoch with the best Pearson r on the validation rows. N is four zeros.

`strands` says how reverse complements are used. The authors' code for human data does not use them: its fifth channel
is the orientation in which an insert was *measured*. Inserts are turned there but their adapters are not, each
orientation is a row with its own label, and a prediction is for one of them. Rows here have no such orientation, so
there are two forms:

* `both`, for names such as `dream-rnn-rc`: the setting of the challenge itself, in yeast. Each row is read twice in an
  epoch, as it is and as the reverse complement of the whole construct; the fifth channel, 0 or 1 at every position,
  says which (4,203,393 parameters). Either strand can be predicted.
* `forward`: as that code trains on rows of one orientation: four channels (4,199,553 parameters) and only the given
  strand. It is not trained on reverse complements, so it suits datasets of `strand_rule: forward`.

Other differences: an epoch is all rows, and the cycle ends with the last epoch (theirs has n // 32 batches, and one is
lost each time the file is exhausted, so their cycle never ends). Windows are the construct of the dataset. With several
cells the network has one output per cell, and missing labels are masked. All starting weights come from the seed of the
run; the seed in their code fixes only the last block.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2f.baselines._dream_rnn_network import DreamRNN
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
from s2f.common.errors import InputError
from s2f.rows.canonical import cells_of
from s2f.sequences.constructs import Construct

WIDTHS = ("convolution_channels", "lstm_channels", "mapper_channels")
STRANDS = ("both", "forward")


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training; `dream_rnn.yaml` gives their meaning and the published defaults."""

    convolution_channels: int
    lstm_channels: int
    mapper_channels: int
    dropout: float
    core_dropout: float
    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    strands: str
    validation_strand: str
    precision: str
    weighting: str
    tau: float | None

    @staticmethod
    def from_spec(options: dict[str, Any]) -> "Settings":
        """Settings from a config section. Raises `InputError` for an unknown key or an impossible value."""
        settings = Settings(**kinds.settings("baselines", "dream_rnn", options))
        check_choices("dream_rnn", settings)
        if settings.strands not in STRANDS:
            raise InputError(f"baseline dream_rnn: strands is {settings.strands!r}, expected one of {STRANDS}")
        return settings

    def narrow(self) -> bool:
        """True if a width differs from the published network."""
        return is_narrow("dream_rnn", self, WIDTHS)

    def network(self, outputs: int) -> DreamRNN:
        """The network, with new weights."""
        return DreamRNN(
            self.convolution_channels, self.lstm_channels, self.mapper_channels, self.dropout, self.core_dropout,
            self.strands == "both", outputs, self.precision,
        )  # fmt: skip


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train as `_sequence_training.train_network`, and write `details.json` too.

    Raises `InputError` for bad settings and a row without a label, and `DivergedError` as there.
    """
    settings = Settings.from_spec(spec)
    check_rows("dream_rnn", train, val)
    cells, copies = cells_of(train), 1 + (settings.strands == "both")
    rows = torch.arange(len(train)).repeat_interleave(copies)
    examples = Examples(rows, torch.arange(len(rows)) % copies == 1)
    procedure = Procedure(
        "dream_rnn", lambda: settings.network(max(1, len(cells))),
        lambda network, steps: one_cycle(network, steps, settings.learning_rate, settings.weight_decay, True),
        lambda generator: examples, squared_error, settings,
    )  # fmt: skip
    windows = Windows(construct, list(train["sequence"]), torch_device())
    trained = train_network(procedure, windows, train, val, construct, seed, directory)
    seen = "both strands with a channel that says which" if copies == 2 else "the given strand"
    write_network(
        directory, lambda: settings.network(max(1, len(cells))), construct.length, settings,
        {key: getattr(settings, key) for key in (*WIDTHS, "strands")}, cells,
        provenance=f"trained from scratch on {len(train)} rows, {seen}", licence="as the training data",
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
