"""Fine-tuning: a language model with a small head on its first token learns the labels of a task, epoch by epoch, and
the best epoch is kept.

There are three ways. Everything learns from the start; or the encoder stays frozen throughout (`freeze`); or only the
head learns for some epochs, then everything does, with a new optimiser and a new schedule (`warmup_epochs`). A frozen
encoder drops no units, so its output is the same in every epoch: it is computed once, and such epochs cost next to
nothing. With `lora` (see `_lora`), adapters learn wherever the encoder would.

The defaults for LAMAR are those of its fine-tuning scripts (AdamW, step size 5e-5, warm-up over 5 % of the steps,
linear decay, clip 1; zhw-e8/LAMAR) if these state any. Every random draw follows from the seed: on a CPU, the same seed
and number of threads give the same bits.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from s2f.baselines._lamar_last_block import for_cls
from s2f.common import kinds
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.language_model import configuration, families
from s2f.language_model.families import Family
from s2f.language_model.schedule import schedule
from s2f.models.validation import VALIDATION, DivergedError, validation_score

# task -> number of outputs of the model, and transformers' name for the task
TASKS = {"classification": (2, "single_label_classification"), "regression": (1, "regression")}
DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Settings:
    """Settings of a run of a `kind` of baseline; the YAML of the kind gives their meaning and defaults."""

    kind: str
    labels: str
    size: str
    weights: dict[str, Any] | None
    licence: str
    freeze: bool
    warmup_epochs: int
    epochs: int
    patience: int
    min_delta: float
    learning_rate: float
    encoder_learning_rate: float | None
    warmup: float
    weight_decay: float
    clip: float
    batch_size: int
    micro_batch: int
    checkpoint_activations: bool
    precision: str
    attention: str
    tokenizer: str = ""
    lora: dict[str, Any] | None = None

    @staticmethod
    def from_spec(options: dict[str, Any], kind: str) -> "Settings":
        """Settings of a config section. Raises `InputError` for an unknown key or an impossible value."""
        options = {"weights": None} | kinds.settings("baselines", kind, options)
        options.pop("seen", None)  # only for records, see `common.seen`
        settings = Settings(kind, **options)
        where, sizes = settings.where, families.of_encoder(kinds.facts("baselines", kind)["weights_of"]).sizes
        choices: dict[str, Collection[str]] = {"labels": TASKS, "size": sizes, "precision": DTYPES}
        for name, values in {**choices, "attention": configuration.ATTENTION}.items():
            if getattr(settings, name) not in values:
                raise InputError(
                    f"{where}: {name} is {getattr(settings, name)!r}, expected one of: {', '.join(values)}"
                )
        for name in ("epochs", "patience", "batch_size", "micro_batch"):
            if not isinstance(getattr(settings, name), int) or getattr(settings, name) < 1:
                raise InputError(f"{where}: {name} is {getattr(settings, name)!r}, expected a whole number above 0")
        if not 0 <= settings.warmup < 1:
            raise InputError(f"{where}: warmup is {settings.warmup!r}, expected a share of at least 0 and below 1")
        if settings.freeze and settings.warmup_epochs:
            raise InputError(
                f"{where}: freeze and warmup_epochs ({settings.warmup_epochs}) exclude each other: freeze keeps the "
                "encoder unchanged throughout, warmup_epochs unfreezes it; give only one of them"
            )
        if settings.lora:
            settings._check_lora()
        if not 0 <= settings.warmup_epochs < settings.epochs:
            raise InputError(
                f"{where}: warmup_epochs is {settings.warmup_epochs}, expected fewer than epochs "
                f"({settings.epochs}), which include them"
            )
        return settings

    def _check_lora(self) -> None:
        lora, where = self.lora or {}, f"{self.where}: lora"
        known = kinds.schema("baselines", self.kind)["properties"]["lora"]["properties"]["targets"]["items"]["enum"]
        if self.freeze:
            raise InputError(
                f"{where} and freeze exclude each other: adapters change the output of the encoder; "
                "give only one of them"
            )
        for name in ("rank", "alpha"):
            if not isinstance(lora[name], int) or lora[name] < 1:
                raise InputError(f"{where}: {name} is {lora[name]!r}, expected a whole number above 0")
        if not 0 <= lora["dropout"] < 1:
            raise InputError(f"{where}: dropout is {lora['dropout']!r}, expected a share of at least 0 and below 1")
        for name in lora["targets"] or [None]:
            if name not in known:
                raise InputError(
                    f"{where}: target {name!r} is not a linear layer of a block{kinds.nearest(name, known)}"
                )

    @property
    def where(self) -> str:
        """The beginning of error messages."""
        return f"baseline {self.kind}"

    @property
    def family(self) -> Family:
        """The family of the model."""
        return families.of_size(self.size)

    def phases(self) -> list[tuple[bool, int]]:
        """[(whether the encoder is frozen, number of epochs)]."""
        head_alone = self.epochs if self.freeze else self.warmup_epochs
        phases = [(True, head_alone), (False, self.epochs - head_alone)]
        return [(frozen, epochs) for frozen, epochs in phases if epochs]


@dataclass
class Tuned:
    """Outcome: the model of the best `epoch` (from 1), on the CPU; its validation score `value`; one dict per epoch;
    and how training `ended`: by `patience`, or at the `limit` of epochs.

    A regression predicts `centre` + `scale` x output, because it learned labels of mean 0 and standard deviation 1.
    """

    model: torch.nn.Module
    epoch: int
    value: float
    history: list[dict[str, Any]]
    centre: float
    scale: float
    ended: str


def device_of(settings: Settings) -> torch.device:
    """The torch device of a run. Raises `InputError` if it cannot compute as the settings ask."""
    device, where = torch_device(), settings.where
    if settings.precision == "float16" and device.type != "cuda":
        raise InputError(f"{where}: precision float16 needs a CUDA device; choose bfloat16 or float32")
    if settings.attention == "flash_attention_2" and (device.type != "cuda" or settings.precision == "float32"):
        raise InputError(f"{where}: flash_attention_2 needs a CUDA device and precision bfloat16 or float16")
    return device


def finetune(
    model: torch.nn.Module,
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    settings: Settings,
    seed: int,
    report: Callable[[str], None] = print,
) -> Tuned:
    """Fine-tune a model for sequence classification, which is changed in place; returns `Tuned`.

    `train` and `val` are pairs of token ids (N, T), as given by `Tokens.of_codes`, and labels float64 (N,), which are 0
    and 1 in a classification; `report` takes one line of text per epoch. Training of the last phase stops after
    `patience` epochs whose validation score is not `min_delta` above the last one that counted; the best epoch of all
    phases is kept. Raises `InputError` for labels from which nothing can be learned, and `DivergedError` if a loss is
    not finite or if the validation score is undefined in every epoch, because predictions are constant or not all
    finite.
    """
    device = device_of(settings)
    (ids, labels), (val_ids, val_labels) = train, val
    _check_labels(labels, "training", settings)
    _check_labels(val_labels, "validation", settings)
    regression = settings.labels == "regression"
    centre, scale = (float(labels.mean()), float(labels.std())) if regression else (0.0, 1.0)
    targets = torch.from_numpy((labels - centre) / scale).to(device, torch.float32 if regression else torch.int64)
    counts = (ids != settings.family.pad).sum(1)
    ids, val_ids = (torch.from_numpy(array).to(device) for array in (ids, val_ids))
    metric = f"val_{VALIDATION[settings.labels]}"
    model = for_cls(model).to(device)
    report(_plan(model, labels, val_labels, settings, device))
    best: tuple[float, int, dict[str, torch.Tensor]] | None = None
    history: list[dict[str, Any]] = []
    reference, ended = -math.inf, "limit"
    for frozen, epochs in settings.phases():
        began, stale = time.perf_counter(), 0
        forward, (x, val_x) = _phase(model, frozen, (ids, val_ids), settings)
        steps = _Steps(model, frozen, epochs * math.ceil(len(labels) / settings.batch_size), settings, device.type)
        last = len(history) + epochs
        while len(history) < last:
            epoch = len(history) + 1
            order = _order(len(labels), epoch, seed)
            batches = _batches(settings.batch_size, torch.from_numpy(order).to(device), counts[order])
            torch.manual_seed(derived_seed(seed, "dropout", epoch))
            model.train()
            model.base_model.train(not frozen)
            loss = sum(steps.step(forward, x[rows], targets[rows], of_rows) for rows, of_rows in batches)
            loss = float(loss) / len(labels)
            seconds = time.perf_counter() - began
            if not math.isfinite(loss):
                raise DivergedError(
                    f"epoch {epoch}: training loss is {loss}; lower learning_rate {settings.learning_rate}"
                )
            value = validation_score(
                settings.labels, val_labels, _values(_outputs(model, forward, val_x, settings), settings)
            )
            value = math.nan if value is None else value
            speed = {"seconds": round(seconds, 4), "rows_per_second": round(len(labels) / seconds, 1)}
            history.append({"epoch": epoch, "train_loss": loss, metric: value, **speed})
            report(_line(history[-1], metric, frozen))
            if value > (best[0] if best else -math.inf):
                best = value, epoch, {name: t.to("cpu", copy=True) for name, t in model.state_dict().items()}
            stale = 0 if value > reference + settings.min_delta else stale + 1
            reference = value if stale == 0 else reference
            if stale >= settings.patience and last == settings.epochs:
                ended = "patience"
                break
            began = time.perf_counter()
    if best is None:
        raise DivergedError(
            f"{metric} is undefined in every epoch (constant or non-finite predictions), so there is no model to keep"
        )
    model.load_state_dict(best[2])
    return Tuned(model.cpu().eval(), best[1], best[0], history, centre, scale, ended)


def predict(
    model: torch.nn.Module, ids: np.ndarray, settings: Settings, centre: float = 0.0, scale: float = 1.0
) -> np.ndarray:
    """float64 (N,) for token ids (N, T): the probability of class 1, or the values of a regression."""
    return centre + scale * _values(torch.from_numpy(logits(model, ids, settings)), settings)


def logits(model: torch.nn.Module, ids: np.ndarray, settings: Settings) -> np.ndarray:
    """float64 (N, outputs) for token ids (N, T), with the precision and batches of `predict`."""
    device = next(model.parameters()).device
    return _outputs(
        model, partial(_whole, for_cls(model), settings.family), torch.from_numpy(ids).to(device), settings
    ).numpy()


# the model in its phases


def _phase(
    model: torch.nn.Module, frozen: bool, inputs: Sequence[torch.Tensor], settings: Settings
) -> tuple[Callable[..., torch.Tensor], Sequence[torch.Tensor]]:
    """(forward, its inputs) for a phase; `forward(inputs, counts=None)` gives logits (B, outputs), `counts` as for
    `Family.first`.

    While the encoder is frozen, the inputs are its last hidden states of the first token, float32 (N, D), computed
    here.
    """
    for name, parameter in model.base_model.named_parameters():
        parameter.requires_grad_(not frozen and (not settings.lora or ".lora_" in name))
    families.without_unused(model)
    family = settings.family
    if not frozen:
        if settings.checkpoint_activations:
            model.activation_checkpointing_enable({"use_reentrant": False})
        return partial(_whole, model, family), inputs
    model.eval()
    states = []
    for ids in inputs:
        with torch.no_grad(), _autocast(ids.device, settings):
            states.append(_in_batches(lambda *part: family.first(model, *part)[:, 0].float(), ids, settings))
    return (lambda x, counts=None: _head(model, x[:, None])), states


def _head(model: torch.nn.Module, states: torch.Tensor) -> torch.Tensor:
    """Logits (B, outputs) of hidden states (B, 1, D), always in float32: in fewer bits, rows would tie."""
    with torch.autocast(states.device.type, enabled=False):
        return model.classifier(states.float())


def _whole(model: torch.nn.Module, family: Family, ids: torch.Tensor, counts: np.ndarray | None = None) -> torch.Tensor:
    return _head(model, family.first(model, ids, counts))


def _outputs(
    model: torch.nn.Module, forward: Callable[..., torch.Tensor], x: torch.Tensor, settings: Settings
) -> torch.Tensor:
    """float64 (N, outputs) for the inputs of a phase, on the scale on which the model was trained."""
    model.eval()
    with torch.inference_mode(), _autocast(x.device, settings):
        return _in_batches(lambda *part: forward(*part).double(), x, settings).cpu()


def _in_batches(forward: Callable[..., torch.Tensor], x: torch.Tensor, settings: Settings) -> torch.Tensor:
    """`forward` of inputs, in batches. All rows in a batch of token ids have the same number of tokens: padding would
    change how a row is rounded (in bfloat16 by 2 % of the spread of the logits), and a row must have the same
    prediction in any batch."""
    counts = torch.zeros(len(x), device=x.device) if x.is_floating_point() else (x != settings.family.pad).sum(1)
    order = counts.argsort(stable=True)
    of_alike, sizes = (part.tolist() for part in counts.unique(return_counts=True))
    found = [
        forward(batch, np.full(len(batch), count))
        for alike, count in zip(x[order].split(sizes), of_alike, strict=True)
        for batch in alike.split(EVALUATION_BATCH)
    ]
    return torch.cat(found)[order.argsort()]


def _batches(size: int, *of_rows: Any) -> Iterator[tuple[Any, ...]]:
    """Batches of tensors and arrays with the same rows."""
    return zip(*([rows[start : start + size] for start in range(0, len(rows), size)] for rows in of_rows), strict=True)


def _values(outputs: torch.Tensor, settings: Settings) -> np.ndarray:
    """float64 (N,): the probability of class 1, or the output of a regression."""
    return (outputs[:, 0] if settings.labels == "regression" else outputs.softmax(1)[:, 1]).numpy()


def _autocast(device: torch.device, settings: Settings) -> torch.autocast:
    dtype = DTYPES[settings.precision]
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


# steps


class _Steps:
    """Optimiser and schedule of a phase: AdamW without decay on biases and normalisations, as in transformers'
    trainer."""

    def __init__(self, model: torch.nn.Module, frozen: bool, count: int, settings: Settings, device: str) -> None:
        rates = {model.classifier: settings.learning_rate}
        if not frozen:
            rates[model.base_model] = settings.encoder_learning_rate or settings.learning_rate
        groups: list[dict[str, Any]] = []
        for module, rate in rates.items():
            trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
            for matrices, decay in ((True, settings.weight_decay), (False, 0.0)):
                parameters = [parameter for parameter in trained if (parameter.ndim > 1) == matrices]
                groups.append({"params": parameters, "lr": rate, "highest": rate, "weight_decay": decay})
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, fused=True)
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.scaler = torch.amp.GradScaler(device, enabled=settings.precision == "float16")
        self.settings, self.count, self.done = settings, count, 0

    def step(
        self,
        forward: Callable[..., torch.Tensor],
        x: torch.Tensor,
        targets: torch.Tensor,
        counts: np.ndarray | None = None,
    ) -> torch.Tensor:
        """One step on a batch, in micro-batches; returns the sum of the losses of its rows as a tensor.

        `counts` are the rows' numbers of tokens, see `_phase`; with them, nothing here waits for a GPU.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = group["highest"] * schedule(self.done, self.count, self.settings.warmup)
        self.optimiser.zero_grad(set_to_none=True)
        total, rows = 0.0, (x, targets) if counts is None else (x, targets, counts)
        for part, wanted, *known in _batches(self.settings.micro_batch, *rows):
            with _autocast(x.device, self.settings):
                logits = forward(part, *known)
            loss = loss_sum(logits.float(), wanted)
            self.scaler.scale(loss / len(x)).backward()
            total = total + loss.detach()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.done += 1
        return total


def loss_sum(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum of the losses of a batch: the cross-entropy in nats for two logits, or the squared error for one."""
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0], targets, reduction="sum")
    return F.cross_entropy(logits, targets, reduction="sum")


def _order(count: int, epoch: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(derived_seed(seed, "order", epoch))).permutation(count)


# messages


def _check_labels(labels: np.ndarray, part: str, settings: Settings) -> None:
    where = settings.where
    if settings.labels == "classification" and set(np.unique(labels)) != {0.0, 1.0}:
        found = ", ".join(f"{label:g}" for label in np.unique(labels)[:3]) or "none"
        raise InputError(f"{where}: labels of the {part} rows are {found}; a classification needs 0 and 1")
    if settings.labels == "regression" and not (len(labels) > 1 and np.isfinite(labels).all() and np.ptp(labels) > 0):
        raise InputError(
            f"{where}: labels of the {part} rows are constant or not finite; a regression needs finite "
            "labels that differ"
        )


def _plan(
    model: torch.nn.Module, labels: np.ndarray, val_labels: np.ndarray, settings: Settings, device: torch.device
) -> str:
    """One line that says what is going to happen."""
    way = "encoder frozen" if settings.freeze else "adapters and head" if settings.lora else "all weights"
    way += f" after {settings.warmup_epochs} epochs of training only the head" if settings.warmup_epochs else ""
    count = sum(parameter.numel() for parameter in model.parameters())
    rows = f"{len(labels):,} training rows, {len(val_labels):,} validation rows"
    return (
        f"{settings.size}, {count:,} parameters, {way}: {rows}, batches of {settings.batch_size}, at most "
        f"{settings.epochs} epochs, {settings.precision}, on {device.type}"
    )


def _line(entry: dict[str, Any], metric: str, frozen: bool) -> str:
    return (
        f"epoch {entry['epoch']:3d}  train loss {entry['train_loss']:.4f}  {metric} {entry[metric]:.4f}  "
        f"{entry['rows_per_second']:,.0f} rows/s{'  (head only)' if frozen else ''}"
    )
