"""Training from scratch of torch networks that read the bases of a construct: Malinois, LegNet and DREAM-RNN.

A network takes uint8 codes (B, length) and a bool mask (B,) of the reverse complements, and gives (B, outputs) float32.
All windows are on the device as codes; each step cuts, orients and reads a batch of them there. Nothing in a step waits
for a GPU: no value is read from it, and no constant copied to it, for which torch waits until all queued work is done.
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
from torch import nn

from s2f.baselines import check_strand, read_details, write_details
from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.models.validation import DivergedError, mean_of, pearson_by_cell
from s2f.models.weighting import weights_by_error
from s2f.rows.canonical import cells_of, errors_of, labels_of
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

CHANNELS = (0, 2, 1, 3)  # of A, C, G, T in the order that LegNet and DREAM-RNN read: A, G, C, T
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CHOICES = {"validation_strand": ("forward", "mean"), "precision": tuple(DTYPES)}
EVALUATION_BATCH = 512


@dataclass(frozen=True)
class Examples:
    """The examples that the network reads in an epoch, before shuffling: the row of each, int64 (E,); whether it is
    read as the reverse complement of the whole construct, bool (E,); and how far its window is moved downstream, int64
    (E,) bp, at most the `reach` of its row."""

    rows: torch.Tensor
    reverse: torch.Tensor
    shift: torch.Tensor | None = None


@dataclass(frozen=True)
class Procedure:
    """How a kind is trained.

    `network()` makes a new network on the CPU. `optimiser(network, steps)` gives the optimiser and the schedule, which
    is stepped after each of the `steps`. `examples(generator)` gives the examples of the next epoch. `loss(predicted
    (B, C), labels (B, C), measured, importance)`: `measured`, bool (B, C), says which labels are there (None: all), and
    `importance` how much each counts (None: all alike). `score(values, labels)`, whose name is `metric`, chooses the
    epoch; by default it is the mean over cells of Pearson r. Without `patience`, training goes through all epochs, as a
    schedule of a given length needs. `clip` is the largest norm of the gradient.
    """

    kind: str
    network: Callable[[], nn.Module]
    optimiser: Callable[[nn.Module, int], tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]]
    examples: Callable[[torch.Generator], Examples]
    loss: Callable[..., torch.Tensor]
    settings: Any  # with learning_rate, batch_size, epochs and validation_strand
    patience: int | None = None
    min_epochs: int = 0
    clip: float | None = None
    metric: str = "pearson"
    score: Callable[[np.ndarray, np.ndarray], float | None] | None = None

    @property
    def ends(self) -> str:
        """How training that goes through all epochs ends: at their `limit`, or with the `schedule` if there is no
        `patience`."""
        return "schedule" if self.patience is None else "limit"


class Windows:
    """The windows of rows on a device, as codes: `cut(rows, shift)` gives uint8 (B, length).

    With `reach` (bp), a window can be moved downstream by up to that many bp, or as far as real flank follows it; the
    array `reach`, int64 (N,), holds this limit for each row. Whatever a window leaves behind upstream, flank or insert,
    is cut off.
    """

    def __init__(self, construct: Construct, inserts: Sequence[str], device: torch.device, reach: int = 0) -> None:
        codes, flanks = construct.assemble(inserts), np.full((len(inserts), reach), dna.N_CODE, np.uint8)
        self.length, self.reach = construct.length, torch.zeros(len(inserts), dtype=torch.int64)
        lengths = np.fromiter(map(len, inserts), np.int64, len(inserts))
        for length in np.unique(lengths) if reach else ():
            _, right = construct.flank_lengths(int(length))
            behind = dna.encode(construct.downstream[right : right + reach])
            flanks[lengths == length, : len(behind)] = behind
            self.reach[torch.from_numpy(lengths == length)] = len(behind)
        self.codes = torch.from_numpy(np.concatenate([codes, flanks], 1)).to(device)
        self.places = torch.arange(self.length, device=device)

    def cut(self, rows: torch.Tensor, shift: torch.Tensor | None = None) -> torch.Tensor:
        """The windows of some rows, each moved by its `shift`."""
        if shift is None:
            return self.codes[rows, : self.length]
        return self.codes[rows].gather(1, shift[:, None] + self.places)


def oriented(codes: torch.Tensor, reverse: torch.Tensor) -> torch.Tensor:
    """Codes (B, L), in which the rows that `reverse` (B,) marks are replaced by their reverse complements."""
    # of N, 3 - 4 = 255 in uint8, and is N again; a table of complements would be copied to the device
    return torch.where(reverse[:, None], (3 - codes.flip(1)).clamp(max=dna.N_CODE), codes)


def squared_error(
    predicted: torch.Tensor,
    labels: torch.Tensor,
    measured: torch.Tensor | None = None,
    importance: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean squared error of (B, C) over the labels that are there, each weighted by its `importance`."""
    squared = (predicted - (labels if measured is None else torch.where(measured, labels, 0))) ** 2
    squared = squared if importance is None else squared * importance
    return squared.mean() if measured is None else (squared * measured).sum() / measured.sum()


def one_cycle(
    network: nn.Module, steps: int, learning_rate: float, weight_decay: float, cycle_momentum: bool
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW on all tensors and one cycle of step sizes along cosines: from a 25th of `learning_rate` up to
    `learning_rate` in the first 0.3 of the steps, then down to a 250,000th of it. With `cycle_momentum`, beta1 goes
    from 0.95 to 0.85 and back."""
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=steps, pct_start=0.3, div_factor=25, final_div_factor=1e4,
        cycle_momentum=cycle_momentum,
    )  # fmt: skip
    return optimiser, schedule


def one_hot(codes: torch.Tensor, network: nn.Module) -> torch.Tensor:
    """(B, length, 4) from codes (B, length), in the order A, C, G, T and the network's dtype; N is four zeros."""
    return torch.eye(5, 4, dtype=next(network.parameters()).dtype, device=codes.device)[codes.int()]


def in_order_of_channels(x: torch.Tensor) -> torch.Tensor:
    """One-hot windows (B, length, 4) in the order `CHANNELS`. Taken one by one, because an index of several numbers
    would be copied to the device."""
    return torch.stack([x[:, :, channel] for channel in CHANNELS], 2)


def check_choices(kind: str, settings: Any) -> None:
    """Raise `InputError` if a setting in `CHOICES` has a value that is not listed there."""
    for key, known in CHOICES.items():
        if getattr(settings, key) not in known:
            raise InputError(f"baseline {kind}: {key} is {getattr(settings, key)!r}, expected one of {known}")


def is_narrow(kind: str, settings: Any, widths: Sequence[str]) -> bool:
    """Whether one of a network's `widths` differs from the published one, which is the default of its kind."""
    published = kinds.settings("baselines", kind, {})
    return any(getattr(settings, key) != published[key] for key in widths)


def check_rows(kind: str, train: Any, val: Any) -> None:
    """Raise `InputError` for fewer than two rows in either part, and for a row without any label."""
    if len(train) < 2 or len(val) < 2:
        raise InputError(f"baseline {kind}: {len(train)} training and {len(val)} validation rows, expected 2 or more")
    for table in (train, val):
        bad = ~np.isfinite(labels_by_output(table)).any(1)
        if bad.any():
            raise InputError(f"baseline {kind}: row {table['row_id'].iloc[int(bad.argmax())]!r} has no label")


def labels_by_output(table: Any) -> np.ndarray:
    """Labels float32 (N, C) of rows, with C = 1 for rows with one label; NaN for a missing label."""
    return labels_of(table).reshape(len(table), -1).astype(np.float32)


def importance_of(table: Any, settings: Any) -> np.ndarray | None:
    """How much each label counts, float32 (N, C), by the settings `weighting` and `tau`; None if all count alike.

    Raises `InputError` as `weights_by_error`.
    """
    if settings.weighting == "equal":
        return None
    known = np.isfinite(labels_by_output(table))
    importance = np.ones(known.shape, np.float32)
    importance[known] = weights_by_error(errors_of(table).reshape(known.shape)[known], settings.tau)
    return importance


def steps_of_epoch(examples: int, batch_size: int) -> int:
    """Batches of an epoch. The last one may be smaller, but a batch of a single example is dropped, because it has no
    batch statistics."""
    return examples // batch_size + (examples % batch_size > 1)


def train_network(
    procedure: Procedure, windows: Windows, train: Any, val: Any, construct: Construct, seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train from scratch, keep the weights with the best validation score, write `weights.pt`: (history, validation).

    `windows` holds the windows of the rows of `train`. One line is printed per epoch; `rows_per_second` counts examples
    (copies and reverse complements included) over the time of the updates only. The validation record says how training
    `ended`: by `patience`, at the `limit` of epochs (perhaps too early), or with its `schedule`. On a CPU, the same
    seed, number of threads and machine give the same weights. Raises `DivergedError` if the loss is not finite or the
    score is never defined; then no weights are written.
    """
    settings, device = procedure.settings, windows.codes.device
    outputs, labels, val_labels = cells_of(train), labels_by_output(train), labels_by_output(val)
    val_windows = Windows(construct, list(val["sequence"]), device)
    order = torch.Generator().manual_seed(derived_seed(seed, "order"))
    drawn = torch.Generator().manual_seed(derived_seed(seed, "examples"))
    examples = procedure.examples(drawn)
    count = len(examples.rows)
    known, weights = np.isfinite(labels), importance_of(train, settings)
    measured = None if known.all() else torch.from_numpy(known).to(device)
    importance = None if weights is None else torch.from_numpy(weights).to(device)
    targets = torch.from_numpy(labels).to(device)

    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(seed, "weights and dropout"))
        network = procedure.network().to(device)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        print(f"{len(train)} rows, {count} examples per epoch, {parameters:,} parameters, {device.type}")
        steps = settings.epochs * steps_of_epoch(count, settings.batch_size)
        optimiser, schedule = procedure.optimiser(network, steps)
        best: tuple[float, int, dict[str, torch.Tensor], list[float | None]] | None = None
        history: list[dict[str, Any]] = []
        ended = procedure.ends
        for epoch in range(1, settings.epochs + 1):
            began, losses = time.perf_counter(), []
            examples = procedure.examples(drawn) if epoch > 1 else examples
            rows, reverse = examples.rows.to(device), examples.reverse.to(device)
            shift = None if examples.shift is None else examples.shift.to(device)
            network.train()
            for batch in torch.randperm(count, generator=order).to(device).split(settings.batch_size):
                if len(batch) < 2:
                    continue
                chosen = rows[batch]
                cut = windows.cut(chosen, None if shift is None else shift[batch])
                there, counts = (None if part is None else part[chosen] for part in (measured, importance))
                predicted = network(oriented(cut, reverse[batch]), reverse[batch])
                loss = procedure.loss(predicted, targets[chosen], measured=there, importance=counts)
                update(network, loss, optimiser, schedule, procedure.clip)
                losses.append(loss.detach() * len(batch))
            mean_loss = float(torch.stack(losses).sum()) / count
            seconds = time.perf_counter() - began
            if not math.isfinite(mean_loss):
                raise DivergedError(
                    f"epoch {epoch}: training loss is {mean_loss}; lower learning_rate {settings.learning_rate}"
                )
            values = predict_strand(network, val_windows.codes, "forward")
            if settings.validation_strand == "mean":
                values = (values + predict_strand(network, val_windows.codes, "reverse")) / 2
            by_output = pearson_by_cell(val_labels, values)
            r = mean_of(by_output)
            score = procedure.score(values, val_labels) if procedure.score else r
            history.append(
                {
                    "epoch": epoch, "train_loss": mean_loss, "val_pearson": math.nan if r is None else r,
                    "seconds": round(seconds, 4), "rows_per_second": round(count / seconds, 1),
                }
                | ({f"val_{procedure.metric}": math.nan if score is None else score} if procedure.score else {})
            )  # fmt: skip
            shown = "  ".join(f"{key} {value:.4f}" for key, value in history[-1].items() if key.startswith("val"))
            print(f"epoch {epoch:3d}  train loss {mean_loss:.4f}  {shown}  {count / seconds:,.0f} rows/s", flush=True)
            if score is not None and (best is None or score > best[0]):
                kept = {key: value.to("cpu", copy=True) for key, value in network.state_dict().items()}
                best = (score, epoch, kept, by_output)
            if procedure.patience and epoch >= procedure.min_epochs:
                if epoch - (best[1] if best else 0) >= procedure.patience:
                    ended = "patience"
                    break
    if best is None:
        raise DivergedError(
            f"validation {procedure.metric} is undefined in every epoch (constant predictions), so there is no "
            "model to keep"
        )
    torch.save(best[2], Path(directory) / "weights.pt")
    validation: dict[str, Any] = {"metric": procedure.metric, "value": best[0], "epoch": best[1], "ended": ended}
    if outputs:
        by_cell = dict(zip(outputs, best[3], strict=True))
        # if the metric is another one, also the score that heads have, for comparison
        validation |= ({"pearson": mean_of(best[3])} if procedure.score else {}) | {"cells": by_cell}
    return history, validation


def update(
    network: nn.Module,
    loss: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    clip: float | None,
) -> None:
    """One step down the gradient of a loss; the norm of the gradient is limited to `clip`."""
    optimiser.zero_grad()
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimiser.step()
    schedule.step()


def predict_strand(network: nn.Module, codes: torch.Tensor, strand: str) -> np.ndarray:
    """Activities (N, outputs) float32 of one strand of the whole construct, with dropout off."""
    network.eval()
    out = []
    with torch.inference_mode():
        for batch in codes.split(EVALUATION_BATCH):
            reverse = torch.full((len(batch),), strand == "reverse", device=codes.device)
            out.append(network(oriented(batch, reverse), reverse))
    return torch.cat(out).cpu().numpy()  # copied once, as every copy waits until the batch has been computed


def write_network(
    directory: str | Path,
    network: Callable[[], nn.Module],
    length: int,
    settings: Any,
    widths: dict[str, Any],
    outputs: Sequence[str] = (),
    predicted: Sequence[str] = (),
    **more: Any,
) -> None:
    """Write the `details.json` of a network: its shape (`widths`, and whether it is `narrow`), size and precision.

    `outputs` lists the cells of its outputs; it is empty if there is one output, for rows with one label. `predicted`
    lists the cells that it predicts, in this order (all if absent).
    """
    with torch.device("meta"):
        parameters = sum(parameter.numel() for parameter in network().parameters())
    write_details(
        directory, length=length, outputs=list(outputs), predicted=list(predicted or outputs), widths=widths,
        precision=settings.precision, narrow=settings.narrow(), parameters=parameters, **more,
    )  # fmt: skip


def loaded(
    directory: str | Path,
    construct: Construct,
    build: Callable[[dict[str, Any], int], nn.Module],
    precision: str | None = None,
) -> tuple[nn.Module, list[int]]:
    """(network on its device, indices of the predicted outputs) of a checkpoint, by default in the precision it was
    trained in; `build(options, outputs)` makes the network from the options in `details.json`.

    Raises `InputError` if the length of the construct differs from the network's, or if the weights are missing, broken
    or from another network.
    """
    details, path = read_details(directory), Path(directory) / "weights.pt"
    if construct.length != details["length"]:
        raise InputError(
            f"{path}: the network reads {details['length']} bp, but the construct has "
            f"{construct.length} bp; train this model again"
        )
    outputs = details["outputs"] or [""]
    network = build({"precision": precision or details["precision"]} | details["widths"], len(outputs))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path}: cannot be read as weights ({type(error).__name__}); train this model again"
        ) from None
    load_weights(network, state, path)
    return network.to(torch_device()), [outputs.index(cell) for cell in details["predicted"] or outputs]


def predictor(network: nn.Module, predicted: Sequence[int], construct: Construct) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``, or (N, C) for C cells, for one strand of the
    construct."""
    device = next(network.parameters()).device

    def predict(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        if not len(inserts):
            return np.empty((0, len(predicted))[: min(2, len(predicted))], np.float32)
        codes = torch.from_numpy(construct.assemble(inserts)).to(device)
        values = predict_strand(network, codes, strand)[:, predicted]
        return values if len(predicted) > 1 else values[:, 0]

    return predict


def load_weights(network: nn.Module, state: dict[str, torch.Tensor], path: str | Path) -> None:
    """Load `state` into a network. Raises `InputError` naming a missing, unexpected, misshapen or non-finite array."""
    wanted = network.state_dict()
    for name in sorted(set(state) ^ set(wanted)):
        raise InputError(f"{path}: array {name} is {'missing' if name in wanted else 'unexpected'}")
    for name, array in state.items():
        if array.shape != wanted[name].shape:
            found, expected = tuple(array.shape), tuple(wanted[name].shape)
            raise InputError(f"{path}: {name} has shape {found}, expected {expected}")
        if not torch.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite")
    network.load_state_dict(state)
