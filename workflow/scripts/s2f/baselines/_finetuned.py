"""Fine-tuned language models as baselines: writing and loading the folder of a run. `_finetuning` does the training.

A run starts from the weights that its config section names. The job's seed determines the head, if the weights have
none, and the order of the rows.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from s2f.baselines import _finetuning, check_strand, read_details, write_details
from s2f.baselines._finetuning import TASKS, Settings
from s2f.common import files, kinds
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.language_model import folder, states, weights
from s2f.language_model.families import Tokens
from s2f.models.checkpoint import read_record
from s2f.models.validation import VALIDATION
from s2f.sequences import dna
from s2f.sequences.constructs import Construct


def train(
    kind: str, train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Fine-tune, keep the epoch with the best validation AUROC (Pearson r for a regression), and write the folder.

    The folder holds what `folder.save_model` writes, `training_args.json`, `results.json` and `details.json`. With
    `lora` it holds what `_lora.save` writes instead of the weights, and `encoder_before` is the fingerprint of the
    weights below the adapters. On a CPU, the same seed, number of threads and machine give the same weights. Raises
    `InputError` for bad settings, for weights that do not fit, for inserts that do not fill the construct's window and
    for windows longer than the model takes; otherwise as `_finetuning.finetune`.
    """
    settings = Settings.from_spec(spec, kind)
    where, family = settings.where, settings.family
    _finetuning.device_of(settings)
    if construct.length > (family.longest or construct.length):
        raise InputError(
            f"{where}: the construct's window is {construct.length} bp, but the model takes at most {family.longest}"
        )
    options = {
        key: value for key, value in asdict(settings).items() if key in kinds.schema("baselines", kind)["properties"]
    }
    del options["kind"]
    tokens = family.tokens(settings.weights, settings.tokenizer, settings.size)
    parts = []
    for part, rows in (("training", train), ("validation", val)):
        construct.check_inserts(rows, f"{where}, {part} rows")
        ids = tokens.of_codes(construct.assemble(list(rows["sequence"])))
        parts.append((ids, rows["label"].to_numpy(np.float64)))
    model, origin, licence = weights.load(
        family, where, settings.weights, _configuration(settings), settings.size, settings.licence,
        "classification", derived_seed(seed, "head"),
    )  # fmt: skip
    before, adapted, way = states.fingerprint(model.base_model), None, ", encoder frozen" if settings.freeze else ""
    if settings.lora:
        from s2f.baselines import _lora

        adapted, way = _lora.add(model, settings.lora, seed), f" by {_lora.described(settings.lora)}"
    tuned = _finetuning.finetune(model, parts[0], parts[1], settings, seed)
    encoder = tuned.model.base_model
    after = states.fingerprint(encoder)
    if settings.freeze and after != before:
        raise RuntimeError("the frozen encoder has changed")
    if adapted and states.fingerprint_of(_lora.without_adapters(encoder)) != before:
        raise RuntimeError("the encoder below the adapters has changed")
    validation = {
        "metric": VALIDATION[settings.labels], "value": tuned.value, "epoch": tuned.epoch, "ended": tuned.ended,
    }  # fmt: skip
    files.write_json(Path(directory) / "training_args.json", {**options, "seed": seed})
    readable = [{key: None if value != value else value for key, value in entry.items()} for entry in tuned.history]
    files.write_json(Path(directory) / "results.json", {"history": readable, "validation": validation})
    if adapted:
        folder.save_description(directory, tuned.model, tokens)
        _lora.save(directory, adapted, options["weights"])
    else:
        folder.save_model(directory, tuned.model, tokens)
    write_details(
        directory, length=construct.length, settings=options, centre=tuned.centre, scale=tuned.scale,
        **folder.hashes(directory), encoder_before=before, encoder_after=after,
        parameters=sum(p.numel() for p in tuned.model.parameters() if p.requires_grad), licence=licence,
        provenance=f"fine-tuned on {len(train)} rows{way}, from {origin}",
    )  # fmt: skip
    return tuned.history, validation


def load(kind: str, directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float64 (N,)``: probabilities, or the values of a regression.

    The construct is taken from `record`. Raises `InputError` if its length differs from the one in training, or if
    weights or tokenizer are not the files that were written, or do not fit.
    """
    return _loaded(
        kind, directory, record,
        lambda model, ids, settings, details: _finetuning.predict(
            model, ids, settings, details["centre"], details["scale"]
        ),
    )  # fmt: skip


def logits(kind: str, directory: str | Path, record: dict[str, Any]) -> Callable[[Sequence[str], str], np.ndarray]:
    """``logits(inserts, strand="forward") -> float64 (N,)``, as `load`; for a regression, the predicted values."""
    return _loaded(
        kind, directory, record,
        lambda model, ids, settings, details: value_of_logits(details, settings)(
            _finetuning.logits(model, ids, settings)
        ),
    )  # fmt: skip


def _loaded(
    kind: str, directory: str | Path, record: dict[str, Any], values: Callable[..., np.ndarray]
) -> Callable[..., np.ndarray]:
    """What `load` and `logits` return; `values(model, ids, settings, details)` gives those of windows, (N,)."""
    details = read_details(directory)
    construct = Construct.from_spec(record["construct"])
    if construct.length != details["length"]:
        raise InputError(
            f"{directory}: the model was trained on windows of {details['length']} bp, but the "
            f"construct has {construct.length} bp; train it again"
        )
    folder.check_files(directory, details)
    model, settings = load_model(kind, directory, details)
    tokens = tokens_of(directory, settings)

    def of(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        if not len(inserts):
            return np.empty(0)
        codes = construct.assemble(inserts)
        ids = tokens.of_codes(dna.reverse_complement(codes) if strand == "reverse" else codes)
        return values(model, ids, settings, details)

    return of


def value_of_logits(details: dict[str, Any], settings: Settings) -> Callable[[Any], Any]:
    """Function that maps the logits (B, outputs) of a fine-tuned model to one value per row (B,): the difference
    between the classes, or the predicted value of a regression."""
    if settings.labels == "regression":
        return lambda logits: details["centre"] + details["scale"] * logits[:, 0]
    return lambda logits: logits[:, 1] - logits[:, 0]


def load_model(
    kind: str, directory: str | Path, details: dict[str, Any], attention: str | None = None
) -> tuple[Any, Settings]:
    """(model on its device, `Settings`) of a checkpoint, by default with the attention that it was trained with.

    Raises `InputError` if weights do not fit, or if the weights below the adapters are missing or have changed.
    """
    settings = Settings.from_spec(details["settings"] | ({"attention": attention} if attention else {}), kind)
    device = _finetuning.device_of(settings)
    settings.family.check_folder(directory, settings.size)
    if settings.lora:
        return _adapted(directory, details, settings).get_base_model().to(device), settings
    return settings.family.from_folder(directory, _configuration(settings), "classification").to(device), settings


def _adapted(directory: str | Path, details: dict[str, Any], settings: Settings) -> Any:
    """The `PeftModel` of a checkpoint with adapters, on the CPU."""
    from s2f.baselines import _lora

    start = _lora.base(directory, settings.weights or {})
    model, *_ = weights.load(
        settings.family, settings.where, start, _configuration(settings), settings.size, "", "classification", 0
    )
    if states.fingerprint(model.base_model) != details["encoder_before"]:
        raise InputError(
            f"{directory}: the adapters were trained on other weights, not on {start!r}; write the "
            "folder of their own weights into adapter_config.json"
        )
    return _lora.load(directory, model, settings.lora or {})


def merge(directory: str | Path, out: str | Path) -> None:
    """Write a checkpoint with adapters again, with their products added to the weights below them. The new folder is
    complete in itself, like that of any other fine-tuned model. Its predictions are the same up to rounding.

    Raises `InputError` for a checkpoint without adapters, for an `out` that already exists, and as `load`.
    """
    directory = Path(directory)
    if Path(out).exists():
        raise InputError(f"{out}: exists already; name a new folder")
    record, details = read_record(directory), read_details(directory)
    if not details.get("settings", {}).get("lora"):
        raise InputError(f"{directory}: is a model of kind {record['kind']} without adapters, expected one with `lora`")
    folder.check_files(directory, details)
    settings = Settings.from_spec(details["settings"], record["kind"])
    model = _adapted(directory, details, settings).merge_and_unload()
    with files.atomic(out) as place:
        shutil.copytree(directory, place, ignore=shutil.ignore_patterns("adapter_*", ".*"))
        changed = {
            "settings": {**details["settings"], "lora": None}, "encoder_after": states.fingerprint(model.base_model),
            "provenance": f"{details['provenance']}, adapters merged",
            **folder.save_model(place, model, tokens_of(directory, settings)),
        }  # fmt: skip
        for name, before in (("details.json", details), ("model.json", record)):
            kept = {key: value for key, value in before.items() if key != "adapters_sha256"}
            files.write_json(place / name, {**kept, **changed})


def tokens_of(directory: str | Path, settings: Settings) -> Tokens:
    """How a checkpoint reads text: with the tokenizer in its folder."""
    return settings.family.tokens({"path": str(directory)}, "", settings.size)


def _configuration(settings: Settings) -> Any:
    outputs, problem = TASKS[settings.labels]
    return settings.family.configure(settings.size, settings.attention, num_labels=outputs, problem_type=problem)
