"""Baseline `malinois`: the convolutional network of Gosai et al. 2024 (Nature 634, 1211), trained from scratch.

Loss, optimiser and schedule follow boda2 (sjgosai/boda2) with the published settings; the pretrained Basset
convolutions from which the published run started are not used.

The published network has three outputs (K562, HepG2, SK-N-SH). A dataset of one cell gives the one-output variant: its
loss is plain L1, because the other term of the published loss compares how activity is shared among cells (a softmax
over one output is always 1, its divergence 0), its rows are duplicated by their own label, and it is selected by
validation Pearson r instead of the rank correlation of entropies, which needs several outputs too. Several label
columns in `outputs` train the published form; the rows of a study have one.
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
from s2f.models.validation import DivergedError, pearson
from s2f.sequences.constructs import Construct


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training: meaning and defaults, the published ones, stand in `malinois.yaml`."""

    outputs: tuple[str, ...]
    output: str
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

    @staticmethod
    def from_spec(options: dict[str, Any]) -> "Settings":
        """Settings from a config section. Raises `InputError` for an unknown key or an impossible value."""
        options = kinds.settings("baselines", "malinois", options)
        settings = Settings(**options | {"outputs": tuple(options["outputs"])})
        if not settings.outputs or (settings.output and settings.output not in settings.outputs):
            raise InputError(f"baseline malinois: output is {settings.output!r}, expected one of {settings.outputs}")
        for key, known in {"validation_strand": ("forward", "mean"), "precision": tuple(DTYPES)}.items():
            if getattr(settings, key) not in known:
                raise InputError(f"baseline malinois: {key} is {getattr(settings, key)!r}, expected one of {known}")
        return settings

    def narrow(self) -> bool:
        """True where a width differs from the published network."""
        published = kinds.settings("baselines", "malinois", {})
        return any(getattr(self, key) != published[key] for key in WIDTHS)

    def output_index(self) -> int:
        """Index of the output that is predicted."""
        return self.outputs.index(self.output) if self.output else 0


def mixed_loss(predicted: torch.Tensor, labels: torch.Tensor, alpha: float = 1.0, beta: float = 5.0) -> torch.Tensor:
    """Training loss of (B, outputs): (alpha L1 + beta KL) / (alpha + beta); plain L1 where there is one output.

    KL is the divergence between the softmax over outputs of the labels and of the predictions, averaged over all
    B x outputs terms (boda2 `L1KLmixed`, reduction mean).
    """
    distance = F.l1_loss(predicted, labels)
    if labels.shape[1] == 1:
        return distance
    log_share, wanted = F.log_softmax(predicted, 1), F.log_softmax(labels, 1)
    divergence = (wanted.exp() * (wanted - log_share)).mean()
    return (alpha * distance + beta * divergence) / (alpha + beta)


def entropy_spearman(predicted: np.ndarray, labels: np.ndarray) -> float | None:
    """Rank correlation between the Shannon entropies of the softmax over outputs of predictions and of labels.

    The score by which the published model was selected: does it know which sequences are specific to a cell. Ranks
    are positions in the sorted order, ties are broken by order (boda2). None where undefined.
    """
    if not np.isfinite(predicted).all():
        return None
    ranks = []
    for values in (predicted, labels):
        log_share = values - np.logaddexp.reduce(values, axis=1, keepdims=True)
        entropy = -(np.exp(log_share) * log_share).sum(1)
        ranks.append(entropy.argsort(kind="stable").argsort(kind="stable"))
    return pearson(*ranks)


def virtual_rows(labels: np.ndarray, cutoff: float | None, reverse_complement: bool) -> tuple[np.ndarray, np.ndarray]:
    """(row, reversed) of each training example of an epoch, before shuffling: int64 and bool arrays.

    Rows in the order of their largest label, descending (stable), are visited once, those at or above `cutoff` (None:
    none) once more; with `reverse_complement` every visit is two examples, forward and then reversed. Such examples
    exist only here, never as rows of a table.
    """
    highest = labels.max(1)
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

    The validation record says how training `ended`: by `patience`, or at the `limit` of epochs, perhaps too early.
    Rows need the label columns of `outputs`. One line is printed per epoch; `rows_per_second` counts examples
    (copies and reverse complements included) over the time of the updates alone. The same seed, number of threads
    and machine give the same weights on a CPU. Raises `InputError` for bad settings or missing labels,
    `DivergedError` when the loss is not finite or the score is never defined: no weights are written then.
    """
    settings = Settings.from_spec(spec)
    if len(train) < 2 or len(val) < 2:
        raise InputError(f"baseline malinois: {len(train)} training and {len(val)} validation rows, expected 2 or more")
    labels, val_labels = _labels(train, settings.outputs), _labels(val, settings.outputs)
    device = torch_device()
    codes = torch.from_numpy(construct.assemble(list(train["sequence"]))).to(device)
    val_codes = torch.from_numpy(construct.assemble(list(val["sequence"]))).to(device)
    metric = "pearson" if len(settings.outputs) == 1 else "entropy_spearman"
    rows, reverse = virtual_rows(labels, settings.duplication_cutoff, settings.reverse_complement)
    order = torch.Generator().manual_seed(derived_seed(seed, "order"))
    rows, reverse, targets = (torch.from_numpy(array).to(device) for array in (rows, reverse, labels))

    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "weights and dropout"))
        network = Malinois(construct.length, settings).to(device)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        print(f"{len(train)} rows, {len(rows)} examples per epoch, {parameters:,} parameters, {device.type}")
        optimiser = torch.optim.Adam(
            network.parameters(), settings.learning_rate, (settings.beta1, settings.beta2), eps=1e-8,
            weight_decay=settings.weight_decay, amsgrad=True, fused=True,
        )  # fmt: skip
        schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, settings.restart_steps)
        best: tuple[float, int, dict[str, torch.Tensor]] | None = None
        history: list[dict[str, Any]] = []
        ended = "limit"
        for epoch in range(1, settings.epochs + 1):
            began, losses = time.perf_counter(), []
            network.train()
            for batch in torch.randperm(len(rows), generator=order).to(device).split(settings.batch_size):
                if len(batch) < 2:  # one row has no batch statistics
                    continue
                loss = mixed_loss(network(oriented(codes[rows[batch]], reverse[batch])), targets[rows[batch]])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                losses.append(loss.detach() * len(batch))
            loss = float(torch.stack(losses).sum()) / len(rows)
            seconds = time.perf_counter() - began
            if not math.isfinite(loss):
                raise DivergedError(
                    f"epoch {epoch}: training loss is {loss}; lower learning_rate {settings.learning_rate}"
                )
            predicted = predict_strand(network, val_codes, "forward")
            if settings.validation_strand == "mean":
                predicted = (predicted + predict_strand(network, val_codes, "reverse")) / 2
            r = pearson(predicted[:, settings.output_index()], val_labels[:, settings.output_index()])
            score = r if metric == "pearson" else entropy_spearman(predicted, val_labels)
            history.append(
                {
                    "epoch": epoch, "train_loss": loss, "val_pearson": math.nan if r is None else r,
                    "seconds": round(seconds, 4), "rows_per_second": round(len(rows) / seconds, 1),
                }
                | ({} if metric == "pearson" else {f"val_{metric}": math.nan if score is None else score})
            )  # fmt: skip
            shown = "  ".join(f"{key} {value:.4f}" for key, value in history[-1].items() if key.startswith("val"))
            print(f"epoch {epoch:3d}  train loss {loss:.4f}  {shown}  {len(rows) / seconds:,.0f} rows/s", flush=True)
            if score is not None and (best is None or score > best[0]):
                best = (score, epoch, {key: value.to("cpu", copy=True) for key, value in network.state_dict().items()})
            if epoch >= settings.min_epochs and epoch - (best[1] if best else 0) >= settings.patience:
                ended = "patience"
                break
    if best is None:
        raise DivergedError(f"validation {metric} is undefined in every epoch (constant predictions): no model to keep")
    torch.save(best[2], Path(directory) / "weights.pt")
    write_network(
        directory, construct.length, settings,
        provenance=f"trained from scratch on {len(train)} rows", licence="as the training data",
    )  # fmt: skip
    return history, {"metric": metric, "value": best[0], "epoch": best[1], "ended": ended}


def _labels(table: Any, columns: Sequence[str]) -> np.ndarray:
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(f"baseline malinois: the rows have no label column {missing[0]!r}")
    labels = table[list(columns)].to_numpy(np.float32, copy=True)
    bad = ~np.isfinite(labels).all(1)
    if bad.any():
        raise InputError(f"baseline malinois: row {table['row_id'].iloc[int(bad.argmax())]!r}: a label is missing")
    return labels


def write_network(directory: str | Path, length: int, settings: Settings, **more: Any) -> None:
    """Write `details.json` of a network: its shape, size, precision, and whether it is narrower than the published."""
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in Malinois(length, settings).parameters())
    write_details(
        directory, length=length, outputs=list(settings.outputs), output=settings.outputs[settings.output_index()],
        widths={key: getattr(settings, key) for key in WIDTHS}, precision=settings.precision,
        narrow=settings.narrow(), parameters=parameters, **more,
    )  # fmt: skip


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``: the chosen output for one strand of the construct.

    The construct is that of `record`. Raises `InputError` when it has another length than the network, or when the
    weights are missing, broken or of another network.
    """
    construct = Construct.from_spec(record["construct"])
    network, settings = load_network(directory, construct)
    device = network.output.weight.device

    def predict(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        if not len(inserts):
            return np.empty(0, np.float32)
        codes = torch.from_numpy(construct.assemble(inserts)).to(device)
        return predict_strand(network, codes, strand)[:, settings.output_index()]

    return predict


def load_network(
    directory: str | Path, construct: Construct, precision: str | None = None
) -> tuple[Malinois, Settings]:
    """(network on its device, `Settings`) of a checkpoint, by default in the precision it was trained in.

    Raises `InputError` as `load`.
    """
    details, path = read_details(directory), Path(directory) / "weights.pt"
    if construct.length != details["length"]:
        raise InputError(f"{path}: the network reads {details['length']} bp, the construct has {construct.length} bp")
    chosen = {
        "outputs": details["outputs"],
        "output": details["output"],
        "precision": precision or details["precision"],
    }
    settings = Settings.from_spec(chosen | details["widths"])
    network = Malinois(construct.length, settings)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not readable as weights ({type(error).__name__}); train this model again") from None
    load_weights(network, state, path)
    return network.to(torch_device()), settings
