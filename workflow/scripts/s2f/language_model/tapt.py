"""Task-adaptive training: the masked-language-model loss on the windows of a task, before any label is used.

The optimiser's defaults are those of LAMAR's pretraining (AdamW, betas 0.9 and 0.98, weight decay 0.01 on matrices,
warm-up over 5 % of the steps, linear decay, gradients clipped at norm 1; zhw-e8/LAMAR, pretrain script).

DNABERT-2 is adapted in the same way, on pieces instead of letters.

Every random draw follows from the seed and the number of the step. So a checkpoint holds tensors and no generator, and
a run that was killed gives the same bits as one that was not (on a CPU with the same number of threads; on a GPU up to
its atomic additions).
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F

from s2f.common import files, kinds, provenance
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.language_model import families, states, weights
from s2f.language_model.families import Family, Tokens
from s2f.language_model.masking import IGNORED, mask
from s2f.language_model.schedule import schedule

COUNTED = 4096  # windows whose tokens are counted at once
LOOK = 16  # steps after which losses are read from the device: until then a GPU computes while the host makes batches
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # ids, inputs, labels, each (B, T)


@dataclass(frozen=True)
class Settings:
    """Settings of a run; `tapt.yaml` gives their meaning and defaults."""

    size: str
    start: dict[str, Any]
    licence: str
    tokenizer: str
    positives: bool
    transductive: bool
    steps: int
    batch_size: int
    micro_batch: int
    learning_rate: float
    warmup: float
    weight_decay: float
    clip: float
    mask_share: float
    precision: str
    validation_windows: int
    validate_every: int
    checkpoint_every: int

    @staticmethod
    def from_spec(spec: dict[str, Any]) -> "Settings":
        """Settings of a config section. Raises `InputError` for an unknown key or an impossible value."""
        options = kinds.section_settings("language_model/tapt", spec)
        for key in ("datasets", "seen", "per_seed"):  # for the workflow and for records
            options.pop(key, None)
        settings = Settings(**options)
        families.of_size(settings.size)
        for name in ("steps", "batch_size", "micro_batch", "validation_windows", "validate_every", "checkpoint_every"):
            if not isinstance(getattr(settings, name), int) or getattr(settings, name) < 1:
                raise InputError(f"tapt: {name} is {getattr(settings, name)!r}, expected a whole number above 0")
        if not 0 < settings.mask_share < 1 or not 0 <= settings.warmup < 1:
            raise InputError(
                f"tapt: mask_share is {settings.mask_share!r} and warmup is {settings.warmup!r}, "
                "expected shares between 0 and 1"
            )
        if settings.precision not in ("float32", "bfloat16"):
            raise InputError(f"tapt: precision is {settings.precision!r}, expected float32 or bfloat16")
        return settings


@dataclass
class Trained:
    """Outcome: the model after the last step, its tokens, its history (one entry per validation) and its record
    `model.json`."""

    model: torch.nn.Module
    tokens: Tokens
    history: list[dict[str, Any]]
    record: dict[str, Any]


def start(settings: Settings) -> tuple[torch.nn.Module, str, str]:
    """(model with a language-model head, origin of its weights, their licence)."""
    family = families.of_size(settings.size)
    config = family.configure(settings.size)
    match settings.start:
        case {"random": int(seed), **rest} if not rest:
            model = family.from_seed(config, seed, "masked_lm")
            return model, f"random weights, seed {seed}", "none (random weights)"
        case {"path": str(folder), **rest} if not rest:
            family.check_folder(folder, settings.size)
            model = family.from_folder(folder, config, "masked_lm")
            return model, *weights.origin_and_licence(family, folder, settings.licence)
    raise InputError(f"tapt: start is {settings.start!r}, expected {{random: SEED}} or {{path: FOLDER}}")


def train(
    train_windows: Sequence[str],
    val_windows: Sequence[str],
    settings: Settings,
    seed: int,
    checkpoint: str | Path,
    report: Callable[[str], object] = print,
) -> Trained:
    """Train on `train_windows`, follow the loss on `val_windows`.

    `checkpoint`: a file that is written every `checkpoint_every` steps. A run continues from it if it belongs to the
    same run (settings, seed, windows, code), and ignores it otherwise. The caller deletes it once the result is safe.
    `report` takes one line of text per validation. Raises `InputError` for settings that do not fit and for a loss that
    is not finite.
    """
    device = torch_device()
    family = families.of_size(settings.size)
    tokens = family.tokens(settings.start, settings.tokenizer, settings.size)
    model, origin, licence = start(settings)
    identity = _identity(
        train_windows, val_windows, settings, seed, states.fingerprint(model), family, tokens, device.type
    )
    model = model.to(device).train()
    optimiser = _optimiser(model, settings)
    windows = np.array(train_windows, object)
    held = _validation(val_windows, tokens, settings, seed)
    loss = partial(masked_loss, family, tokens, precision=settings.precision)
    done, history, losses = _resume(checkpoint, identity, model, optimiser)
    unread: list[tuple[torch.Tensor, torch.Tensor]] = []
    frequencies = frequencies_loss(train_windows, held[2], tokens)
    report(f"validation loss from token frequencies only: {frequencies:.4f} nats")
    if done:
        report(f"{checkpoint}: continues after step {done} of {settings.steps}")
    else:
        history = [
            {"step": 0, "learning_rate": 0.0, "train_loss": None, "val_loss": _loss_of(model, held, settings, loss)}
        ]
        report(_line(history[-1], settings))
    for step in range(done, settings.steps):
        rate = settings.learning_rate * schedule(step, settings.steps, settings.warmup)
        for group in optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(derived_seed("tapt", seed, "dropout", step))
        unread.append(_update(model, optimiser, _batch(windows, step, tokens, settings, seed), settings, step, loss))
        after = step + 1
        validated = after % settings.validate_every == 0 or after == settings.steps
        if validated or after % settings.checkpoint_every == 0 or len(unread) == LOOK:
            losses += _read(unread, after)
            unread = []
        if validated:
            value = _loss_of(model, held, settings, loss)
            mean = float(np.mean(losses))
            history.append({"step": after, "learning_rate": rate, "train_loss": mean, "val_loss": value})
            losses = []
            report(_line(history[-1], settings))
        if after % settings.checkpoint_every == 0 and after < settings.steps:
            progress = {"step": after, "history": history, "losses": losses}  # losses since the last validation
            _save_checkpoint(checkpoint, identity, progress, model, optimiser)
    made = (
        f"task-adaptive training, {settings.steps} steps of {settings.batch_size} windows, validation loss "
        f"{history[-1]['val_loss']:.3f} (token frequencies only {frequencies:.3f}), from {origin}"
    )
    if history[-1]["val_loss"] >= frequencies:
        made += "; learned less than the token frequencies"
    if settings.transductive:
        made += "; transductive: it may have seen evaluated sequences, without their labels"
    record = {
        "kind": "tapt", "settings": asdict(settings), "seed": seed, "provenance": made, "licence": licence,
        "history": history, "frequencies_loss": frequencies, "train_windows": len(train_windows),
        "val_windows": len(held[0]), "weights_sha256": states.fingerprint(model),
        "versions": provenance.versions("torch", "transformers", "tokenizers", "safetensors", "numpy"),
    }  # fmt: skip
    return Trained(model.eval(), tokens, history, record)


def frequencies_loss(train_windows: Sequence[str], labels: np.ndarray, tokens: Tokens) -> float:
    """Mean loss (nats) at the targets of `labels` for a model that knows only the frequencies of tokens: letters, or
    pieces."""
    pieces = tokens.pieces
    counts = np.ones(pieces.stop, np.int64)
    for start in range(0, len(train_windows), COUNTED):
        ids = tokens.tokenize(train_windows[start : start + COUNTED]).ravel()
        counts += np.bincount(ids, minlength=pieces.stop)[: pieces.stop]
    counts = counts[pieces.start :]
    targets = np.bincount(labels[labels != IGNORED], minlength=pieces.stop)[pieces.start :]
    return float(-(targets * np.log(counts / counts.sum())).sum() / max(1, targets.sum()))


# one step


def _batch(windows: np.ndarray, step: int, tokens: Tokens, settings: Settings, seed: int) -> Batch:
    """(ids, inputs, labels) of a step, sorted by number of tokens, so micro-batches need little padding."""
    positions = np.arange(step * settings.batch_size, (step + 1) * settings.batch_size)
    chosen = [windows[_order(len(windows), p // len(windows), seed)[p % len(windows)]] for p in positions.tolist()]
    ids = _sorted(tokens.tokenize(sorted(chosen, key=len)), tokens)
    return ids, *mask(ids, settings.mask_share, _generator(seed, "mask", step), tokens)


def _sorted(ids: np.ndarray, tokens: Tokens) -> np.ndarray:
    """Rows of ids (B, T), the rows with the fewest tokens first."""
    return ids[np.argsort((ids != tokens.pad).sum(1), kind="stable")]


@lru_cache(2)
def _order(count: int, epoch: int, seed: int) -> np.ndarray:
    return _generator(seed, "order", epoch).permutation(count)


def _generator(*names: object) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(derived_seed("tapt", *names)))


def _validation(windows: Sequence[str], tokens: Tokens, settings: Settings, seed: int) -> Batch:
    """(ids, inputs, labels) of the validation windows, at most `validation_windows`, masked once and for all."""
    order = _generator(seed, "validation").permutation(len(windows))[: settings.validation_windows]
    ids = _sorted(tokens.tokenize(sorted((windows[i] for i in order), key=len)), tokens)
    return ids, *mask(ids, settings.mask_share, _generator(seed, "validation mask"), tokens)


def masked_loss(
    family: Family,
    tokens: Tokens,
    model: torch.nn.Module,
    ids: np.ndarray,
    inputs: np.ndarray,
    labels: np.ndarray,
    precision: str = "float32",
) -> torch.Tensor:
    """Sum of the cross-entropy (nats) over the targets of a batch, (B, T) each; the head computes only targets."""
    counts, device = (ids != tokens.pad).sum(1), next(model.parameters()).device
    ids, inputs, labels = (array[:, : counts.max()] for array in (ids, inputs, labels))

    def moved(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(device, non_blocking=True)

    # padding and targets are looked for here: asked for a mask's ones, a GPU would keep the host waiting
    padding = moved(ids == tokens.pad) if counts.min() < counts.max() else None
    places = np.flatnonzero(labels != IGNORED)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        hidden = family.hidden(model, moved(inputs).long(), padding)
        logits = model.lm_head(hidden.flatten(0, 1)[moved(places)])
    return F.cross_entropy(logits.float(), moved(labels.ravel()[places]), reduction="sum")


def _update(
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    settings: Settings,
    step: int,
    loss_of: Callable[..., torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of the optimiser; returns the mean loss per target and the norm of the gradient, both still on the
    device."""
    targets = max(1, int((batch[2] != IGNORED).sum()))
    optimiser.zero_grad(set_to_none=True)
    total = torch.zeros(())
    for part in _micro(batch, settings):
        loss = loss_of(model, *part) / targets
        loss.backward()
        total = total + loss.detach()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    optimiser.step()
    return total, norm


def _read(unread: Sequence[tuple[torch.Tensor, torch.Tensor]], after: int) -> list[float]:
    """The losses of the last steps before step `after`, from what `_update` returned.

    Raises `InputError` for the first gradient that is not finite: at most `LOOK` steps late, and before anything that
    came of it is saved.
    """
    losses, norms = (torch.stack(of).tolist() for of in zip(*unread, strict=True))
    for step, norm in enumerate(norms, after - len(norms)):
        if not math.isfinite(norm):
            raise InputError(f"tapt: the gradient of step {step} is not finite; lower learning_rate")
    return losses


def _micro(batch: Batch, settings: Settings) -> Iterator[Batch]:
    ids, inputs, labels = batch
    for start in range(0, len(ids), settings.micro_batch):
        part = slice(start, start + settings.micro_batch)
        yield ids[part], inputs[part], labels[part]


def _loss_of(model: torch.nn.Module, batch: Batch, settings: Settings, loss_of: Callable[..., torch.Tensor]) -> float:
    """Mean loss per target of the validation windows."""
    model.eval()
    with torch.inference_mode():
        total = sum(torch.stack([loss_of(model, *part) for part in _micro(batch, settings)]).tolist())
    model.train()
    return total / max(1, int((batch[2] != IGNORED).sum()))


def _optimiser(model: torch.nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """AdamW without decay on biases and normalisations, as in transformers' trainer."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    families.without_unused(model)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), eps=1e-8, fused=True)


def _line(entry: dict[str, Any], settings: Settings) -> str:
    rest = "" if entry["train_loss"] is None else f", training loss {entry['train_loss']:.4f}"
    return f"step {entry['step']} of {settings.steps}: validation loss {entry['val_loss']:.4f} nats{rest}"


# checkpoints


def _identity(
    train_windows: Sequence[str],
    val_windows: Sequence[str],
    settings: Settings,
    seed: int,
    weights_sha256: str,
    family: Family,
    tokens: Tokens,
    device: str,
) -> str:
    """Text of everything that must be equal for a checkpoint to be continued."""
    windows = hashlib.sha256("\n".join([*train_windows, "", *val_windows]).encode()).hexdigest()
    code = provenance.code_fingerprint("s2f.language_model.tapt", f"s2f.language_model.{family.kind}")
    versions = provenance.versions("torch", "transformers", "tokenizers", "safetensors", "numpy")
    parts = [asdict(settings), seed, weights_sha256, windows, code, versions, device, tokens.text]
    return json.dumps(parts, sort_keys=True)


def _save_checkpoint(
    path: str | Path,
    identity: str,
    progress: dict[str, Any],
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
) -> None:
    # copies, because DNABERT-2 has one tensor under two names, which this format refuses
    tensors = {f"model {name}": tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for moment, tensor in optimiser.state.get(parameter, {}).items():
            tensors[f"{moment} {name}"] = tensor.detach()
    notes = {"identity": identity, "progress": json.dumps(progress)}
    with files.atomic(path) as temporary:
        safetensors.torch.save_file({name: t.cpu().contiguous() for name, t in tensors.items()}, temporary, notes)


def _resume(
    path: str | Path, identity: str, model: torch.nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, list[dict[str, Any]], list[float]]:
    """(steps done, history, losses) of a checkpoint of the same run, which is loaded into model and optimiser; else
    nothing."""
    if not Path(path).is_file():
        return 0, [], []
    try:
        with safetensors.safe_open(path, "pt") as file:
            notes = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise InputError(f"{path}: is a broken checkpoint ({error}); delete it and run again") from None
    if notes.get("identity") != identity:
        return 0, [], []
    model.load_state_dict({n.removeprefix("model "): t for n, t in tensors.items() if n.startswith("model ")})
    for name, parameter in model.named_parameters():
        moments = {moment: tensors[f"{moment} {name}"] for moment in MOMENTS if f"{moment} {name}" in tensors}
        if moments:
            optimiser.state[parameter] = {m: t.to(parameter.device) for m, t in moments.items()}
    progress = json.loads(notes["progress"])
    return progress["step"], progress["history"], progress["losses"]
