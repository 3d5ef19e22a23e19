"""Training of the network of Gosai et al. 2024 from scratch, with an output for each cell or with one.

Loss, optimiser and schedule follow boda2 (sjgosai/boda2) with the published settings; the pretrained Basset
convolutions from which the published run started are not used. Rows of one label, for which the published loss is not
defined, give the one-output variant: see `malinois_1cell`.

The published table has no gaps. Where a label of a row is missing, L1 is over the labels that are there; the divergence
and the score of selection, which compare the cells of a row, are over rows with all labels.
"""

import math
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from s2f.baselines import check_strand, read_details, write_details
from s2f.baselines._malinois_network import DTYPES, WIDTHS, Malinois, load_weights, oriented, predict_strand
from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.models.validation import DivergedError, mean_of, pearson, pearson_by_cell
from s2f.models.weighting import weights_by_error
from s2f.rows.canonical import LEAST_LABELS, cells_of, errors_of, labels_of
from s2f.sequences.constructs import Construct


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training: meaning and defaults, the published ones, stand in `malinois.yaml`."""

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
        for key, known in {"validation_strand": ("forward", "mean"), "precision": tuple(DTYPES)}.items():
            if getattr(settings, key) not in known:
                raise InputError(f"baseline malinois: {key} is {getattr(settings, key)!r}, expected one of {known}")
        return settings

    def narrow(self) -> bool:
        """True where a width differs from the published network."""
        published = kinds.settings("baselines", "malinois", {})
        return any(getattr(self, key) != published[key] for key in WIDTHS)


def mixed_loss(
    predicted: torch.Tensor,
    labels: torch.Tensor,
    alpha: float = 1.0,
    beta: float = 5.0,
    measured: torch.Tensor | None = None,
    importance: torch.Tensor | None = None,
) -> torch.Tensor:
    """Training loss of (B, outputs): (alpha L1 + beta KL) / (alpha + beta); plain L1 where there is one output.

    KL is the divergence between the softmax over outputs of the labels and of the predictions, averaged over all
    B x outputs terms (boda2 `L1KLmixed`, reduction mean). `measured`, bool (B, outputs), says which labels are there
    (all when None): L1 is the mean over these, and rows without all labels have a divergence of 0: a batch weighs KL by
    the rows that have it, and one complete row among many does not count as much as all. With `importance` (B, outputs)
    labels count by it in L1.
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
    """Rank correlation between the Shannon entropies of the softmax over outputs of predictions and of labels.

    The score by which the published model was selected: does it know which sequences are specific to a cell. Ranks
    are positions in the sorted order, ties are broken by order (boda2). Rows with a label missing (NaN) do not count.
    None where undefined.
    """
    if not np.isfinite(predicted).all():
        return None
    complete = np.isfinite(labels).all(1)
    predicted, labels = predicted[complete], labels[complete]
    ranks = []
    for values in (predicted, labels):
        log_share = values - np.logaddexp.reduce(values, axis=1, keepdims=True)
        entropy = -(np.exp(log_share) * log_share).sum(1)
        ranks.append(entropy.argsort(kind="stable").argsort(kind="stable"))
    return pearson(*ranks)


def virtual_rows(labels: np.ndarray, cutoff: float | None, reverse_complement: bool) -> tuple[np.ndarray, np.ndarray]:
    """(row, reversed) of each training example of an epoch, before shuffling: int64 and bool arrays.

    Rows in the order of their largest label over cells, descending (stable), are visited once, those at or above
    `cutoff` (None: none) once more; with `reverse_complement` every visit is two examples, forward and then reversed.
    Such examples exist only here, never as rows of a table.
    """
    highest = np.nanmax(labels, axis=1)
    order = np.argsort(-highest, kind="stable") if cutoff is not None else np.arange(len(labels))
    more = int((highest >= cutoff).sum()) if cutoff is not None else 0
    rows = order[np.arange(len(labels) + more) % len(labels)]
    if not reverse_complement:
        return rows, np.zeros(len(rows), bool)
    return np.repeat(rows, 2), np.tile([False, True], len(rows))


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train from scratch, keep the weights of the best validation score, write `weights.pt` and `details.json`.

    Rows with several cells give an output for each, selected by `entropy_spearman`; others one output, selected by
    Pearson r. One line is printed per epoch; `rows_per_second` counts examples (copies and reverse complements
    included) over the time of the updates alone. The validation record says how training `ended`: by `patience`, or at
    the `limit` of epochs, perhaps too early. The same seed, number of threads and machine give the same weights on
    a CPU. Raises `InputError` for bad settings, a row without a label, or too few validation rows with all labels
    (`LEAST_LABELS`), `DivergedError` when the loss is not finite or the score is never defined: no weights are written
    then.
    """
    settings = Settings.from_spec(spec)
    if len(train) < 2 or len(val) < 2:
        raise InputError(f"baseline malinois: {len(train)} training and {len(val)} validation rows, expected 2 or more")
    outputs = cells_of(train)
    labels, val_labels = _labels(train), _labels(val)
    complete = int(np.isfinite(val_labels).all(1).sum())
    if outputs and complete < LEAST_LABELS["val"]:
        raise InputError(
            f"baseline malinois: {complete} of {len(val)} validation rows have a label in each of "
            f"{', '.join(outputs)}, expected {LEAST_LABELS['val']} or more: the score of selection compares the cells "
            "of a row"
        )
    device = torch_device()
    codes = torch.from_numpy(construct.assemble(list(train["sequence"]))).to(device)
    val_codes = torch.from_numpy(construct.assemble(list(val["sequence"]))).to(device)
    metric = "entropy_spearman" if outputs else "pearson"
    rows, reverse = virtual_rows(labels, settings.duplication_cutoff, settings.reverse_complement)
    order = torch.Generator().manual_seed(derived_seed(seed, "order"))
    measured = None if np.isfinite(labels).all() else torch.from_numpy(np.isfinite(labels)).to(device)
    importance = None
    if settings.weighting == "stderr":
        if outputs:
            raise InputError(
                "baseline malinois: weighting is stderr, expected equal: the published loss compares the cells of a row"
            )
        counting = weights_by_error(errors_of(train).reshape(labels.shape), settings.tau)
        importance = torch.from_numpy(counting.astype(np.float32)).to(device)
    rows, reverse, targets = (torch.from_numpy(array).to(device) for array in (rows, reverse, labels))

    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "weights and dropout"))
        network = Malinois(construct.length, settings, labels.shape[1]).to(device)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        print(f"{len(train)} rows, {len(rows)} examples per epoch, {parameters:,} parameters, {device.type}")
        optimiser = torch.optim.Adam(
            network.parameters(), settings.learning_rate, (settings.beta1, settings.beta2), eps=1e-8,
            weight_decay=settings.weight_decay, amsgrad=True, fused=True,
        )  # fmt: skip
        schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, settings.restart_steps)
        best: tuple[float, int, dict[str, torch.Tensor], list[float | None]] | None = None
        history: list[dict[str, Any]] = []
        ended = "limit"
        for epoch in range(1, settings.epochs + 1):
            began, losses = time.perf_counter(), []
            network.train()
            for batch in torch.randperm(len(rows), generator=order).to(device).split(settings.batch_size):
                if len(batch) < 2:  # one row has no batch statistics
                    continue
                chosen = rows[batch]
                there = None if measured is None else measured[chosen]
                predicted = network(oriented(codes[chosen], reverse[batch]))
                counts = None if importance is None else importance[chosen]
                loss = mixed_loss(predicted, targets[chosen], measured=there, importance=counts)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                losses.append(loss.detach() * len(batch))
            mean_loss = float(torch.stack(losses).sum()) / len(rows)
            seconds = time.perf_counter() - began
            if not math.isfinite(mean_loss):
                raise DivergedError(
                    f"epoch {epoch}: training loss is {mean_loss}; lower learning_rate {settings.learning_rate}"
                )
            values = predict_strand(network, val_codes, "forward")
            if settings.validation_strand == "mean":
                values = (values + predict_strand(network, val_codes, "reverse")) / 2
            by_output = pearson_by_cell(val_labels, values)
            r = mean_of(by_output)
            score = r if metric == "pearson" else entropy_spearman(values, val_labels)
            history.append(
                {
                    "epoch": epoch, "train_loss": mean_loss, "val_pearson": math.nan if r is None else r,
                    "seconds": round(seconds, 4), "rows_per_second": round(len(rows) / seconds, 1),
                }
                | ({} if metric == "pearson" else {f"val_{metric}": math.nan if score is None else score})
            )  # fmt: skip
            shown = "  ".join(f"{key} {value:.4f}" for key, value in history[-1].items() if key.startswith("val"))
            print(
                f"epoch {epoch:3d}  train loss {mean_loss:.4f}  {shown}  {len(rows) / seconds:,.0f} rows/s", flush=True
            )
            if score is not None and (best is None or score > best[0]):
                weights = {key: value.to("cpu", copy=True) for key, value in network.state_dict().items()}
                best = (score, epoch, weights, by_output)
            if epoch >= settings.min_epochs and epoch - (best[1] if best else 0) >= settings.patience:
                ended = "patience"
                break
    if best is None:
        raise DivergedError(f"validation {metric} is undefined in every epoch (constant predictions): no model to keep")
    torch.save(best[2], Path(directory) / "weights.pt")
    write_network(
        directory, construct.length, settings, outputs,
        provenance=f"trained from scratch on {len(train)} rows", licence="as the training data",
    )  # fmt: skip
    validation: dict[str, Any] = {"metric": metric, "value": best[0], "epoch": best[1], "ended": ended}
    if outputs:  # the score of heads, for comparison
        validation |= {"pearson": mean_of(best[3]), "cells": dict(zip(outputs, best[3], strict=True))}
    return history, validation


def _labels(table: Any) -> np.ndarray:
    labels = labels_of(table).reshape(len(table), -1).astype(np.float32)
    bad = ~np.isfinite(labels).any(1)
    if bad.any():
        raise InputError(f"baseline malinois: row {table['row_id'].iloc[int(bad.argmax())]!r} has no label")
    return labels


def write_network(
    directory: str | Path,
    length: int,
    settings: Settings,
    outputs: Sequence[str] = (),
    predicted: Sequence[str] = (),
    **more: Any,
) -> None:
    """Write `details.json` of a network: its shape, size, precision, and whether it is narrower than the published.

    `outputs` are the cells of its outputs, none where there is one output for rows of one label; `predicted` those that
    it predicts, in this order (all where absent).
    """
    with torch.device("meta"):
        network = Malinois(length, settings, max(1, len(outputs)))
        parameters = sum(parameter.numel() for parameter in network.parameters())
    write_details(
        directory, length=length, outputs=list(outputs), predicted=list(predicted or outputs),
        widths={key: getattr(settings, key) for key in WIDTHS}, precision=settings.precision,
        narrow=settings.narrow(), parameters=parameters, **more,
    )  # fmt: skip


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``, or (N, C) of C cells, for one strand of the construct.

    The construct is that of `record`. Raises `InputError` when it has another length than the network, or when the
    weights are missing, broken or of another network.
    """
    construct = Construct.from_spec(record["construct"])
    network, predicted = load_network(directory, construct)
    device = network.output.weight.device

    def predict(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        if not len(inserts):
            return np.empty((0, len(predicted))[: min(2, len(predicted))], np.float32)
        codes = torch.from_numpy(construct.assemble(inserts)).to(device)
        values = predict_strand(network, codes, strand)[:, predicted]
        return values if len(predicted) > 1 else values[:, 0]

    return predict


def load_network(
    directory: str | Path, construct: Construct, precision: str | None = None
) -> tuple[Malinois, list[int]]:
    """(network on its device, indices of the outputs that are predicted) of a checkpoint, by default in the precision
    it was trained in.

    Raises `InputError` as `load`.
    """
    details, path = read_details(directory), Path(directory) / "weights.pt"
    if construct.length != details["length"]:
        raise InputError(f"{path}: the network reads {details['length']} bp, the construct has {construct.length} bp")
    settings = Settings.from_spec({"precision": precision or details["precision"]} | details["widths"])
    outputs = details["outputs"] or [""]
    network = Malinois(construct.length, settings, len(outputs))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not readable as weights ({type(error).__name__}); train this model again") from None
    load_weights(network, state, path)
    return network.to(torch_device()), [outputs.index(cell) for cell in details["predicted"] or outputs]
