"""Training of the network of Gosai et al. 2024 from scratch, with one output per cell or a single output.

Loss, optimiser and schedule follow boda2 (sjgosai/boda2) with the published settings, but training does not start from
the pretrained Basset convolutions of the published run. The published loss is not defined for rows with one label; such
rows give the one-output variant, see `malinois_1cell`.

The published table has no gaps. If labels of a row are missing, L1 is taken over the labels that are there; the
divergence and the selection score, which compare the cells of a row, are taken over rows with all labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from s2f.baselines import _sequence_training
from s2f.baselines._malinois_network import WIDTHS, Malinois
from s2f.baselines._sequence_training import (
    Examples,
    Procedure,
    Windows,
    check_choices,
    check_rows,
    is_narrow,
    labels_by_output,
    predictor,
    train_network,
)
from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.models.validation import pearson
from s2f.rows.canonical import LEAST_LABELS, cells_of
from s2f.sequences.constructs import Construct


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training; `malinois.yaml` gives their meaning and the published defaults."""

    conv1_channels: int
    conv2_channels: int
    conv3_channels: int
    linear_channels: int
    branched_channels: int
    linear_dropout: float
    branched_dropout: float
    learning_rate: float
    beta1: float
    beta2: float
    weight_decay: float
    restart_steps: int
    batch_size: int
    epochs: int
    min_epochs: int
    patience: int
    duplication_cutoff: float | None
    reverse_complement: bool
    validation_strand: str
    precision: str
    weighting: str
    tau: float | None

    @staticmethod
    def from_spec(options: dict[str, Any]) -> "Settings":
        """Settings from a config section. Raises `InputError` for an unknown key or an impossible value."""
        settings = Settings(**kinds.settings("baselines", "malinois", options))
        check_choices("malinois", settings)
        return settings

    def narrow(self) -> bool:
        """True if a width differs from the published network."""
        return is_narrow("malinois", self, WIDTHS)


def mixed_loss(
    predicted: torch.Tensor,
    labels: torch.Tensor,
    alpha: float = 1.0,
    beta: float = 5.0,
    measured: torch.Tensor | None = None,
    importance: torch.Tensor | None = None,
) -> torch.Tensor:
    """Training loss of (B, outputs): (alpha L1 + beta KL) / (alpha + beta); plain L1 if there is one output.

    KL is the divergence between the softmax over outputs of the labels and of the predictions, averaged over all
    B x outputs terms (boda2 `L1KLmixed`, reduction mean). `measured`, bool (B, outputs), says which labels are there
    (None: all). L1 is the mean over these. Rows without all labels have a divergence of 0, so a batch weighs KL by the
    rows that have it, and one complete row among many does not count as much as a full batch. `importance` (B, outputs)
    weights the labels in L1.
    """
    if importance is not None:
        distance = ((predicted - labels).abs() * importance).mean()
    elif measured is not None:
        labels = torch.where(measured, labels, 0)
        distance = ((predicted - labels).abs() * measured).sum() / measured.sum()
    else:
        distance = F.l1_loss(predicted, labels)
    if labels.shape[1] == 1:
        return distance
    log_share, wanted = F.log_softmax(predicted, 1), F.log_softmax(labels, 1)
    divergence = wanted.exp() * (wanted - log_share)
    if measured is not None:
        divergence = divergence * measured.all(1, keepdim=True)
    return (alpha * distance + beta * divergence.mean()) / (alpha + beta)


def entropy_spearman(predicted: np.ndarray, labels: np.ndarray) -> float | None:
    """Rank correlation between the Shannon entropies of two softmaxes over outputs: of predictions and of labels.

    This score selected the published model: does it know which sequences are specific to a cell? Ranks are positions in
    the sorted order, and ties are broken by order (boda2). Rows with a missing label (NaN) do not count. None if
    undefined, also if all entropies are equal: their ranks would be those of the rows in their table.
    """
    if not np.isfinite(predicted).all():
        return None
    complete = np.isfinite(labels).all(1)
    predicted, labels = predicted[complete], labels[complete]
    entropies = []
    for values in (predicted, labels):
        log_share = values - np.logaddexp.reduce(values, axis=1, keepdims=True)
        entropies.append(-(np.exp(log_share) * log_share).sum(1))
    if pearson(*entropies) is None:
        return None
    return pearson(*(entropy.argsort(kind="stable").argsort(kind="stable") for entropy in entropies))


def virtual_rows(labels: np.ndarray, cutoff: float | None, reverse_complement: bool) -> tuple[np.ndarray, np.ndarray]:
    """(row, reversed) of each training example of an epoch, before shuffling: int64 and bool arrays.

    Rows are visited in descending order of their largest label over cells (stable): each row once, and those at or
    above `cutoff` (None: none) once more. With `reverse_complement`, every visit gives two examples, first forward and
    then reversed. Such examples exist only here, never as rows of a table.
    """
    highest = np.nanmax(labels, axis=1)
    order = np.argsort(-highest, kind="stable") if cutoff is not None else np.arange(len(labels))
    more = int((highest >= cutoff).sum()) if cutoff is not None else 0
    rows = order[np.arange(len(labels) + more) % len(labels)]
    if not reverse_complement:
        return rows, np.zeros(len(rows), bool)
    return np.repeat(rows, 2), np.tile([False, True], len(rows))


def optimiser_of(
    network: torch.nn.Module, steps: int, settings: Settings
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Adam with the largest second moment so far, and a cosine schedule with restarts, for any number of `steps`."""
    optimiser = torch.optim.Adam(
        network.parameters(), settings.learning_rate, (settings.beta1, settings.beta2), eps=1e-8,
        weight_decay=settings.weight_decay, amsgrad=True, fused=True,
    )  # fmt: skip
    return optimiser, torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, settings.restart_steps)


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train as `_sequence_training.train_network`, and write `details.json` too.

    Rows with several cells give one output per cell, and `entropy_spearman` selects the epoch; other rows give one
    output, and Pearson r selects it. Raises `InputError` for bad settings, a row without a label, or too few validation
    rows with all labels (`LEAST_LABELS`), and `DivergedError` as there.
    """
    settings = Settings.from_spec(spec)
    check_rows("malinois", train, val)
    outputs, labels, device = cells_of(train), labels_by_output(train), torch_device()
    complete = int(np.isfinite(labels_by_output(val)).all(1).sum())
    if outputs and complete < LEAST_LABELS["val"]:
        raise InputError(
            f"baseline malinois: {complete} of {len(val)} validation rows have a label in each of "
            f"{', '.join(outputs)}, expected {LEAST_LABELS['val']} or more: the validation score compares the cells "
            "of a row"
        )
    if outputs and settings.weighting == "stderr":
        raise InputError(
            "baseline malinois: weighting is stderr, expected equal: the published loss compares the cells of a row"
        )
    examples = Examples(*map(torch.from_numpy, virtual_rows(
        labels, settings.duplication_cutoff, settings.reverse_complement
    )))  # fmt: skip
    procedure = Procedure(
        "malinois", lambda: Malinois(construct.length, settings, labels.shape[1]),
        lambda network, steps: optimiser_of(network, steps, settings), lambda generator: examples, mixed_loss, settings,
        settings.patience, settings.min_epochs,
        metric="entropy_spearman" if outputs else "pearson", score=entropy_spearman if outputs else None,
    )  # fmt: skip
    windows = Windows(construct, list(train["sequence"]), device)
    trained = train_network(procedure, windows, train, val, construct, seed, directory)
    write_network(
        directory, construct.length, settings, outputs,
        provenance=f"trained from scratch on {len(train)} rows", licence="as the training data",
    )  # fmt: skip
    return trained


def write_network(
    directory: str | Path,
    length: int,
    settings: Settings,
    outputs: Sequence[str] = (),
    predicted: Sequence[str] = (),
    **more: Any,
) -> None:
    """As `_sequence_training.write_network`."""
    widths = {key: getattr(settings, key) for key in WIDTHS}
    _sequence_training.write_network(
        directory, lambda: Malinois(length, settings, max(1, len(outputs))), length, settings, widths, outputs,
        predicted, **more,
    )  # fmt: skip


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``, or (N, C) for C cells, for one strand of the construct.

    The construct is taken from `record`. Raises `InputError` if its length differs from the network's, or if the
    weights are missing, broken or from another network.
    """
    construct = Construct.from_spec(record["construct"])
    return predictor(*load_network(directory, construct), construct)


def load_network(
    directory: str | Path, construct: Construct, precision: str | None = None
) -> tuple[Malinois, list[int]]:
    """See `_sequence_training.loaded`."""
    network, predicted = _sequence_training.loaded(
        directory, construct,
        lambda options, outputs: Malinois(construct.length, Settings.from_spec(options), outputs), precision,
    )  # fmt: skip
    assert isinstance(network, Malinois)
    return network, predicted
